"""Where lines go: people's on standard error, data on standard output."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from collections.abc import Iterable

    from wheelfarm.errors import FarmError


@dataclass(frozen=True)
class Screen:
    """Two streams; a terminal gets a status line that is written over."""

    people: TextIO
    programs: TextIO

    @classmethod
    def standard(cls) -> Screen:
        """The process's own streams."""
        return cls(people=sys.stderr, programs=sys.stdout)

    @property
    def live(self) -> bool:
        """Whether a person is watching."""
        return self.people.isatty()

    def say(self, line: str) -> None:
        """A line for people."""
        clear = "\r\x1b[K" if self.live else ""
        self.people.write(f"{clear}{line}\n")
        self.people.flush()

    def lines(self, lines: Iterable[str]) -> None:
        """Lines for people."""
        for line in lines:
            self.say(line)

    def status(self, line: str) -> None:
        """A line that the next one replaces; nothing where nobody is watching."""
        if self.live:
            self.people.write(f"\r\x1b[K{line}")
            self.people.flush()

    def result(self, lines: Iterable[str]) -> None:
        """What a command is for: a table or list on standard output."""
        for line in lines:
            self.programs.write(f"{line}\n")
        self.programs.flush()

    def data(self, value: object) -> None:
        """The result as JSON, for programs."""
        self.programs.write(json.dumps(value, indent=1, sort_keys=True) + "\n")
        self.programs.flush()

    def error(self, error: FarmError) -> None:
        """An error: what, where, why, and what to do next."""
        self.lines(error.lines())
