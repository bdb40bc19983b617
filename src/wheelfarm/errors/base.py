"""What every error has: what, where, why, and what to do next; and several at once."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path


class FarmError(Exception):
    """Base of all errors that the farm raises on purpose.

    Args:
        what: one sentence: what went wrong.
        where: the file, key path, hunk, recipe or build concerned.
        why: the likely cause, or the evidence.
        hint: the next command or the line to change.
        log: the log file that holds the whole story.
    """

    slug: ClassVar[str] = "error"
    exit_code: ClassVar[int] = 1

    def __init__(
        self,
        what: str,
        *,
        where: str | None = None,
        why: str | None = None,
        hint: str | None = None,
        log: Path | None = None,
    ) -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.why = why
        self.hint = hint
        self.log = log
        self.passing = True
        """Whether another attempt could make sense, where the class of the failure allows one."""
        self.failure: str | None = None
        """The class of the failure, where a log has told it; see the diagnosis room."""

    def lines(self) -> list[str]:
        """The error as plain lines, most important first."""
        parts = [f"error[{self.slug}]: {self.what}"]
        parts += [
            f"  {label}: {text}"
            for label, text in (
                ("where", self.where),
                ("why", self.why),
                ("log", self.log),
                ("next", self.hint),
            )
            if text
        ]
        return parts

    def __str__(self) -> str:
        return "\n".join(self.lines())


class GroupError(FarmError):
    """Several errors that were found in one go."""

    slug = "several"

    def __init__(self, errors: Sequence[FarmError]) -> None:
        super().__init__(f"{len(errors)} problems found")
        self.errors = tuple(errors)

    @property
    def exit_code(self) -> int:  # type: ignore[override]
        """The exit code of the first error: a group is as grave as what it holds."""
        return self.errors[0].exit_code

    def lines(self) -> list[str]:
        """The lines of all errors, in the order in which they were found."""
        return [line for error in self.errors for line in error.lines()]


class Collector:
    """Gathers errors while work goes on; `check` raises what was gathered."""

    def __init__(self) -> None:
        self.errors: list[FarmError] = []

    def add(self, error: FarmError) -> None:
        """Keep an error; a group is kept as its members."""
        self.errors.extend(error.errors if isinstance(error, GroupError) else (error,))

    @contextmanager
    def collect(self) -> Iterator[None]:
        """Keep a FarmError that the block raises, and go on after it."""
        try:
            yield
        except FarmError as error:
            self.add(error)

    def error(self) -> FarmError:
        """What was gathered, which is something, as one error: the only one, or a group."""
        return self.errors[0] if len(self.errors) == 1 else GroupError(self.errors)

    def check(self) -> None:
        """Raise what was gathered: nothing, the one error, or a group.

        Raises:
            FarmError: when at least one error was added.
        """
        if self.errors:
            raise self.error()
