"""What the builds of one run share: settings, engine, wheelhouse, indexes and the listener."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from wheelfarm.errors import CancelledRunError
from wheelfarm.sources.fetcher import Fetcher

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wheelfarm.build.engine import Engine
    from wheelfarm.plan.build import Build
    from wheelfarm.plan.graph import Plan
    from wheelfarm.recipes.recipe_set import RecipeSet
    from wheelfarm.recipes.settings import Settings
    from wheelfarm.run.outcome import Outcome
    from wheelfarm.run.published import Published
    from wheelfarm.wheelhouse.wheelhouse import Wheelhouse


class RunListener(Protocol):
    """Receives the progress of all builds of a run, from their threads."""

    def on_line(self, build: Build, line: str) -> None:
        """Receive a line of a build's output."""

    def on_outcome(self, outcome: Outcome) -> None:
        """Receive how a build ended, in the thread that called `Farm.run`."""


class SilentRunListener:
    """Ignores all progress."""

    def on_line(self, build: Build, line: str) -> None:
        del build, line

    def on_outcome(self, outcome: Outcome) -> None:
        del outcome


def make_fetcher(settings: Settings) -> Fetcher:
    """The fetcher of sources and wheels for a farm."""
    return Fetcher(
        cache=settings.cache,
        index_url=settings.index_url,
        offline=settings.offline,
        environ=settings.environ,
    )


@dataclass(frozen=True, kw_only=True)
class BuildServices:
    """What every build of a plan uses.

    Args:
        settings: those of the farm.
        plan: the builds of the run.
        recipes: all recipes, also those that the plan leaves out.
        engine: runs the builds.
        wheelhouse: has the wheels that a build needs, and stores its own.
        published: finds a build's wheels in indexes; None where no index may be read.
        listener: receives the progress of the builds.
        cancelled: when set, whatever is running ends.
    """

    settings: Settings
    plan: Plan
    recipes: RecipeSet
    engine: Engine
    wheelhouse: Wheelhouse
    published: Published | None = None
    listener: RunListener
    cancelled: threading.Event = field(default_factory=threading.Event)


@dataclass(frozen=True)
class BuildListener:
    """The ProgressListener of one build: passes progress on with the build."""

    services: BuildServices
    build: Build

    @property
    def cancelled(self) -> threading.Event:
        return self.services.cancelled

    def on_line(self, line: str) -> None:
        """Pass a line on.

        Raises:
            CancelledRunError: when the run was cancelled.
        """
        if self.cancelled.is_set():
            raise CancelledRunError(f"{self.build.id} was stopped")
        self.services.listener.on_line(self.build, line)


@dataclass
class Timings:
    """Seconds by step."""

    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Time a block; the blocks of one name add up."""
        started = time.monotonic()
        try:
            yield
        finally:
            self.seconds[name] = round(self.seconds.get(name, 0.0) + time.monotonic() - started, 3)
