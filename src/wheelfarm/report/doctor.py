"""The results of `doctor`: a table, then the command for each thing that is wrong."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from wheelfarm.errors import counted
from wheelfarm.report.text import table_lines
from wheelfarm.run.doctor.check import Status

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from wheelfarm.run.doctor.check import Check


def doctor_data(checks: Sequence[Check]) -> dict[str, Any]:
    """The results for programs."""
    return {
        "faults": sum(each.status is Status.FAULT for each in checks),
        "warnings": sum(each.status is Status.WARNING for each in checks),
        "checks": [
            {
                "name": each.name,
                "status": each.status.value,
                "finding": each.finding,
                "command": each.command,
                "details": [*each.details],
            }
            for each in checks
        ],
    }


def doctor_lines(checks: Sequence[Check], *, verbose: bool, width: int | None = None) -> Iterator[str]:
    """The answer, the table, and the commands; with details on request."""
    count = Counter(each.status for each in checks)
    faults, warnings = count[Status.FAULT], count[Status.WARNING]
    answer = (
        f"{counted(faults, 'fault')} that stop builds here"
        if faults != 1
        else "1 fault that stops builds here"
    )
    yield f"{answer if faults else 'builds can run here'}, {counted(warnings, 'warning')}"
    yield ""
    rows = [[each.name, each.status.value, each.finding] for each in checks]
    yield from table_lines(["check", "result", "finding"], rows, whole=["check", "result"], width=width)
    wrong = [each for each in checks if each.status is not Status.OK and each.command]
    if wrong:
        yield ""
        yield "What mends it:"
        for each in sorted(wrong, key=lambda check: check.status is not Status.FAULT):
            yield f"  {each.name}: {each.command}"
    for each in checks if verbose else ():
        if each.details:
            yield ""
            yield f"{each.name}:"
            yield from (f"  {line}" for line in each.details)
