"""index.publish, .status, .yank, .prune: what the farm's wheels are in an index."""

from __future__ import annotations

from typing import TYPE_CHECKING

from invoke.tasks import task

from wheelfarm.cli.task import farm_task, open_farm, packages_word, positional_words, split_names, words
from wheelfarm.errors import Collector, UsageError
from wheelfarm.index.status import of_release, superseded, target_statuses
from wheelfarm.recipes.index_settings import WHEELHOUSE
from wheelfarm.report.index import (
    comparison_data,
    comparison_lines,
    status_data,
    status_lines,
    verdict_data,
    verdict_line,
)
from wheelfarm.report.screen import Screen
from wheelfarm.run.publication import Publication, choose_index_name, named_releases

if TYPE_CHECKING:
    from invoke.context import Context

    from wheelfarm.index.comparison import Comparison
    from wheelfarm.model import Name


def _publication(index: str | None, variant: str | None) -> Publication:
    """The wheels of a variant, and the index that was named or is the only one."""
    farm = open_farm(variant=variant)
    name = choose_index_name(farm, index)
    return Publication(farm=farm, index_name=name, variant=farm.settings.variant)


def _show(comparison: Comparison, screen: Screen, *, json: bool) -> None:
    if json:
        screen.data(comparison_data(comparison))
    else:
        screen.result(comparison_lines(comparison))


@task(
    positional=packages_word("index.publish"),
    help=words("index", "variant", "dry_run", "json")
    | words(
        packages="what to publish, with what it needs of the farm; the newest of all by default",
        next_build="give conflicting wheels the next build number, whoever has published the others",
    ),
    auto_shortflags=False,
)
@farm_task
def publish(  # noqa: PLR0917
    _context: Context,
    packages: str | None = None,
    index: str | None = None,
    variant: str | None = None,
    next_build: bool = False,  # noqa: FBT001, FBT002
    dry_run: bool = False,  # noqa: FBT001, FBT002
    json: bool = False,  # noqa: FBT001, FBT002
) -> None:
    """Bring stored wheels into an index: all targets of a release or none, and nothing is overwritten."""
    publication = _publication(index, variant)
    wanted, screen = named_releases(packages), Screen.standard()
    if dry_run:
        transaction = publication.transaction(wanted)
        found = publication.look(transaction, next_build=next_build)
        _show(found, screen, json=json)
        found.check(publication.index_name)
        for candidate in found.to_upload:
            transaction.prove(candidate)
        return
    done = publication.publish(wanted, next_build=next_build)
    _show(done, screen, json=json)
    screen.say(f"{len(done.to_upload)} published, and {publication.index_name} lists them")


@task(
    positional=packages_word("index.status"),
    help=words("index", "json")
    | words(
        packages="which; the newest of all by default",
        variant="one variant; all that the index takes by default",
    ),
    auto_shortflags=False,
)
@farm_task
def status(
    _context: Context,
    packages: str | None = None,
    index: str | None = None,
    variant: str | None = None,
    json: bool = False,  # noqa: FBT001, FBT002
) -> None:
    """Show what is in the wheelhouse and what in the index: same, other bytes, missing, foreign."""
    farm = open_farm(variant=variant)
    name = choose_index_name(farm, index)
    table, wanted, screen = farm.settings.choose_index(name), named_releases(packages), Screen.standard()
    data = []
    for each in (
        [variant] if variant else [one for one in farm.wheelhouse.variants() if table.path(one) is not None]
    ):
        publication = Publication(farm=farm, index_name=name, variant=each)
        found = list(target_statuses(publication.transaction(wanted).differ(), publication.needed))
        data += status_data(each, found)
        if not json:
            screen.result(status_lines(each, found))
    if json:
        screen.data(data)


