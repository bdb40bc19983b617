"""What can go wrong with what is kept: wheelhouse, records, runs, indexes."""

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
        self.retryable = True
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


class UsageError(FarmError):
    """The words of a command are wrong: an unknown option, package, variant, Python or engine."""

    slug, exit_code = "usage", 2


class SettingsError(FarmError):
    """`[tool.wheelfarm]` or a WHEELFARM_ variable holds something that cannot be used."""

    slug, exit_code = "settings", 10


class RecipeError(FarmError):
    """A recipe does not parse or says something that cannot be."""

    slug, exit_code = "recipe", 11


class CycleError(FarmError):
    """Recipes require each other in a circle."""

    slug, exit_code = "cycle", 12


class LockError(FarmError):
    """A lock file is missing, unpinned, without hashes, or does not cover what the source requires."""

    slug, exit_code = "lock", 13


class WorkflowError(FarmError):
    """A workflow cannot be drawn as it should be, is stale, or uses an action that is not pinned."""

    slug, exit_code = "workflow", 14


class NetworkError(FarmError):
    """The index or a download could not be reached."""

    slug, exit_code = "network", 20


class SourceError(FarmError):
    """A source is not to be had: a version or file that the index does not list, an unknown commit."""

    slug, exit_code = "source", 21


class HashError(FarmError):
    """The bytes that arrived are not the bytes that were pinned."""

    slug, exit_code = "hash", 22


class ArchiveError(FarmError):
    """An archive is damaged, truncated or unsafe to unpack."""

    slug, exit_code = "archive", 23


class PatchError(FarmError):
    """A patch does not apply exactly, is unlisted, matches nothing or is no longer needed."""

    slug, exit_code = "patch", 30


class BuildDirectoryError(FarmError):
    """A build's directory could not be laid out."""

    slug, exit_code = "build-directory", 31


class EngineError(FarmError):
    """An engine, a builder image or an interpreter is missing or does not answer."""

    slug, exit_code = "engine", 40


class SystemPackageError(FarmError):
    """The host lacks a compiler or a system package, and may not install it."""

    slug, exit_code = "system-package", 41


class ProviderError(FarmError):
    """The library that a variant asks for is not the one that would be linked."""

    slug, exit_code = "provider", 42


class BuildError(FarmError):
    """The build backend, the compiler or the engine failed."""

    slug, exit_code = "build", 43


class YieldError(FarmError):
    """A build ended well but left no wheel, several, or one of another name or version."""

    slug, exit_code = "yield", 44


class ChainError(FarmError):
    """The build environment did not hold the wheels that the plan pinned."""

    slug, exit_code = "chain", 45


class RepairError(FarmError):
    """The repair tool refused the wheel or left something other than one wheel."""

    slug, exit_code = "repair", 50


class WheelError(FarmError):
    """A wheel cannot be read: not a zip, a wrong RECORD, duplicate members, a bad name."""

    slug, exit_code = "wheel", 51


class SplitError(FarmError):
    """A split of a recipe gets nothing, everything, or what another one gets too."""

    slug, exit_code = "split", 52


class ExpectationError(FarmError):
    """A repaired wheel is not what its recipe says it must be."""

    slug, exit_code = "expectation", 60


class GateTestError(FarmError):
    """A repaired wheel does not install, import or pass its smoke test on a clean machine."""

    slug, exit_code = "test", 61


class SuiteError(FarmError):
    """Tests of the upstream suite fail that are no known failures, or the suite does not come to its end."""

    slug, exit_code = "suite", 62


class WheelhouseError(FarmError):
    """The wheelhouse cannot be written or holds something that is not whole."""

    slug, exit_code = "wheelhouse", 70


class RecordError(FarmError):
    """A build record cannot be read or belongs to a newer farm."""

    slug, exit_code = "record", 71


class ReproductionError(FarmError):
    """A wheel that was built again from its record came out with other bytes."""

    slug, exit_code = "not-reproduced", 73


class ProcessError(FarmError):
    """A program could not be started, failed, or ran out of time."""

    slug, exit_code = "process", 72


class CancelledRunError(FarmError):
    """A program was stopped, or not started, since the run that it belongs to was interrupted."""

    slug, exit_code = "cancelled", 130


class PublishError(FarmError):
    """An index refuses wheels, has trouble of its own, or does not show what was sent to it."""

    slug, exit_code = "publish", 90


class RefusedError(PublishError):
    """A private index has answered otherwise than well."""

    slug, exit_code = "refused", 94
    status = 0
    """The answer's (RFC 9110)."""


class ConflictError(FarmError):
    """The index has a file of that name with other bytes; a published file is never overwritten."""

    slug, exit_code = "conflict", 91


class IncompleteError(FarmError):
    """A release lacks a wheel for a target that the index asks for, or a wheel that it needs."""

    slug, exit_code = "incomplete", 92


class UnprovenError(FarmError):
    """A stored wheel is not what its record says, or has not passed its gate."""

    slug, exit_code = "unproven", 93


class UnverifiedError(FarmError):
    """A wheel in an index is not what its record, its bill of materials or its provenance statement say."""

    slug, exit_code = "unverified", 95


class ChainFailedError(FarmError):
    """At least one of the builds that were asked for is missing at the end of a run."""

    slug, exit_code = "chain-failed", 80
