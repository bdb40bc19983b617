"""One check of the gate: what was expected, what was found, and what most likely caused a difference."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_SHOWN: Final = 5


@dataclass(frozen=True, kw_only=True)
class Result:
    """What was expected and what was found."""

    check: str
    expected: str
    found: str
    room: str = ""
    """The clean room that it was found in: its Python and, for a downstream wheel, what that is."""

    @property
    def name(self) -> str:
        """The check, and the room where there is one."""
        return f"{self.check} ({self.room})" if self.room else self.check

    def __str__(self) -> str:
        return f"{self.name}: expected {self.expected}, found {self.found}"


@dataclass(frozen=True, kw_only=True)
class Check:
    """A result, and whether it is as it should be."""

    result: Result
    ok: bool
    cause: str = ""
    """Where a difference shows, and what in the recipe most likely caused it."""

    @classmethod
    def of(cls, check: str, *, expected: str, found: str, ok: bool, cause: str = "") -> Check:
        """One that is named like its key below `expect`."""
        return cls(result=Result(check=check, expected=expected, found=found), ok=ok, cause=cause)


def listed(names: Iterable[str], none: str = "none") -> str:
    """The first few of some names, and how many there are more."""
    every = list(names)
    more = f" and {len(every) - _SHOWN} more" if len(every) > _SHOWN else ""
    return ", ".join(every[:_SHOWN]) + more if every else none


def matches(name: str, globs: Sequence[str]) -> bool:
    """Whether one of the globs matches a name; `*` matches `/` too."""
    return any(fnmatchcase(name, glob) for glob in globs)
