"""What the builds of one run share: settings, engine, fetcher, wheelhouse, indexes and the listener."""

from __future__ import annotations

import sys
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

from wheelfarm.build.cibuildwheel_engine import Cibuildwheel
from wheelfarm.build.compiler_cache import PROGRAM, CompilerCache
from wheelfarm.build.containers import container_engine
from wheelfarm.build.host_engine import Host, programs_environment
from wheelfarm.build.remote_cache import RemoteCache
from wheelfarm.errors import CancelledRunError, EngineError
from wheelfarm.model import EngineName
from wheelfarm.sources.fetcher import Fetcher
from wheelfarm.system.environment import which
from wheelfarm.system.install_hints import install_command
from wheelfarm.system.machine import native_target

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wheelfarm.build.engine import Engine
    from wheelfarm.plan.build import Build
    from wheelfarm.plan.graph import Plan
    from wheelfarm.recipes.recipe_set import RecipeSet
    from wheelfarm.recipes.settings import Settings
    from wheelfarm.run.outcome import Outcome
    from wheelfarm.run.reuse import Published
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


@dataclass(frozen=True, kw_only=True)
class BuildServices:
    """What every build of a plan uses."""

    settings: Settings
    plan: Plan
    recipes: RecipeSet
    """All recipes, also those that the plan leaves out."""
    engine: Engine
    wheelhouse: Wheelhouse
    published: Published | None = None
    """Finds wheels in indexes; None where no index may be read."""
    listener: RunListener
    cancelled: threading.Event = field(default_factory=threading.Event)
    """When set, whatever is running ends."""

    @cached_property
    def fetcher(self) -> Fetcher:
        return make_fetcher(self.settings)


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


def make_fetcher(settings: Settings) -> Fetcher:
    """The fetcher of sources and wheels for a farm."""
    return Fetcher(
        cache=settings.cache,
        index_url=settings.index_url,
        offline=settings.offline,
        environ=settings.environ,
        limits=settings.limits.values(),
        mirrors=settings.mirrors,
    )


def choose_engine(settings: Settings) -> Engine:
    """The requested engine, or the best that this machine has.

    Raises:
        EngineError: when the requested one cannot work here.
    """
    linux, wanted = sys.platform == "linux", settings.engine
    container = container_engine(settings) if linux and wanted is not EngineName.HOST else None
    if linux and container is None and wanted is EngineName.CIBUILDWHEEL:
        raise EngineError(
            "neither podman nor docker answers here",
            where=settings.origins.get("engine"),
            why="cibuildwheel builds Linux wheels in containers",
            hint=f"{install_command('podman')}, or say --engine host; `inv doctor` says what is wrong",
        )
    if wanted is EngineName.HOST or (linux and container is None):
        _check_platforms(settings)
        return Host(settings, _compiler_cache(settings, EngineName.HOST))
    return Cibuildwheel(settings, container, _compiler_cache(settings, EngineName.CIBUILDWHEEL))


def _check_platforms(settings: Settings) -> None:
    """Refuse a Linux platform that the compilers of this machine are not for."""
    own = native_target(settings.pythons[0])
    for wanted in settings.platforms:
        system, _, arch = wanted.partition("_")
        if system not in {"manylinux", "musllinux"} or wanted == own.platform_suffix:
            continue
        libc = "musl" if own.system == "musllinux" else "glibc"
        own_part = f"C library is {libc}" if arch == own.arch else f"processor is {own.arch}"
        why = f"this machine's {own_part}, and a build on it is for that"
        if settings.workers not in {None, "none"}:
            why += "; the plan needs the versions of the compilers, and those of workers are not known here"
        raise EngineError(
            f"the host engine does not build for {wanted} here",
            where=settings.origins.get("platform"),
            why=why,
            hint=f"{install_command('podman')}, and say --engine cibuildwheel",
        )


def _compiler_cache(settings: Settings, engine: EngineName) -> CompilerCache | None:
    # On Windows a copy of ccache would need a compiler's name, and MSVC's own environment hides it.
    if not settings.compiler_cache or sys.platform == "win32":
        return None
    found, size = which(PROGRAM, programs_environment(settings)), settings.compiler_cache_size
    if found is None:
        return None
    remote = RemoteCache.of(settings)
    return CompilerCache.below(settings.cache, program=found, engine=engine, size=size, remote=remote)
