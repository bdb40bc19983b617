"""Output for GitHub Actions: groups, error annotations and the job summary.

https://docs.github.com/actions/reference/workflows-and-actions/workflow-commands; escapes as in the Actions
toolkit's packages/core/src/command.ts.
"""

from __future__ import annotations

import secrets
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from wheelfarm.report.outcome import count_line, outcome_line
from wheelfarm.report.plain import PlainOutput
from wheelfarm.report.quantity import duration, size
from wheelfarm.run.outcome import State

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from wheelfarm.plan.build import Build
    from wheelfarm.report.progress import Progress
    from wheelfarm.run.outcome import Outcome

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


def job_summary(outcomes: Sequence[Outcome]) -> str:
    """The outcomes of a run, as Markdown for the file GITHUB_STEP_SUMMARY.

    Without a compiler cache it has no column.
    """
    cached = any(outcome.cache_use for outcome in outcomes)
    head = ["package", "variant", "target", "state", "time", "size", *(["cache hits"] if cached else [])]
    return "\n".join(
        [
            f"### Wheels: {count_line(outcomes)}",
            "",
            row(head),
            row(["---", "---", "---", "---", *["---:"] * (len(head) - 4)]),
            *(row(_cells(outcome, cached=cached)) for outcome in outcomes),
            "",
        ]
    )


def _cells(outcome: Outcome, *, cached: bool) -> list[str]:
    build = outcome.build
    wheel = outcome.wheel
    cells = [
        f"{build.id.name} {build.version}",
        build.id.variant,
        str(build.id.target),
        _state(outcome),
        duration(outcome.seconds) if outcome.seconds else "",
        size(wheel.stat().st_size) if wheel is not None and wheel.is_file() else "",
    ]
    if cached:
        use = outcome.cache_use
        cells.append(f"{use.hits} of {use.compiles}" if use else "")
    return [cell(text) for text in cells]


def _state(outcome: Outcome) -> str:
    """The state, and its reason."""
    match outcome.state:
        case State.FAILED:
            state = f"failed: {outcome.why}"
        case State.BLOCKED:
            state = f"blocked by {outcome.culprit}" if outcome.culprit else outcome.why
        case _:
            state = outcome.state.value
    return f"{state} (attempt {outcome.attempts})" if outcome.retried else state


def cell(text: str) -> str:
    """Text that Markdown leaves as it is, within a table."""
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace("|", "\\|")
    return " ".join(text.split())


def row(cells: Sequence[str]) -> str:
    """A row of a Markdown table."""
    return f"| {' | '.join(cells)} |"
