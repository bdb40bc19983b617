"""What runs a build: the Protocol that both engines keep, and what they share.

An engine renders a stage to files and steps, which is pure and is what `inv explain` shows; running them is
the same few lines for both.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Final, Protocol

from wheelfarm.errors import (
    BuildError,
    ChainError,
    FarmError,
    LockError,
    ProcessError,
    ProviderError,
    RecipeError,
    RepairError,
)
from wheelfarm.plan import named_programs
from wheelfarm.process import Command, run
from wheelfarm.repair import only_wheel
from wheelfarm.stage import provider_environment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path, PurePath

    from wheelfarm.model import ConfigSettings, EngineName, Target
    from wheelfarm.plan import Build, Toolchain
    from wheelfarm.stage import Stage

MESON_PYTHON: Final = "mesonpy"
TESTIMONY: Final = "environment.json"
"""Where the witness tells what the build environment held, in the stage's dist/."""
BUILT: Final = "@built-wheel@"
"""Stands in a step for the path of the wheel that the backend made, whose name only the backend knows."""
RESERVED: Final = frozenset(
    {
        *("PYTHONPATH", "PYTHONHOME", "PYTHONUSERBASE", "PYTHONSTARTUP", "VIRTUAL_ENV", "LD_PRELOAD"),
        *("PATH", "HOME", "SOURCE_DATE_EPOCH", "PYTHONHASHSEED", "PKG_CONFIG_PATH"),
        *("PIP_NO_INDEX", "PIP_DISABLE_PIP_VERSION_CHECK"),
        *("HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "ALL_PROXY", "NO_PROXY"),
    }
)
"""Names that the farm itself sets; a recipe that set one of them would undo an invariant."""

PROXIES: Final = tuple(
    each
    for name in ("http_proxy", "https_proxy", "ftp_proxy", "all_proxy", "no_proxy")
    for each in (name, name.upper())
)
_NOWHERE: Final = "http://127.0.0.1:9"
"""The discard port (RFC 863): whatever a build tries to fetch fails at once."""

_TELLING: Final = re.compile(
    r"\berror\b|\bfatal\b|undefined (reference|symbol)|^Traceback|\w+Error: |cannot find|not found"
    r"|no such file|unmet dependencies|wanted: |refused|killed",
    re.IGNORECASE,
)
"""What lines say that tell why a program failed."""
_MOST_LINES: Final = 8
_TAIL: Final = 200
"""How many of a log's last lines are searched for those that tell."""


class Phase(StrEnum):
    """The parts of a build, by which a failure is told."""

    ENVIRONMENT = "environment"
    PROVIDER = "provider"
    BUILD = "build"
    WITNESS = "witness"
    REPAIR = "repair"


_ERRORS: Final[Mapping[Phase, type[FarmError]]] = {
    Phase.ENVIRONMENT: LockError,
    Phase.PROVIDER: ProviderError,
    Phase.BUILD: BuildError,
    Phase.WITNESS: ChainError,
    Phase.REPAIR: RepairError,
}


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


class Engine(Protocol):
    """What the pipeline needs of an engine."""

    @property
    def name(self) -> EngineName:
        """Which of the two."""

    @property
    def stages(self) -> Path:
        """The directory that stages are made in."""

    def inside(self, root: Path, target: Target) -> PurePath:
        """The path of a stage as its build sees it."""

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

    def render(self, stage: Stage) -> Rendering:
        """What will be run. Pure."""

    def phase(self, step: Step, output: str) -> Phase:
        """In which part of the build a failed step was."""

    def clean_room(self, directory: Path, target: Target) -> Step:
        """The step that tests, on a machine without the build's libraries, what lies in `directory`."""


def check_environment(build: Build) -> None:
    """Refuse variables of the recipe that are the farm's own.

    Raises:
        RecipeError: naming them.
    """
    # Windows does not tell Path from PATH.
    reserved = sorted(name for name in build.resolved.environment if name.upper() in RESERVED)
    if reserved:
        raise RecipeError(
            f"{', '.join(reserved)} may not be set by a recipe",
            where=", ".join(build.resolved.origins[f"environment.{name}"] for name in reserved),
            why="the farm sets it, so that builds are isolated and come out the same twice",
        )


def check_programs(build: Build) -> None:
    """Refuse a variable that names a compiler or tool which is not here, where that can be known.

    Raises:
        RecipeError: naming the variable.
    """
    programs = build.toolchain.programs
    for name, value in build.resolved.environment.items():
        missing = [word for word in named_programs({name: value})[:1] if programs.get(word) == "(none)"]
        if missing:
            raise RecipeError(
                f"{name} names {missing[0]!r}, which is not here",
                where=build.resolved.origins[f"environment.{name}"],
                hint=f"install {missing[0]}, or take {name} out of the recipe",
            )


def build_environment(stage: Stage, *, jobs: int) -> dict[str, str]:
    """The variables that the build sees, for both engines: how many jobs, the recipe's, then the farm's own.

    Raises:
        RecipeError: when the recipe sets a variable that is the farm's.
    """
    build = stage.build
    check_environment(build)
    return {
        "MAKEFLAGS": f"-j{jobs}",
        "CMAKE_BUILD_PARALLEL_LEVEL": str(jobs),
        "NPY_NUM_BUILD_JOBS": str(jobs),
        **build.resolved.environment,
        **provider_environment(stage.provider, inside=stage.inside),
        "SOURCE_DATE_EPOCH": str(stage.epoch),
        # auditwheel's and some generators' output follows the order of sets.
        "PYTHONHASHSEED": "0",
        # What a build needs is in its environment already: pip may not bring anything else.
        "PIP_NO_INDEX": "1",
        # Nor may a build script fetch what nobody has verified: Meson's wraps, CMake's FetchContent, curl.
        **{name: "" if name.lower() == "no_proxy" else _NOWHERE for name in PROXIES},
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    }


def config_settings(stage: Stage, *, jobs: int) -> ConfigSettings:
    """The recipe's config settings, with what meson-python needs on top.

    That is its share of the processors, a fixed build directory (its default one has a random name, which
    ends up in the wheel), and no downloads of Meson's wraps.
    """
    settings = stage.build.resolved.config_settings
    if stage.backend != MESON_PYTHON:
        return settings
    values = dict(settings.items)
    build_dir = (stage.inside / "build").as_posix()
    values["build-dir"] = (build_dir,)
    # The last one counts.
    values["setup-args"] = (*values.get("setup-args", ()), "--wrap-mode=nodownload")
    if not any(word.startswith("-j") for word in values.get("compile-args", ())):
        values["compile-args"] = (*values.get("compile-args", ()), f"-j{jobs}")
    return type(settings).of(values)


def telling(output: str) -> str:
    """The lines of a failed program that most likely say why; its last ones where none stands out."""
    # The log's own lines tell what was run, which is said elsewhere.
    lines = [
        line.strip() for line in output.splitlines() if line.strip() and not line.startswith(("$ ", "# "))
    ]
    found = [line for line in lines if _TELLING.search(line)]
    return "\n".join((found or lines)[-_MOST_LINES:])


def mark_of(root: Path) -> Path:
    """The file beside a stage that tells what runs in it."""
    return root.with_name(f"{root.name}.running")


def run_rendering(
    engine: Engine,
    rendering: Rendering,
    stage: Stage,
    *,
    log: Path,
    time_limit: float,
    on_line: Callable[[str], None] | None = None,
) -> None:
    """Write the files, then run the steps.

    Raises:
        FarmError: of the class that belongs to the phase that failed.
    """
    for name, text in rendering.files.items():
        (stage.root / name).write_text(text, encoding="utf-8")
    for step in rendering.steps:
        argv = step.argv
        if BUILT in argv:
            build = stage.build
            made_by = f"{stage.backend}'s build"
            wheel = only_wheel(stage.built, name=build.id.name, version=build.version, made_by=made_by)
            argv = tuple(str(wheel) if word == BUILT else word for word in argv)
        command = Command(
            argv=argv, env=step.env, cwd=step.cwd, log=log, time_limit=time_limit, mark=mark_of(stage.root)
        )
        try:
            run(command, on_line=on_line)
        except ProcessError as problem:
            output = log.read_text(encoding="utf-8", errors="replace")
            phase = engine.phase(step, output)
            raise _ERRORS[phase](
                f"{stage.build.id}: {phase} failed",
                where=stage.build.entry.where,
                why=telling("\n".join(output.splitlines()[-_TAIL:]) or problem.what),
                hint=_next(stage.build, phase),
                log=log,
            ) from problem


def _next(build: Build, phase: Phase) -> str:
    match phase:
        case Phase.ENVIRONMENT:
            return f"inv recipe.lock {build.id.name} writes build.lock anew"
        case Phase.PROVIDER:
            return "remove the other library, or choose another engine"
        case _:
            return f"nox -s build-{build.id.name} tries again; the stage is kept"
