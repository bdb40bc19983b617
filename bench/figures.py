"""What is measured, as a line of a table."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """One line of the table."""

    what: str
    value: float
    unit: str
    target: float | None = None
    """At most; None for what is there to compare with."""

    def __str__(self) -> str:
        measured = f"{self.what:52} {self.value:9.2f} {self.unit:2}"
        if self.target is None:
            return f"{measured}  to compare with"
        return f"{measured}  target {self.target:g}  {'reached' if self.value <= self.target else 'MISSED'}"
