"""The state of a run, from the output and the ends of its builds."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Final, NamedTuple

from wheelfarm.report.text import about, clock
from wheelfarm.run.outcome import State

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from wheelfarm.plan.build import Build, BuildId
    from wheelfarm.run.outcome import Outcome

_NINJA: Final = re.compile(r"\s*\[\s*(\d+)/(\d+)\]\s+(?P<text>.*)")
"""Ninja's own progress, as in `[12/345] Compiling C object …`."""
_PATH: Final = re.compile(r"(/|[A-Za-z]:\\)")
"""meson-python numbers the files that it packs in the same way, each by nothing but its path."""
_ESCAPE: Final = re.compile(r"\x1b(\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(\x07|\x1b\\)?|.)")
"""What colors a line or moves the cursor (ECMA-48: CSI, OSC and the short sequences)."""
_FILE: Final = re.compile(r"['\"]?(?P<path>[^\s'\"]*[/\\][^\s'\"]+|[^\s'\"]+\.\w+)['\"]?")
_COMMAND: Final = re.compile(r"\S+ .*?\s-c\s+(?P<path>[^\s'\"]+\.\w+)")
"""A compiler's own command, as setuptools prints it."""
_TAGGED: Final = re.compile(r"\.(cpython-\d+t?-[\w-]+|abi3|cp\d+t?-\w+)(?=\.(so|pyd)$)")
_MESON: Final = re.compile(r"^(meson-generated_|src_)+(\.\._)*")
_LONGEST: Final = 400
"""Characters of a line that are read: a linker's command can have a hundred thousand."""


class Step(NamedTuple):
    """One step of a compile: its number, of how many, and what it does to which file."""

    number: int
    of: int
    verb: str
    what: str


def plain(line: str) -> str:
    """A line in which each character takes one column, without escape sequences."""
    text = _ESCAPE.sub("", line[:_LONGEST]).expandtabs().strip()
    return "".join(each if _single(each) else "?" for each in text)


def _single(character: str) -> bool:
    if character.isascii():
        return character.isprintable()
    wide = unicodedata.east_asian_width(character) in {"W", "F"}
    return character.isprintable() and not wide and not unicodedata.combining(character)


def read_step(line: str) -> Step | None:
    """The step that a line reports; None for any other line, and for files that are only packed."""
    match = _NINJA.match(line[:_LONGEST])
    if match is None or _PATH.match(match["text"]):
        return None
    number, of = int(match[1]), int(match[2])
    verb, what = shorten(match["text"])
    return Step(min(number, of), of, verb, what) if of else None


def shorten(line: str) -> tuple[str, str]:
    """Verb and file: `Compiling C object a/b.p/src_c.c.o` gives `Compiling` and `c.c`.

    A line without a file gives no verb, and the whole line.
    """
    text = plain(line)
    command = _COMMAND.match(text)
    file = command or _FILE.search(text)
    verb = "Compiling" if command else text.partition(" ")[0]
    if file is None or not verb.istitle():
        return "", text
    # The object is named after its source; meson puts the directories that lead to it before the name.
    name = re.split(r"[/\\]", file["path"].rstrip("/\\"))[-1]
    name = name.removesuffix(".obj").removesuffix(".o")
    return verb, _TAGGED.sub("", _MESON.sub("", name) or name)


_PACKED: Final = re.compile(r"\s*\[\s*\d+/\d+\]\s+(?:\S*[/\\])?(?P<file>[^/\\]+)$")
_TRAINS: Final = "profile: training"
"""What inside/profile.py writes between the passes of a build with a profile."""
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
        passes: how often it compiles: twice with a profile.
        activity: what is done to it.
    """

    label: str
    version: str
    where: str
    started: float
    prior: float | None = None
    passes: int = 1
    activity: str = "building"
    passed: int = 0
    step: int = 0
    steps: int = 0
    """Steps of the compiler; 0 before the first is known."""
    verb: str = ""
    what: str = ""
    reported: float = 0.0
    """When a line was printed about it."""

    def on_line(self, line: str) -> None:
        """Read a line of output."""
        if line.startswith(_TRAINS):
            self.passed, self.step, self.steps, self.verb, self.what = 1, 0, 0, "Training", ""
            return
        step = read_step(line)
        if step is not None:
            self.step, self.steps, self.verb, self.what = step
        elif 0 < self.step < self.steps:
            return  # a compiler's warning: the step goes on
        else:
            packed = _PACKED.match(line)
            verb, what = ("Packing", plain(packed["file"])) if packed else shorten(line)
            if what:
                self.verb, self.what = verb, what

    @property
    def done(self) -> float:
        """The part of the compiler's steps that is done, of all passes."""
        return (self.passed + (self.step / self.steps if self.steps else 0)) / self.passes

    def expected(self, now: float) -> float | None:
        """The duration in seconds: the estimate, corrected by the steps that are done; None when unknown."""
        done = self.done
        if self.prior is None:
            return (now - self.started) / done if done > _LATE else None
        # Steps differ in length, and short ones come first: numpy does a third of them in a minute of eight.
        return self.prior if not done else (1 - done**1.5) * self.prior + (now - self.started)

    def late(self, now: float) -> bool:
        """Whether the build takes longer than was estimated before it."""
        return self.prior is not None and now - self.started >= self.prior

    def left(self, now: float) -> float | None:
        """Seconds to its end; None when unknown."""
        expected, elapsed = self.expected(now), now - self.started
        return None if expected is None else max(expected - elapsed, _LATE * elapsed)

    def share(self, now: float) -> float | None:
        """The part that is done: of the steps, or else of the time; None when unknown."""
        if self.steps or self.passed:
            return min(_MOST, self.done)
        return min(_MOST, (now - self.started) / self.prior) if self.prior and not self.late(now) else None


@dataclass(kw_only=True)
class Progress:
    """The builds of a run: running and ended. For one thread at a time.

    Args:
        started: when the run began, on its clock, in seconds.
        builds: the builds of the plan; none when unknown.
        expected: estimated seconds by build; 0 for one that need not be built.
        tests: whether the builds are tested, not built.
    """

    started: float
    builds: Sequence[Build] = ()
    expected: Mapping[BuildId, float] = field(default_factory=dict)
    tests: bool = False
    running: dict[BuildId, RunningBuild] = field(default_factory=dict)
    ended: dict[BuildId, State] = field(default_factory=dict)

    def begin(self, build: Build, now: float) -> RunningBuild:
        """Add a build."""
        self.running[build.id] = RunningBuild(
            label=build.id.name,
            version=build.version,
            where=f"{build.id.variant}, {build.id.target}",
            started=now,
            prior=self.expected.get(build.id),
            passes=1 if self.tests or build.training is None else 2,
            activity="testing" if self.tests else "building",
            reported=now,
        )
        return self.running[build.id]

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
            "elapsed": clock(now - self.started),
            "left": "" if left is None else f"about {about(left)} left",
            "end": "" if left is None else f"ends {wall + timedelta(seconds=left):%H:%M}",
        }
        return [(kind, text) for kind, text in texts.items() if text]


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number else ""
