"""Reports a run while it goes on: on a terminal, in plain lines, or to GitHub Actions."""

from __future__ import annotations

import secrets
import threading
import time
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Final, Self

from wheelfarm.report.outcome import outcome_line
from wheelfarm.report.progress import Progress
from wheelfarm.report.quantity import about, duration
from wheelfarm.run.outcome import State
from wheelfarm.run.scheduler import defer_signals
from wheelfarm.system.process_group import usage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from wheelfarm.plan.build import Build, BuildId
    from wheelfarm.report.live import LiveView
    from wheelfarm.report.progress import RunningBuild
    from wheelfarm.report.screen import Screen
    from wheelfarm.run.outcome import Outcome

REDRAW: Final = 0.125
"""Seconds between two pictures, at least."""
_SAMPLE: Final = 1.0
"""Seconds between two readings of what processes use."""
_STYLES: Final = {State.BUILT: "green", State.CHECKED: "green", State.FAILED: "bold red"}


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


_LONGEST_LOG: Final = 10_000
"""Lines of a build's output that are shown; its log has all."""


def escape_data(text: str) -> str:
    """A message of a workflow command."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def escape_property(text: str) -> str:
    """A property of a workflow command, such as a title."""
    return escape_data(text).replace(":", "%3A").replace(",", "%2C")


def error_command(title: str, message: str) -> str:
    """An annotation that the run's page shows."""
    return f"::error title={escape_property(title)}::{escape_data(message)}"


def group_lines(title: str, log: Sequence[str], token: str) -> Iterator[str]:
    """A build's output, folded; none of its lines works as a command, whoever wrote it.

    Args:
        title: the visible line of the folded group.
        log: the lines.
        token: a word that nobody can guess; commands are off until it is printed.
    """
    yield f"::group::{escape_data(title)}"
    yield f"::stop-commands::{token}"
    yield from log
    yield f"::{token}::"
    yield "::endgroup::"


@dataclass
class ActionsOutput(PlainOutput):
    """Plain lines, and each build's output in a group of its own once the build has ended."""

    token: Callable[[], str] = secrets.token_hex
    _logs: dict[object, deque[str]] = field(default_factory=dict)

    def begin(self, build: Build, progress: Progress, now: float) -> None:
        """Print that a build begins."""
        self._logs[build.id] = deque(maxlen=_LONGEST_LOG)
        super().begin(build, progress, now)

    def line(self, build: Build, line: str) -> None:
        """Keep a line of a build's output."""
        log = self._logs[build.id]
        if len(log) == _LONGEST_LOG:
            log.popleft()
            log[0] = "(the build's log has more)"
        log.append(line)

    def end(self, outcome: Outcome) -> None:
        """Print how a build ended, with its output in a group."""
        log = self._logs.pop(outcome.build.id, None)
        if not log:
            super().end(outcome)
        else:
            self._printed.pop(outcome.build.id, None)
            self.screen.lines(group_lines(outcome_line(outcome), log, self.token()))
        if outcome.error is not None:
            message = "\n".join(outcome.error.lines())
            self.screen.say(error_command(str(outcome.build.id), message))


@dataclass
class LiveOutput(PlainOutput):
    """A live view, present only while a build runs."""

    environ: Mapping[str, str] = field(default_factory=dict)
    wall: Callable[[], datetime] = field(default=lambda: datetime.now().astimezone())
    _drawn: float = float("-inf")

    def begin(self, build: Build, progress: Progress, now: float) -> None:
        """The build is in the next picture."""

    def end(self, outcome: Outcome) -> None:
        """Print how a build ended, above the rows."""
        if self.screen.overlay is None:
            self.screen.say(outcome_line(outcome))
        else:
            self.screen.overlay.say(outcome_line(outcome), _STYLES.get(outcome.state, ""))

    def refresh(self, progress: Progress, now: float) -> None:
        """Draw the rows, if the last picture is old enough."""
        if not progress.running:
            self.close()
        elif now - self._drawn >= REDRAW:
            self._drawn = now
            # Only here: a pipe, and a run that finds all wheels stored, do without rich.
            from wheelfarm.report.live import picture  # noqa: PLC0415

            wall = self.wall()
            self._view().draw(
                lambda size, ascii_only: picture(progress, now, wall, size, ascii_only=ascii_only)
            )

    def close(self) -> None:
        """Remove the rows."""
        self.screen.uncover()

    def _view(self) -> LiveView:
        from wheelfarm.report.live import LiveView  # noqa: PLC0415

        if not isinstance(self.screen.overlay, LiveView):
            self.screen.overlay = LiveView(self.screen.people, self.environ)
        return self.screen.overlay


