"""Draws a comparison as SVG: a dot for each operation, its group's geometric mean, and sizes by kind."""

from __future__ import annotations

import math
from html import escape
from typing import TYPE_CHECKING, Any, Final

from comparison import distinct_sides, means_of_document, sizes_by_kind

from wheelfarm.report.text import size

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

COLORS: Final = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#444444")
"""Of the sides; Okabe and Ito's, which people with color blindness can tell apart."""
PANEL, ROW, GAP = 300, 18, 60
AXIS: Final = 3.0
"""Ratios beyond this and its reciprocal are drawn at the end."""
TICKS: Final = (0.4, 0.6, 0.8, 1, 1.25, 1.6, 2.5)


def draw(data: Mapping[str, Any]) -> str:
    """The text of the SVG."""
    parts = list(_parts(data))
    width, height = _label(data) + (PANEL + GAP) * max(2, len(data["threads"])), max(y for y, _ in parts) + 20
    style = 'font-family="sans-serif" font-size="11"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" {style}>'
    title = f"speed relative to {data['sides'][0]['label']}, and installed sizes; {data['processor']}"
    ground = f'<rect width="{width}" height="{height}" fill="white"/>'
    body = "\n".join(text for _, text in parts)
    return f"{head}\n<title>{escape(title)}</title>\n{ground}\n{body}\n</svg>\n"


def _parts(data: Mapping[str, Any]) -> Iterator[tuple[int, str]]:
    """The elements, each with its lower end."""
    first, *others = (side["label"] for side in data["sides"])
    groups = list(dict.fromkeys(each["group"] for each in data["operations"] if each["ratio"]))
    label = _label(data)
    rows = [(group, side) for group in groups for side in others]
    bottom = 50 + ROW * len(rows)
    yield _text(10, 18, f"speed relative to {first} (right: faster); bar: geometric mean", weight="bold")
    for number, threads in enumerate(data["threads"]):
        left = label + number * (PANEL + GAP)
        found = [each for each in data["operations"] if each["threads"] == threads and each["ratio"]]
        yield _text(left, 36, f"threads {threads}")
        for tick in TICKS:
            x, strength = left + _x(tick), 1.5 if tick == 1 else 0.4
            yield bottom, f'<path d="M{x:.1f} 42V{bottom}" stroke="#888" stroke-width="{strength}"/>'
            yield _text(x, bottom + 13, f"{tick:g}", anchor="middle")
        for line, (group, side) in enumerate(rows):
            y, color = 52 + ROW * line, COLORS[others.index(side) % len(COLORS)]
            if number == 0:
                yield _text(10, y + 4, f"{group}, {side}")
            these = [each for each in found if (each["group"], each["side"]) == (group, side)]
            for each in these:
                name = escape(f"{each['operation']}: {each['ratio']:.2f}")
                circle = (
                    f'cx="{left + _x(each["ratio"]):.1f}" cy="{y}" r="3" fill="{color}" fill-opacity="0.4"'
                )
                yield y, f"<circle {circle}><title>{name}</title></circle>"
            mean = means_of_document(data, side, threads).get(group)
            if mean:
                x = left + _x(mean)
                yield y, f'<path d="M{x:.1f} {y - 7}v14" stroke="{color}" stroke-width="3"/>'
                yield _text(left + PANEL + 8, y + 4, f"{mean:.2f}")
    yield from _sizes(data, bottom + 45)


def _x(ratio: float) -> float:
    end = math.log(AXIS)
    return PANEL * (min(max(math.log(ratio), -end), end) + end) / (2 * end)


def _label(data: Mapping[str, Any]) -> int:
    """The width of the labels on the left."""
    return 120 + 6 * max(len(side["label"]) for side in data["sides"])


def _sizes(data: Mapping[str, Any], top: int) -> Iterator[tuple[int, str]]:
    sides = {side["label"]: sizes_by_kind(side["sizes"]) for side in distinct_sides(data)}
    label = _label(data)
    largest = max(sum(kinds.values()) for kinds in sides.values())
    yield _text(10, top, "installed, without bytecode", weight="bold")
    x = float(label)
    for number, kind in enumerate(next(iter(sides.values()))):
        yield top, f'<rect x="{x}" y="{top - 9}" width="10" height="10" fill="{COLORS[number]}"/>'
        yield _text(x + 14, top, kind)
        x += 30 + 6 * len(kind)
    for line, (side, kinds) in enumerate(sides.items()):
        y, x = top + 10 + ROW * line, float(label)
        yield _text(10, y + 12, side)
        for number, (kind, count) in enumerate(kinds.items()):
            width = (PANEL + GAP) * count / largest
            bar = f'x="{x:.1f}" y="{y}" width="{width:.1f}" height="{ROW - 4}" fill="{COLORS[number]}"'
            yield y + ROW, f"<rect {bar}><title>{escape(kind)}: {size(count)}</title></rect>"
            x += width
        yield _text(x + 6, y + 12, size(sum(kinds.values())))


def _text(x: float, y: float, text: str, *, anchor: str = "start", weight: str = "normal") -> tuple[int, str]:
    look = f'text-anchor="{anchor}" font-weight="{weight}"'
    return int(y), f'<text x="{x:.1f}" y="{y}" {look}>{escape(text)}</text>'
