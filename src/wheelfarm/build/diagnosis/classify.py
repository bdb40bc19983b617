"""The diagnosis of a failure, from the error and the log of its build."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Final

from wheelfarm.build.diagnosis.failure import MACHINE, Diagnosis, Failure
from wheelfarm.build.diagnosis.hints import advise
from wheelfarm.build.diagnosis.log_search import search
from wheelfarm.errors import FarmError, GroupError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from wheelfarm.build.diagnosis.log_search import Finding, Line, Search

_MOST: Final = 12
"""Lines that a diagnosis shows."""
_WIDTH: Final = 300
"""Characters of a line that it shows."""
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
    **dict.fromkeys(("build", "process"), None),  # decided by the log, or else by the phase
}
"""The class of an error by its slug; OTHER for slugs that are not here."""
_FROM_A_PROGRAM: Final = frozenset({"lock", "provider", "build", "chain", "repair", "test", "process"})
"""Errors that report the failure of a program: the end of the log is about them."""
_BY_PHASE: Final[Mapping[str, Failure]] = {
    "engine start-up": Failure.ENGINE,
    "environment": Failure.SETTINGS,
    "provider": Failure.CONFIGURE,
    "environment report": Failure.GATE,
    "repair": Failure.REPAIR,
    "test": Failure.TEST,
    "gate": Failure.GATE,
}


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
    found = search(log) if log is not None and error.slug in _FROM_A_PROGRAM else None
    from_log = found is not None and bool(found.findings() or found.ending or found.last)
    if found is None or not from_log:
        found = search("\n".join(filter(None, (error.what, error.why))))
    failure = _failure(error, found, phase)
    lines = _lines(found)
    # Without a finding, the last lines of a log are a guess: no advice is built on them.
    advice = advise(failure, "\n".join(line.text for line in lines) if found.findings() else "")
    return Diagnosis(
        failure=failure,
        lines=_shortened(lines),
        where=tuple(line.number for line in lines) if from_log else (),
        cause=advice.cause,
        hint=advice.hint or error.hint,
    )


def _failure(error: FarmError, search: Search, phase: str) -> Failure:
    own = _BY_SLUG.get(error.slug, Failure.OTHER)
    found = search.ending or next((finding.failure for finding in search.findings()), Failure.OTHER)
    if error.slug in _FROM_A_PROGRAM and "time limit" in error.what:
        return Failure.TIME_LIMIT
    if own is None:
        return _BY_PHASE.get(phase, Failure.OTHER) if found is Failure.OTHER else found
    # A wheel is tested without a network on purpose.
    if found in MACHINE and (own, found) != (Failure.TEST, Failure.NETWORK):
        return found
    return own


def _lines(search: Search) -> list[Line]:
    """The lines of the first finding, and of those that go with it, up to the limit."""
    findings = search.findings()
    if search.ending or not findings:
        return list(search.last)
    first = findings[0]
    lines = [first.failed] if first.failed and first.failed != first.line else []
    for finding in findings:
        more = [line for line in finding.lines() if line not in lines]
        if _together(first, finding) and len(lines) + len(more) <= _MOST:
            lines += more
    return lines


def _together(first: Finding, other: Finding) -> bool:
    # The errors of a compiler in a failed configuration are evidence, not another failure.
    alike = first.failure in {other.failure, Failure.CONFIGURE}
    return other.chained or (other.edge == first.edge and alike)


def _shortened(lines: Iterable[Line]) -> tuple[str, ...]:
    """Without the indentation that all have, and without the middle of the long ones."""
    texts = textwrap.dedent("\n".join(line.text for line in lines)).split("\n")
    return tuple(
        text if len(text) <= _WIDTH else f"{text[: _WIDTH - _END]} … {text[-_END:]}" for text in texts if text
    )
