"""Draws the graph of recipes: as a tree for people, as DOT, as Mermaid, as SVG, as JSON."""

from __future__ import annotations

import re
from collections import defaultdict
from typing import TYPE_CHECKING, Any, Final
from xml.sax.saxutils import escape

from wheelfarm.report.page.graph import HEIGHT, WIDTH, draw

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wheelfarm.plan.recipe_graph import Edge, RecipeGraph

_ABOVE: Final = " …"
"""After a node whose lines stand above."""
_STYLE: Final = (
    "text{font:14px sans-serif}.faint{font-size:12px;fill:#555}rect{fill:#fff;stroke:#888}"
    ".edge{fill:none;stroke:#888}"
)


def graph_data(graph: RecipeGraph) -> dict[str, Any]:
    """The graph as JSON."""
    return {
        "nodes": [{"name": name, "version": version} for name, version in graph.nodes.items()],
        "edges": [
            {
                "needer": each.needer,
                "needed": each.needed,
                "kinds": list(each.kinds),
                "pinned": each.pinned or None,
            }
            for each in graph.edges
        ],
    }


def tree_lines(graph: RecipeGraph, roots: tuple[str, ...], *, needers: bool = False) -> Iterator[str]:
    """What each root needs, or what needs it; lines that stand above already are not repeated.

    Args:
        graph: the graph.
        roots: where the trees begin.
        needers: whether the branches are what needs a node.
    """
    branches: defaultdict[str, list[tuple[str, Edge]]] = defaultdict(list)
    for each in graph.edges:
        start, end = (each.needed, each.needer) if needers else (each.needer, each.needed)
        branches[start].append((end, each))
    shown = set[str]()

    def below(name: str, indent: str) -> Iterator[str]:
        shown.add(name)
        others = branches.get(name, [])
        for number, (other, edge) in enumerate(others, 1):
            last = number == len(others)
            again = other in shown and bool(branches.get(other))
            pinned = f" {edge.pinned}" if edge.pinned and needers else ""
            version = graph.nodes[other] if needers else edge.pinned or graph.nodes[other]
            label = f"{other} {version} ({', '.join(edge.kinds)}{pinned}){_ABOVE if again else ''}"
            yield f"{indent}{'└── ' if last else '├── '}{label}"
            if not again:
                yield from below(other, f"{indent}{'    ' if last else '│   '}")

    for root in roots:
        yield f"{root} {graph.nodes[root]}"
        yield from below(root, "")


def dot_lines(graph: RecipeGraph) -> Iterator[str]:
    """The graph in the language of Graphviz: https://graphviz.org/doc/info/lang.html."""
    ids = {name: f"n{number}" for number, name in enumerate(graph.nodes)}
    yield "digraph recipes {"
    yield "  node [shape=box];"
    for name, version in graph.nodes.items():
        yield f'  {ids[name]} [label="{_dot_text(f"{name} {version}")}"];'
    for each in graph.edges:
        label = _dot_text(", ".join(each.kinds))
        yield f'  {ids[each.needer]} -> {ids[each.needed]} [label="{label}"];'
    yield "}"


def _dot_text(text: str) -> str:
    """A text as the label of a node: a backslash begins an escape there."""
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\r", "").replace("\n", "\\n")


def mermaid_lines(graph: RecipeGraph) -> Iterator[str]:
    """The graph as a flowchart: https://mermaid.js.org/syntax/flowchart.html."""
    ids = {name: f"n{number}" for number, name in enumerate(graph.nodes)}
    yield "flowchart LR"
    for name, version in graph.nodes.items():
        yield f'  {ids[name]}["{_mermaid_text(f"{name} {version}")}"]'
    for each in graph.edges:
        label = _mermaid_text(", ".join(each.kinds))
        yield f'  {ids[each.needer]} -->|"{label}"| {ids[each.needed]}'


def _mermaid_text(text: str) -> str:
    """A text in quotes: what is no letter, digit or plain mark becomes an entity."""
    return re.sub(r"[^A-Za-z0-9 .,_+-]", lambda found: f"#{ord(found[0])};", text)


def svg_lines(graph: RecipeGraph) -> Iterator[str]:
    """The graph as a drawing, from what is needed on the left to what needs it on the right."""
    kinds = {(each.needed, each.needer): ", ".join(each.kinds) for each in graph.edges}
    drawing = draw(list(graph.nodes), kinds)
    size = f'width="{drawing.width:g}" height="{drawing.height:g}"'
    box = f'viewBox="0 0 {drawing.width:g} {drawing.height:g}"'
    yield f'<svg xmlns="http://www.w3.org/2000/svg" {size} {box} role="img">'
    yield f"<title>The graph of recipes</title><style>{_STYLE}</style>"
    yield (
        '<defs><marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" '
        'orient="auto"><path d="M0 0L8 4L0 8z" fill="#888"/></marker></defs>'
    )
    for line in drawing.lines:
        title = f"{line.end} needs {line.start} ({kinds[line.start, line.end]})"
        yield (
            f'<path class="edge" d="{line.path}" marker-end="url(#head)">'
            f"<title>{escape(title)}</title></path>"
        )
    for each in drawing.boxes:
        yield f'<g transform="translate({each.x:g} {each.y:g})">'
        yield f'<rect width="{WIDTH}" height="{HEIGHT}" rx="6"/>'
        yield f'<text x="12" y="26">{escape(each.node)}</text>'
        yield f'<text x="12" y="46" class="faint">{escape(graph.nodes[each.node])}</text></g>'
    yield "</svg>"
