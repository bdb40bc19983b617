"""The plan that closes a requirement, for people and for programs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from wheelfarm.recipes.draft.bootstrap import Action
from wheelfarm.report.text import first_names, table_lines

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wheelfarm.recipes.draft.bootstrap import BootstrapPlan

_TITLES: Final = {
    Action.ADD: "to add",
    Action.HAVE: "have",
    Action.INDEX: "from the index",
    Action.CANNOT: "cannot",
}
_PARENTS: Final = 3
"""Distributions that a row names as requiring it."""


def bootstrap_lines(plan: BootstrapPlan, width: int | None = None) -> Iterator[str]:
    """What a plan does: counts, then a table with reasons, then what to know of each new recipe.

    Args:
        plan: the plan.
        width: columns of the terminal; None for as many as it takes.
    """
    yield f"{plan.name}: {', '.join(f'{len(plan.of(each))} {title}' for each, title in _TITLES.items())}"
    rows = [
        (
            _TITLES[action],
            " ".join((row.name, ", ".join(row.versions))).strip(),
            first_names(row.required_by, _PARENTS) or "requested",
            row.why,
        )
        for action in _TITLES
        for row in plan.of(action)
    ]
    header = ("action", "distribution", "required by", "why")
    yield from table_lines(header, rows, whole=header[:2], width=width)
    for draft in plan.drafts:
        yield from (f"{draft.name}: {note}" for note in draft.notes)
        yield from (f"{draft.name}: question: {each}" for each in draft.recipe.questions)
        yield from (
            f"the locks of {other} pin {draft.name}: add it to its requires, then inv recipe.lock {other}"
            for other in draft.pinned_by
        )


def bootstrap_data(plan: BootstrapPlan, *, dry_run: bool) -> dict[str, Any]:
    """The same for programs."""
    return {
        "name": plan.name,
        "order": [draft.name for draft in plan.drafts],
        "written": [] if dry_run or plan.conflicts else [draft.name for draft in plan.drafts],
        "distributions": [
            {
                "name": row.name,
                "versions": list(row.versions),
                "action": row.action,
                "required-by": list(row.required_by),
                "why": row.why,
            }
            for row in plan.rows
        ],
        "conflicts": [error.what for error in plan.conflicts],
        "notes": {draft.name: [*draft.notes, *draft.recipe.questions] for draft in plan.drafts},
        "pinned-by": {draft.name: list(draft.pinned_by) for draft in plan.drafts if draft.pinned_by},
        "files": {draft.name: dict(draft.files) for draft in plan.drafts},
    }
