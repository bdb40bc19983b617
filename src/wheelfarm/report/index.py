"""Reports of an index: its differences from the wheelhouse, and the status of each wheel."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any, Final

from wheelfarm.index.comparison import State
from wheelfarm.report.text import counts, size, table_lines
from wheelfarm.wheelhouse.simple_index import ProjectStatus

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from wheelfarm.index.comparison import Comparison, TargetStatus
    from wheelfarm.index.verify import Verdict
    from wheelfarm.model import Name

_NARROW: Final = 72
"""Columns of a terminal below which a status leaves out what the state implies."""


def comparison_lines(comparison: Comparison, width: int | None = None) -> Iterator[str]:
    """The number of wheels in each state, then those that are not the same already, with the reason."""
    yield counts(each.state.value for each in comparison.differences) or "nothing to publish"
    rows = [
        (
            each.state.value,
            each.filename,
            size(each.candidate.file.size) if each.candidate is not None else "",
            each.why,
        )
        for each in comparison.differences
        if each.state is not State.SAME
    ]
    if rows:
        head = ("state", "wheel", "size", "why" if any(row[3] for row in rows) else "")
        yield from table_lines(head, rows, right=("size",), whole=("state", "size"), width=width)


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


def status_lines(
    variant: str,
    target_statuses: Sequence[TargetStatus],
    statuses: Mapping[Name, ProjectStatus],
    width: int | None = None,
) -> Iterator[str]:
    """The wheels in each state, the projects with a status, a row for each package, version and target."""
    yield f"variant {variant}: {counts(each.state for each in target_statuses) or 'no wheels'}"
    yield from (f"{name} is {each}" for name, each in statuses.items() if each != ProjectStatus())
    columns = {
        "package": [each.project for each in target_statuses],
        "version": [each.version for each in target_statuses],
        "target": [each.target for each in target_statuses],
        "wheelhouse": ["yes" if each.stored else "no" for each in target_statuses],
        "index": ["yes" if each.published else "no" for each in target_statuses],
        "state": [each.state for each in target_statuses],
    }
    if width is not None and width < _NARROW:
        del columns["wheelhouse"], columns["index"]
    rows = list(zip(*columns.values(), strict=True))
    if rows:
        yield from table_lines([*columns], rows, whole=[*columns], width=width)


def status_data(
    variant: str, target_statuses: Iterable[TargetStatus], statuses: Mapping[Name, ProjectStatus]
) -> list[dict[str, Any]]:
    """The same for programs."""
    return [
        {
            "variant": variant,
            **asdict(each),
            "project-status": statuses.get(each.project, ProjectStatus()).to_mapping(),
        }
        for each in target_statuses
    ]
