"""Plans to run, and what is said of their outcomes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from support.farm import make_farm, plan_of
from wheelfarm.errors import NetworkError
from wheelfarm.run.outcome import Outcome, State
from wheelfarm.run.schedule import Budget
from wheelfarm.run.services import SilentRunListener

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from wheelfarm.errors import FarmError
    from wheelfarm.plan.build import Build
    from wheelfarm.plan.graph import Plan

    Make = Callable[..., Plan]

WAIT: Final = 10
"""Seconds after which a test that hangs has failed."""
FOUR: Final = Budget(cpus=4)
QUIET: Final = SilentRunListener()
NO_SERVER: Final = NetworkError("the index does not answer")


@dataclass
class LineListener(SilentRunListener):
    """Collects the output of builds."""

    lines: list[str] = field(default_factory=list)

    def on_line(self, build: Build, line: str) -> None:
        del build
        self.lines.append(line)


@dataclass
class OutcomeListener(SilentRunListener):
    """Passes outcomes on to a function."""

    receive: Callable[[Outcome], object]

    def on_outcome(self, outcome: Outcome) -> None:
        self.receive(outcome)


def plans_in(root: Path) -> Make:
    """Plans whose builds need others, by name."""

    def plan(**needs: Sequence[str]) -> Plan:
        return plan_of(make_farm(root, {name: {"requires": {"host": on}} for name, on in needs.items()}))

    return plan


def name(build: Build) -> str:
    return str(build.id.name)


def built(build: Build) -> Outcome:
    return Outcome(build=build, state=State.BUILT, why="new")


def by_name(outcomes: Sequence[Outcome]) -> dict[str, Outcome]:
    return {name(outcome.build): outcome for outcome in outcomes}


class Flaky:
    """Fails as often as `failures` says, by name, with an error that may pass; notes the order."""

    def __init__(self, **failures: int) -> None:
        self.failures = failures
        self.error: FarmError = NO_SERVER
        self.performed: list[str] = []

    def __call__(self, build: Build, _share: int) -> Outcome:
        self.performed.append(name(build))
        if self.performed.count(name(build)) <= self.failures.get(name(build), 0):
            raise self.error
        return built(build)