@dataclass
class RunReport:
    """Receives the events of a run, from any number of threads at once.

    As a context it shows that time passes while builds are silent, and leaves a clean terminal however the
    block ends. Without, it moves with the output alone.

    Args:
        screen: where it prints.
        builds: the builds of the plan, for totals.
        expected: estimated seconds by build; 0 for one that need not be built. Some may be missing.
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
        self._output = self._choose_output()
        self._over = threading.Event()
        self._ticker = threading.Thread(target=self._tick, name="wheelfarm-report", daemon=True)

    def _choose_output(self) -> PlainOutput:
        if self.environ.get("GITHUB_ACTIONS") == "true":
            return ActionsOutput(self.screen)
        if self.screen.live and self.environ.get("TERM") not in {"dumb", "unknown"}:
            return LiveOutput(self.screen, environ=self.environ, wall=self.wall)
        return PlainOutput(self.screen)

    def __enter__(self) -> Self:
        self._ticker.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._over.set()
        # A second interrupt would leave the rows and no cursor.
        with self._lock, defer_signals():
            self._output.close()
        self._ticker.join()

    def _tick(self) -> None:
        # The thread that writes next finds out that a stream is closed.
        with suppress(OSError, ValueError):
            while not self._over.wait(REDRAW):
                with self._lock:
                    self._refresh()

    def start(self, build: Build) -> None:
        """Begin a build; without this it begins with its first line."""
        with self._lock:
            self._begin(build)
            self._refresh()

    def on_line(self, build: Build, line: str) -> None:
        """Receive a line of a build's output."""
        with self._lock:
            self._begin(build)
            self._progress.running[build.id].on_line(line)
            self._output.line(build, line)
            if not self._ticker.is_alive():
                self._refresh()

    def on_process(self, build: Build, pid: int) -> None:
        """Receive the process whose tree does a build's work from now on."""
        with self._lock:
            self._begin(build)
            self._pids[build.id] = pid
            now = self.clock()
            self._progress.running[build.id].on_usage(now, None)  # another process counts from another start
            self._read_usage(build.id, now)

    def leave(self, build: Build) -> None:
        """Remove a build without a line about it."""
        with self._lock:
            self._pids.pop(build.id, None)
            self._progress.running.pop(build.id, None)
            self._refresh()

    def on_outcome(self, outcome: Outcome) -> None:
        """Receive how a build ended."""
        with self._lock:
            self._pids.pop(outcome.build.id, None)
            self._progress.end(outcome)
            self._output.end(outcome)
            for warning in outcome.warnings:
                self.screen.say(f"warning: {outcome.build.id}: {warning}")
            self._refresh()

    def _begin(self, build: Build) -> None:
        now = self.clock()
        if self._progress.begin(build, now):
            self._output.begin(build, self._progress, now)

    def _refresh(self) -> None:
        if self._over.is_set():
            return  # a thread that has not ended yet
        now = self.clock()
        for build_id in self._pids:
            if now - self._sampled[build_id] >= _SAMPLE:
                self._read_usage(build_id, now)
        self._output.refresh(self._progress, now)

    def _read_usage(self, build_id: BuildId, now: float) -> None:
        """Read what a build's processes use, for a terminal only."""
        self._sampled[build_id] = now
        if isinstance(self._output, LiveOutput) and build_id in self._progress.running:
            self._progress.running[build_id].on_usage(now, self.sample(self._pids[build_id]))
