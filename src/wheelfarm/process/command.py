"""What is to be run, and what came of it."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol
from urllib.parse import quote, quote_plus

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

_SHORTEST_LINE: Final = 6
"""Shorter lines of a secret of several lines, such as a lone brace, say nothing and occur everywhere."""


class Flag(Protocol):
    """Something that another thread may set, such as a `threading.Event`."""

    def is_set(self) -> bool:
        """Whether it was set."""


@dataclass(frozen=True, kw_only=True)
class Command:
    """A program with all that it is given.

    Args:
        argv: the program and its arguments, as the child gets them.
        env: the whole environment of the child; see `allowed`.
        cwd: the working directory; None for the farm's own.
        log: the file that the command and its output are appended to.
        time_limit: seconds after which the command and all that it started are killed.
        secrets: what may show neither in the output nor in the log nor in an error.
        stdin: the text that the child reads; None for an empty input.
        mark: a file that tells of the child while it runs; see `end_left_behind`.
        cancelled: when set, by whatever thread, the command and all that it started are ended.
        on_start: hears the number of the child's process.
    """

    argv: tuple[str, ...]
    env: Mapping[str, str]
    cwd: Path | None = None
    log: Path | None = None
    time_limit: float | None = None
    secrets: tuple[str, ...] = ()
    stdin: str | None = None
    mark: Path | None = None
    cancelled: Flag | None = None
    on_start: Callable[[int], None] | None = None

    def __str__(self) -> str:
        """As one would type it, without its secrets."""
        return shlex.join(map(self.redact, self.argv))

    def redact(self, text: str) -> str:
        """The text with three stars in the place of each secret."""
        forms = sorted(set(self._forms()), key=len, reverse=True)
        return re.sub("|".join(map(re.escape, forms)), "***", text) if forms else text

    def _forms(self) -> Iterator[str]:
        """Each way in which a secret may be written: as it is, in a url, in a form, line by line."""
        for secret in filter(None, self.secrets):
            yield from (secret, quote(secret), quote(secret, safe=""), quote_plus(secret))
            yield from (line for line in secret.splitlines() if len(line) >= _SHORTEST_LINE)


@dataclass(frozen=True)
class Finished:
    """A command that has come to its end.

    Args:
        argv: the command, without its secrets.
        returncode: the exit code; negative for the number of the signal that ended it.
        output: standard output and error as one, the last 2 MB at most.
        seconds: how long it took.
    """

    argv: tuple[str, ...]
    returncode: int
    output: str
    seconds: float
