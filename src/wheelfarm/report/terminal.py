"""Progress where a person watches: what runs, drawn over at the end of the terminal; what ended, above."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from wheelfarm.report.layout import Role, lines
from wheelfarm.report.outcome import outcome_line
from wheelfarm.run.outcome import State

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from wheelfarm.plan.build import Build
    from wheelfarm.report.live import LiveView
    from wheelfarm.report.screen import Screen
    from wheelfarm.report.view import Progress
    from wheelfarm.run.outcome import Outcome

REDRAW: Final = 0.125
"""Seconds between two pictures, at least."""
_ROLES: Final = {State.BUILT: Role.GOOD, State.CHECKED: Role.GOOD, State.FAILED: Role.BAD}


@dataclass
class TerminalForm:
    """A live view on a screen, there only while a build runs."""

    screen: Screen
    environ: Mapping[str, str]
    wall: Callable[[], datetime]
    _drawn: float = field(default=float("-inf"))

    def begin(self, build: Build, progress: Progress, now: float) -> None:
        """A build begins: it is in the next picture."""

    def hear(self, build: Build, line: str) -> None:
        """A line of a build's output: the model has it."""

    def end(self, outcome: Outcome) -> None:
        """A build has ended."""
        if self.screen.overlay is None:
            self.screen.say(outcome_line(outcome))
        else:
            self.screen.overlay.say(outcome_line(outcome), _ROLES.get(outcome.state, Role.PLAIN))

    def beat(self, progress: Progress, now: float) -> None:
        """Some time has passed."""
        if not progress.running:
            self.close()
        elif now - self._drawn >= REDRAW:
            self._drawn = now
            view = progress.view(now, self.wall())
            self._live().draw(lambda width, height, glyphs: lines(view, width, height=height, glyphs=glyphs))

    def close(self) -> None:
        """Take the picture away."""
        self.screen.uncover()

    def _live(self) -> LiveView:
        # Only here: a pipe, and a run that finds all wheels stored, do without rich.
        from wheelfarm.report.live import LiveView  # noqa: PLC0415

        if not isinstance(self.screen.overlay, LiveView):
            self.screen.overlay = LiveView(self.screen.people, self.environ)
        return self.screen.overlay
