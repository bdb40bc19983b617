"""Runs the steps that an engine renders."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import PurePath
from typing import TYPE_CHECKING, Final

from wheelfarm.build.compiler_cache import serve_remote
from wheelfarm.build.diagnosis import classify
from wheelfarm.build.directory import write_scripts
from wheelfarm.build.engine import WHEEL, Phase
from wheelfarm.build.error_patterns import Failure
from wheelfarm.build.hints import Hints, lost_library
from wheelfarm.build.known_messages import PURE_HINT
from wheelfarm.build.proposals import propose
from wheelfarm.build.refused_programs import explain_refused, suspected_programs
from wheelfarm.build.repair import built_version, only_wheel, propose_exclude
from wheelfarm.errors import (
    BuildError,
    ChainError,
    EngineError,
    FarmError,
    LockError,
    ProcessError,
    ProviderError,
    RepairError,
    YieldError,
)
from wheelfarm.model.wheel_names import is_any_platform
from wheelfarm.system.machine import Machine
from wheelfarm.system.process import Command, Finished, run
from wheelfarm.system.sandbox import confine, isolation_here

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from wheelfarm.build.directory import BuildDirectory
    from wheelfarm.build.engine import Engine, ProgressListener, Rendering, Step

_ERRORS: Final[Mapping[Phase, type[FarmError]]] = {
    Phase.START: EngineError,
    Phase.ENVIRONMENT: LockError,
    Phase.PROVIDER: ProviderError,
    Phase.PROFILE: BuildError,
    Phase.BUILD: BuildError,
    Phase.ENVIRONMENT_REPORT: ChainError,
    Phase.REPAIR: RepairError,
}
_NEXT: Final[Mapping[Phase, str]] = {
    Phase.ENVIRONMENT: "inv recipe.lock {} writes a new build.lock",
    Phase.PROVIDER: "remove the other library, or choose another engine",
}
_NO_NETWORK: Final = Hints(
    "builds have no network",
    "give it by system-packages, a source of its own, a patch or config settings; or let the recipe say "
    'isolation = "none", with an isolation-reason',
)
_TRY_AGAIN: Final = "nox -s build-{} tries again; the build directory remains"


def mark_of(root: Path) -> Path:
    """The file beside a build directory that names the process in it."""
    return root.with_name(f"{root.name}.running")


def run_step(
    engine: Engine, step: Step, root: Path, *, log: Path, time_limit: float, listener: ProgressListener
) -> Finished:
    """Run one step in a build directory; whatever ends it, none of its containers runs on.

    Raises:
        ProcessError: when it fails.
        CancelledRunError: when the listener cancels it.
    """
    mark = mark_of(root)
    command = Command(
        argv=step.argv,
        env=step.env,
        cwd=step.cwd,
        log=log,
        time_limit=time_limit,
        stdin=step.stdin,
        mark=mark,
        cancelled=listener.cancelled,
    )
    if step.view is not None:
        command = confine(command, step.view, isolation_here())
    try:
        return run(command, on_line=listener.on_line)
    except BaseException:
        remove_containers(engine, root)
        mark.unlink(missing_ok=True)
        raise


def remove_containers(engine: Engine, root: Path) -> None:
    """Remove the containers that an ended run has left of a build directory."""
    if engine.container:
        engine.container.sweep(root)


def run_rendering(
    engine: Engine,
    rendering: Rendering,
    directory: BuildDirectory,
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
    for made in rendering.directories:
        made.mkdir(parents=True, exist_ok=True)
    for name, text in rendering.files.items():
        (directory.root / name).write_text(text, encoding="utf-8")
    for name, path in rendering.copies.items():
        (directory.root / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, directory.root / name)
    try:
        for step in rendering.steps:
            # Where nothing isolates a build, it can change them.
            write_scripts(directory)
            ready = step
            if step.archived is not None and engine.container is not None:
                ready = replace(step, argv=engine.container.piped(directory.root, step.archived, step.argv))
            try:
                ready = _with_built_wheel(ready, directory)
                with serve_remote(engine.compiler_cache, directory.root):
                    run_step(engine, ready, directory.root, log=log, time_limit=time_limit, listener=listener)
            except ProcessError as problem:
                raise _failure(step, directory, problem, log) from problem
    finally:
        remove_containers(engine, directory.root)


def _with_built_wheel(step: Step, directory: BuildDirectory) -> Step:
    """The step with the path of the built wheel in place of its placeholder."""
    if WHEEL not in step.argv:
        return step
    build = directory.build
    made_by = f"{directory.backend}'s build"
    wheel = only_wheel(directory.built, name=build.id.name, version=built_version(build), made_by=made_by)
    if build.recipe.table.compiled and is_any_platform(wheel.name):
        raise YieldError(
            f"{build.id}: the build made a pure wheel, {wheel.name}",
            where=f"{build.recipe.where}: compilers",
            why="an optional extension failed, or a switch leaves it out: the recipe has compilers",
            hint=PURE_HINT,
        )
    return replace(step, argv=tuple(str(wheel) if word == WHEEL else word for word in step.argv))


def _failure(step: Step, directory: BuildDirectory, problem: ProcessError, log: Path) -> FarmError:
    """The error of a failed step, classified by its log."""
    build = directory.build
    with log.open(encoding="utf-8", errors="replace") as lines:
        phase = step.phase_in(lines)
        lines.seek(0)
        diagnosis = classify(problem, lines, phase)
    refused = suspected_programs(directory, diagnosis.lines)
    if phase is Phase.BUILD and any(diagnosis.cause is None or name in diagnosis.cause for name in refused):
        diagnosis = replace(diagnosis, **explain_refused(refused, build, Machine(step.env))._asdict())
    if phase is Phase.BUILD and diagnosis.wants_network and not build.recipe.table.isolation:
        # No failure of the machine: the next try would end the same way.
        diagnosis = replace(
            diagnosis, failure=Failure.CONFIGURE, cause=_NO_NETWORK.cause, hint=_NO_NETWORK.hint, edits=()
        )
    where = f"{log.name}, line {diagnosis.where[0]}" if diagnosis.where else None
    details = "\n".join(diagnosis.lines) or problem.what
    lost = lost_library(diagnosis.cause)
    if lost and (line := propose_exclude(PurePath(lost).name, directory)):
        diagnosis = replace(diagnosis, hint=line)
    error = _ERRORS[phase](
        f"{build.id}: {phase} failed",
        where=", ".join(filter(None, (build.recipe.where, where))),
        why=f"{diagnosis.cause}\n{details}" if diagnosis.cause else details,
        hint=diagnosis.hint or _NEXT.get(phase, _TRY_AGAIN).format(build.id.name),
        log=log,
    )
    error.failure = diagnosis.failure
    error.proposal = propose(diagnosis.edits, build.recipe, directory.build_requires)
    return error