@task(
    positional=packages_word("index.verify"),
    help=words("index", "variant", "json")
    | words(packages="distributions or releases, as scipy or scipy==1.17.1; all of the farm's by default"),
    auto_shortflags=False,
)
@farm_task
def verify(
    _context: Context,
    packages: str | None = None,
    index: str | None = None,
    variant: str | None = None,
    json: bool = False,  # noqa: FBT001, FBT002
) -> None:
    """Fetch wheels from an index, and compare them with their record, bill of materials and provenance."""
    publication, screen = _publication(index, variant), Screen.standard()
    problems, data = Collector(), []
    for verdict in publication.verify(named_releases(packages)):
        data.append(verdict_data(verdict))
        if verdict.error is not None:
            problems.add(verdict.error)
        if not json:
            screen.result([verdict_line(verdict)])
    if json:
        screen.data(data)
    problems.check()
    screen.say(f"{len(data)} verified" if data else f"{publication.index_name} lists none of these")


def _release(release: str) -> tuple[Name, str]:
    """The one release that was named."""
    ((project, version), *others) = (named_releases(release) or {}).items()
    if others or version is None:
        raise UsageError(f"{release!r} names no release", hint="say, for example, scipy==1.17.1")
    return project, version


@task(
    positional=positional_words("index.yank", "release"),
    help=words("variant", "dry_run")
    | words(
        release="distribution and version, as scipy==1.17.1",
        index=f"its name in [tool.wheelfarm.index]; `{WHEELHOUSE}`, which is the default, for the farm's own",
        reason="shown by installers",
        undo="candidate the release again",
    ),
    auto_shortflags=False,
)
@farm_task
def yank(  # noqa: PLR0917
    _context: Context,
    release: str,
    index: str = WHEELHOUSE,
    variant: str | None = None,
    reason: str = "",
    undo: bool = False,  # noqa: FBT001, FBT002
    dry_run: bool = False,  # noqa: FBT001, FBT002
) -> None:
    """Have installers pass a release by unless it is pinned (PEP 592); nothing is removed."""
    project, version = _release(release)
    farm, said = open_farm(variant=variant), None if undo else reason
    chosen = farm.settings.variant
    publication = None
    if index == WHEELHOUSE:
        listed = [file.filename for file in farm.wheelhouse.listed(chosen, project)]
    else:
        publication = Publication(farm=farm, index_name=index, variant=chosen)
        listed = [file.filename for file in publication.index.look([project])[project]]
    filenames = of_release(listed, version)
    if not filenames:
        raise UsageError(f"{index} lists no {project} {version}", hint="inv index.status")
    if not dry_run and publication is not None:
        publication.index.yank(project, filenames, said)
    elif not dry_run:
        farm.wheelhouse.yank(chosen, project, lambda file: file.filename in filenames, said)
    does = "candidates" if undo else "yanked"
    Screen.standard().result(f"{f'would be {does}' if dry_run else does}: {name}" for name in filenames)


@task(
    positional=packages_word("index.prune"),
    help=words("index", "variant", "json")
    | words(
        packages="distributions, separated by commas; all of the farm's by default",
        keep="how many builds of a version stay for each place",
        yes="remove them; without it they are only shown",
    ),
    auto_shortflags=False,
)
@farm_task
def prune(  # noqa: PLR0917
    _context: Context,
    packages: str | None = None,
    index: str | None = None,
    variant: str | None = None,
    keep: int = 2,
    yes: bool = False,  # noqa: FBT001, FBT002
    json: bool = False,  # noqa: FBT001, FBT002
) -> None:
    """Show old builds of published versions and, with --yes, remove them; the newest always stays."""
    publication = _publication(index, variant)
    if keep < 1:
        raise UsageError("the newest build always stays", hint="--keep 1 or more")
    names = split_names(packages) or sorted(publication.owned())
    gone = superseded(publication.index.look(names), keep)
    screen = Screen.standard()
    if json:
        screen.data({"removed": yes, "files": gone})
    else:
        screen.result(name for files in gone.values() for name in files)
    for project, files in gone.items() if yes else ():
        publication.index.remove(project, files)
    count = sum(map(len, gone.values()))
    screen.say(
        f"{count} {'removed' if yes else 'would be removed: say --yes'}" if count else "nothing to remove"
    )
