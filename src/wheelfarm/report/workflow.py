"""The results of a job and of a workflow's run, as Markdown for their pages on GitHub."""

from __future__ import annotations

from collections import Counter
from pathlib import PurePath
from typing import TYPE_CHECKING, cast

from wheelfarm.errors import counted
from wheelfarm.report.build import count_line
from wheelfarm.report.text import duration, size
from wheelfarm.run.outcome import State

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from wheelfarm.ci.matrix import MatrixEntry
    from wheelfarm.run.outcome import Outcome
    from wheelfarm.run.stored_sizes import Growth


def job_summary(outcomes: Sequence[Outcome]) -> str:
    """The outcomes of a run; without a compiler cache it has no column."""
    columns = ["package", "variant", "target", "state", "time", "size", "cache hits"]
    cached = any(outcome.cache_use for outcome in outcomes)
    width = len(columns) if cached else len(columns) - 1
    rows = [_job_cells(outcome)[:width] for outcome in outcomes]
    warnings = [f"{each.build.id}: {warning}" for each in outcomes for warning in each.warnings]
    table = _summary(f"Wheels: {count_line(outcomes)}", columns[:width], rows, right=columns[4:])
    return table + _warning_list(warnings)


def _job_cells(outcome: Outcome) -> list[str]:
    build, wheel, use = outcome.build, outcome.wheel, outcome.cache_use
    return [
        f"{build.id.name} {build.version}",
        build.id.variant,
        str(build.id.target),
        _state(outcome),
        duration(outcome.seconds) if outcome.seconds else "",
        size(wheel.stat().st_size) if wheel is not None and wheel.is_file() else "",
        f"{use.hits} of {use.compiles}" if use else "",
    ]


def _state(outcome: Outcome) -> str:
    """The state, and its reason."""
    match outcome.state:
        case State.FAILED:
            state = f"failed: {outcome.why}"
        case State.BLOCKED:
            state = f"blocked by {outcome.culprit}" if outcome.culprit else outcome.why
        case _:
            state = outcome.state.value
    return f"{state} (attempt {outcome.attempts})" if outcome.retried else state


def _warning_list(warnings: Sequence[str]) -> str:
    """Warnings as a list in Markdown; empty without any."""
    return "\n".join(["", *(f"- :warning: {_escape(each)}" for each in warnings), ""]) if warnings else ""


def growth_summary(grown: Sequence[Growth]) -> str:
    """The wheels that are more than a hundredth larger than those of the last full run; empty without any."""
    columns = ["wheel", "variant", "target", "before", "now", "change", "grown by"]
    rows = [
        [
            f"{each.record.distribution} {each.record.version}",
            each.record.variant,
            str(each.record.target),
            size(each.before),
            size(each.after),
            f"{each.share:+.1%}",
            each.largest,
        ]
        for each in sorted(grown, key=lambda each: -each.share)
    ]
    title = (
        f"Sizes: {counted(len(rows), 'wheel')} larger by more than 1 % than in the last full run, unpacked"
    )
    return _summary(title, columns, rows, right=columns[3:6]) if rows else ""


def workflow_summary(
    entries: Sequence[MatrixEntry],
    selected: Collection[MatrixEntry],
    outcomes: Mapping[str, Mapping[str, object]],
    results: Mapping[str, str],
) -> str:
    """The jobs of a workflow's run.

    Args:
        entries: all of the workflow, in its order.
        selected: those that were to run.
        outcomes: of the reports, by slug.
        results: the host's result of each job, by slug: a job that was cancelled has no report.
    """
    columns = ["package", "platform", "variant", "Python", "state", "time", "wheel"]
    rows = [
        _entry_cells(entry, outcomes.get(entry.slug), results.get(entry.slug, ""))
        for entry in entries
        if entry in selected
    ]
    states = Counter(cells[4].partition(":")[0] for cells in rows)
    counts = [f"{count} {state}" for state, count in sorted(states.items())]
    if len(rows) < len(entries):
        counts.append(f"{len(entries) - len(rows)} left out")
    warnings = [
        f"{entry.slug}: {warning}"
        for entry in entries
        if entry in selected
        for warning in cast("list[str]", outcomes.get(entry.slug, {}).get("warnings", []))
    ]
    title = f"Farm: {', '.join(counts) or 'nothing to do'}"
    return _summary(title, columns, rows) + _warning_list(warnings)


def _entry_cells(entry: MatrixEntry, outcome: Mapping[str, object] | None, result: str) -> list[str]:
    cells = [str(entry.name), entry.platform, entry.variant, str(entry.python)]
    if outcome is None:
        state = "blocked" if result == "skipped" else f"ended without a report: {result}"
        return [*cells, state if result else "ended without a report", "", ""]
    state = str(outcome["state"])
    if outcome.get("error"):
        state += f": {outcome['why']}"
    seconds, wheel = outcome.get("seconds"), outcome.get("wheel")
    time = duration(float(seconds)) if isinstance(seconds, int | float) and seconds else ""
    return [*cells, state, time, PurePath(str(wheel)).name if wheel else ""]


def _summary(
    title: str, columns: Sequence[str], rows: Sequence[Sequence[str]], *, right: Collection[str] = ()
) -> str:
    """A heading and a table in Markdown; without rows only the heading."""
    marks = ["---:" if name in right else "---" for name in columns]
    cells = [columns, marks, *([_escape(text) for text in row] for row in rows)] if rows else []
    return "\n".join([f"### {title}", "", *(f"| {' | '.join(row)} |" for row in cells), ""])


def _escape(text: str) -> str:
    """Text that Markdown leaves as it is, within a table."""
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace("|", "\\|")
    return " ".join(text.split())
