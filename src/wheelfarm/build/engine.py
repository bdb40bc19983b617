"""The protocols of engines and of their listeners, and the steps that an engine renders a build to."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path, PurePath

    from wheelfarm.build.build_cache import BuildCache
    from wheelfarm.build.compiler_cache import CompilerCache
    from wheelfarm.build.containers import ContainerEngine
    from wheelfarm.build.directory import BuildDirectory
    from wheelfarm.model import EngineName, Isolation, Python, Target
    from wheelfarm.plan.build import Build, Toolchain
    from wheelfarm.system.process import Flag
    from wheelfarm.system.sandbox import View

WHEEL: Final = "{wheel}"
"""Stands in a step for the path of the built wheel, whose name only the backend knows."""


class Phase(StrEnum):
    """The parts of a build, by which a failure is classified."""

    START = "engine start-up"
    ENVIRONMENT = "environment"
    PROVIDER = "provider"
    PROFILE = "profile"
    BUILD = "build"
    ENVIRONMENT_REPORT = "environment report"
    REPAIR = "repair"


@dataclass(frozen=True, kw_only=True)
class Step:
    """One program to run."""

    phase: Phase
    argv: tuple[str, ...]
    env: Mapping[str, str]
    cwd: Path
    headlines: Mapping[str, Phase] = field(default_factory=dict)
    """Lines of its output that begin a phase, where a program has more than one."""
    stdin: str | None = None
    view: View | None = None
    """What it sees, where it runs code of a source or a wheel; None where it is not confined."""
    archived: PurePath | None = None
    """The directory of an earlier step's container that this one reads, as a tar archive."""

    def phase_in(self, output: Iterable[str]) -> Phase:
        """The phase in which the program ended, by the last headline of its output."""
        if not self.headlines:
            return self.phase
        phase = Phase.START
        for line in output:
            phase = next((each for headline, each in self.headlines.items() if headline in line), phase)
        return phase


@dataclass(frozen=True, kw_only=True)
class Rendering:
    """What an engine does for one build: files to write into its directory, then programs to run."""

    steps: tuple[Step, ...]
    files: Mapping[str, str] = field(default_factory=dict)
    copies: Mapping[str, Path] = field(default_factory=dict)
    """Files to copy with their time, by the path in the build directory."""
    directories: tuple[Path, ...] = ()
    """Directories to make."""


class Engine(Protocol):
    """Runs builds."""

    @property
    def name(self) -> EngineName: ...

    @property
    def stages(self) -> Path:
        """The directory that build directories are made in."""

    @property
    def container(self) -> ContainerEngine | None:
        """The program that runs its containers; None without containers."""

    @property
    def compiler_cache(self) -> CompilerCache | None: ...

    def with_compiler_cache(self, cache: CompilerCache | None) -> Engine: ...

    def isolation(self, build: Build) -> Isolation:
        """What keeps a build from all that is not its input."""

    def build_cache(self, directory: BuildDirectory) -> BuildCache | None:
        """The build cache of a build; None without one, or where paths differ from build to build."""

    def inside(self, root: Path, target: Target) -> PurePath:
        """The path of a build directory as its build sees it."""

    def toolchain(
        self, target: Target, packages: Mapping[str, Iterable[str]], programs: Iterable[str]
    ) -> Toolchain:
        """The facts that can change a wheel's bytes.

        Args:
            target: what is to be built.
            packages: system packages per package manager.
            programs: programs that recipes name in their environment.

        Raises:
            EngineError: when the engine, its image or the interpreter is missing.
        """

    def render(self, directory: BuildDirectory) -> Rendering:
        """The steps of a build. Pure."""

    def shell(self, directory: BuildDirectory, words: tuple[str, ...], *, terminal: bool) -> Step:
        """The step that runs a program, such as a shell, where the backend of a build runs.

        Args:
            directory: the build directory.
            words: the program and its arguments.
            terminal: whether this process has one.

        Raises:
            EngineError: when the engine cannot do that for the target.
        """

    def pythons(self, target: Target) -> tuple[Python, ...]:
        """The Pythons that a clean environment can have where a target is built."""

    def clean_environment(self, directory: Path, target: Target, out: Path | None = None) -> Step:
        """The step that tests the content of a directory without the libraries of the build.

        Args:
            directory: what the tests see.
            target: whose Python the environment has.
            out: a directory below it that the tests may write to.
        """


class ProgressListener(Protocol):
    """Receives the output of one build, and may cancel it."""

    @property
    def cancelled(self) -> Flag | None:
        """When set, by whatever thread, the running process ends."""

    def on_line(self, line: str) -> None:
        """Receive a line of output."""


class SilentListener:
    """Ignores all progress, and never cancels."""

    cancelled: Flag | None = None

    def on_line(self, line: str) -> None:
        del line
