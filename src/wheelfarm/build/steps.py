"""Running what an engine has rendered."""

from __future__ import annotations

import shutil
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from wheelfarm.build.diagnosis.classify import classify
from wheelfarm.build.engine import BUILT, Phase
from wheelfarm.build.repair import only_wheel
from wheelfarm.errors import (
    BuildError,
    ChainError,
    EngineError,
    FarmError,
    LockError,
    ProcessError,
    ProviderError,
    RepairError,
)
from wheelfarm.system.process import Command, Finished, run

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from wheelfarm.build.directory import BuildDirectory
    from wheelfarm.build.engine import Engine, Rendering, Step
    from wheelfarm.build.progress import ProgressListener
    from wheelfarm.plan.build import Build

_ERRORS: Final[Mapping[Phase, type[FarmError]]] = {
    Phase.START: EngineError,
    Phase.ENVIRONMENT: LockError,
    Phase.PROVIDER: ProviderError,
    Phase.BUILD: BuildError,
    Phase.ENVIRONMENT_REPORT: ChainError,
    Phase.REPAIR: RepairError,
}


def mark_of(root: Path) -> Path:
    """The file beside a stage that tells what runs in it."""
    return root.with_name(f"{root.name}.running")


def run_step(
    engine: Engine, step: Step, root: Path, *, log: Path, time_limit: float, listener: ProgressListener
) -> Finished:
    """Run one step of a stage; whatever ends it, no container of it goes on.

    Raises:
        ProcessError: when it fails.
        CancelledRunError: when the listener cancels it.
    """
    command = Command(
        argv=step.argv,
        env=step.env,
        cwd=step.cwd,
        log=log,
        time_limit=time_limit,
        mark=mark_of(root),
        cancelled=listener.cancelled,
        on_start=listener.on_process,
    )

    def on_line(line: str) -> None:
        listener.on_line(line)
        worker = engine.worker(line, root)
        if worker is not None:
            listener.on_process(worker)

    try:
        return run(command, on_line=on_line)
    except BaseException:
        engine.sweep(root)
        raise


def run_rendering(
    engine: Engine,
    rendering: Rendering,
    stage: BuildDirectory,
    *,
    log: Path,
    time_limit: float,
    listener: ProgressListener,
) -> None:
    """Write the files, then run the steps.

    Raises:
        FarmError: of the class that belongs to the phase that failed.
        CancelledRunError: when the listener cancels it.
    """
    for name, text in rendering.files.items():
        (stage.root / name).write_text(text, encoding="utf-8")
    for name, path in rendering.copies.items():
        (stage.root / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, stage.root / name)
    for step in rendering.steps:
        ready = _with_built_wheel(step, stage)
        try:
            run_step(engine, ready, stage.root, log=log, time_limit=time_limit, listener=listener)
        except ProcessError as problem:
            raise _failure(engine, step, stage.build, problem, log) from problem


def _with_built_wheel(step: Step, stage: BuildDirectory) -> Step:
    """The step with the path of the wheel that the backend made, where it asks for it."""
    if BUILT not in step.argv:
        return step
    build = stage.build
    made_by = f"{stage.backend}'s build"
    wheel = only_wheel(stage.built, name=build.id.name, version=build.version, made_by=made_by)
    return replace(step, argv=tuple(str(wheel) if word == BUILT else word for word in step.argv))


def _failure(engine: Engine, step: Step, build: Build, problem: ProcessError, log: Path) -> FarmError:
    """The error of a step, told by what its log shows."""
    with log.open(encoding="utf-8", errors="replace") as lines:
        phase = engine.phase(step, lines)
        lines.seek(0)
        diagnosis = classify(problem, lines, phase)
    where = f"{log.name}, line {diagnosis.where[0]}" if diagnosis.where else None
    told = "\n".join(diagnosis.lines) or problem.what
    error = _ERRORS[phase](
        f"{build.id}: {phase} failed",
        where=", ".join(filter(None, (build.recipe.where, where))),
        why=f"{diagnosis.cause}\n{told}" if diagnosis.cause else told,
        hint=diagnosis.hint or _next(build, phase),
        log=log,
    )
    error.failure = diagnosis.failure
    return error


def _next(build: Build, phase: Phase) -> str:
    match phase:
        case Phase.ENVIRONMENT:
            return f"inv recipe.lock {build.id.name} writes build.lock anew"
        case Phase.PROVIDER:
            return "remove the other library, or choose another engine"
        case _:
            return f"nox -s build-{build.id.name} tries again; the stage is kept"
