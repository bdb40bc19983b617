"""The wheels that words name: a file, the farm's wheel of a distribution, or the public one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from wheelfarm.cli.task import selected
from wheelfarm.errors import UsageError
from wheelfarm.model import parse_name
from wheelfarm.run.result import fetcher_of
from wheelfarm.wheels.archive import open_wheel

if TYPE_CHECKING:
    from wheelfarm.plan.build import Build
    from wheelfarm.run.farm import Farm
    from wheelfarm.wheels.wheel import Wheel


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


@dataclass(frozen=True)
class Distribution:
    """A distribution that a word names, as one build of a farm."""

    farm: Farm
    build: Build

    @classmethod
    def of(cls, name: str, *, variant: str | None, python: str | None, engine: str | None) -> Distribution:
        """The distribution of a name.

        Raises:
            FarmError: for anything wrong in recipes, words or this machine.
        """
        farm, _, builds = selected(name, variant=variant, python=python, engine=engine)
        return cls(farm, next(build for build in builds if build.id.name == parse_name(name)))

    def ours(self) -> Wheel:
        """The wheel that the wheelhouse's index lists.

        Raises:
            UsageError: when there is none.
        """
        build = self.build.id
        stored = self.farm.wheelhouse.current(build.variant, build.name, self.build.version, build.target)
        if not stored:
            raise UsageError(f"the wheelhouse has no wheel of {build}", hint=f"nox -s build-{build.name}")
        return open_wheel(stored[-1].path)

    def public(self) -> Wheel:
        """The wheel that the configured index has for the version and target of ours.

        Raises:
            SourceError: when it has none.
            NetworkError: when it cannot be asked.
        """
        build, glibc = self.build.id, self.build.toolchain.glibc
        fetcher = fetcher_of(self.farm.settings)
        return open_wheel(fetcher.published(build.name, self.build.version, build.target, glibc).path)
