"""From an error of the farm and a log to a diagnosis."""

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

FAILURES: Final[Mapping[str, Failure | None]] = {
    "error": Failure.OTHER,
    "several": None,  # its first member tells
    "usage": Failure.SETTINGS,
    "settings": Failure.SETTINGS,
    "recipe": Failure.SETTINGS,
    "workflow": Failure.SETTINGS,
    "cycle": Failure.SETTINGS,
    "lock": Failure.SETTINGS,
    "network": Failure.NETWORK,
    "source": Failure.SOURCE,
    "hash": Failure.SOURCE,
    "archive": Failure.SOURCE,
    "patch": Failure.PATCH,
    "build-directory": Failure.OTHER,
    "engine": Failure.ENGINE,
    "system-package": Failure.CONFIGURE,
    "provider": Failure.CONFIGURE,
    "build": None,  # its log tells
    "yield": Failure.GATE,
    "chain": Failure.GATE,
    "repair": Failure.REPAIR,
    "wheel": Failure.GATE,
    "expectation": Failure.GATE,
    "split": Failure.GATE,
    "test": Failure.TEST,
    "suite": Failure.TEST,
    "wheelhouse": Failure.OTHER,
    "record": Failure.OTHER,
    "process": None,  # its log tells, or else its phase
    "not-reproduced": Failure.OTHER,
    "publish": Failure.OTHER,
    "refused": Failure.OTHER,
    "conflict": Failure.OTHER,
    "incomplete": Failure.OTHER,
    "unproven": Failure.OTHER,
    "unverified": Failure.OTHER,
    "chain-failed": Failure.OTHER,
    "cancelled": Failure.INTERRUPTED,
}
"""The class that each error has by itself, by its slug."""
_FROM_A_PROGRAM: Final = frozenset({"lock", "provider", "build", "chain", "repair", "test", "process"})
"""Errors that a program's failure is told as: the log's end is about them."""
_OF_PHASE: Final[Mapping[str, Failure]] = {
    "engine start-up": Failure.ENGINE,
    "environment": Failure.SETTINGS,
    "provider": Failure.CONFIGURE,
    "witness": Failure.GATE,
    "repair": Failure.REPAIR,
    "test": Failure.TEST,
    "gate": Failure.GATE,
}


def failure_of(error: FarmError) -> Failure:
    """The class of an error: what its log has told, or what it is by itself."""
    if isinstance(error, GroupError):
        return failure_of(error.errors[0])
    return Failure(error.failure) if error.failure else FAILURES.get(error.slug) or Failure.OTHER


def classify(error: FarmError, log: str | Iterable[str] | None, phase: str) -> Diagnosis:
    """What an error and the log of its build tell.

    Args:
        error: what was raised; for a group, its first member counts.
        log: the whole text of the build's log, or the open file, which is read line by line; None where
            there is none.
        phase: the part of the build that failed, as the engine names it; or "test", or "gate".
    """
    if isinstance(error, GroupError):
        return classify(error.errors[0], log, phase)
    told = search(log) if log is not None and error.slug in _FROM_A_PROGRAM else None
    from_log = told is not None and bool(told.findings() or told.ending or told.last)
    if told is None or not from_log:
        told = search("\n".join(filter(None, (error.what, error.why))))
    failure = _failure(error, told, phase)
    lines = _lines(told)
    # The last lines of a log that tells nothing are a guess already: no advice is built on them.
    advice = advise(failure, "\n".join(line.text for line in lines) if told.findings() else "")
    return Diagnosis(
        failure=failure,
        lines=_shown(lines),
        where=tuple(line.number for line in lines) if from_log else (),
        cause=advice.cause,
        hint=advice.hint or error.hint,
    )


def _failure(error: FarmError, told: Search, phase: str) -> Failure:
    own = FAILURES.get(error.slug, Failure.OTHER)
    found = told.ending or next((finding.failure for finding in told.findings()), Failure.OTHER)
    if error.slug in _FROM_A_PROGRAM and "time limit" in error.what:
        return Failure.TIME_LIMIT
    if own is None:
        return _OF_PHASE.get(phase, Failure.OTHER) if found is Failure.OTHER else found
    # A wheel is tested without a network on purpose.
    if found in MACHINE and (own, found) != (Failure.TEST, Failure.NETWORK):
        return found
    return own


def _lines(told: Search) -> list[Line]:
    """The lines of the first finding, and of those that go with it, while there is room."""
    findings = told.findings()
    if told.ending or not findings:
        return list(told.last)
    first = findings[0]
    lines = [first.failed] if first.failed and first.failed != first.line else []
    for finding in findings:
        more = [line for line in finding.lines() if line not in lines]
        if _together(first, finding) and len(lines) + len(more) <= _MOST:
            lines += more
    return lines


def _together(first: Finding, other: Finding) -> bool:
    # What a compiler says for which a build is configured in vain is evidence, not another failure.
    alike = first.failure in {other.failure, Failure.CONFIGURE}
    return other.chained or (other.edge == first.edge and alike)


def _shown(lines: Iterable[Line]) -> tuple[str, ...]:
    """Without the indentation that all have, and without the middle of the long ones."""
    texts = textwrap.dedent("\n".join(line.text for line in lines)).split("\n")
    return tuple(
        text if len(text) <= _WIDTH else f"{text[: _WIDTH - _END]} … {text[-_END:]}" for text in texts if text
    )
