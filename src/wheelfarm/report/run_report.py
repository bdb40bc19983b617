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

from wheelfarm.report.build import outcome_line
from wheelfarm.report.progress import Progress
from wheelfarm.report.text import about, duration
from wheelfarm.run.outcome import State
from wheelfarm.system.signals import defer_signals

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from wheelfarm.plan.build import Build, BuildId
    from wheelfarm.report.progress import RunningBuild
    from wheelfarm.report.screen import Screen
    from wheelfarm.run.outcome import Outcome

REDRAW: Final = 0.125
"""Seconds between two pictures, at least."""
EVERY: Final = 30.0
"""Seconds between two plain lines of one build."""
_LONGEST_LOG: Final = 10_000
"""Lines of a build's output that GitHub shows; its log has all."""
_STYLES: Final = {State.BUILT: "green", State.CHECKED: "green", State.FAILED: "bold red"}


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
    """Plain lines: when a build begins and ends, and one each half minute at most."""

    screen: Screen

    def begin(self, build: Build, running: RunningBuild) -> None:
        """Print that a build begins."""
        del build
        expected = f", about {about(running.prior)}" if running.prior else ""
        self.screen.say(f"{running.activity} {running.label} {running.version} ({running.where}){expected}")

    def line(self, build: Build, line: str) -> None:
        """Receive a line of a build's output."""

    def end(self, outcome: Outcome) -> None:
        """Print how a build ended."""
        self.screen.say(outcome_line(outcome), _STYLES.get(outcome.state, ""))

    def refresh(self, progress: Progress, now: float) -> None:
        """Print the progress of builds that were silent for long."""
        for running in progress.running.values():
            if now - running.reported >= EVERY:
                running.reported = now
                self.screen.say(progress_line(running, now))

    def close(self) -> None:
        """End the output."""


@dataclass
class ActionsOutput(PlainOutput):
    """Plain lines, and each build's output in a group of its own once the build has ended.

    https://docs.github.com/actions/reference/workflows-and-actions/workflow-commands; escapes as in the
    Actions toolkit's packages/core/src/command.ts.
    """

    token: Callable[[], str] = secrets.token_hex
    _logs: dict[BuildId, deque[str]] = field(default_factory=dict)

    def begin(self, build: Build, running: RunningBuild) -> None:
        """Print that a build begins."""
        self._logs[build.id] = deque(maxlen=_LONGEST_LOG)
        super().begin(build, running)

    def line(self, build: Build, line: str) -> None:
        """Add a line of a build's output to its group."""
        log = self._logs[build.id]
        if len(log) == _LONGEST_LOG:
            log.popleft()
            log[0] = "(the build's log has more)"
        log.append(line)

    def end(self, outcome: Outcome) -> None:
        """Print how a build ended, with its output in a group."""
        if log := self._logs.pop(outcome.build.id, None):
            self.screen.lines(group_lines(outcome_line(outcome), log, self.token()))
        else:
            super().end(outcome)
        if outcome.error is not None:
            self.screen.say(error_command(str(outcome.build.id), "\n".join(outcome.error.lines())))


def escape_data(text: str) -> str:
    """A message of a workflow command."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def error_command(title: str, message: str) -> str:
    """An annotation that the run's page shows."""
    title = escape_data(title).replace(":", "%3A").replace(",", "%2C")
    return f"::error title={title}::{escape_data(message)}"


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
class LiveOutput(PlainOutput):
    """A live view, present only while a build runs."""

    environ: Mapping[str, str] = field(default_factory=dict)
    _drawn: float = float("-inf")

    def begin(self, build: Build, running: RunningBuild) -> None:
        """The build is in the next picture."""

    def refresh(self, progress: Progress, now: float) -> None:
        """Draw the rows, if the last picture is old enough."""
        if not progress.running:
            self.close()
        elif now - self._drawn >= REDRAW:
            self._drawn = now
            # Only here: a pipe, and a run that finds all wheels stored, do without rich.
            from wheelfarm.report.live import LiveView, picture  # noqa: PLC0415

            if self.screen.overlay is None:
                self.screen.overlay = LiveView(self.screen.people, self.environ)
            wall = datetime.now().astimezone()
            self.screen.overlay.draw(
                lambda size, ascii_only: picture(progress, now, wall, size, ascii_only=ascii_only)
            )

    def close(self) -> None:
        """Remove the rows."""
        self.screen.uncover()


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
        tests: whether the builds are tested, not built.
    """

    screen: Screen
    builds: Sequence[Build] = ()
    expected: Mapping[BuildId, float] = field(default_factory=dict)
    environ: Mapping[str, str] = field(default_factory=dict)
    clock: Callable[[], float] = time.monotonic
    tests: bool = False
    _lock: threading.RLock = field(default_factory=threading.RLock, init=False)

    def __post_init__(self) -> None:
        self._progress = Progress(
            started=self.clock(), builds=self.builds, expected=self.expected, tests=self.tests
        )
        self._output = self._choose_output()
        self._over = threading.Event()
        self._ticker = threading.Thread(target=self._tick, name="wheelfarm-report", daemon=True)

    def _choose_output(self) -> PlainOutput:
        if self.environ.get("GITHUB_ACTIONS") == "true":
            return ActionsOutput(self.screen)
        if self.screen.live and self.environ.get("TERM") not in {"dumb", "unknown"}:
            return LiveOutput(self.screen, environ=self.environ)
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
            self._running(build)
            self._refresh()

    def on_line(self, build: Build, line: str) -> None:
        """Receive a line of a build's output."""
        with self._lock:
            self._running(build).on_line(line)
            self._output.line(build, line)
            if not self._ticker.is_alive():
                self._refresh()

    def leave(self, build: Build) -> None:
        """Remove a build without a line about it."""
        with self._lock:
            self._progress.running.pop(build.id, None)
            self._refresh()

    def on_outcome(self, outcome: Outcome) -> None:
        """Receive how a build ended."""
        with self._lock:
            self._progress.end(outcome)
            self._output.end(outcome)
            for warning in outcome.warnings:
                self.screen.say(f"warning: {outcome.build.id}: {warning}")
            self._refresh()

    def _running(self, build: Build) -> RunningBuild:
        """The state of a build, which begins with the first that is received of it."""
        if build.id not in self._progress.running:
            self._output.begin(build, self._progress.begin(build, self.clock()))
        return self._progress.running[build.id]

    def _refresh(self) -> None:
        if not self._over.is_set():  # a thread may go on after the end
            self._output.refresh(self._progress, self.clock())
