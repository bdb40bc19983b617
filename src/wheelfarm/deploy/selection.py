"""Selects the wheels that are deployed: the requested ones, and all that they need."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from packaging.version import Version

from wheelfarm.errors import Collector, DeployError
from wheelfarm.gate.systems import REMEDIES, compare
from wheelfarm.model import Name, PinnedWheel
from wheelfarm.run.companions import find_companions
from wheelfarm.run.test_environments import pinned
from wheelfarm.wheels.archive import open_wheel
from wheelfarm.wheels.linkage import linkage

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from wheelfarm.gate.systems import System
    from wheelfarm.model import Target
    from wheelfarm.run.farm import Farm


@dataclass(frozen=True, kw_only=True)
class Selection:
    """The wheels of a deployment, ordered by name."""

    requested: tuple[Name, ...]
    wheels: tuple[PinnedWheel, ...]
    target: Target


def select_wheels(farm: Farm, names: Iterable[Name], target: Target, system: System) -> Selection:
    """Find the wheels of some distributions, and of all that they need.

    Args:
        farm: its wheelhouse and locks have the wheels.
        names: the distributions.
        target: the Python and the platform.
        system: where they run.

    Raises:
        DeployError: a group, for each wheel that is missing.
    """
    problems, found = Collector(), dict[Name, PinnedWheel]()
    variant = farm.settings.variant
    for name in names:
        stored = farm.wheelhouse.current(variant, name, target=target)
        if stored:
            # A nightly only where there is no release.
            releases = [each for each in stored if not Version(each.version).is_devrelease]
            found[name] = pinned((releases or stored)[-1])
            continue
        problems.add(
            DeployError(
                f"the wheelhouse has no {name} for {target}",
                where=f"variant {variant}",
                hint=f"inv chain {name} --variant {variant} --python {target.python}, or inv recipe.list",
            )
        )
    opened = [open_wheel(each.path) for each in found.values()]
    companions, missing = find_companions(farm, opened, target, system.glibc)
    for each in missing:
        what = f"{each} is needed, and neither the wheelhouse nor a lock has it"
        problems.add(DeployError(what, hint="inv recipe.lock of the package that needs it; or build it"))
    problems.check()
    wheels = sorted((*found.values(), *companions), key=lambda wheel: wheel.name)
    return Selection(requested=tuple(found), wheels=tuple(wheels), target=target)


def check_system(wheels: Sequence[PinnedWheel], system: System, option: str) -> None:
    """Refuse wheels that do not run on a system: too new a tag or symbol, or a library that is not there.

    Args:
        wheels: all of them.
        system: the system.
        option: the command line's option that chooses it.

    Raises:
        DeployError: a group, for each wheel, with its first finding.
    """
    opened = [open_wheel(each.path) for each in wheels]
    linked = {wheel.path.name: linkage(wheel) for wheel in opened}
    problems = Collector()
    for wheel in opened:
        name = wheel.path.name
        beside = {other: binaries for other, binaries in linked.items() if other != name}
        if findings := compare(system, wheel, linked[name], beside):
            first = next((each for each in findings if each.rule == "tag"), findings[0])
            problems.add(
                DeployError(
                    f"{name} does not run on {system.title}",
                    where=first.member,
                    why=first.detail,
                    hint=f"{REMEDIES[first.rule]}; or another system: {option}",
                )
            )
    problems.check()


def savings(farm: Farm, selection: Selection, sizes: dict[Name, int], system: System) -> dict[Name, int]:
    """Bytes that go with each requested distribution, and with what only it needs, the largest first."""
    found = {}
    for name in selection.requested:
        others = [each for each in selection.wheels if each.name in selection.requested and each.name != name]
        opened = [open_wheel(each.path) for each in others]
        companions, _ = find_companions(farm, opened, selection.target, system.glibc)
        left = {each.name for each in (*others, *companions)}
        found[name] = sum(size for each, size in sizes.items() if each not in left)
    return dict(sorted(found.items(), key=lambda item: -item[1]))
