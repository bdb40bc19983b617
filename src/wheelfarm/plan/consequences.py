"""What newer versions of recipes cause in a plan: builds, gates, and what a stable ABI would spare. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from wheelfarm.wheels.numpy_api import NUMPY, serves_numpy

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wheelfarm.model import Name
    from wheelfarm.plan.build import Build, BuildId
    from wheelfarm.plan.graph import Plan


@dataclass(frozen=True, kw_only=True)
class Consequences:
    """What newer versions cause, in the plan's order."""

    rebuilt: tuple[Build, ...]
    """Whose build keys change: the builds themselves, and what is compiled against something rebuilt."""
    tested: tuple[Build, ...]
    """What only runs with something rebuilt: its gate runs again."""
    spared: tuple[Build, ...]
    """Those of `rebuilt` whose wheels would work as they are, as their `expect.numpy-api` says."""


def find_consequences(plan: Plan, versions: Mapping[Name, str]) -> Consequences:
    """Find what other versions of some recipes cause.

    Args:
        plan: the plan with the present versions.
        versions: recipe → its other version.
    """
    rebuilt, needed = _rebuilt(plan, versions, abi=False), _rebuilt(plan, versions, abi=True)
    return Consequences(
        rebuilt=tuple(build for build in plan.builds if build.id in rebuilt),
        tested=tuple(
            build for build in plan.builds if build.id not in rebuilt and not rebuilt.isdisjoint(build.run)
        ),
        spared=tuple(build for build in plan.builds if build.id in rebuilt - needed),
    )


def _rebuilt(plan: Plan, versions: Mapping[Name, str], *, abi: bool) -> set[BuildId]:
    """The builds whose inputs change; with `abi` but for those that a stated ABI keeps."""
    changed: set[BuildId] = set()
    for build in plan.builds:
        causes = (each for each in build.upstream if each in changed)
        if build.id.name in versions or any(
            not (abi and _works_as_it_is(build, each, versions)) for each in causes
        ):
            changed.add(build.id)
    return changed


def _works_as_it_is(build: Build, cause: BuildId, versions: Mapping[Name, str]) -> bool:
    """Whether a wheel works with the other version of what it is compiled against."""
    api, version = build.resolved.expect.numpy_api, versions.get(cause.name)
    is_tested = cause.name == NUMPY and cause in build.run
    return is_tested and bool(api and version and serves_numpy(api, version))
