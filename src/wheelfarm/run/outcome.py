"""How builds end."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from wheelfarm.errors import FarmError
    from wheelfarm.model import CacheUse
    from wheelfarm.plan.build import Build, BuildId


class State(StrEnum):
    """How a build ended."""

    BUILT = "built"
    REUSED = "reused"
    """Its wheels came from an index; nothing was compiled."""
    CACHED = "cached"
    CHECKED = "checked"
    """The stored wheel passed a gate that has changed; nothing was compiled."""
    FAILED = "failed"
    BLOCKED = "blocked"

    @property
    def good(self) -> bool:
        """Whether the wheel is in the wheelhouse now."""
        return self in {State.BUILT, State.REUSED, State.CACHED, State.CHECKED}


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How one build ended, why, and how long it took."""

    build: Build
    state: State
    why: str
    seconds: float = 0.0
    wheel: Path | None = None
    splits: tuple[Path, ...] = ()
    """The further wheels of the build."""
    error: FarmError | None = None
    times: tuple[tuple[str, float], ...] = ()
    """Seconds by step."""
    attempts: int = 1
    """How often it was begun; 0 when it was blocked."""
    culprit: BuildId | None = None
    """The failed build that blocks it, at the root of all that stands between."""
    cache_use: CacheUse | None = None
    """What the compiler cache spared; None where there was none, or nothing was compiled."""
    build_cache: bool = False
    """Whether it used a build cache."""
    warnings: tuple[str, ...] = ()
    """What should be looked at although it ended well."""

    @property
    def retried(self) -> bool:
        """Whether it was begun again after an error that may pass."""
        return self.attempts > 1


class Interrupted(KeyboardInterrupt):
    """The run was interrupted, and what it had started has ended.

    Args:
        outcomes: how the builds ended that were finished by then, in the plan's order.
    """

    def __init__(self, outcomes: tuple[Outcome, ...]) -> None:
        super().__init__()
        self.outcomes = outcomes
