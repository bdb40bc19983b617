"""Follows a run: hears what its builds do, and tells it in the form that suits who is there to read it."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Final, Protocol, Self

from wheelfarm.report.actions import ActionsForm
from wheelfarm.report.outcome import outcome_data, outcome_line
from wheelfarm.report.plain import PlainForm
from wheelfarm.report.terminal import REDRAW, TerminalForm
from wheelfarm.report.view import Progress
from wheelfarm.system.process_group import usage

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from wheelfarm.plan.build import Build, BuildId
    from wheelfarm.report.screen import Screen
    from wheelfarm.run.outcome import Outcome

__all__ = ["ChainReport", "outcome_data", "outcome_line"]

_SAMPLE: Final = 1.0
"""Seconds between two looks at what processes use."""


class Form(Protocol):
    """How progress is told: on a terminal, in plain lines, or to GitHub Actions."""

    def begin(self, build: Build, progress: Progress, now: float) -> None:
        """A build begins."""

    def hear(self, build: Build, line: str) -> None:
        """A line of a build's output."""

    def end(self, outcome: Outcome) -> None:
        """A build has ended."""

    def beat(self, progress: Progress, now: float) -> None:
        """Some time has passed."""

    def close(self) -> None:
        """Nothing more will come."""


@dataclass
class ChainReport:
    """Follows a run; from any number of threads at once.

    As a context it keeps the time going while builds are silent, and leaves a clean terminal however the
    block ends. Without, it moves with the output alone.

    Args:
        screen: where it is told.
        builds: the builds of the plan, for totals.
        expected: seconds that builds take as a rule; 0 for one that need not be built. Some may be missing.
        environ: the environment: GITHUB_ACTIONS, NO_COLOR and TERM count.
        clock: seconds that only grow.
        wall: the time of day.
        sample: CPU seconds and bytes resident of a process and all that it started.
    """

    screen: Screen
    builds: Sequence[Build] = ()
    expected: Mapping[BuildId, float] = field(default_factory=dict)
    environ: Mapping[str, str] = field(default_factory=dict)
    clock: Callable[[], float] = time.monotonic
    wall: Callable[[], datetime] = field(default=lambda: datetime.now().astimezone())
    sample: Callable[[int], tuple[float, int] | None] = usage
    _lock: threading.RLock = field(default_factory=threading.RLock, init=False)
    _pids: dict[BuildId, int] = field(default_factory=dict, init=False)
    _sampled: dict[BuildId, float] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        self._progress = Progress(started=self.clock(), builds=self.builds, expected=self.expected)
        self._form = self._choose()
        self._over = threading.Event()
        self._ticker = threading.Thread(target=self._tick, name="wheelfarm-report", daemon=True)

    def _choose(self) -> Form:
        if self.environ.get("GITHUB_ACTIONS") == "true":
            return ActionsForm(self.screen)
        if self.screen.live and self.environ.get("TERM") not in {"dumb", "unknown"}:
            return TerminalForm(self.screen, self.environ, self.wall)
        return PlainForm(self.screen)

    def __enter__(self) -> Self:
        self._ticker.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._over.set()
        self._ticker.join()
        with self._lock:
            self._form.close()

    def _tick(self) -> None:
        # A stream that is closed is found by whoever writes to it next.
        with suppress(OSError, ValueError):
            while not self._over.wait(REDRAW):
                with self._lock:
                    self._beat()

    def start(self, build: Build) -> None:
        """A build begins; without this it does with its first line."""
        with self._lock:
            self._begin(build)
            self._beat()

    def hear(self, build: Build, line: str) -> None:
        """A line of a build's output."""
        with self._lock:
            self._begin(build)
            self._progress.hear(build, line)
            self._form.hear(build, line)
            if not self._ticker.is_alive():
                self._beat()

    def watch(self, build: Build, pid: int) -> None:
        """The process whose tree does a build's work from now on; one in a container has a number too."""
        with self._lock:
            self._begin(build)
            self._pids[build.id] = pid
            self._progress.use(build.id, self.clock(), None)  # another process counts from another start
            self._look(build.id, self.clock())

    def use(self, build: Build, cpu_seconds: float, memory: int) -> None:
        """CPU seconds so far and bytes resident, from whoever knows better than the process tree."""
        with self._lock:
            self._progress.use(build.id, self.clock(), (cpu_seconds, memory))

    def leave(self, build: Build) -> None:
        """A build is over and nothing is to be said of it."""
        with self._lock:
            self._pids.pop(build.id, None)
            self._progress.leave(build.id)
            self._beat()

    def tell(self, outcome: Outcome) -> None:
        """A build has ended."""
        with self._lock:
            self._pids.pop(outcome.build.id, None)
            self._progress.end(outcome)
            self._form.end(outcome)
            for warning in outcome.warnings:
                self.screen.say(f"warning: {outcome.build.id}: {warning}")
            self._beat()

    def _begin(self, build: Build) -> None:
        now = self.clock()
        if self._progress.begin(build, now):
            self._form.begin(build, self._progress, now)

    def _beat(self) -> None:
        if self._over.is_set():
            return  # a thread that was not told yet goes on for a moment
        now = self.clock()
        for build_id in self._pids:
            if now - self._sampled[build_id] >= _SAMPLE:
                self._look(build_id, now)
        self._form.beat(self._progress, now)

    def _look(self, build_id: BuildId, now: float) -> None:
        """Learn what a build's processes use; where nobody sees it, nobody looks."""
        self._sampled[build_id] = now
        if isinstance(self._form, TerminalForm):
            self._progress.use(build_id, now, self.sample(self._pids[build_id]))
