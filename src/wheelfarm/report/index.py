"""What is said of an index: what differs, and what stands where."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from wheelfarm.index.comparison import State
from wheelfarm.report.quantity import size

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from wheelfarm.index.comparison import Comparison
    from wheelfarm.index.status import TargetStatus
    from wheelfarm.index.verify import Verdict


def comparison_lines(comparison: Comparison) -> Iterator[str]:
    """A line a wheel, with what is wrong with it; those that are the same already are only counted."""
    for each in comparison.differences:
        if each.state is not State.SAME:
            what = size(each.candidate.file.size) if each.candidate is not None else ""
            why = "; ".join(filter(None, (what, each.why)))
            yield f"{each.state.value:12} {each.filename}{f': {why}' if why else ''}"
    counts = ((state, len(comparison.of(state))) for state in State)
    yield ", ".join(f"{count} {state.value}" for state, count in counts if count) or "nothing to publish"


def comparison_data(comparison: Comparison) -> list[dict[str, Any]]:
    """The same for programs."""
    return [
        {
            "state": each.state.value,
            "name": each.project,
            "filename": each.filename,
            "why": each.why,
            "sha256": each.candidate.sha256 if each.candidate else None,
            "size": each.candidate.file.size if each.candidate else None,
        }
        for each in comparison.differences
    ]


def verdict_line(verdict: Verdict) -> str:
    """One wheel: verified, or the error."""
    if verdict.error is not None:
        return f"refused   {verdict.filename}: {verdict.error.what}"
    key = (verdict.key or "")[:12]
    return f"verified  {verdict.filename}: key {key}, {'signed' if verdict.signed else 'unsigned'}"


def verdict_data(verdict: Verdict) -> dict[str, Any]:
    """The same for programs."""
    error, data = verdict.error, asdict(replace(verdict, error=None))
    return {**data, "error": error.slug if error else None, "why": error and (error.why or error.what)}


def status_lines(variant: str, target_statuses: Sequence[TargetStatus]) -> Iterator[str]:
    """What stands where, as a table: a line for each package, version and target."""
    head = ("package", "version", "target", "wheelhouse", "index", "state")
    rows = [
        (
            each.project,
            each.version,
            each.target,
            "yes" if each.stored else "no",
            "yes" if each.published else "no",
            each.state,
        )
        for each in target_statuses
    ]
    yield f"variant {variant}"
    yield from _table([head, *rows])


def _table(rows: Sequence[Sequence[str]]) -> Iterable[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def status_data(variant: str, target_statuses: Iterable[TargetStatus]) -> list[dict[str, Any]]:
    """The same for programs."""
    return [{"variant": variant, **asdict(each)} for each in target_statuses]
