"""What a failure can be, and what is known about one."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Failure(StrEnum):
    """The classes of failures, by what has to be done about them."""

    SOURCE = "source"
    """The source could not be had, or is not the pinned one."""
    PATCH = "patch"
    """A patch does not fit the source."""
    SETTINGS = "settings"
    """What a recipe, a lock, a setting or an option asks for cannot be."""
    CONFIGURE = "configure"
    """What the build needs is not there, or is not found."""
    COMPILE = "compile"
    """A compiler refuses a file."""
    LINK = "link"
    """A linker or loader misses a library or a symbol, or has one too many."""
    TEST = "test"
    """The wheel does not install, import or pass its smoke test."""
    REPAIR = "repair"
    """The repair tool refuses the wheel."""
    GATE = "gate"
    """What came out is not what was asked for."""
    OUT_OF_MEMORY = "out-of-memory"
    OUT_OF_DISK = "out-of-disk"
    TIME_LIMIT = "time-limit"
    NETWORK = "network"
    ENGINE = "engine"
    """The container engine, its image or a container died or never was."""
    INTERRUPTED = "interrupted"
    OTHER = "other"


MACHINE: Final = frozenset(
    {
        Failure.OUT_OF_MEMORY,
        Failure.OUT_OF_DISK,
        Failure.TIME_LIMIT,
        Failure.NETWORK,
        Failure.ENGINE,
        Failure.INTERRUPTED,
    }
)
"""What befalls any step and says nothing about the recipe."""


@dataclass(frozen=True, kw_only=True)
class Diagnosis:
    """What is known about a failure.

    Args:
        failure: its class.
        lines: the lines that tell, at most 12, without colours, in the order of the log.
        where: the number in the log of each of the lines, from 1; empty when they are not from a log.
        cause: what most likely led to it, as one clause.
        hint: what to do next.
    """

    failure: Failure
    lines: tuple[str, ...] = ()
    where: tuple[int, ...] = ()
    cause: str | None = None
    hint: str | None = None
