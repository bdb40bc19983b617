"""The wheels that words name: a file, the farm's wheel of a distribution, or the public one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from wheelfarm.errors import UsageError
from wheelfarm.model import parse_name
from wheelfarm.pipeline import fetcher_of
from wheelfarm.report import Screen
from wheelfarm.tasks.door import selected
from wheelfarm.wheels import open_wheel

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wheelfarm.pipeline import Farm
    from wheelfarm.plan import Build
    from wheelfarm.wheels import Wheel


def is_file(word: str) -> bool:
    """Whether a word means a file; any other is a distribution."""
    return word.endswith(".whl")


def wheel_file(path: str) -> Wheel:
    """The wheel in a file.

    Raises:
        UsageError: when there is none.
        WheelError: when it is no sound wheel.
    """
    file = Path(path)
    if not file.is_file():
        raise UsageError(
            f"there is no file {path}", hint="name a wheel; wheelhouse/*/wheels/ holds the farm's"
        )
    return open_wheel(file)


def farm_wheel(name: str, **options: str | None) -> Wheel:
    """The wheel of a distribution that the wheelhouse's index lists.

    Args:
        name: the distribution.
        options: variant, python and engine.

    Raises:
        UsageError: when there is none.
    """
    farm, build = _meant(name, options)
    stored = farm.house.current(build.id.variant, build.id.name, build.version, build.id.target)
    if not stored:
        hint = f"nox -s build-{build.id.name}"
        raise UsageError(f"the wheelhouse has no wheel of {build.id}", hint=hint)
    return open_wheel(stored[-1].path)


def public_wheel(name: str, **options: str | None) -> Wheel:
    """The wheel that the configured index has for the version and target of the farm's.

    Args:
        name: the distribution.
        options: variant, python and engine.

    Raises:
        SourceError: when it has none.
        NetworkError: when it cannot be asked.
    """
    farm, build = _meant(name, options)
    fetcher = fetcher_of(farm.settings, Screen.standard().say)
    found = fetcher.published(build.id.name, build.version, build.id.target, build.toolchain.glibc)
    return open_wheel(found.path)


def _meant(name: str, options: Mapping[str, str | None]) -> tuple[Farm, Build]:
    variant, python, engine = (options.get(word) for word in ("variant", "python", "engine"))
    farm, _, builds = selected(name, variant=variant, python=python, engine=engine)
    return farm, next(build for build in builds if build.id.name == parse_name(name))
