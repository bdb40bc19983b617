"""How long builds took the last time, and how long they may take the first time."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Final, Self

from wheelfarm.errors import WheelhouseError
from wheelfarm.run.outcome import State
from wheelfarm.system.files import write_atomically

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from wheelfarm.plan.build import Build
    from wheelfarm.run.outcome import Outcome

_BASE: Final = 10.0
"""Seconds that each build takes for its environment, its repair and its gate."""
_PER_BYTE: Final = 20e-6
"""Seconds for a byte of source: numpy took 9 s and scipy 38 s for a megabyte, on two cores."""
_UNKNOWN: Final = 60.0
_UNREADABLE: Final = (
    *(OSError, ValueError, KeyError, TypeError, AttributeError),
    *(OverflowError, RecursionError),  # JSON bounds neither its numbers nor its depth
)


def estimate(size: int | None) -> float:
    """How many seconds a build may take that was never measured.

    Args:
        size: bytes of its source archive; None when it is not here yet.
    """
    return _UNKNOWN if size is None else _BASE + _PER_BYTE * size


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What a build took the last time."""

    seconds: float

    @classmethod
    def from_mapping(cls, document: Mapping[str, object]) -> Self:
        """Read what `asdict` made.

        Raises:
            KeyError: when the seconds are missing.
            ValueError: when they are none that can be measured.
        """
        seconds = document["seconds"]
        if not isinstance(seconds, int | float) or not math.isfinite(seconds) or seconds < 0:
            raise ValueError(f"{seconds!r:.40} are no seconds")
        return cls(seconds=seconds)


@dataclass(frozen=True)
class Durations:
    """What builds took the last time, by name, variant, target and engine.

    They make a schedule good, not right: so a file that cannot be read or written is told, and no error.
    """

    measured: Mapping[str, Measured] = field(default_factory=dict)

    def of(self, build: Build) -> Measured | None:
        """What a build took the last time; None when it was never measured."""
        return self.measured.get(_key(build))

    def seconds(self, build: Build, size: int | None = None) -> float:
        """How many seconds a build will take, as far as can be told.

        Args:
            build: the build.
            size: bytes of its source archive; None when it is not here yet.
        """
        measured = self.of(build)
        return estimate(size) if measured is None else measured.seconds

    def with_outcomes(self, outcomes: Iterable[Outcome]) -> Durations:
        """With what was measured in a run; only a build that was built whole tells how long that takes."""
        fresh = {
            _key(outcome.build): Measured(seconds=outcome.seconds)
            for outcome in outcomes
            if outcome.state is State.BUILT
        }
        return Durations({**self.measured, **fresh})

    @classmethod
    def read(cls, path: Path) -> tuple[Self, str | None]:
        """The durations in a file, none when there is no file, and a warning when it could not be read."""
        try:
            document = json.loads(path.read_bytes())
            return cls({key: Measured.from_mapping(item) for key, item in document.items()}), None
        except FileNotFoundError:
            return cls(), None
        except _UNREADABLE as error:
            return cls(), f"{path} is not used: {error!r:.120}"

    def write(self, path: Path) -> str | None:
        """Write the durations to a file, whole or not at all; a warning when that cannot be done."""
        document = {key: asdict(item) for key, item in self.measured.items()}
        text = json.dumps(document, sort_keys=True, indent=1) + "\n"
        try:
            write_atomically(path, text.encode())
        except WheelhouseError as error:
            return f"{path} is not written: {error.why}"
        return None


def _key(build: Build) -> str:
    return f"{build.id.name}/{build.id.variant}/{build.id.target}/{build.engine}"
