"""graph: what recipes need, and what needs them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wheelfarm.cli.task import parse_packages, task
from wheelfarm.errors import UsageError
from wheelfarm.plan.recipe_graph import make_graph
from wheelfarm.report.recipe_graph import dot_lines, graph_data, mermaid_lines, svg_lines, tree_lines

if TYPE_CHECKING:
    from wheelfarm.cli.task import Invocation


@task(
    *("variant", "json"),
    why="what needs the packages, and not what they need; also of packages that only locks have",
    locks="also what the locks pin from outside the farm",
    dot="as DOT, for Graphviz",
    mermaid="as a Mermaid flowchart",
    svg="as a drawing",
)
def graph(
    call: Invocation,
    packages: str,
    *,
    why: bool = False,
    locks: bool = False,
    dot: bool = False,
    mermaid: bool = False,
    svg: bool = False,
) -> None:
    """Show what recipes need of the farm to be built (host) and to run; `--why` shows what needs them."""
    chosen = [
        name for name, on in (("dot", dot), ("mermaid", mermaid), ("svg", svg), ("json", call.json)) if on
    ]
    if len(chosen) > 1:
        raise UsageError(f"--{chosen[0]} and --{chosen[1]} exclude each other")
    names, farm = parse_packages(packages), call.farm
    if names is None:
        with call.problems.collect():
            farm.recipes.check()
    found = make_graph(farm.recipes, names, locks=locks, needers=why)
    lines = {"dot": dot_lines, "mermaid": mermaid_lines, "svg": svg_lines}
    if chosen and chosen[0] in lines:
        call.screen.result(lines[chosen[0]](found))
        return
    roots = tuple(names) if names else found.roots(needers=why)
    call.show(graph_data(found), tree_lines(found, roots, needers=why))
