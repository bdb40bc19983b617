"""The drawing of a graph, for any graph: nothing lies on anything else, and every edge goes to the right."""

from __future__ import annotations

from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from wheelfarm.report.page.graph import HEIGHT, WIDTH, draw


@st.composite
def graphs(draw: st.DrawFn) -> tuple[list[str], list[tuple[str, str]]]:
    """Nodes, and edges from a node to later ones."""
    nodes = [f"n{number}" for number in range(draw(st.integers(0, 12)))]
    edges = list(combinations(nodes, 2))
    return nodes, draw(st.lists(st.sampled_from(edges), max_size=30)) if edges else []


@given(graphs())
def test_boxes_are_apart_and_edges_go_to_the_right(graph: tuple[list[str], list[tuple[str, str]]]) -> None:
    nodes, edges = graph
    drawn = draw(nodes, edges)
    places = {box.node: box for box in drawn.boxes}
    assert list(places) == nodes
    for one, other in combinations(drawn.boxes, 2):
        assert abs(one.x - other.x) >= WIDTH or abs(one.y - other.y) >= HEIGHT
    for box in drawn.boxes:
        assert 0 <= box.x <= drawn.width - WIDTH
        assert 0 <= box.y <= drawn.height - HEIGHT
    assert {(line.start, line.end) for line in drawn.lines} == set(edges)
    for line in drawn.lines:
        start, end = places[line.start], places[line.end]
        assert start.x + WIDTH < end.x
        assert line.path.startswith(f"M{start.x + WIDTH:g} {start.y + HEIGHT / 2:g}")
        assert line.path.endswith(f" {end.x:g} {end.y + HEIGHT / 2:g}")


@given(graphs())
def test_the_order_of_the_edges_does_not_matter(graph: tuple[list[str], list[tuple[str, str]]]) -> None:
    nodes, edges = graph
    assert draw(nodes, edges) == draw(nodes, reversed(edges))


def test_a_long_edge_goes_around_the_boxes_between() -> None:
    drawn = draw(["base", "middle", "top"], [("base", "middle"), ("middle", "top"), ("base", "top")])
    boxes = {box.node: box for box in drawn.boxes}
    long = next(line for line in drawn.lines if (line.start, line.end) == ("base", "top"))
    # Beside the middle box it runs level, above or below it.
    level = float(long.path.split(" H")[0].rpartition(" ")[2])
    middle = boxes["middle"]
    assert not middle.y <= level <= middle.y + HEIGHT


def test_what_cannot_be_drawn_is_left_out() -> None:
    # A damaged record can say anything: a wheel that was built on itself, or two on each other.
    assert draw(["a"], [("a", "a"), ("a", "elsewhere")]).lines == ()
    assert len(draw(["a", "b"], [("a", "b"), ("b", "a")]).boxes) == 2
    empty = draw([], [])
    assert (empty.boxes, empty.lines) == ((), ())


def test_crossings_are_avoided_where_they_can_be() -> None:
    nodes = ["a", "b", "y", "x"]
    drawn = {box.node: box for box in draw(nodes, [("a", "x"), ("b", "y")]).boxes}
    assert (drawn["a"].y < drawn["b"].y) == (drawn["x"].y < drawn["y"].y)
