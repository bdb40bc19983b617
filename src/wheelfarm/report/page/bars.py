"""Bars: what they are made of, how long each piece is, and what they say to those who do not see them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from wheelfarm.report.quantity import size

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from wheelfarm.report.survey import Content, WheelFindings

KINDS: Final[Mapping[str, str]] = {
    "extension": "extension modules",
    "library": "vendored libraries",
    "python": "Python",
    "tests": "tests",
    "data": "data",
    "header": "headers",
    "typing": "typing",
    "metadata": "metadata",
}
"""The kinds in the order in which bars show them, and what a page calls them."""


def share(value: float, whole: float) -> str:
    """A share as CSS writes it, such as 12.34%; nothing of nothing is nothing."""
    return f"{100 * value / whole:.3f}".rstrip("0").rstrip(".") + "%" if whole else "0%"


@dataclass(frozen=True, kw_only=True)
class Piece:
    """A piece of a bar, `width` being a share of the scale."""

    what: str
    width: str


@dataclass(frozen=True, kw_only=True)
class Bar:
    """One wheel's bytes by kind, on a scale that all bars of a chart share."""

    whose: str
    """`ours` or `index`."""
    pieces: tuple[Piece, ...]
    unpacked: int
    says: str


@dataclass(frozen=True, kw_only=True)
class Pair:
    """The farm's wheel, and the index's own one where it is known."""

    finding: WheelFindings
    bars: tuple[Bar, ...]
    why_not: str


def pairs(findings: Sequence[WheelFindings]) -> tuple[Pair, ...]:
    """The bars of a chart of all wheels whose content is known, the largest first."""
    known = [finding for finding in findings if finding.content is not None]
    scale = max((content.unpacked for finding in known for content in _contents(finding)), default=0)
    known.sort(key=lambda finding: -(finding.unpacked or 0))
    return tuple(
        Pair(
            finding=finding,
            bars=tuple(
                _bar(content, whose, scale)
                for content, whose in zip(_contents(finding), ("ours", "index"), strict=False)
            ),
            why_not=finding.public.why_not,
        )
        for finding in known
    )


def _contents(finding: WheelFindings) -> list[Content]:
    return [content for content in (finding.content, finding.public.content) if content is not None]


def _bar(content: Content, whose: str, scale: int) -> Bar:
    sizes = {kind: content.size_of(kind) for kind in KINDS}
    shown = {kind: count for kind, count in sizes.items() if count}
    return Bar(
        whose=whose,
        pieces=tuple(Piece(what=kind, width=share(count, scale)) for kind, count in shown.items()),
        unpacked=content.unpacked,
        says=", ".join(f"{KINDS[kind]} {size(count)}" for kind, count in shown.items()),
    )
