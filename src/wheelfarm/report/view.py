"""The model of a run as it is watched: events go in, a frozen view comes out."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from wheelfarm.report.step import plain, read_step, shorten
from wheelfarm.run.outcome import State

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from wheelfarm.plan.build import Build, BuildId
    from wheelfarm.run.outcome import Outcome

_TELLING: Final = 0.05
"""The part of the steps that must be done before their pace tells when they end."""
_LATE: Final = 0.1
"""What a build that is late needs yet, for all one knows, as a part of what it has taken."""
_PACKED: Final = re.compile(r"\s*\[\s*\d+/\d+\]\s+(?:\S*[/\\])?(?P<file>[^/\\]+)$")


@dataclass(frozen=True, kw_only=True)
class RunningBuild:
    """A build that is going on.

    Args:
        label: the distribution.
        version: its version.
        place: variant and target.
        started: when, on the run's clock, in seconds.
        step: how many of the compiler's steps are done.
        steps: how many there are; 0 while the build has told none.
        verb: what the last line was about, such as Compiling.
        what: to which file, or the whole line.
        expected: how many seconds it takes as a rule; None when nobody knows.
        cpu: cores in use; None when nobody knows.
        memory: bytes resident; None when nobody knows.
    """

    label: str
    version: str
    place: str
    started: float
    step: int = 0
    steps: int = 0
    verb: str = ""
    what: str = ""
    expected: float | None = None
    cpu: float | None = None
    memory: int | None = None

    def left(self, now: float) -> float | None:
        """Seconds to its end, from earlier builds or else from the pace of its steps; None when unknown."""
        elapsed = now - self.started
        if self.expected is not None and elapsed < self.expected:
            return self.expected - elapsed
        if self.steps and self.step > _TELLING * self.steps:
            return elapsed / self.step * (self.steps - self.step)
        return None if self.expected is None else _LATE * elapsed

    def hear(self, line: str) -> RunningBuild:
        """As it stands after a line of its output."""
        step = read_step(line)
        if step is not None:
            return replace(self, step=step.number, steps=step.of, verb=step.verb, what=step.what)
        if 0 < self.step < self.steps:
            return self  # a compiler's warning: the step goes on
        packed = _PACKED.match(line)
        verb, what = ("Packing", plain(packed["file"])) if packed else shorten(line)
        return replace(self, verb=verb, what=what) if what else self


@dataclass(frozen=True, kw_only=True)
class Totals:
    """How far the run is.

    Args:
        done: builds whose wheels are in the wheelhouse now.
        total: builds of the plan; None when nobody said.
        failed: builds that failed.
        blocked: builds that one of those has stopped.
        elapsed: seconds since the run began.
        left: seconds to its end; None when an expected time is missing.
        end: the time of day at its end, such as 14:35; empty when unknown.
    """

    done: int = 0
    total: int | None = None
    failed: int = 0
    blocked: int = 0
    elapsed: float = 0.0
    left: float | None = None
    end: str = ""


@dataclass(frozen=True, kw_only=True)
class View:
    """What there is to see at one instant."""

    now: float
    running: tuple[RunningBuild, ...]
    totals: Totals


@dataclass(frozen=True)
class _Sample:
    """The CPU time of a process tree at an instant."""

    at: float
    cpu_seconds: float


@dataclass(kw_only=True)
class Progress:
    """Hears what happens in a run, and knows where it stands. For one thread at a time.

    Args:
        started: when the run began, on its clock, in seconds.
        builds: the builds of the plan; none when nobody said.
        expected: seconds that builds take as a rule; 0 for one that need not be built.
    """

    started: float
    builds: Sequence[Build] = ()
    expected: Mapping[BuildId, float] = field(default_factory=dict)
    running: dict[BuildId, RunningBuild] = field(default_factory=dict)
    _ended: dict[BuildId, State] = field(default_factory=dict)
    _samples: dict[BuildId, _Sample] = field(default_factory=dict)

    def begin(self, build: Build, now: float) -> bool:
        """A build is going on; whether that is news."""
        if build.id in self.running:
            return False
        self.running[build.id] = RunningBuild(
            label=build.id.name,
            version=build.version,
            place=f"{build.id.variant}, {build.id.target}",
            started=now,
            expected=self.expected.get(build.id),
        )
        return True

    def hear(self, build: Build, line: str) -> None:
        """A line of the output of a build that is going on."""
        self.running[build.id] = self.running[build.id].hear(line)

    def use(self, build_id: BuildId, now: float, used: tuple[float, int] | None) -> None:
        """CPU seconds so far and bytes resident of a build's processes; None when they are gone."""
        running = self.running.get(build_id)
        before = self._samples.pop(build_id, None)
        if running is None:
            return
        if used is None:
            self.running[build_id] = replace(running, cpu=None, memory=None)
            return
        cpu_seconds, memory = used
        self._samples[build_id] = _Sample(now, cpu_seconds)
        cores = None
        if before is not None and now > before.at:
            # What a process used is lost to us when it ends without a parent that waits for it.
            cores = max(0.0, cpu_seconds - before.cpu_seconds) / (now - before.at)
        self.running[build_id] = replace(running, cpu=cores, memory=memory)

    def leave(self, build_id: BuildId) -> None:
        """A build is no longer going on."""
        self.running.pop(build_id, None)
        self._samples.pop(build_id, None)

    def end(self, outcome: Outcome) -> None:
        """A build has ended."""
        self.leave(outcome.build.id)
        self._ended[outcome.build.id] = outcome.state

    def view(self, now: float, wall: datetime) -> View:
        """How things stand.

        Args:
            now: on the run's clock, in seconds.
            wall: the time of day.
        """
        states = list(self._ended.values())
        left = self._left(now)
        totals = Totals(
            done=sum(state.good for state in states),
            total=len(self.builds) or None,
            failed=states.count(State.FAILED),
            blocked=states.count(State.BLOCKED),
            elapsed=now - self.started,
            left=left,
            end="" if left is None else f"{wall + timedelta(seconds=left):%H:%M}",
        )
        return View(now=now, running=tuple(self.running.values()), totals=totals)

    def _left(self, now: float) -> float | None:
        """Seconds to the end when as many builds run at once as do now: never less than the longest needs."""
        waiting = [b.id for b in self.builds if b.id not in self._ended and b.id not in self.running]
        rest = [running.left(now) for running in self.running.values()]
        rest += [self.expected.get(build_id) for build_id in waiting]
        known = [seconds for seconds in rest if seconds is not None]
        if not self.builds or len(known) < len(rest):
            return None
        return max([0.0, sum(known) / max(1, len(self.running)), *known])
