"""diff: two wheels, or the farm's and the public one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from invoke.tasks import task

from wheelfarm.errors import UsageError, WheelError
from wheelfarm.model import parse_name
from wheelfarm.pipeline import fetcher_of
from wheelfarm.report import Screen, difference_lines
from wheelfarm.tasks.door import farm_task, positional_words, selected, words
from wheelfarm.wheels import difference, linkage, open_wheel

if TYPE_CHECKING:
    from invoke.context import Context

    from wheelfarm.pipeline import Farm
    from wheelfarm.plan import Build
    from wheelfarm.wheels import Wheel


def _ours(farm: Farm, build: Build) -> Wheel:
    """The wheel of a build that the wheelhouse's index lists."""
    stored = farm.house.current(build.id.variant, build.id.name, build.version, build.id.target)
    if not stored:
        hint = f"nox -s build-{build.id.name}"
        raise UsageError(f"the wheelhouse has no wheel of {build.id}", hint=hint)
    return open_wheel(stored[-1].path)


def _public(farm: Farm, build: Build) -> Wheel:
    """The wheel that the configured index has for the same version and target."""
    fetcher = fetcher_of(farm.settings, Screen.standard().say)
    return open_wheel(
        fetcher.published(build.id.name, build.version, build.id.target, build.toolchain.glibc).path
    )


def _wheels(before: str | None, after: str | None, options: dict[str, str | None]) -> tuple[Wheel, Wheel]:
    named = [word for word in (before, after) if word is not None and not word.endswith(".whl")]
    if before is None or (after is None and not named):
        raise UsageError("say which wheel to compare it with", hint="inv diff A.whl B.whl, or inv diff scipy")
    if not named:
        return _file(before), _file(str(after))
    farm, _, builds = selected(named[0], **options)
    build = next(build for build in builds if build.id.name == parse_name(named[0]))
    if after is None:
        return _public(farm, build), _ours(farm, build)
    if len(named) > 1:
        raise UsageError("only one of the two can be a distribution", hint="name a file, or leave it out")
    ours = _ours(farm, build)
    return (ours, _file(after)) if before == named[0] else (_file(before), ours)


def _file(path: str) -> Wheel:
    if not Path(path).is_file():
        raise UsageError(f"there is no file {path}", hint="wheelhouse/*/wheels/ holds the farm's")
    return open_wheel(Path(path))


@task(
    name="diff",
    positional=positional_words("diff", "before", "after"),
    help=words(
        *("variant", "python", "engine", "json"),
        before="a wheel file, or a distribution: the farm's wheel of it",
        after="another; without it the farm's wheel is compared with the public one",
    ),
    auto_shortflags=False,
)
@farm_task
def diff(  # noqa: PLR0917
    _context: Context,
    before: str | None = None,
    after: str | None = None,
    variant: str | None = None,
    python: str | None = None,
    engine: str | None = None,
    json: bool = False,  # noqa: FBT001, FBT002
) -> None:
    """Show what tells two wheels apart: files, sizes, symbols, linkage, BLAS, tags and metadata."""
    one, other = _wheels(before, after, {"variant": variant, "python": python, "engine": engine})
    if one.name != other.name:
        raise WheelError(f"{one.name} and {other.name} are two distributions", where=other.path.name)
    found = {"before": one.path.name, "after": other.path.name}
    found |= difference(one, other, linkage(one), linkage(other))
    screen = Screen.standard()
    if json:
        screen.data(found)
    else:
        screen.result(difference_lines(found))
