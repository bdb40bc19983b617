"""Progress where nobody watches: whole lines with package and target, and a sign of life now and then."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from wheelfarm.report.outcome import outcome_line
from wheelfarm.report.quantity import about, duration

if TYPE_CHECKING:
    from wheelfarm.plan.build import Build
    from wheelfarm.report.screen import Screen
    from wheelfarm.report.view import Progress, RunningBuild
    from wheelfarm.run.outcome import Outcome

EVERY: Final = 30.0
"""Seconds between the lines of one build."""


def begin_line(running: RunningBuild) -> str:
    """A build begins."""
    expected = f", about {about(running.expected)}" if running.expected else ""
    return f"building {running.label} {running.version} ({running.place}){expected}"


def progress_line(running: RunningBuild, now: float) -> str:
    """How far a build is."""
    steps = ""
    if running.steps:
        steps = f"[{running.step}/{running.steps}] {100 * running.step // running.steps} %, "
    expected = f" of about {about(running.expected)}" if running.expected else ""
    return f"{running.label} ({running.place}): {steps}{duration(now - running.started)}{expected}"


@dataclass
class PlainForm:
    """Plain lines on a screen."""

    screen: Screen
    _told: dict[object, float] = field(default_factory=dict)

    def begin(self, build: Build, progress: Progress, now: float) -> None:
        """A build begins."""
        self._told[build.id] = now
        self.screen.say(begin_line(progress.running[build.id]))

    def hear(self, build: Build, line: str) -> None:
        """A line of a build's output."""

    def end(self, outcome: Outcome) -> None:
        """A build has ended."""
        self._told.pop(outcome.build.id, None)
        self.screen.say(outcome_line(outcome))

    def beat(self, progress: Progress, now: float) -> None:
        """Some time has passed."""
        for build_id, running in progress.running.items():
            if now - self._told[build_id] >= EVERY:
                self._told[build_id] = now
                self.screen.say(progress_line(running, now))

    def close(self) -> None:
        """Nothing more will come."""
