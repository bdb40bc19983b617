"""The exceptions of the farm, each with the slug and the exit code that docs/reference/errors.md lists."""

from __future__ import annotations

import re
import unicodedata
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path


_COLOR: Final = re.compile(r"\x1b\[[0-9;]*m")


def printable(text: str) -> str:
    """The text as one line that a terminal shows as it is, whoever wrote it.

    Colors are removed. Control and formatting characters, such as escapes, line feeds and marks that reverse
    the direction, become what Python writes for them.
    """
    if text.isprintable():
        return text
    return "".join(
        each
        if each.isprintable() or each == "\t" or unicodedata.category(each) == "Zs"
        else each.encode("unicode_escape").decode()
        for each in _COLOR.sub("", text)
    )


def counted(number: int, one: str, many: str | None = None) -> str:
    """A number and its noun, such as 1 wheel, 2 wheels, 1,200 libraries."""
    return f"{number:,} {one if number == 1 else many or f'{one}s'}"


def _labelled(label: str, text: str) -> list[str]:
    """The lines of a text; only the first begins with a label, also where the text imitates one."""
    first, *rest = (printable(line.removesuffix("\r")) for line in text.split("\n"))
    return [f"{label}: {first}", *(f"    {line}" for line in rest)]


@dataclass(frozen=True, kw_only=True)
class Proposal:
    """An edit of a recipe that may mend a failure."""

    name: str
    """The recipe."""
    package: str
    """The same as a task names it: that of an older version has it, as numpy==2.3.5."""
    where: str
    """Its file."""
    values: Mapping[str, Any]
    """What to put into recipe.toml: tables are merged, and lists get what they lack."""
    lines: tuple[str, ...]
    """The same as TOML, with all items of the lists."""
    relock: bool
    """Whether its locks change."""

    @property
    def commands(self) -> tuple[str, ...]:
        """What to run once the lines are in the recipe."""
        lock = (f"inv recipe.lock {self.package}",) if self.relock else ()
        # A session is for the version that the farm builds by default.
        older = self.package != self.name
        return (*lock, f"inv chain {self.package}" if older else f"nox -s build-{self.name}")

    @property
    def hint(self) -> str:
        """The next step."""
        build, fix = self.commands[-1], " --fix" if self.package != self.name else " -- --fix"
        farm = f"or let the farm do all of it: {build}{fix}"
        return "\n".join(("put the lines into the recipe, then", *self.commands, farm))


class FarmError(Exception):
    """Base of all errors that the farm raises on purpose.

    Args:
        what: one sentence: what went wrong.
        where: the file, key path, hunk, recipe or build concerned.
        why: the likely cause, or the evidence.
        hint: the next command or the line to change.
        log: the complete log file.
    """

    slug: ClassVar[str] = "error"
    exit_code: ClassVar[int] = 1

    def __init_subclass__(cls, *, slug: str, exit_code: int | None = None) -> None:
        super().__init_subclass__()
        cls.slug = slug
        if exit_code is not None:
            cls.exit_code = exit_code

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
        """False when no further attempt can succeed, whatever the class of the failure."""
        self.failure: str | None = None
        """The class of the failure, when the diagnosis of a log has found it."""
        self.proposal: Proposal | None = None
        """The edit of the recipe, when the diagnosis knows one: it is then the next step."""

    def lines(self) -> list[str]:
        """The error as plain lines, most important first."""
        edit, hint = None, self.hint
        if self.proposal is not None:
            edit, hint = "\n".join((self.proposal.where, *self.proposal.lines)), self.proposal.hint
        labels = (
            *(("where", self.where), ("why", self.why), ("log", self.log)),
            *(("edit", edit), ("next", hint)),
        )
        texts = [(f"error[{self.slug}]", self.what), *((f"  {name}", text) for name, text in labels if text)]
        return [line for label, text in texts for line in _labelled(label, str(text))]

    def __str__(self) -> str:
        return "\n".join(self.lines())


class GroupError(FarmError, slug="several"):
    """Several errors that were found in one go."""

    def __init__(self, errors: Sequence[FarmError]) -> None:
        super().__init__(f"{counted(len(errors), 'problem')} found")
        self.errors = tuple(errors)

    @property
    def exit_code(self) -> int:  # type: ignore[override]
        """The exit code of the first error."""
        return self.errors[0].exit_code

    def lines(self) -> list[str]:
        return [line for error in self.errors for line in error.lines()]


def proposal_of(error: FarmError) -> Proposal | None:
    """The edit that an error proposes; of a group, the first one."""
    members = error.errors if isinstance(error, GroupError) else (error,)
    return next((each.proposal for each in members if each.proposal), None)


class Collector:
    """Collects errors while work goes on; `check` raises them."""

    def __init__(self, whole: Collector | None = None) -> None:
        self.errors: list[FarmError] = []
        self._whole = whole
        self._parts: dict[str, Collector] = {}

    def of(self, name: str) -> Collector:
        """The collector for the errors of one recipe; they are errors of this collector too."""
        return self._parts.setdefault(name, Collector(self))

    def by_name(self) -> dict[str, FarmError]:
        """The errors of each recipe that has any, as one."""
        return {name: part.error() for name, part in self._parts.items() if part.errors}

    def add(self, error: FarmError) -> None:
        """Add an error; a group is added as its members, and an error that is here already not again."""
        for each in error.errors if isinstance(error, GroupError) else (error,):
            if each not in self.errors:
                self.errors.append(each)
        if self._whole is not None:
            self._whole.add(error)

    @contextmanager
    def collect(self) -> Iterator[None]:
        """Add a FarmError that the block raises, and go on after the block."""
        try:
            yield
        except FarmError as error:
            self.add(error)

    def error(self) -> FarmError:
        """The collected errors as one: the only one, or a group."""
        return self.errors[0] if len(self.errors) == 1 else GroupError(self.errors)

    def check(self) -> None:
        """Raise what was collected: nothing, the one error, or a group.

        Raises:
            FarmError: when at least one error was added.
        """
        if self.errors:
            raise self.error()


