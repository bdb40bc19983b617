"""Schedule: run a plan to its end; one failure stops only what needs it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from wheelfarm.errors import FarmError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from wheelfarm.plan import Build, Plan


class State(StrEnum):
    """How a build ended."""

    BUILT = "built"
    CACHED = "cached"
    CHECKED = "checked"
    """The stored wheel passed a gate that has changed; nothing was compiled."""
    FAILED = "failed"
    BLOCKED = "blocked"

    @property
    def good(self) -> bool:
        """Whether the wheel is in the wheelhouse now."""
        return self in {State.BUILT, State.CACHED, State.CHECKED}


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How one build ended, why, and how long it took."""

    build: Build
    state: State
    why: str
    seconds: float = 0.0
    wheel: Path | None = None
    error: FarmError | None = None
    times: tuple[tuple[str, float], ...] = ()
    """Seconds by step."""


def run_plan(
    plan: Plan, perform: Callable[[Build], Outcome], *, tell: Callable[[Outcome], None]
) -> tuple[Outcome, ...]:
    """Perform each build in order; what needs a failed one is blocked, and says by whom."""
    outcomes: dict[object, Outcome] = {}
    for build in plan.builds:
        needed = [outcomes[need] for need in (*build.upstream, *build.run) if need in outcomes]
        bad = next((outcome for outcome in needed if not outcome.state.good), None)
        if bad is not None:
            culprit = bad.why if bad.state is State.BLOCKED else f"blocked by {bad.build.id}, which failed"
            outcome = Outcome(build=build, state=State.BLOCKED, why=culprit)
        else:
            started = time.monotonic()
            try:
                outcome = perform(build)
            except FarmError as error:
                seconds = time.monotonic() - started
                outcome = Outcome(
                    build=build, state=State.FAILED, why=error.what, seconds=seconds, error=error
                )
        outcomes[build.id] = outcome
        tell(outcome)
    return tuple(outcomes.values())
