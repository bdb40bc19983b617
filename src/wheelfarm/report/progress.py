"""The state of a run, from the events of its builds."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from wheelfarm.report.build_output import plain, read_step, shorten
from wheelfarm.report.quantity import about
from wheelfarm.run.outcome import State

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from wheelfarm.plan.build import Build, BuildId
    from wheelfarm.run.outcome import Outcome

_PACKED: Final = re.compile(r"\s*\[\s*\d+/\d+\]\s+(?:\S*[/\\])?(?P<file>[^/\\]+)$")
_LATE: Final = 0.1
"""What a late build is assumed to need yet, as a share of its time so far."""
_MOST: Final = 0.99
"""The share of a running build that is shown at most: repair and gate follow the compiler's last step."""


@dataclass(kw_only=True)
class RunningBuild:
    """A build that runs.

    Args:
        label: the distribution.
        version: its version.
        where: variant and target.
        started: when, on the run's clock, in seconds.
        prior: the duration that was estimated before the build, in seconds.
    """

    label: str
    version: str
    where: str
    started: float
    prior: float | None = None
    step: int = 0
    steps: int = 0
    """Steps of the compiler; 0 before the first is known."""
    verb: str = ""
    what: str = ""
    cores: float | None = None
    memory: int | None = None
    sample: tuple[float, float] | None = None
    """When the CPU seconds were read last, and how many there were."""

    def on_line(self, line: str) -> None:
        """Read a line of output."""
        step = read_step(line)
        if step is not None:
            self.step, self.steps, self.verb, self.what = step.number, step.of, step.verb, step.what
        elif 0 < self.step < self.steps:
            return  # a compiler's warning: the step goes on
        else:
            packed = _PACKED.match(line)
            verb, what = ("Packing", plain(packed["file"])) if packed else shorten(line)
            if what:
                self.verb, self.what = verb, what

    def on_usage(self, now: float, usage: tuple[float, int] | None) -> None:
        """Take in CPU seconds so far and bytes resident; None when the processes are gone."""
        before, self.sample, self.cores, self.memory = self.sample, None, None, None
        if usage is None:
            return
        self.sample, self.memory = (now, usage[0]), usage[1]
        if before is not None and now > before[0]:
            # The CPU time of a process without a parent that waits is lost with it.
            self.cores = max(0.0, usage[0] - before[1]) / (now - before[0])

    def expected(self, now: float) -> float | None:
        """The duration in seconds: the estimate, corrected by the steps that are done; None when unknown."""
        done = self.step / self.steps if self.steps else 0.0
        if self.prior is None:
            return (now - self.started) / done if done > _LATE else None
        # Steps differ much in length, so that their pace counts little at first.
        return self.prior if not done else (1 - done) * self.prior + (now - self.started)

    def late(self, now: float) -> bool:
        """Whether the build takes longer than was estimated before it."""
        return self.prior is not None and now - self.started >= self.prior

    def left(self, now: float) -> float | None:
        """Seconds to its end; None when unknown."""
        expected, elapsed = self.expected(now), now - self.started
        return None if expected is None else max(expected - elapsed, _LATE * elapsed)

    def share(self, now: float) -> float | None:
        """The part that is done: of the steps, or else of the time; None when unknown."""
        if self.steps:
            return min(_MOST, self.step / self.steps)
        return min(_MOST, (now - self.started) / self.prior) if self.prior and not self.late(now) else None


@dataclass(kw_only=True)
class Progress:
    """The builds of a run: running and ended. For one thread at a time.

    Args:
        started: when the run began, on its clock, in seconds.
        builds: the builds of the plan; none when unknown.
        expected: estimated seconds by build; 0 for one that need not be built.
    """

    started: float
    builds: Sequence[Build] = ()
    expected: Mapping[BuildId, float] = field(default_factory=dict)
    running: dict[BuildId, RunningBuild] = field(default_factory=dict)
    ended: dict[BuildId, State] = field(default_factory=dict)

    def begin(self, build: Build, now: float) -> bool:
        """Add a build; False when it runs already."""
        if build.id in self.running:
            return False
        self.running[build.id] = RunningBuild(
            label=build.id.name,
            version=build.version,
            where=f"{build.id.variant}, {build.id.target}",
            started=now,
            prior=self.expected.get(build.id),
        )
        return True

    def end(self, outcome: Outcome) -> None:
        """Move a build to those that have ended."""
        self.running.pop(outcome.build.id, None)
        self.ended[outcome.build.id] = outcome.state

    def left(self, now: float) -> float | None:
        """Seconds to the end of the run when as many builds run at once as now; None when unknown."""
        waiting = [b.id for b in self.builds if b.id not in self.ended and b.id not in self.running]
        rest = [running.left(now) for running in self.running.values()]
        rest += [self.expected.get(build_id) for build_id in waiting]
        known = [seconds for seconds in rest if seconds is not None]
        if not self.builds or len(known) < len(rest):
            return None
        return max([0.0, sum(known) / max(1, len(self.running)), *known])

    def totals(self, now: float, wall: datetime) -> list[tuple[str, str]]:
        """The texts of the run's line by kind, the most important first; none is empty."""
        states, left = list(self.ended.values()), self.left(now)
        done = sum(state.good for state in states)
        texts = {
            "done": f"{done}/{len(self.builds)} done" if self.builds else f"{done} done",
            "failed": _count(states.count(State.FAILED), "failed"),
            "blocked": _count(states.count(State.BLOCKED), "blocked"),
            "running": _count(len(self.running), "running"),
            "left": "" if left is None else f"about {about(left)} left",
            "end": "" if left is None else f"ends {wall + timedelta(seconds=left):%H:%M}",
        }
        return [(kind, text) for kind, text in texts.items() if text]


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number else ""
