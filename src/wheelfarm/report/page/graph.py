"""Lays out a graph in layers from left to right; the same graph always gets the same drawing.

The method is Sugiyama's: a node's layer is the length of its longest way from the left, an edge that crosses
a layer gets a waypoint there, and a few sweeps move each point towards the middle of its neighbors.
K. Sugiyama et al., "Methods for visual understanding of hierarchical system structures", 1981.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

# In units of the drawing, which are pixels unless the page is too narrow.
WIDTH: Final = 176
"""The width of a box."""
HEIGHT: Final = 62
_WAYPOINT_HEIGHT: Final = 18
_GAP: Final = 22
"""Between two boxes of a layer."""
_LAYER_GAP: Final = 72
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
        nodes: names; those of a layer keep this order where their neighbors allow it.
        edges: from the node that is used to the one that uses it; an edge without its nodes is left out.
    """
    known = set(nodes)
    wanted = sorted({(start, end) for start, end in edges if start != end and {start, end} <= known})
    layer = _layers(nodes, wanted)
    # In a cycle, which only a damaged record can have, some edge goes back: it is not drawn.
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
    x_of = {point: at * (WIDTH + _LAYER_GAP) for at, column in enumerate(columns) for point in column}
    boxes = tuple(
        Box(node=node, x=x_of[node,] + _MARGIN, y=centres[node,] - HEIGHT / 2 + _MARGIN) for node in nodes
    )
    lines = tuple(
        Line(start=start, end=end, path=_path(chain, x_of, centres)) for (start, end), chain in chains.items()
    )
    lowest = max((centres[point] + _height(point) / 2 for point in centres), default=0)
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
    """Sort each layer by the middle of its neighbors, to and fro; equals stay as they are."""
    before: defaultdict[Point, list[Point]] = defaultdict(list)
    after: defaultdict[Point, list[Point]] = defaultdict(list)
    for left, right in links:
        before[right].append(left)
        after[left].append(right)
    rightwards = [(before, at, at - 1) for at in range(1, len(columns))]
    leftwards = [(after, at, at + 1) for at in reversed(range(len(columns) - 1))]
    for neighbors, at, other in (*rightwards, *leftwards) * (_SWEEPS // 2):
        ranks, others = _ranks(columns[at]), _ranks(columns[other])
        for point in columns[at]:
            near = [others[each] for each in neighbors[point]]
            ranks[point] = sum(near) / len(near) if near else ranks[point]
        columns[at].sort(key=ranks.__getitem__)


def _ranks(column: Sequence[Point]) -> dict[Point, float]:
    """The place of each point of a layer, from 0 to 1."""
    return {point: rank / max(1, len(column) - 1) for rank, point in enumerate(column)}


def _height(point: Point) -> int:
    return HEIGHT if len(point) == 1 else _WAYPOINT_HEIGHT


def _centres(columns: Sequence[Sequence[Point]]) -> dict[Point, float]:
    """The height of each point's middle; each layer stands around the drawing's own middle."""
    heights = [sum(map(_height, column)) + _GAP * (len(column) - 1) for column in columns]
    centres = {}
    for column, height in zip(columns, heights, strict=True):
        y = (max(heights) - height) / 2
        for point in column:
            centres[point] = y + _height(point) / 2
            y += _height(point) + _GAP
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
