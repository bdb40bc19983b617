"""Wheels that are installed together, and what they take on the disk. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from packaging.version import Version

from wheelfarm.model import Name

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from wheelfarm.survey.finding import Finding


@dataclass(frozen=True, kw_only=True)
class InstalledSet:
    """Wheels of one target that an installer puts side by side."""

    target: str
    asked: tuple[Name, ...]
    """What was asked for; empty for everything that the index has for the target."""
    names: tuple[Name, ...]
    """What is installed then."""
    unpacked: int
    """Bytes."""
    public: int | None
    """Bytes of the index's own wheels of the same set; None when one of them is unknown."""
    outside: tuple[Name, ...]
    """What they need besides, and the wheelhouse does not have; not counted."""
    missing: tuple[Name, ...] = ()
    """What was asked for and is not there, or cannot be read, so that nobody knows what it needs."""


def installed_sets(findings: Sequence[Finding], packages: Collection[Name]) -> tuple[InstalledSet, ...]:
    """The sets of a variant, target by target.

    Args:
        findings: the variant's wheels; of several versions the newest counts.
        packages: a chosen set; without it, each distribution by itself and all together.
    """
    sets = []
    for target in sorted({finding.target for finding in findings}):
        newest = _newest(finding for finding in findings if finding.target == target)
        if packages:
            sets.append(_set(target, newest, tuple(sorted(packages))))
            continue
        sets += [_set(target, newest, (name,)) for name in sorted(newest)]
        if len(newest) > 1:
            sets.append(_set(target, newest, ()))
    return tuple(sets)


def _newest(findings: Iterable[Finding]) -> dict[Name, Finding]:
    newest: dict[Name, Finding] = {}
    for finding in findings:
        known = newest.get(finding.name)
        if known is None or Version(known.version) <= Version(finding.version):
            newest[finding.name] = finding
    return newest


def _set(target: str, newest: Mapping[Name, Finding], asked: tuple[Name, ...]) -> InstalledSet:
    wanted, names, outside = list(asked or newest), set[Name](), set[Name]()
    while wanted:
        name = wanted.pop()
        if name not in newest:
            outside.add(name)
        elif name not in names:
            names.add(name)
            content = newest[name].content
            wanted += content.requires if content is not None else ()
    known = sorted(names)
    contents = [newest[name].public.content for name in known]
    publics = [content.unpacked for content in contents if content is not None]
    return InstalledSet(
        target=target,
        asked=asked,
        names=tuple(known),
        unpacked=sum(newest[name].unpacked or 0 for name in known),
        public=sum(publics) if publics and len(publics) == len(known) else None,
        outside=tuple(sorted(outside - set(asked))),
        missing=tuple(name for name in asked if name not in newest)
        + tuple(name for name in known if newest[name].content is None),
    )