class UnexpectedError(FarmError, slug="unexpected", exit_code=75):
    """The farm itself has a defect: an exception that it does not expect; its log has the traceback."""


class UsageError(FarmError, slug="usage", exit_code=2):
    """A command has an unknown option, package, variant, Python or engine."""


class SettingsError(FarmError, slug="settings", exit_code=10):
    """`[tool.wheelfarm]` or a WHEELFARM_ variable has an invalid value."""


class RecipeError(FarmError, slug="recipe", exit_code=11):
    """A recipe does not parse or is invalid."""


class CycleError(FarmError, slug="cycle", exit_code=12):
    """Recipes require each other in a circle."""


class LockError(FarmError, slug="lock", exit_code=13):
    """A lock file is missing, unpinned, without hashes, or does not cover what the source requires."""


class WorkflowError(FarmError, slug="workflow", exit_code=14):
    """A CI workflow cannot be rendered, is stale, or uses an action that is not pinned."""


class OutdatedError(FarmError, slug="outdated", exit_code=15):
    """`inv recipe.bump --check` has found a version that is newer than the recipe's."""


class NetworkError(FarmError, slug="network", exit_code=20):
    """The index or a download could not be reached."""


class SourceError(FarmError, slug="source", exit_code=21):
    """The index or repository does not have the pinned source, or the source holds what is not source."""


class HashError(FarmError, slug="hash", exit_code=22):
    """The downloaded bytes are not the pinned ones."""


class ArchiveError(FarmError, slug="archive", exit_code=23):
    """An archive is damaged, truncated or unsafe to unpack."""


class PatchError(FarmError, slug="patch", exit_code=30):
    """A patch does not apply exactly, is unlisted, matches nothing or is no longer needed."""


class BuildDirectoryError(FarmError, slug="build-directory", exit_code=31):
    """The directory of a build could not be made."""


class EngineError(FarmError, slug="engine", exit_code=40):
    """An engine, a builder image or an interpreter is missing or does not respond."""


class SystemPackageError(FarmError, slug="system-package", exit_code=41):
    """The host lacks a compiler or a system package, and may not install it."""


class ProviderError(FarmError, slug="provider", exit_code=42):
    """The BLAS library that would be linked is not the one of the variant."""


class BuildError(FarmError, slug="build", exit_code=43):
    """The build backend, the compiler or the engine failed."""


class YieldError(FarmError, slug="yield", exit_code=44):
    """A build left no wheel, several, or one of another name or version."""


class ChainError(FarmError, slug="chain", exit_code=45):
    """The build environment did not have the wheels that the plan pinned."""


class RepairError(FarmError, slug="repair", exit_code=50):
    """RECORD of the built wheel is wrong, or the repair tool refused the wheel or wrote not exactly one."""


class WheelError(FarmError, slug="wheel", exit_code=51):
    """A wheel cannot be read: not a zip, a wrong RECORD, duplicate members, a bad name."""


class SplitError(FarmError, slug="split", exit_code=52):
    """A split of a recipe gets no files, all files, or files of another split."""


class ExpectationError(FarmError, slug="expectation", exit_code=60):
    """A repaired wheel does not meet an expectation of its recipe."""


class GateTestError(FarmError, slug="test", exit_code=61):
    """A repaired wheel does not install, import or pass its smoke test in a clean environment."""


class SuiteError(FarmError, slug="suite", exit_code=62):
    """The upstream suite has failures that are not known ones, or does not finish."""


class WheelhouseError(FarmError, slug="wheelhouse", exit_code=70):
    """The wheelhouse cannot be written or has an incomplete file."""


class RecordError(FarmError, slug="record", exit_code=71):
    """A build record cannot be read or was written by a newer farm."""


class ReproductionError(FarmError, slug="not-reproduced", exit_code=73):
    """A wheel that was built again from its record has other bytes."""


class ProcessError(FarmError, slug="process", exit_code=72):
    """A program could not be started, failed, or ran out of time."""


class CancelledRunError(FarmError, slug="cancelled", exit_code=130):
    """A program was stopped, or not started, because its run was interrupted."""


class PublishError(FarmError, slug="publish", exit_code=90):
    """An index refuses wheels, has an error, or does not list what was sent."""


class RefusedError(PublishError, slug="refused", exit_code=94):
    """The index returned an error."""

    status = 0
    """The HTTP status (RFC 9110)."""


class ConflictError(FarmError, slug="conflict", exit_code=91):
    """The index has a file of that name with other bytes; a published file is never overwritten."""


class IncompleteError(FarmError, slug="incomplete", exit_code=92):
    """A release lacks a wheel for a target that the index requires, or a wheel that it needs."""


class UnprovenError(FarmError, slug="unproven", exit_code=93):
    """A stored wheel does not match its record, or has not passed its gate."""


class UnverifiedError(FarmError, slug="unverified", exit_code=95):
    """A wheel in an index does not match its record, SBOM, attestation or core metadata (PEP 658)."""


class VulnerableError(FarmError, slug="vulnerable", exit_code=96):
    """A stored wheel has a known vulnerability that no patch resolves."""


class DatabaseError(FarmError, slug="vulnerability-database", exit_code=97):
    """A database of vulnerabilities is missing, damaged or empty."""


class DeployError(FarmError, slug="deploy", exit_code=85):
    """What is deployed cannot be made, is too large, or does not work."""


class ChainFailedError(FarmError, slug="chain-failed", exit_code=80):
    """At least one of the requested builds is missing at the end of a run."""
