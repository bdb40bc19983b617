"""The diagnosis of a failure: its class, the lines that matter, a likely cause and the next step."""

from __future__ import annotations

import re
import textwrap
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from wheelfarm.build.error_patterns import Failure
from wheelfarm.build.hints import MACHINE, find_hints
from wheelfarm.build.log_search import Search
from wheelfarm.errors import FarmError, GroupError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from wheelfarm.build.edits import Edit

_WIDTH: Final = 300
"""Characters of a line that are shown."""
_END: Final = 100
"""Of these, the ones at its end."""

_BY_SLUG: Final[Mapping[str, Failure | None]] = {
    **dict.fromkeys(("usage", "settings", "recipe", "workflow", "cycle", "lock"), Failure.SETTINGS),
    "network": Failure.NETWORK,
    **dict.fromkeys(("source", "hash", "archive"), Failure.SOURCE),
    "patch": Failure.PATCH,
    "engine": Failure.ENGINE,
    **dict.fromkeys(("system-package", "provider"), Failure.CONFIGURE),
    **dict.fromkeys(("yield", "chain", "wheel", "expectation", "split"), Failure.GATE),
    "repair": Failure.REPAIR,
    **dict.fromkeys(("test", "suite"), Failure.TEST),
    "cancelled": Failure.INTERRUPTED,
    # Decided by the log, or else by the phase.
    **dict.fromkeys(("build", "process"), None),
}
"""The class of an error by its slug; OTHER for slugs that are not here."""
_FROM_A_PROGRAM: Final = frozenset({"lock", "provider", "build", "chain", "repair", "test", "process"})
"""Errors that report the failure of a program: the end of the log is about them."""
_BY_PHASE: Final[Mapping[str, Failure]] = {
    "engine start-up": Failure.ENGINE,
    "environment": Failure.SETTINGS,
    "build": Failure.BACKEND,
    "provider": Failure.CONFIGURE,
    "environment report": Failure.GATE,
    "repair": Failure.REPAIR,
    "test": Failure.TEST,
    "gate": Failure.GATE,
}

# What pip and Meson print where the environment of a build lets them download nothing. Meson does not show
# what a program of the project prints, so its name counts.
_OFFLINE: Final = re.compile(
    r"\(from versions: none\)|wrap-based subproject downloading is disabled"
    r"|ERROR: Command `[^`]*\b(?:download|fetch)[^`]*` failed with status"
)


@dataclass(frozen=True, kw_only=True)
class Diagnosis:
    """The diagnosis of a failure."""

    failure: Failure
    lines: tuple[str, ...]
    """The relevant lines, without colors, in the order of the log. The first message is whole."""
    where: tuple[int, ...]
    """The number in the log of each of the lines, from 1; empty when they are not from a log."""
    cause: str | None
    """The likely cause, as one clause."""
    hint: str | None
    """The next step."""
    edits: tuple[Edit, ...]
    """What the recipe lacks, where that is the cause."""
    wants_network: bool
    """Whether the likely cause is that there is no network."""


def failure_of(error: FarmError) -> Failure:
    """The class of an error: the one that its log gave, or that of its slug."""
    if isinstance(error, GroupError):
        return failure_of(error.errors[0])
    return Failure(error.failure) if error.failure else _BY_SLUG.get(error.slug) or Failure.OTHER


def classify(error: FarmError, log: str | Iterable[str] | None, phase: str) -> Diagnosis:
    """Find the class, the relevant lines and the likely cause of a failure.

    Args:
        error: what was raised; for a group, its first member counts.
        log: the whole text of the build's log, or the open file, which is read line by line; None where
            there is none.
        phase: the part of the build that failed, as the engine names it; or "test", or "gate".
    """
    if isinstance(error, GroupError):
        return classify(error.errors[0], log, phase)
    if log is None or error.slug not in _FROM_A_PROGRAM:
        log = ()
    found = Search(_lines(log))
    from_log = bool(relevant := found.relevant())
    if not from_log:
        found = Search(_lines("\n".join(filter(None, (error.what, error.why)))))
        relevant = found.relevant()
    failure = _failure(error, found, phase)
    lines = [found.lines[at] for at in relevant]
    # Without a finding, the last lines of a log are a guess: no hints are built on them.
    hints = find_hints(failure, "\n".join(lines) if found.findings else "")
    return Diagnosis(
        failure=failure,
        lines=_shortened(lines),
        where=tuple(found.first + at for at in relevant) if from_log else (),
        cause=hints.cause,
        hint=hints.hint or error.hint,
        edits=hints.edits,
        wants_network=failure is Failure.NETWORK
        or (
            failure in {Failure.CONFIGURE, Failure.BACKEND, Failure.OTHER}
            and hints.cause is None
            and (found.unreachable or bool(_OFFLINE.search("\n".join(lines))))
        ),
    )


def _failure(error: FarmError, search: Search, phase: str) -> Failure:
    own = _BY_SLUG.get(error.slug, Failure.OTHER)
    found = search.ending or next((finding.failure for finding in search.findings), Failure.OTHER)
    if error.slug in _FROM_A_PROGRAM and "time limit" in error.what:
        return Failure.TIME_LIMIT
    if own is None:
        return _BY_PHASE.get(phase, Failure.OTHER) if found is Failure.OTHER else found
    # A wheel is tested without a network on purpose.
    if found in MACHINE and (own, found) != (Failure.TEST, Failure.NETWORK):
        return found
    return own


def _lines(log: str | Iterable[str]) -> Iterable[str]:
    """The lines of a log, split at line feeds only, as editors count them."""
    return log.split("\n") if isinstance(log, str) else log


def _shortened(lines: Iterable[str]) -> tuple[str, ...]:
    """Without the indentation that all have, and without the middle of the long ones."""
    texts = textwrap.dedent("\n".join(lines)).split("\n")
    return tuple(
        text if len(text) <= _WIDTH else f"{text[: _WIDTH - _END]} … {text[-_END:]}" for text in texts if text
    )
