"""Finds the wheels that installed wheels need: in the wheelhouse, and in the locks of their recipes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from packaging.version import Version

from wheelfarm.errors import FarmError
from wheelfarm.model import Name, PinnedWheel, parse_name
from wheelfarm.model.requirements import parse_requirement
from wheelfarm.recipes.locks import marker_environment
from wheelfarm.run.services import make_fetcher
from wheelfarm.run.test_environments import pinned
from wheelfarm.wheels.archive import open_wheel

if TYPE_CHECKING:
    from collections.abc import Iterable

    from wheelfarm.model import Target
    from wheelfarm.run.farm import Farm
    from wheelfarm.wheels.archive import Wheel


def find_companions(
    farm: Farm, wheels: Iterable[Wheel], target: Target, glibc: str
) -> tuple[list[PinnedWheel], list[str]]:
    """The wheels that some wheels require, and what neither the wheelhouse nor a lock has.

    Those of the wheelhouse count first. Of two versions in locks, the newer one does.

    Args:
        farm: its variant of the wheelhouse, and its recipes.
        wheels: the wheels, which are not among the result.
        target: the Python and the platform that all are for.
        glibc: the version that wheels of an index may need; empty for musl.
    """
    waiting, missing = list(wheels), list[str]()
    own = {wheel.name for wheel in waiting}
    locked, found = dict[Name, PinnedWheel](), dict[Name, PinnedWheel]()
    numbers = tuple(map(int, (glibc or "2.17").split(".")))
    fetcher, environment = make_fetcher(farm.settings), {**marker_environment(target), "extra": ""}
    while waiting:
        wheel = waiting.pop()
        recipe = farm.recipes.by_name.get(wheel.name)
        for each in recipe.test_requirements(target) if recipe else ():
            try:
                fetched = fetcher.wheel(each, target, (numbers[0], numbers[1]))
            except FarmError:
                missing.append(f"{each.name}=={each.version} of the lock of {wheel.name}")
                continue
            if each.name not in locked or Version(locked[each.name].version) < Version(fetched.version):
                locked[each.name] = fetched
        for requirement in map(parse_requirement, wheel.metadata.requires_dist):
            name = parse_name(requirement.name)
            applies = requirement.marker is None or requirement.marker.evaluate(environment)
            if not applies or name in own or name in found:
                continue
            current = farm.wheelhouse.current(farm.settings.variant, name, target=target)
            stored = [each for each in current if requirement.specifier.contains(each.version)]
            if stored:
                found[name] = pinned(stored[-1])
            elif name in locked:
                found[name] = locked[name]
            else:
                missing.append(str(requirement))
                continue
            waiting.append(open_wheel(found[name].path))
    return [*found.values()], sorted(set(missing))
