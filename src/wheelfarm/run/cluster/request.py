"""What a farm sends to a worker for one build, and what comes back, as JSON."""

from __future__ import annotations

from collections.abc import Mapping  # noqa: TC003 - pydantic reads the hints at run time
from functools import cache
from pathlib import Path
from typing import Any, Final

from wheelfarm import __version__, errors
from wheelfarm.errors import FarmError, GroupError, Proposal
from wheelfarm.model import Digest, sha256_of_json
from wheelfarm.plan.build import Toolchain  # noqa: TC001 - as above
from wheelfarm.run.build_files import Answer, SentFile, SentWheel, Value
from wheelfarm.system.files import sha256_of_file

REQUEST: Final = "request.json"
"""The file of a build's directory on a worker that says what to build."""
RESULT: Final = "result.json"
"""The file that says how it ended."""


class BuildRequest(Value):
    """One build for a worker."""

    name: str
    variant: str
    target: str
    key_parts: Mapping[str, str]
    """As the farm's plan has them; a worker whose own differ refuses the build."""
    names: tuple[str, ...]
    """What the worker plans: the build, and what the gate tries with its wheel."""
    options: Mapping[str, str]
    """The settings of the farm, by key of `[tool.wheelfarm]`."""
    versions: Mapping[str, str]
    """See `Settings.versions`."""
    commits: tuple[Mapping[str, Any], ...]
    """What nightlies are built of."""
    toolchains: tuple[Toolchain, ...]
    """Those of other platforms whose wheels the build uses, such as a pure one: only its own is checked."""
    jobs: int
    farm: SentFile
    """The farm's files as a zip."""
    inputs: tuple[SentFile, ...]
    """The source, the locked requirements and the wheels of the farm."""
    answers: tuple[Answer, ...]
    stored: tuple[SentWheel, ...]
    """The wheels of the farm, in the order in which they are stored; their files are inputs."""
    store: str | None
    """The url of the shared store; None where files go through the scheduler."""
    topic: str
    """Of the messages to the farm."""

    @property
    def files(self) -> tuple[SentFile, ...]:
        """All files that the worker must have."""
        return (self.farm, *self.inputs)


class ErrorData(Value):
    """An error of the farm."""

    slug: str
    what: str
    where: str | None = None
    why: str | None = None
    hint: str | None = None
    failure: str | None = None
    retryable: bool = True
    proposal: Mapping[str, Any] | None = None
    errors: tuple[ErrorData, ...] = ()
    """The members of a group."""

    @classmethod
    def of(cls, error: FarmError, moved: tuple[str, str] = ("", "")) -> ErrorData:
        """An error as data; `moved` is a directory here and what it is at the farm."""

        def there(text: str | None) -> str | None:
            return text.replace(*moved) if text and moved[0] else text

        members = error.errors if isinstance(error, GroupError) else ()
        return cls(
            slug=error.slug,
            what=there(error.what) or "",
            where=there(error.where),
            why=there(error.why),
            hint=there(error.hint),
            failure=error.failure,
            retryable=error.retryable,
            proposal=vars(error.proposal) if error.proposal else None,
            errors=tuple(cls.of(each, moved) for each in members),
        )

    def error(self, log: Path | None) -> FarmError:
        """The error, with the log at the farm."""
        if self.errors:
            return GroupError([each.error(log) for each in self.errors])
        kinds = {each.slug: each for each in vars(errors).values() if _is_error(each)}
        kind: type[FarmError] = kinds.get(self.slug, FarmError)
        error = kind(self.what, where=self.where, why=self.why, hint=self.hint, log=log)
        error.failure, error.retryable = self.failure, self.retryable
        if self.proposal is not None:
            values = {**self.proposal, "lines": tuple(self.proposal["lines"])}
            error.proposal = Proposal(**values)
        return error


def _is_error(value: object) -> bool:
    return isinstance(value, type) and issubclass(value, FarmError) and value is not GroupError


class BuildResult(Value):
    """How a build ended on a worker."""

    state: str | None = None
    """As `State`; None when no wheel was made."""
    refused: tuple[str, ...] = ()
    """Why the worker does not build it; empty when it does."""
    error: ErrorData | None = None
    wheels: tuple[SentWheel, ...] = ()
    """The main one first."""
    log: SentFile | None = None
    times: Mapping[str, float] = {}
    """Seconds by step."""
    worker: str = ""
    """The address of the worker."""
    directory: str = ""
    """Where its files are there, until the farm has them."""


@cache
def own_code() -> Digest:
    """The digest of the installed wheelfarm's code: two commits may have one version."""
    package = Path(__file__).parents[2]
    # An installed one has its own farm there; a builder gets the farm of the request.
    code = (path for path in package.rglob("*.py") if path.relative_to(package).parts[0] != "farm")
    return sha256_of_json({path.relative_to(package).as_posix(): sha256_of_file(path) for path in code})


def other_wheelfarm(version: str, code: str) -> str | None:
    """How the farm's wheelfarm differs from the one that is installed here; None when it does not."""
    if version != __version__:
        return f"it has wheelfarm {__version__}, and the farm {version}"
    if code != own_code():
        return f"its wheelfarm {__version__} has other code than the farm's"
    return None
