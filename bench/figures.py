"""What is measured, as a line of a table."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """One line of the table."""

    what: str
    value: float
    unit: str
    target: float

    def __str__(self) -> str:
        verdict = "reached" if self.value <= self.target else "MISSED"
        return f"{self.what:52} {self.value:9.2f} {self.unit:2}  target {self.target:g}  {verdict}"
