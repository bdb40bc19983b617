"""What is said of a run: what will be done, what is being done, what came of it."""

from __future__ import annotations

import re
import shutil
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from wheelfarm.schedule import State

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from wheelfarm.pipeline import Decision
    from wheelfarm.plan import Build
    from wheelfarm.report.screen import Screen
    from wheelfarm.schedule import Outcome

_STEP: Final = re.compile(r"^\s*\[\s*(\d+)/(\d+)\]")
"""Ninja's own progress, as in [12/345]."""
_PLAIN_EVERY: Final = 30.0
"""Seconds between progress lines where nobody is watching."""
_LAST_LINES: Final = 25


def duration(seconds: float) -> str:
    """A time as people say it."""
    if seconds < 60:  # noqa: PLR2004
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02} s"


def size(count: int) -> str:
    """Bytes as people say them, in powers of ten."""
    return f"{count / 1e6:.1f} MB" if count >= 1e5 else f"{count / 1e3:.1f} kB"  # noqa: PLR2004


def decision_lines(decisions: Sequence[Decision]) -> Iterator[str]:
    """What a run would do, one line a build, with the reasons."""
    for decision in decisions:
        build = decision.build
        head = f"{build.id.name} {build.version} ({build.id.variant}, {build.id.target}, {build.engine})"
        yield f"{decision.action.value:8} {head}: {'; '.join(decision.why)} [{build.reason}]"


def outcome_line(outcome: Outcome) -> str:
    """How one build ended."""
    build = outcome.build
    head = f"{outcome.state.value:8} {build.id.name} {build.version} ({build.id.variant}, {build.id.target})"
    if outcome.state is State.BUILT and outcome.wheel is not None:
        packed = size(outcome.wheel.stat().st_size)
        return f"{head}: {outcome.wheel.name}, {packed}, in {duration(outcome.seconds)}"
    return f"{head}: {outcome.why}"


def last_lines(outcome: Outcome) -> Iterator[str]:
    """The end of a failed build's log."""
    log = outcome.error.log if outcome.error else None
    if log is not None and log.exists():
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
        yield from (f"  | {line}" for line in lines[-_LAST_LINES:])


def summary_lines(outcomes: Sequence[Outcome]) -> Iterator[str]:
    """What came of a run, counted by state; the failures told whole."""
    for outcome in outcomes:
        if outcome.error is not None:
            yield from last_lines(outcome)
            yield from outcome.error.lines()
    counts = {state: sum(outcome.state is state for outcome in outcomes) for state in State}
    yield ", ".join(f"{count} {state.value}" for state, count in counts.items() if count)


def outcome_data(outcome: Outcome) -> dict[str, Any]:
    """An outcome for programs."""
    build = outcome.build
    return {
        "name": build.id.name,
        "version": build.version,
        "variant": build.id.variant,
        "target": build.id.target.identifier,
        "engine": build.engine.value,
        "key": build.key,
        "state": outcome.state.value,
        "why": outcome.why,
        "seconds": round(outcome.seconds, 3),
        "times": dict(outcome.times),
        "wheel": str(outcome.wheel) if outcome.wheel else None,
        "error": outcome.error.slug if outcome.error else None,
    }


@dataclass
class ChainReport:
    """Follows a run: a status line on a terminal, a line now and then in a pipe."""

    screen: Screen
    started: float = field(default_factory=time.monotonic)
    _current: Build | None = None
    _since: float = 0.0
    _told: float = 0.0
    _step: tuple[int, int] | None = None

    def hear(self, build: Build, line: str) -> None:
        """A line of a build's output."""
        now = time.monotonic()
        if build is not self._current:
            self._current, self._since, self._told, self._step = build, now, now, None
            self.screen.say(
                f"building {build.id.name} {build.version} ({build.id.variant}, {build.id.target})"
            )
        match = _STEP.match(line)
        if match:
            self._step = (int(match[1]), int(match[2]))
        if self.screen.live:
            self.screen.status(self._bar(line.strip(), now))
        elif now - self._told >= _PLAIN_EVERY:
            self._told = now
            steps = f"[{self._step[0]}/{self._step[1]}] " if self._step else ""
            self.screen.say(f"{build.id.name}: {steps}{duration(now - self._since)}")

    def _bar(self, line: str, now: float) -> str:
        assert self._current is not None  # noqa: S101 - set by hear
        width = shutil.get_terminal_size().columns
        head = f"{self._current.id.name} {duration(now - self._since)} "
        if self._step:
            done, total = self._step
            filled = round(20 * done / total)
            head += f"{'━' * filled}{'╌' * (20 - filled)} {done}/{total} "
            line = line.partition("]")[2].strip() or line
        return (head + line)[: width - 1]

    def tell(self, outcome: Outcome) -> None:
        """A build has ended."""
        self.screen.say(outcome_line(outcome))
