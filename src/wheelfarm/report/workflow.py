"""The result of a workflow's run, as Markdown for its page."""

from __future__ import annotations

from pathlib import PurePath
from typing import TYPE_CHECKING

from wheelfarm.report.outcome import cell, row
from wheelfarm.report.quantity import duration

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from wheelfarm.ci.matrix import MatrixEntry


def workflow_summary(
    entries: Sequence[MatrixEntry],
    selected: Collection[MatrixEntry],
    outcomes: Mapping[str, Mapping[str, object]],
    results: Mapping[str, str],
) -> str:
    """The table of a run.

    Args:
        entries: all of the workflow, in its order.
        selected: those that were to run.
        outcomes: of the reports, by slug.
        results: the host's result of each job, by slug: a job that was cancelled has no report.
    """
    rows = [
        _cells(entry, outcomes.get(entry.slug), results.get(entry.slug, ""))
        for entry in entries
        if entry in selected
    ]
    states: dict[str, int] = {}
    for cells in rows:
        states[cells[4].partition(":")[0]] = states.get(cells[4].partition(":")[0], 0) + 1
    unchanged = len(entries) - len(rows)
    counts = [f"{count} {state}" for state, count in sorted(states.items())]
    counts += [f"{unchanged} left out"] if unchanged else []
    head = ["package", "platform", "variant", "Python", "state", "time", "wheel"]
    lines = [f"### Farm: {', '.join(counts) or 'nothing to do'}", ""]
    if rows:
        lines += [
            row(head),
            row(["---"] * len(head)),
            *(row([cell(each) for each in cells]) for cells in rows),
        ]
    return "\n".join([*lines, ""])


def _cells(entry: MatrixEntry, outcome: Mapping[str, object] | None, result: str) -> list[str]:
    columns = [str(entry.name), entry.platform, entry.variant, str(entry.python)]
    if outcome is None:
        state = "blocked" if result == "skipped" else f"ended without a report: {result}"
        return [*columns, state if result else "ended without a report", "", ""]
    state = str(outcome["state"])
    if outcome.get("error"):
        state += f": {outcome['why']}"
    seconds, wheel = outcome.get("seconds"), outcome.get("wheel")
    took = duration(float(seconds)) if isinstance(seconds, int | float) and seconds else ""
    return [*columns, state, took, PurePath(str(wheel)).name if wheel else ""]
