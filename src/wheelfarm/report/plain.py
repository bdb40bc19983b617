"""Progress without a terminal: lines with package and target, one each half minute at most."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from wheelfarm.report.outcome import outcome_line
from wheelfarm.report.quantity import about, duration

if TYPE_CHECKING:
    from wheelfarm.plan.build import Build
    from wheelfarm.report.progress import Progress, RunningBuild
    from wheelfarm.report.screen import Screen
    from wheelfarm.run.outcome import Outcome

EVERY: Final = 30.0
"""Seconds between the lines of one build."""


def begin_line(running: RunningBuild) -> str:
    """A build that begins."""
    expected = f", about {about(running.prior)}" if running.prior else ""
    return f"building {running.label} {running.version} ({running.where}){expected}"


def progress_line(running: RunningBuild, now: float) -> str:
    """How far a build is."""
    share, expected = running.share(now), running.expected(now)
    steps = f"[{running.step}/{running.steps}] {int(100 * (share or 0))} %, " if running.steps else ""
    target = (
        ", longer than expected" if running.late(now) else f" of about {about(expected)}" if expected else ""
    )
    return f"{running.label} ({running.where}): {steps}{duration(now - running.started)}{target}"


@dataclass
class PlainOutput:
    """Plain lines on a screen."""

    screen: Screen
    _printed: dict[object, float] = field(default_factory=dict)
    """When each running build had its last line."""

    def begin(self, build: Build, progress: Progress, now: float) -> None:
        """Print that a build begins."""
        self._printed[build.id] = now
        self.screen.say(begin_line(progress.running[build.id]))

    def line(self, build: Build, line: str) -> None:
        """Receive a line of a build's output."""

    def end(self, outcome: Outcome) -> None:
        """Print how a build ended."""
        self._printed.pop(outcome.build.id, None)
        self.screen.say(outcome_line(outcome))

    def refresh(self, progress: Progress, now: float) -> None:
        """Print the progress of builds that were silent for long."""
        for build_id, running in progress.running.items():
            if now - self._printed[build_id] >= EVERY:
                self._printed[build_id] = now
                self.screen.say(progress_line(running, now))

    def close(self) -> None:
        """End the output."""
