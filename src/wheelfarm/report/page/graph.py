"""The drawing of a graph in layers, from left to right: places only, the same ones for the same graph.

The method is Sugiyama's: a layer for each wheel by its longest way from the left, a waypoint wherever an edge
crosses a layer, and a few sweeps that move each point towards the middle of its neighbours. Graphs here are
small. K. Sugiyama et al., "Methods for visual understanding of hierarchical system structures", 1981.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

WIDTH: Final = 176
"""Of a box, in units of the drawing, which are pixels unless the page is too narrow."""
HEIGHT: Final = 62
_LANE: Final = 18
"""Of a waypoint: an edge is narrower than a box."""
_GAP: Final = 22
"""Between two boxes of a layer."""
_BETWEEN: Final = 72
"""Between two layers."""
_MARGIN: Final = 4
_SWEEPS: Final = 8


@dataclass(frozen=True, kw_only=True)
class Box:
    """A node, by its left upper corner."""

    node: str
    x: float
    y: float


@dataclass(frozen=True, kw_only=True)
class Line:
    """An edge, as the path of an SVG."""

    start: str
    end: str
    path: str


@dataclass(frozen=True, kw_only=True)
class Drawing:
    """Boxes and lines, and the size of the whole."""

    boxes: tuple[Box, ...]
    lines: tuple[Line, ...]
    width: float
    height: float


Point = tuple[str, ...]
"""A node, as (name,), or the waypoint of an edge in a layer, as (start, end, layer)."""


def draw(nodes: Sequence[str], edges: Iterable[tuple[str, str]]) -> Drawing:
    """Lay out a graph.

    Args:
        nodes: names, in the order in which those of a layer stand when nothing else tells.
        edges: from the node that is used to the one that uses it; what is no node is left out.
    """
    known = set(nodes)
    wanted = sorted({(start, end) for start, end in edges if start != end and {start, end} <= known})
    layer = _layers(nodes, wanted)
    # In a circle, which only a damaged record can tell of, some edge goes back: it is not drawn.
    chains = {edge: _chain(edge, layer) for edge in wanted if layer[edge[0]] < layer[edge[1]]}
    columns: list[list[Point]] = [[] for _ in range(max(layer.values(), default=-1) + 1)]
    for node in nodes:
        columns[layer[node]].append((node,))
    for (start, _), chain in chains.items():
        for at, point in enumerate(chain[1:-1], start=layer[start] + 1):
            columns[at].append(point)
    links = [link for chain in chains.values() for link in pairwise(chain)]
    _order(columns, links)
    centres = _centres(columns)
    x_of = {point: at * (WIDTH + _BETWEEN) for at, column in enumerate(columns) for point in column}
    boxes = tuple(
        Box(node=node, x=x_of[node,] + _MARGIN, y=centres[node,] - HEIGHT / 2 + _MARGIN) for node in nodes
    )
    lines = tuple(
        Line(start=start, end=end, path=_path(chain, x_of, centres)) for (start, end), chain in chains.items()
    )
    lowest = max((centres[point] + _tall(point) / 2 for point in centres), default=0)
    right = max(x_of.values(), default=0) + WIDTH
    return Drawing(boxes=boxes, lines=lines, width=right + 2 * _MARGIN, height=lowest + 2 * _MARGIN)


def _layers(nodes: Sequence[str], edges: Sequence[tuple[str, str]]) -> dict[str, int]:
    """How many edges the longest way to a node has."""
    layer = dict.fromkeys(nodes, 0)
    for _ in nodes:
        for start, end in edges:
            layer[end] = max(layer[end], layer[start] + 1)
    return layer


def _chain(edge: tuple[str, str], layer: Mapping[str, int]) -> list[Point]:
    start, end = edge
    between = range(layer[start] + 1, layer[end])
    return [(start,), *((start, end, str(at)) for at in between), (end,)]


def _order(columns: list[list[Point]], links: Sequence[tuple[Point, Point]]) -> None:
    """Sort each layer by the middle of its neighbours, to and fro; equals stay as they are."""
    before: dict[Point, list[Point]] = {}
    after: dict[Point, list[Point]] = {}
    for left, right in links:
        before.setdefault(right, []).append(left)
        after.setdefault(left, []).append(right)
    for sweep in range(_SWEEPS):
        forwards = sweep % 2 == 0
        for at in range(1, len(columns)) if forwards else range(len(columns) - 2, -1, -1):
            beside = columns[at - 1 if forwards else at + 1]
            place = {point: rank / max(1, len(beside) - 1) for rank, point in enumerate(beside)}
            neighbours = before if forwards else after
            count = max(1, len(columns[at]) - 1)
            own = {point: rank / count for rank, point in enumerate(columns[at])}
            middle = {}
            for point in columns[at]:
                near = [place[other] for other in neighbours.get(point, ())]
                middle[point] = sum(near) / len(near) if near else own[point]
            columns[at].sort(key=middle.__getitem__)


def _tall(point: Point) -> int:
    return HEIGHT if len(point) == 1 else _LANE


def _centres(columns: Sequence[Sequence[Point]]) -> dict[Point, float]:
    """The height of each point's middle; each layer stands around the drawing's own middle."""
    talls = [sum(map(_tall, column)) + _GAP * (len(column) - 1) for column in columns]
    centres = {}
    for column, tall in zip(columns, talls, strict=True):
        y = (max(talls) - tall) / 2
        for point in column:
            centres[point] = y + _tall(point) / 2
            y += _tall(point) + _GAP
    return centres


def _path(chain: Sequence[Point], x_of: Mapping[Point, float], centres: Mapping[Point, float]) -> str:
    """Curves from the right edge of the first box to the left edge of the last one."""
    x, y = x_of[chain[0]] + WIDTH + _MARGIN, centres[chain[0]] + _MARGIN
    words = [f"M{x:g} {y:g}"]
    for point in chain[1:]:
        to_x, to_y = x_of[point] + _MARGIN, centres[point] + _MARGIN
        bend = (x + to_x) / 2
        words.append(f"C{bend:g} {y:g} {bend:g} {to_y:g} {to_x:g} {to_y:g}")
        x, y = to_x, to_y
        if len(point) > 1:
            x += WIDTH
            words.append(f"H{x:g}")
    return " ".join(words)
