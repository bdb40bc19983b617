"""The tasks `index.*`: wheels in an index."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Final

from wheelfarm.cli.bundle import bundle, load  # noqa: F401 - tasks of this collection
from wheelfarm.cli.index_audit import audit  # noqa: F401 - a task of this collection
from wheelfarm.cli.index_export import export, simple_url  # noqa: F401 - a task of this collection
from wheelfarm.cli.index_sign import sign  # noqa: F401 - a task of this collection
from wheelfarm.cli.task import parse_packages, parse_releases, task
from wheelfarm.errors import Collector, UsageError, counted
from wheelfarm.index.build_tags import of_release, superseded
from wheelfarm.index.candidates import find_candidates
from wheelfarm.index.comparison import State, target_statuses
from wheelfarm.index.consumer import (
    Tool,
    consumer_lines,
    cpu_lines,
    required_level,
)
from wheelfarm.recipes.index_table import WHEELHOUSE
from wheelfarm.recipes.strict import suggestion
from wheelfarm.recipes.variants import related
from wheelfarm.report.index import (
    comparison_data,
    comparison_lines,
    status_data,
    status_lines,
    verdict_data,
    verdict_line,
)
from wheelfarm.run.publication import Publication, choose_index_name
from wheelfarm.wheelhouse.simple_index import ProjectStatus, Status

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from wheelfarm.cli.task import Invocation
    from wheelfarm.model import Name

_OR_WHEELHOUSE: Final = f"its name in [tool.wheelfarm.index], or `{WHEELHOUSE}` for the farm's own"


def _publication(call: Invocation, index: str | None) -> Publication:
    """The wheels of a variant, and the index that is named or is the only one."""
    name = choose_index_name(call.farm, index)
    return Publication(farm=call.farm, index_name=name, variant=call.farm.settings.variant)


@task(
    *("variant", "dry_run", "json"),
    packages="what to publish, with what it needs of the farm, or all: the newest of each",
    next_build="give conflicting wheels the next build number, whoever has published the others",
)
def publish(call: Invocation, packages: str, *, index: str | None = None, next_build: bool = False) -> None:
    """Send stored wheels to an index: all targets of a release or none, and nothing is overwritten."""
    publication, wanted = _publication(call, index), parse_releases(packages)
    if call.dry_run:
        found = publication.compare(wanted, next_build=next_build)
        call.show(comparison_data(found), comparison_lines(found, call.screen.width))
        publication.check(found)
        if found.to_upload:
            publication.check_key()
        return
    found = publication.publish(wanted, next_build=next_build)
    call.show(comparison_data(found), comparison_lines(found, call.screen.width))
    call.screen.say(
        f"{counted(len(found.to_upload), 'wheel')} published and listed by {publication.index_name}"
    )
    if mended := found.of(State.DAMAGED):
        call.screen.say(f"{counted(len(mended), 'wheel')} whose core metadata is written again")


@task(
    *("dry_run", "json"),
    packages="distributions, or all",
    variant="one variant; all that the index takes by default",
    set_=f"give them a status: {', '.join(Status)} (PEP 792)",
    reason="why they have it, for installers and people",
)
def status(
    call: Invocation,
    packages: str,
    *,
    index: str | None = None,
    variant: str | None = None,
    set_: str | None = None,
    reason: str | None = None,
) -> None:
    """Show what is in the wheelhouse and what in the index, or give projects a status there."""
    farm = call.farm
    if variant:
        farm.settings.choose_variant(variant)
    name = choose_index_name(farm, index)
    table, wanted = farm.settings.choose_index(name), parse_releases(packages)
    takes = [each for each in farm.wheelhouse.variants() if table.path(each) is not None]
    publications = [
        Publication(farm=farm, index_name=name, variant=each) for each in ([variant] if variant else takes)
    ]
    if set_ is not None:
        _set_status(call, publications, wanted, ProjectStatus(_parse_status(set_), reason or ""))
        return
    if reason is not None:
        raise UsageError("a reason is for a status", where="--reason", hint="--set archived --reason TEXT")
    data = []
    for publication in publications:
        found = list(target_statuses(publication.compare(wanted), publication.needed))
        statuses = publication.index.statuses(sorted({each.project for each in found}))
        data += status_data(publication.variant, found, statuses)
        if not call.json:
            call.screen.result(status_lines(publication.variant, found, statuses, call.screen.width))
    if call.json:
        call.screen.data(data)


def _parse_status(text: str) -> Status:
    try:
        return Status(text)
    except ValueError as error:
        hint = suggestion(text, Status)
        raise UsageError(f"{text!r} is no status of a project", where="--set", hint=hint) from error


def _set_status(
    call: Invocation,
    publications: Sequence[Publication],
    wanted: Mapping[Name, str | None] | None,
    status: ProjectStatus,
) -> None:
    """Give projects a status in an index, for each variant that lists them.

    Raises:
        UsageError: when a project is not named, or listed for no variant; then nothing is changed.
        PublishError: when the kind of the index has no statuses.
    """
    if wanted is None or any(wanted.values()):
        why = "a status is that of a whole project, not of a version"
        raise UsageError("name the projects", why=why, hint=f"inv index.status scipy --set {status.status}")
    listed = [
        (publication, project)
        for publication in publications
        for project, files in publication.index.list_files(sorted(wanted)).items()
        if files or publication.index.statuses([project]).get(project, ProjectStatus()) != ProjectStatus()
    ]
    if missing := sorted(set(wanted) - {project for _, project in listed}):
        what = f"{publications[0].index_name if publications else 'the index'} lists no {', '.join(missing)}"
        raise UsageError(what, hint="inv index.status all")
    for publication, project in () if call.dry_run else listed:
        publication.index.set_status(project, status)
    verb = "would be " if call.dry_run else "is "
    call.show(
        [
            {"project": project, "variant": publication.variant, "project-status": status.to_mapping()}
            for publication, project in listed
        ],
        (f"{project} ({publication.variant}) {verb}{status}" for publication, project in listed),
    )


@task(
    *("variant", "json"),
    packages="distributions or releases, such as scipy or scipy==1.17.1, or all",
)
def verify(call: Invocation, packages: str, *, index: str | None = None, signer: str | None = None) -> None:
    """Fetch wheels from an index, and compare them with their record, SBOM and provenance."""
    publication, problems, data = _publication(call, index), Collector(), []
    for verdict in publication.verify(parse_releases(packages), signer=signer):
        data.append(verdict_data(verdict))
        if verdict.error is not None:
            problems.add(verdict.error)
        if not call.json:
            call.screen.result([verdict_line(verdict)])
    if call.json:
        call.screen.data(data)
    problems.check()
    call.screen.say(
        f"{counted(len(data), 'wheel')} verified" if data else f"{publication.index_name} lists none of these"
    )


def _release(text: str) -> tuple[Name, str]:
    """The one release that is named."""
    releases = parse_releases(text) or {}
    (project, version), *others = releases.items() or [(None, None)]
    if others or project is None or version is None:
        raise UsageError(f"{text!r} names no release", hint="say, for example, scipy==1.17.1")
    return project, version


@task(
    *("variant", "dry_run", "json"),
    release="distribution and version, such as scipy==1.17.1",
    index=_OR_WHEELHOUSE,
    reason="why, for installers to show",
    undo="let installers choose the release again",
)
def yank(
    call: Invocation, release: str, *, index: str = WHEELHOUSE, reason: str = "", undo: bool = False
) -> None:
    """Make installers skip a release unless it is pinned (PEP 592); nothing is removed."""
    project, version = _release(release)
    farm, mark = call.farm, None if undo else reason
    variant = farm.settings.variant
    publication = None
    if index == WHEELHOUSE:
        listed = [file.filename for file in farm.wheelhouse.listed(variant, project)]
    else:
        publication = Publication(farm=farm, index_name=index, variant=variant)
        listed = [file.filename for file in publication.index.list_files([project])[project]]
    filenames = of_release(listed, version)
    if not filenames:
        raise UsageError(f"{index} lists no {project} {version}", hint="inv index.status all")
    if not call.dry_run and publication is not None:
        publication.index.yank(project, filenames, mark)
    elif not call.dry_run:
        farm.wheelhouse.yank(variant, project, lambda file: file.filename in filenames, mark)
    verb = ("would be " if call.dry_run else "") + ("not yanked any more" if undo else "yanked")
    call.show({"files": filenames, "yanked": not undo}, (f"{verb}: {name}" for name in filenames))


@task(
    *("variant", "dry_run", "json"),
    keep="how many builds of a version stay for each platform",
    yes="remove them; without it they are only shown",
)
def prune(
    call: Invocation, packages: str, *, index: str | None = None, keep: int = 2, yes: bool = False
) -> None:
    """Show old builds of published versions and, with --yes, remove them; the newest always stays."""
    publication = _publication(call, index)
    if keep < 1:
        raise UsageError("the newest build always stays", hint="--keep 1 or more")
    names = parse_packages(packages) or sorted(publication.owned)
    old = superseded(publication.index.list_files(names), keep)
    removes = yes and not call.dry_run
    call.show({"removed": removes, "files": old}, (name for files in old.values() for name in files))
    for project, files in old.items() if removes else ():
        publication.index.remove(project, files)
    count = sum(map(len, old.values()))
    verb = "removed" if removes else "would be removed: say --yes"
    call.screen.say(f"{count} {verb}" if count else "nothing to remove")


@task(
    "json",
    host="where to listen: an address of this machine alone",
    port="0 takes a free one",
)
def serve(call: Invocation, *, host: str = "127.0.0.1", port: int = 8080) -> None:
    """Serve the wheelhouse to installers on this machine until Ctrl-C."""
    # Only this task needs an HTTP server.
    from wheelfarm.index.serve import serving  # noqa: PLC0415

    with serving(call.farm.settings.wheelhouse, host=host, port=port) as url:
        urls = [f"{url}/{variant}/simple/" for variant in call.farm.wheelhouse.variants()]
        call.show(urls, urls)
        threading.Event().wait()


@task(
    *("variant", "json"),
    tool="pip, uv, poetry or docker",
    packages="distributions, with what they need of the farm, or all",
    index=_OR_WHEELHOUSE,
)
def config(call: Invocation, tool: str, packages: str, *, index: str | None = None) -> None:
    """Print settings with which pip, uv, poetry or docker take the farm's packages from the farm alone."""
    if tool not in list(Tool):
        raise UsageError(f"unknown tool {tool!r}", hint=suggestion(tool, list(Tool)))
    farm = call.farm
    name = WHEELHOUSE if index == WHEELHOUSE else choose_index_name(farm, index)
    variant, wheelhouse = farm.settings.variant, farm.wheelhouse
    candidates = find_candidates(wheelhouse, variant, parse_releases(packages))
    names = {each.project: each.version for each in candidates}
    level = required_level(wheelhouse, candidates)
    others = {
        other: required_level(wheelhouse, find_candidates(wheelhouse, other))
        for other in related(farm.settings.variants, variant)
        if other in wheelhouse.variants()
    }
    cpu = cpu_lines(level, variant, {other: needed for other, needed in others.items() if needed != level})
    lines = [*consumer_lines(Tool(tool), index=name, url=simple_url(farm, name), names=names), *cpu]
    call.show({"tool": tool, "index": name, "cpu": level, "lines": lines}, lines)
