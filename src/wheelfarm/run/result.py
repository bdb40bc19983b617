"""What stands at the two ends of a line: what fetches for it, and what became of a build."""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

from wheelfarm.model import RepairedWheel
from wheelfarm.run.outcome import State
from wheelfarm.sources.fetcher import Fetcher

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from wheelfarm.model import Name, StoredWheel
    from wheelfarm.plan.build import Build
    from wheelfarm.provenance.record import Record
    from wheelfarm.recipes.settings import Settings


@dataclass
class Clock:
    """Seconds by step."""

    times: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Time a block."""
        started = time.monotonic()
        try:
            yield
        finally:
            self.times[name] = round(self.times.get(name, 0.0) + time.monotonic() - started, 3)


def fetcher_of(settings: Settings) -> Fetcher:
    """What fetches sources and wheels for a farm."""
    return Fetcher(
        cache=settings.cache,
        index_url=settings.index_url,
        offline=settings.offline,
        environ=settings.environ,
    )


def as_repaired(stored: Sequence[StoredWheel]) -> dict[Name, RepairedWheel]:
    """Stored wheels as they were before their gate."""
    return {wheel.name: RepairedWheel(path=wheel.path, sha256=wheel.sha256) for wheel in stored}


def unwatched(_build: Build, _pid: int) -> None:
    """Nobody wants to know which process works."""


@dataclass(frozen=True)
class Done:
    """What became of a build: its wheels, and the main one's record when it was made now."""

    wheel: StoredWheel
    splits: tuple[StoredWheel, ...] = ()
    record: Record | None = None
    state: State = State.CACHED

    @classmethod
    def of(
        cls, build: Build, stored: Mapping[Name, StoredWheel], state: State, record: Record | None = None
    ) -> Self:
        """From the stored wheels of a build by distribution."""
        main, *splits = build.distributions
        return cls(stored[main], tuple(stored[name] for name in splits), record, state)
