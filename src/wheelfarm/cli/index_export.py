"""index.export: files that pin an installation of the farm's packages."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from wheelfarm.build.host_engine import programs_environment
from wheelfarm.cli.task import parse_releases, task
from wheelfarm.errors import UsageError, counted
from wheelfarm.index.build_tags import of_release, superseded
from wheelfarm.index.candidates import find_candidates
from wheelfarm.index.consumer import from_elsewhere, resolve
from wheelfarm.index.export import (
    Format,
    check_output,
    check_targets,
    find_targets,
    of_index,
    of_wheelhouse,
    render_docker,
    render_pylock,
    render_requirements,
    render_uv,
    signer_identity,
)
from wheelfarm.index.factory import read_url
from wheelfarm.model import Target
from wheelfarm.recipes.index_table import WHEELHOUSE
from wheelfarm.recipes.settings import split_words
from wheelfarm.recipes.strict import suggestion
from wheelfarm.run.publication import Publication
from wheelfarm.system.files import write_atomically
from wheelfarm.wheelhouse.simple_index import Status

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wheelfarm.cli.task import Invocation
    from wheelfarm.index.candidates import Candidate
    from wheelfarm.index.export import ExportedWheel
    from wheelfarm.model import Name
    from wheelfarm.run.farm import Farm


def simple_url(farm: Farm, index: str) -> str:
    """The simple index of the farm's variant, as installers read it."""
    if index == WHEELHOUSE:
        return f"{(farm.settings.wheelhouse / farm.settings.variant / 'simple').resolve().as_uri()}/"
    return read_url(index, farm.settings, farm.settings.variant)


@task(
    *("variant", "dry_run", "json"),
    packages="distributions, each perhaps with a version, such as scipy==1.17.1, or all",
    format="requirements, pylock (PEP 751), uv (a project) or docker (a Dockerfile)",
    output="the file; requirements.txt, pylock.toml, uv/pyproject.toml or Dockerfile by default",
    index="whose files are pinned: its name in [tool.wheelfarm.index]; the wheelhouse by default",
    targets="build identifiers, separated by commas, for which each package must have a wheel; by default "
    "those of the index, or those that the packages themselves have wheels for",
)
def export(
    call: Invocation,
    packages: str,
    *,
    format: str = Format.REQUIREMENTS.value,  # noqa: A002 - the option's name
    output: str = "",
    index: str = WHEELHOUSE,
    targets: str = "",
) -> None:
    """Write a file that pins the farm's wheels, and what they need from elsewhere, by hash."""
    if format not in list(Format):
        raise UsageError(f"unknown format {format!r}", hint=suggestion(format, list(Format)))
    form, farm, settings = Format(format), call.farm, call.farm.settings
    file = Path(output or form.default_output)
    check_output(file, form)
    wanted = parse_releases(packages)
    chosen = find_candidates(farm.wheelhouse, settings.variant, wanted)
    simple = simple_url(farm, index)
    wheels, built_for = _find_wheels(farm, chosen, index, simple)
    if targets:
        built_for = tuple(map(Target.parse, split_words(targets)))
    elif index == WHEELHOUSE:
        built_for = find_targets(wheels, wanted or {each.project for each in chosen}, built_for)
    check_targets(wheels, built_for, index=index)
    python, where = str(min(settings.pythons)), {"index": index, "simple": simple}
    others = resolve(
        chosen,
        simple=simple,
        python=python,
        env=programs_environment(settings),
        public=settings.index_url,
        pylock=form is Format.PYLOCK,
    )
    match form:
        case Format.PYLOCK:
            text = render_pylock(
                wheels,
                others,
                output=file,
                python=python,
                targets=built_for,
                identities=_identities(farm, wheels, index),
            )
        case Format.UV:
            text = render_uv(wheels, others, python=python, **where)
        case Format.DOCKER:
            text = render_docker(wheels, others, python=python, **where)
        case _:
            text = render_requirements(wheels, others)
    _show(call, text, wheels=wheels, file=file, others=others, built_for=built_for)
    if from_elsewhere(chosen):
        call.screen.say("packages from outside the farm come from another index; the hashes pin their files")


def _show(
    call: Invocation,
    text: str,
    *,
    wheels: Sequence[ExportedWheel],
    file: Path,
    others: str,
    built_for: Sequence[Target],
) -> None:
    ours = len({each.project for each in wheels})
    number = others.count("[[packages]]") or others.count("==")
    data = {"file": str(file), "farm": ours, "others": number, "targets": list(map(str, built_for))}
    if not call.dry_run:
        write_atomically(file, text.encode(), "the export")
    call.show(data, text.splitlines() if call.dry_run else ())
    call.screen.say(f"{file}: {ours} of the farm, {counted(number, 'other')}")


def _find_wheels(
    farm: Farm, chosen: Sequence[Candidate], index: str, simple: str
) -> tuple[tuple[ExportedWheel, ...], tuple[Target, ...]]:
    """The wheels of the chosen releases in an index, and the targets that may have some.

    Raises:
        UsageError: when the index lacks a release, or has quarantined a project (PEP 792).
    """
    tables = farm.settings.indexes
    if index == WHEELHOUSE:
        listed = [target for table in tables.values() for target in table.targets]
        return of_wheelhouse(chosen, simple), (*farm.targets(), *map(Target.parse, listed))
    publication = Publication(farm=farm, index_name=index, variant=farm.settings.variant)
    releases = {each.project: each.version for each in chosen}
    for project, status in publication.index.statuses(list(releases)).items():
        if status.status is Status.QUARANTINED:
            what = f"{index} has quarantined {project}"
            hint = f"inv index.status {project} --index {index} --set active, if it shall be installed"
            raise UsageError(what, why=status.reason or None, hint=hint)
    listing = publication.index.list_files(list(releases))
    old = superseded(listing, 1)
    wheels: list[ExportedWheel] = []
    for project, version in releases.items():
        names = set(of_release([each.filename for each in listing[project]], version))
        names -= set(old.get(project, ()))
        files = [each for each in listing[project] if each.filename in names and not each.yanked]
        wheels += of_index(project, version, files, simple=simple, index=index)
    needed = [set(publication.needed(project)) for project in releases if publication.needed(project)]
    return tuple(wheels), tuple(sorted(set.intersection(*needed), key=str)) if needed else ()


def _identities(farm: Farm, wheels: Sequence[ExportedWheel], index: str) -> dict[Name, dict[str, str]]:
    """Who signs the wheels of an index: its `signer`, where each wheel of a distribution has a signature."""
    table = farm.settings.indexes.get(index)
    if table is None or table.signer is None:
        return {}
    publication = Publication(farm=farm, index_name=index, variant=farm.settings.variant)
    found = {}
    for project in dict.fromkeys(each.project for each in wheels):
        own = [each for each in wheels if each.project == project]
        attestations = publication.index.attestations(project, own[0].version)
        if all(each.sha256 in attestations and attestations[each.sha256].signature for each in own):
            found[project] = signer_identity(table.signer, table.issuer)
    return found
