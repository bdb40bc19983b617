"""The gate: integrity, expectations and tests of repaired wheels, side by side, with all errors at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from wheelfarm.errors import CancelledRunError, Collector, GateTestError
from wheelfarm.gate.check import Result
from wheelfarm.gate.clean_environment import run_wheel_tests
from wheelfarm.gate.expectations import check_expectations
from wheelfarm.provenance.sbom import check_sbom
from wheelfarm.wheels.archive import open_wheel, verify

if TYPE_CHECKING:
    from collections.abc import Sequence
    from concurrent.futures import Future
    from pathlib import Path

    from wheelfarm.build.engine import Engine, ProgressListener
    from wheelfarm.gate.clean_environment import CleanEnvironment
    from wheelfarm.model import Name
    from wheelfarm.plan.build import Build
    from wheelfarm.wheels.archive import Wheel

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class GateTests:
    """The tests of one wheel.

    Args:
        own: a clean environment for each Python that the wheel supports, that of its build first.
        downstream: those of stored wheels that need it; they run when its own tests have passed.
        replaced: downstream wheels that this run builds again: their failure is a warning.
        skipped: a result for each environment that cannot be made, with the reason.
    """

    own: tuple[CleanEnvironment, ...]
    downstream: tuple[CleanEnvironment, ...] = ()
    replaced: frozenset[Name] = frozenset()
    skipped: tuple[Result, ...] = ()


def pass_gate(
    build: Build,
    engine: Engine,
    directory: Path,
    tests: GateTests,
    *,
    log: Path,
    listener: ProgressListener,
    jobs: int = 1,
) -> tuple[Result, ...]:
    """Check a repaired wheel against its recipe.

    Args:
        build: the build of the wheel.
        engine: runs the clean environments.
        directory: for the clean environments.
        tests: what to test.
        log: receives the output of the first environment; each other one has a log next to it.
        listener: receives the tests' output, and may cancel them.
        jobs: how many environments run at once.

    Raises:
        FarmError: a member that differs from RECORD, a vendored library that the SBOM lacks, an
            expectation that is not met, a test that fails; a group when there are several.
    """
    wheel = open_wheel(tests.own[0].wheel.path)
    env = engine.clean_environment(directory, build.id.target).env
    directory.mkdir(parents=True, exist_ok=True)

    def test(environment: CleanEnvironment) -> tuple[Result, ...]:
        own_log = log if environment is tests.own[0] else _log_for(log, environment.slug)
        own_directory = directory / environment.slug
        try:
            return run_wheel_tests(build, environment, engine, own_directory, log=own_log, listener=listener)
        except GateTestError as problem:
            if environment.wheel.name not in tests.replaced:
                raise
            listener.on_line(f"warning: {problem.what}: {problem.why}; this run builds it again")
            found = f"failed: {problem.why}; this run builds it again"
            return (Result(check="smoke", expected="passed", found=found, environment=environment.name),)

    # Tests and the reader of binaries are other processes, so that none of the checks waits for another.
    with (
        ThreadPoolExecutor(max_workers=2, thread_name_prefix="wheelfarm-gate") as pool,
        ThreadPoolExecutor(max_workers=max(1, jobs), thread_name_prefix="wheelfarm-test") as test_pool,
    ):
        found = _collect(
            [
                pool.submit(_check_members, wheel),
                pool.submit(check_expectations, build, wheel, env, directory),
                *(test_pool.submit(test, environment) for environment in tests.own),
                pool.submit(_check_sbom, wheel),
            ]
        )
        found += _collect([test_pool.submit(test, environment) for environment in tests.downstream])
    return (*(result for results in found for result in results), *tests.skipped)


def pass_gates(
    wheels: Sequence[tuple[Build, GateTests]],
    engine: Engine,
    directory: Path,
    *,
    log: Path,
    listener: ProgressListener,
    jobs: int = 1,
) -> dict[Name, tuple[Result, ...]]:
    """Pass the wheels of a build through their gates, side by side where there are processors for it.

    Args:
        wheels: the gate's view of each wheel, the main one first, with its tests.
        engine: as for `pass_gate`, and so are all further arguments.
        directory: has a directory for each wheel.
        log: for the main wheel; each split has a log next to it.
        listener: for all wheels.
        jobs: how many wheels are checked at once, and how many environments of each.

    Raises:
        FarmError: as `pass_gate`, of all the wheels.
    """
    main = wheels[0][0].id.name

    def one(build: Build, tests: GateTests) -> tuple[Result, ...]:
        name = build.id.name
        own_log = log if name == main else _log_for(log, name)
        return pass_gate(build, engine, directory / name, tests, log=own_log, listener=listener, jobs=jobs)

    with ThreadPoolExecutor(max_workers=max(1, jobs), thread_name_prefix="wheelfarm-gates") as pool:
        found = _collect([pool.submit(one, build, tests) for build, tests in wheels])
    return {build.id.name: results for (build, _), results in zip(wheels, found, strict=True)}


def _log_for(log: Path, slug: str) -> Path:
    own = log.with_name(f"{log.stem}-{slug}.log")
    own.unlink(missing_ok=True)
    return own


def _collect(futures: Sequence[Future[T]]) -> list[T]:
    """Wait for all futures, and return their results.

    Raises:
        FarmError: the errors of all of them.
    """
    problems, results = Collector(), list[T]()
    for future in futures:
        with problems.collect():
            results.append(future.result())
    cancelled = [error for error in problems.errors if isinstance(error, CancelledRunError)]
    if cancelled:
        raise cancelled[0]
    problems.check()
    return results


def _check_members(wheel: Wheel) -> tuple[Result, ...]:
    verify(wheel)
    found = f"{len(wheel.members)} members as it says"
    return (Result(check="record", expected="every member as RECORD says", found=found),)


def _check_sbom(wheel: Wheel) -> tuple[Result, ...]:
    count = check_sbom(wheel)
    found = f"{count} listed" if count else "none vendored"
    return (Result(check="sbom", expected="every vendored library by its digest", found=found),)
