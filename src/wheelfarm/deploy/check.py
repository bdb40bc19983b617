"""Tests a layer from its ZIP file: imports and smoke tests, in a clean environment with nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wheelfarm.errors import Collector, DeployError, ProcessError
from wheelfarm.gate.clean_environment import CleanEnvironment, system_libraries
from wheelfarm.gate.tested_code import run_tested

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from wheelfarm.build.engine import Engine, ProgressListener


def check_layer(
    layer: Path,
    environments: Iterable[CleanEnvironment],
    engine: Engine,
    directory: Path,
    listener: ProgressListener,
) -> tuple[str, ...]:
    """Import the packages of the farm's wheels in a layer, and run their smoke tests; the names of those.

    Args:
        layer: the ZIP file.
        environments: of the farm's wheels, whose tests run one after another.
        engine: runs the clean environments.
        directory: a directory below its `stages`, for the environments and their logs.
        listener: receives the output, and may cancel the tests.

    Raises:
        DeployError: a group, for each wheel that does not work from the layer.
    """
    problems, passed = Collector(), list[str]()
    for environment in environments:
        with problems.collect():
            _check(layer, environment, engine, directory / environment.slug, listener)
            passed.append(environment.wheel.name)
    problems.check()
    return tuple(passed)


def _check(
    layer: Path, environment: CleanEnvironment, engine: Engine, directory: Path, listener: ProgressListener
) -> None:
    environment.write(directory, layer)
    limit = environment.time_limit
    step, log = engine.clean_environment(directory, environment.target), directory.with_suffix(".log")
    what = f"{environment.wheel.name} does not work from the layer"
    try:
        report = run_tested(engine, step, directory, log=log, time_limit=limit, listener=listener)
    except ProcessError as problem:
        raise DeployError(what, why=problem.why or problem.what, log=log) from problem
    failure = report.failure(limit)
    if failure or report.result is None:
        why, hint = failure or ("there is no result", None)
        raise DeployError(what, where=environment.recipe.where, why=why, hint=hint, log=log)
    if outside := system_libraries(report.result.outside):
        why = f"it loads libraries of this machine: {', '.join(outside)}"
        raise DeployError(what, where=environment.recipe.where, why=why, log=log)
