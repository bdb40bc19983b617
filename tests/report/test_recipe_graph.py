"""The graph of recipes as text: whatever names and versions hold, it is what was drawn."""

from __future__ import annotations

import re
from typing import Final
from xml.dom.minidom import Element, Text, parseString

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wheelfarm.plan.recipe_graph import Edge, RecipeGraph
from wheelfarm.report.recipe_graph import dot_lines, graph_data, mermaid_lines, svg_lines, tree_lines

TEXT: Final = st.text(st.characters(exclude_categories=["C", "Zl", "Zp"]), min_size=1, max_size=8)


@st.composite
def graphs(draw: st.DrawFn) -> RecipeGraph:
    """Any names, and edges from later nodes to earlier ones."""
    names = draw(st.lists(TEXT, unique=True, max_size=6))
    pairs = [(later, earlier) for at, later in enumerate(names) for earlier in names[:at]]
    chosen = draw(st.lists(st.sampled_from(pairs), unique=True)) if pairs else []
    kinds = st.lists(st.sampled_from(["host", "run", "build"]), min_size=1, unique=True).map(tuple)
    edges = tuple(Edge(needer, needed, draw(kinds)) for needer, needed in chosen)
    return RecipeGraph({name: draw(TEXT) for name in names}, edges)


def read_dot(text: str) -> tuple[list[str], list[tuple[str, str, str]]]:
    """Labels of nodes and edges, by the rules for strings and labels of the language."""
    label = r'\[label="((?:[^"\\]|\\.)*)"\];'
    labels = {
        found[1]: re.sub(r"\\(.)", r"\1", found[2])
        for found in re.finditer(rf"^  (n\d+) {label}$", text, re.MULTILINE)
    }
    edges = [
        (labels[found[1]], labels[found[2]], found[3])
        for found in re.finditer(rf"^  (n\d+) -> (n\d+) {label}$", text, re.MULTILINE)
    ]
    return list(labels.values()), edges


def read_mermaid(text: str) -> tuple[list[str], list[tuple[str, str, str]]]:
    """The same of a flowchart."""
    labels = {
        found[1]: re.sub(r"#(\d+);", lambda each: chr(int(each[1])), found[2])
        for found in re.finditer(r'^  (n\d+)\["([^"]*)"\]$', text, re.MULTILINE)
    }
    edges = [
        (labels[found[1]], labels[found[3]], found[2])
        for found in re.finditer(r'^  (n\d+) -->\|"([^"]*)"\| (n\d+)$', text, re.MULTILINE)
    ]
    return list(labels.values()), edges


@given(graphs())
def test_dot_and_mermaid_read_back_are_the_graph(graph: RecipeGraph) -> None:
    labels = {name: f"{name} {version}" for name, version in graph.nodes.items()}
    edges = [(labels[each.needer], labels[each.needed], ", ".join(each.kinds)) for each in graph.edges]
    for lines, read in ((dot_lines, read_dot), (mermaid_lines, read_mermaid)):
        text = "\n".join(lines(graph))
        assert read(text) == (list(labels.values()), edges)
        assert len(text.splitlines()) == len(list(lines(graph)))


@given(graphs())
def test_the_drawing_has_each_node_and_edge(graph: RecipeGraph) -> None:
    root = parseString("\n".join(svg_lines(graph)))  # noqa: S318 - our own
    texts = [text_of(each) for each in root.getElementsByTagName("text")]
    assert texts == [text for pair in graph.nodes.items() for text in pair]
    paths = root.getElementsByTagName("path")
    titles = {text_of(each) for each in paths if each.getAttribute("class") == "edge"}
    assert titles == {f"{each.needer} needs {each.needed} ({', '.join(each.kinds)})" for each in graph.edges}


def text_of(element: Element) -> str:
    """The text of an element, or of the one in it."""
    child = element.firstChild
    if isinstance(child, Element):
        return text_of(child)
    assert isinstance(child, Text)
    return child.data


@pytest.mark.parametrize("needers", [False, True])
@given(graph=graphs())
def test_the_tree_has_a_line_for_each_way_to_a_node_but_repeats_nothing(
    graph: RecipeGraph, *, needers: bool
) -> None:
    lines = list(tree_lines(graph, graph.roots(needers=needers), needers=needers))
    assert len(lines) == len(graph.roots(needers=needers)) + len(graph.edges)


def test_a_tree_for_people() -> None:
    graph = RecipeGraph(
        {"numpy": "2.4", "scipy": "1.17", "learn": "1.9"},
        (
            Edge("scipy", "numpy", ("host", "run")),
            Edge("learn", "numpy", ("host",)),
            Edge("learn", "scipy", ("run",)),
        ),
    )
    assert list(tree_lines(graph, ("learn",))) == [
        "learn 1.9",
        "├── numpy 2.4 (host)",
        "└── scipy 1.17 (run)",
        "    └── numpy 2.4 (host, run)",
    ]
    assert list(tree_lines(graph, ("numpy",), needers=True)) == [
        "numpy 2.4",
        "├── scipy 1.17 (host, run)",
        "│   └── learn 1.9 (run)",
        "└── learn 1.9 (host)",
    ]
    assert graph_data(graph)["edges"][1] == {
        "needer": "learn",
        "needed": "numpy",
        "kinds": ["host"],
        "pinned": None,
    }
