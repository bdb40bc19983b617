"""The likely cause of a failure, and the next step, by the message that it ends with."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from wheelfarm.build.edits import Edit, Install, complete
from wheelfarm.build.error_patterns import Failure
from wheelfarm.build.known_messages import LOST_LIBRARY, MESSAGES


class Hints(NamedTuple):
    """The likely cause, as one clause, the next step, and the edits of the recipe that mend it."""

    cause: str | None = None
    hint: str | None = None
    edits: tuple[Edit, ...] = ()
    """What the recipe lacks, where that is known."""


MACHINE: Final = {
    Failure.OUT_OF_MEMORY: Hints(
        "the memory ran out",
        "run fewer jobs at once (jobs in [tool.wheelfarm]), or set memory in the recipe",
    ),
    Failure.OUT_OF_DISK: Hints(
        "the disk is full, or the quota is used up",
        "free some space below `work`, or set work in [tool.wheelfarm] to another disk",
    ),
    Failure.TIME_LIMIT: Hints(
        "it takes longer than it may, or it hangs",
        "raise time-limit in [tool.wheelfarm] if it made progress; look at the last lines if it did not",
    ),
    Failure.NETWORK: Hints(
        "a host could not be reached",
        "try again; a build that fetches for itself needs its files pinned in the recipe instead",
    ),
    Failure.ENGINE: Hints(
        "the container engine, its image or a container failed",
        "see that podman or docker runs the image, then try again",
    ),
    Failure.INTERRUPTED: Hints(
        "it was interrupted", "run the same command again: finished builds are stored"
    ),
}
"""Failures of the machine, in whatever step, and the hints about each: the recipe does not cause them."""


def lost_library(cause: str | None) -> str | None:
    """The library that the repair tool does not find, where that is a cause; None where it is another one."""
    return cause.removeprefix(LOST_LIBRARY) if cause and cause.startswith(LOST_LIBRARY) else None


def find_hints(failure: Failure, message: str) -> Hints:
    """The hints for a message; empty ones where nothing is known."""
    if failure in MACHINE:
        return MACHINE[failure]
    for row in MESSAGES:
        for pattern in row.patterns:
            if found := re.search(pattern, message):
                edit = complete(row.edit, found[1] if found.groups() else "")
                hint = edit.library.hint if isinstance(edit, Install) else row.hint
                return Hints(row.cause.format(*found.groups()), hint, (edit,) if edit else ())
    return Hints()
