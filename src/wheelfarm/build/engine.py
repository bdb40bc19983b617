"""The Protocol that both engines keep, and what they render."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path, PurePath

    from wheelfarm.build.build_cache import BuildCache
    from wheelfarm.build.compiler_cache import CompilerCache
    from wheelfarm.build.directory import BuildDirectory
    from wheelfarm.model import EngineName, Python, Target
    from wheelfarm.plan.build import Toolchain

BUILT: Final = "@built-wheel@"
"""Stands in a step for the path of the wheel that the backend made, whose name only the backend knows."""


class Phase(StrEnum):
    """The parts of a build, by which a failure is told."""

    START = "engine start-up"
    ENVIRONMENT = "environment"
    PROVIDER = "provider"
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


@dataclass(frozen=True, kw_only=True)
class Rendering:
    """All that an engine is told for one build: files to write into the stage, then programs to run."""

    steps: tuple[Step, ...]
    files: Mapping[str, str] = field(default_factory=dict)
    copies: Mapping[str, Path] = field(default_factory=dict)
    """Files to copy into the stage with their time, by the path there."""


class Engine(Protocol):
    """What the pipeline needs of an engine."""

    @property
    def name(self) -> EngineName:
        """Which of the two."""

    @property
    def stages(self) -> Path:
        """The directory that stages are made in."""

    @property
    def compiler_cache(self) -> CompilerCache | None:
        """The compiler cache of its builds; None where none is used."""

    def without_compiler_cache(self) -> Engine:
        """The same engine without one."""

    def inside(self, root: Path, target: Target) -> PurePath:
        """The path of a stage as its build sees it."""

    def build_cache(self, stage: BuildDirectory) -> BuildCache | None:
        """The build cache of a build; None without one, or where paths differ from build to build."""

    def worker(self, line: str, root: Path) -> int | None:
        """The process that does a stage's work from a line of the output on; None where it stays the same."""

    def sweep(self, root: Path) -> None:
        """Remove the containers that a run which was killed or stopped has left of a stage."""

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

    def render(self, stage: BuildDirectory) -> Rendering:
        """What will be run. Pure."""

    def phase(self, step: Step, lines: Iterable[str]) -> Phase:
        """In which part of the build a failed step was, told from the lines of its log."""

    def pythons(self, target: Target) -> tuple[Python, ...]:
        """The Pythons that a clean room can be made for where a target is built."""

    def clean_environment(self, directory: Path, target: Target, out: Path | None = None) -> Step:
        """The step that tests, on a machine without the build's libraries, what lies in `directory`.

        Args:
            directory: what the room is given.
            target: whose Python the room has.
            out: a directory in it that the tests may write to.
        """
