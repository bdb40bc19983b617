"""Sums up the wheels that an installer puts side by side."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from packaging.requirements import Requirement
from packaging.version import Version

from wheelfarm.model import Name, parse_name

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from wheelfarm.report.survey import SurveyedWheel


@dataclass(frozen=True, kw_only=True)
class InstalledSet:
    """Wheels of one target that an installer puts side by side; sizes are bytes, unpacked."""

    target: str
    requested: tuple[Name, ...]
    """The requested distributions; empty for everything that the index has for the target."""
    names: tuple[Name, ...]
    """The farm's distributions that are installed then."""
    unpacked: int
    public: int | None
    """The size of the public wheels of the same set; None when one of them is unknown."""
    outside: tuple[Name, ...]
    """Distributions that they need besides, and the wheelhouse does not have; not counted."""
    missing: tuple[Name, ...]
    """Requested distributions without a wheel, and distributions whose wheel cannot be read."""


def installed_sets(wheels: Sequence[SurveyedWheel], packages: Collection[Name]) -> tuple[InstalledSet, ...]:
    """The chosen set for each target, or each distribution by itself and all together."""
    sets = []
    for target in sorted({wheel.target for wheel in wheels}):
        newest = _newest(wheel for wheel in wheels if wheel.target == target)
        requests: list[tuple[Name, ...]] = [(name,) for name in sorted(newest)]
        if packages:
            requests = [tuple(sorted(packages))]
        elif len(newest) > 1:
            requests.append(())
        sets += [_installed_set(target, newest, request) for request in requests]
    return tuple(sets)


def _newest(wheels: Iterable[SurveyedWheel]) -> dict[Name, SurveyedWheel]:
    return {wheel.name: wheel for wheel in sorted(wheels, key=lambda each: Version(each.file.version))}


def _installed_set(
    target: str, newest: Mapping[Name, SurveyedWheel], requested: tuple[Name, ...]
) -> InstalledSet:
    wanted, names, outside = list(requested or newest), set[Name](), set[Name]()
    while wanted:
        name = wanted.pop()
        if name not in newest:
            outside.add(name)
        elif name not in names:
            names.add(name)
            wanted += _required(newest[name].content)
    known = [newest[name] for name in sorted(names)]
    publics = [wheel.public["size"]["unpacked"] for wheel in known if wheel.public is not None]
    unreadable = tuple(wheel.name for wheel in known if wheel.content is None)
    return InstalledSet(
        target=target,
        requested=requested,
        names=tuple(wheel.name for wheel in known),
        unpacked=sum(wheel.unpacked or 0 for wheel in known),
        public=sum(publics) if publics and len(publics) == len(known) else None,
        outside=tuple(sorted(outside - set(requested))),
        missing=tuple(name for name in requested if name not in newest) + unreadable,
    )


def _required(content: Mapping[str, Any] | None) -> list[Name]:
    """The distributions that a wheel needs when it is installed without extras."""
    requirements = [Requirement(text) for text in content["requires_dist"]] if content is not None else []
    return [parse_name(each.name) for each in requirements if "extra" not in str(each.marker or "")]
