"""Tests what is deployed: imports and smoke tests, in a clean environment with nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wheelfarm.errors import Collector, DeployError, ProcessError
from wheelfarm.gate.clean_environment import system_libraries
from wheelfarm.gate.tested_code import run_tested

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from wheelfarm.build.engine import Engine, ProgressListener
    from wheelfarm.deploy.deployment import Deployment
    from wheelfarm.gate.clean_environment import CleanEnvironment
    from wheelfarm.gate.tested_code import DriverResult


def check_deployed(
    deployed: Deployment,
    engine: Engine,
    directory: Path,
    listener: ProgressListener,
    *,
    layer: Path | None = None,
    variables: Mapping[str, str] | None = None,
) -> tuple[str, ...]:
    """Import the packages of the farm's wheels, and run their smoke tests; the names of those.

    Args:
        deployed: its wheels' tests run one after another.
        engine: runs the clean environments.
        directory: a directory below its `stages`, for the environments and their logs.
        listener: receives the output, and may cancel the tests.
        layer: the ZIP file of a layer.
        variables: those of an image that has the wheels; PYTHONPATH says where.

    Raises:
        DeployError: a group, for each wheel that does not work.
    """
    problems, passed = Collector(), list[str]()
    for environment in deployed.environments():
        with problems.collect():
            own = directory / environment.slug
            environment.write(own, layer=layer, variables=variables)
            what = f"{environment.wheel.name} does not work from the {deployed.noun}"
            result = _run(environment, engine, own, listener, what)
            # An image has all that it loads.
            if layer and (outside := system_libraries(result.outside)):
                why = f"it loads libraries of this machine: {', '.join(outside)}"
                raise DeployError(what, where=environment.recipe.where, why=why)
            passed.append(environment.wheel.name)
    problems.check()
    return tuple(passed)


def _run(
    environment: CleanEnvironment, engine: Engine, directory: Path, listener: ProgressListener, what: str
) -> DriverResult:
    limit = environment.time_limit
    step, log = engine.clean_environment(directory, environment.target), directory.with_suffix(".log")
    try:
        report = run_tested(engine, step, directory, log=log, time_limit=limit, listener=listener)
    except ProcessError as problem:
        raise DeployError(what, why=problem.why or problem.what) from problem
    failure = report.failure(limit)
    if failure or report.result is None:
        why, hint = failure or ("there is no result", None)
        raise DeployError(what, where=environment.recipe.where, why=why, hint=hint)
    return report.result
