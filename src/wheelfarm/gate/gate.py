"""The gate: integrity, expectations and tests of repaired wheels, side by side, with all errors at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from wheelfarm.errors import CancelledRunError, Collector, GateTestError, counted
from wheelfarm.gate.check import Result
from wheelfarm.gate.clean_environment import run_wheel_tests
from wheelfarm.gate.core_metadata import check_core_metadata
from wheelfarm.gate.expectations import check_expectations, check_pure
from wheelfarm.provenance.sbom_reader import check_sbom
from wheelfarm.wheels.archive import open_wheel, verify

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from concurrent.futures import Future
    from pathlib import Path

    from wheelfarm.build.engine import Engine, ProgressListener
    from wheelfarm.gate.clean_environment import CleanEnvironment
    from wheelfarm.model import CompiledObjects, Name
    from wheelfarm.plan.build import Build
    from wheelfarm.wheels.archive import Wheel


@dataclass(frozen=True, kw_only=True)
class GateTests:
    """The tests of one wheel.

    Args:
        own: a clean environment for each Python that the wheel supports, that of its build first.
        downstream: those of stored wheels that need it; they run when its own tests have passed.
        replaced: downstream wheels that this run builds or tests again: their failure is a warning.
        compiled: how the objects in it were compiled, where that is known.
        skipped: a result for each environment that cannot be made, with the reason.
    """

    own: tuple[CleanEnvironment, ...]
    downstream: tuple[CleanEnvironment, ...] = ()
    replaced: frozenset[Name] = frozenset()
    compiled: CompiledObjects | None = None
    skipped: tuple[Result, ...] = ()


@dataclass(frozen=True, kw_only=True)
class _Gate:
    """The gate of one wheel of a build."""

    build: Build
    tests: GateTests
    engine: Engine
    directory: Path
    log: Path
    """Receives the output of the first environment; each other one has a log next to it."""
    listener: ProgressListener

    def check(
        self, checks: ThreadPoolExecutor, tests: ThreadPoolExecutor
    ) -> list[Future[tuple[Result, ...]]]:
        """Start everything that needs no other result, in the order of the results."""
        first = self.tests.own[0]
        wheel, beside = open_wheel(first.wheel.path), [open_wheel(each.path) for each in first.run_with]
        env = self.engine.clean_environment(self.directory, self.build.id.target).env
        self.directory.mkdir(parents=True, exist_ok=True)
        expectations: list[Callable[..., tuple[Result, ...]]] = [
            partial(check_expectations, beside=beside, compiled=self.tests.compiled)
        ]
        if not self.build.recipe.table.compiled:
            expectations.append(check_pure)
        return [
            checks.submit(_check_members, wheel),
            checks.submit(check_core_metadata, self.build, wheel),
            *(checks.submit(each, self.build, wheel, env, self.directory) for each in expectations),
            *(tests.submit(self.test, environment) for environment in self.tests.own),
            checks.submit(_check_sbom, wheel),
        ]

    def test(self, environment: CleanEnvironment) -> tuple[Result, ...]:
        first = environment is self.tests.own[0]
        log = self.log if first else _log_for(self.log, environment.slug)
        directory = self.directory / environment.slug
        try:
            return run_wheel_tests(
                self.build, environment, self.engine, directory, log=log, listener=self.listener
            )
        except GateTestError as problem:
            if environment.wheel.name not in self.tests.replaced:
                raise
            why = f"{problem.why}; this run builds or tests it again"
            self.listener.on_line(f"warning: {problem.what}: {why}")
            found = f"failed: {why}"
            return (Result(check="smoke", expected="passed", found=found, environment=environment.name),)


def pass_gates(
    wheels: Sequence[tuple[Build, GateTests]],
    engine: Engine,
    directory: Path,
    *,
    log: Path,
    listener: ProgressListener,
    jobs: int = 1,
) -> dict[Name, tuple[Result, ...]]:
    """Check the wheels of a build against their recipe, and test them.

    Args:
        wheels: each wheel's build and tests, the main one first.
        engine: runs the clean environments.
        directory: has a directory for each wheel.
        log: for the main wheel; each split has a log next to it.
        listener: receives the tests' output, and may cancel them.
        jobs: how many environments run at once.

    Raises:
        FarmError: a member that differs from RECORD, a vendored library that the SBOM lacks, an
            expectation that is not met, a test that fails; a group when there are several.
    """
    main = wheels[0][0].id.name
    gates = {
        build.id.name: _Gate(
            build=build,
            tests=tests,
            engine=engine,
            directory=directory / build.id.name,
            log=log if build.id.name == main else _log_for(log, build.id.name),
            listener=listener,
        )
        for build, tests in wheels
    }
    # Tests and the reader of binaries are other processes, so that none of the checks waits for another.
    with (
        ThreadPoolExecutor(max_workers=2, thread_name_prefix="wheelfarm-gate") as checks,
        ThreadPoolExecutor(max_workers=max(1, jobs), thread_name_prefix="wheelfarm-test") as tests,
    ):
        first = {name: gate.check(checks, tests) for name, gate in gates.items()}
        _wait(future for futures in first.values() for future in futures)
        second = {
            name: [tests.submit(gate.test, environment) for environment in gate.tests.downstream]
            for name, gate in gates.items()
        }
        _wait(future for futures in second.values() for future in futures)
    return {
        name: (
            *(result for future in (*first[name], *second[name]) for result in future.result()),
            *gate.tests.skipped,
        )
        for name, gate in gates.items()
    }


def _wait(futures: Iterable[Future[tuple[Result, ...]]]) -> None:
    """Wait for all futures, and raise the errors of all of them."""
    problems = Collector()
    for future in futures:
        with problems.collect():
            future.result()
    cancelled = [error for error in problems.errors if isinstance(error, CancelledRunError)]
    if cancelled:
        raise cancelled[0]
    problems.check()


def _log_for(log: Path, slug: str) -> Path:
    own = log.with_name(f"{log.stem}-{slug}.log")
    own.unlink(missing_ok=True)
    return own


def _check_members(wheel: Wheel) -> tuple[Result, ...]:
    verify(wheel)
    found = f"{counted(len(wheel.members), 'member')} as it says"
    return (Result(check="record", expected="every member as RECORD says", found=found),)


def _check_sbom(wheel: Wheel) -> tuple[Result, ...]:
    count = check_sbom(wheel)
    found = f"{count} listed" if count else "none vendored"
    return (Result(check="sbom", expected="every vendored library by its digest", found=found),)
