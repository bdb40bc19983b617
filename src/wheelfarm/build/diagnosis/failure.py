"""Classes of failures, and the diagnosis of one."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Failure(StrEnum):
    """The classes of failures, by what has to be done about them."""

    SOURCE = "source"
    """The source is unavailable, or is not the pinned one."""
    PATCH = "patch"
    """A patch does not fit the source."""
    SETTINGS = "settings"
    """A recipe, a lock, a setting or an option is invalid."""
    CONFIGURE = "configure"
    """A requirement of the build is missing, or is not found."""
    COMPILE = "compile"
    """A compiler refuses a file."""
    LINK = "link"
    """A linker or loader lacks a library or a symbol, or finds it twice."""
    TEST = "test"
    """The wheel does not install, import or pass its smoke test."""
    REPAIR = "repair"
    """The repair tool refuses the wheel."""
    GATE = "gate"
    """The wheel is not what the recipe requires."""
    OUT_OF_MEMORY = "out-of-memory"
    OUT_OF_DISK = "out-of-disk"
    TIME_LIMIT = "time-limit"
    NETWORK = "network"
    ENGINE = "engine"
    """The container engine, its image or a container failed."""
    INTERRUPTED = "interrupted"
    OTHER = "other"


MACHINE: Final = frozenset(
    {
        *(Failure.OUT_OF_MEMORY, Failure.OUT_OF_DISK, Failure.TIME_LIMIT),
        *(Failure.NETWORK, Failure.ENGINE, Failure.INTERRUPTED),
    }
)
"""Failures of the machine, in whatever step: they do not depend on the recipe."""


@dataclass(frozen=True, kw_only=True)
class Diagnosis:
    """The diagnosis of a failure.

    Args:
        failure: its class.
        lines: the relevant lines, at most 12, without colors, in the order of the log.
        where: the number in the log of each of the lines, from 1; empty when they are not from a log.
        cause: the likely cause, as one clause.
        hint: the next step.
    """

    failure: Failure
    lines: tuple[str, ...] = ()
    where: tuple[int, ...] = ()
    cause: str | None = None
    hint: str | None = None
