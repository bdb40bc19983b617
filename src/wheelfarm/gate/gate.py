"""Passing the gate: integrity, expectations and tests side by side, and everything that is wrong at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from wheelfarm.errors import CancelledRunError, Collector, GateTestError
from wheelfarm.gate.check import Result
from wheelfarm.gate.clean_environment import try_in_clean_room
from wheelfarm.gate.expectations import check_expectations
from wheelfarm.provenance.sbom_reading import check_sbom
from wheelfarm.wheels.archive import open_wheel, verify

if TYPE_CHECKING:
    from collections.abc import Sequence
    from concurrent.futures import Future
    from pathlib import Path

    from wheelfarm.build.engine import Engine
    from wheelfarm.build.progress import ProgressListener
    from wheelfarm.gate.test_environment import Room
    from wheelfarm.model import Name
    from wheelfarm.plan.build import Build
    from wheelfarm.wheels.wheel import Wheel


@dataclass(frozen=True, kw_only=True)
class Trial:
    """The rooms that a wheel has to pass.

    Args:
        own: those of the wheel itself, with each Python that it serves; that of its build comes first.
        downstream: those of stored wheels that need it, tried when it has passed its own.
        expendable: downstream wheels that this run builds again: that one does not work is only told.
        left_out: rooms that there might have been, each with the reason why there is none.
    """

    own: tuple[Room, ...]
    downstream: tuple[Room, ...] = ()
    expendable: frozenset[Name] = frozenset()
    left_out: tuple[Result, ...] = ()


def pass_gate(
    build: Build,
    engine: Engine,
    place: Path,
    trial: Trial,
    *,
    log: Path,
    listener: ProgressListener,
    jobs: int = 1,
) -> tuple[Result, ...]:
    """Put a repaired wheel through the gate of its recipe.

    Args:
        build: whose wheel it is.
        engine: makes the clean rooms.
        place: a directory to lay the rooms out in.
        trial: what is tried in them.
        log: what the first room prints goes there; each other room has a log beside it.
        listener: receives the tests' output, and may cancel them.
        jobs: how many rooms there may be at once.

    Raises:
        FarmError: a member that is not what RECORD says, a vendored library that the SBOM leaves out, an
            expectation that is not met, a test that fails; a group when there are several.
    """
    wheel = open_wheel(trial.own[0].wheel.path)
    env = engine.clean_room(place, build.id.target).env
    place.mkdir(parents=True, exist_ok=True)

    def test(room: Room) -> tuple[Result, ...]:
        own_log = log if room is trial.own[0] else _log_beside(log, room.slug)
        directory = place / room.slug
        try:
            return try_in_clean_room(build, room, engine, directory, log=own_log, listener=listener)
        except GateTestError as problem:
            if room.wheel.name not in trial.expendable:
                raise
            listener.on_line(f"warning: {problem.what}: {problem.why}; this run builds it again")
            found = f"failed: {problem.why}; this run builds it again"
            return (Result(check="smoke", expected="passed", found=found, room=room.name),)

    # Rooms and the reader of binaries are other processes, so that none of the checks waits for another.
    with (
        ThreadPoolExecutor(max_workers=2, thread_name_prefix="wheelfarm-gate") as pool,
        ThreadPoolExecutor(max_workers=max(1, jobs), thread_name_prefix="wheelfarm-room") as rooms,
    ):
        results = _all_of(
            [
                pool.submit(_whole, wheel),
                pool.submit(check_expectations, build, wheel, env, place),
                *(rooms.submit(test, room) for room in trial.own),
                pool.submit(_told, wheel),
            ]
        )
        results += _all_of([rooms.submit(test, room) for room in trial.downstream])
    return (*results, *trial.left_out)


def pass_gates(
    asked: Sequence[tuple[Build, Trial]],
    engine: Engine,
    place: Path,
    *,
    log: Path,
    listener: ProgressListener,
    jobs: int = 1,
) -> dict[Name, tuple[Result, ...]]:
    """Put the wheels of a build through their gates, side by side where there are processors for it.

    Args:
        asked: what the gate is asked of each wheel, the main one first, with its rooms.
        engine: makes the clean rooms.
        place: a directory to lay the rooms out in.
        log: what the main wheel's first room prints goes there; each split has a log beside it.
        listener: receives the tests' output, and may cancel them.
        jobs: how many wheels are tried at once, and how many rooms of each.

    Raises:
        FarmError: as `pass_gate`, of all the wheels.
    """
    main = asked[0][0].id.name

    def one(build: Build, trial: Trial) -> tuple[Result, ...]:
        name = build.id.name
        own_log = log if name == main else _log_beside(log, name)
        return pass_gate(build, engine, place / name, trial, log=own_log, listener=listener, jobs=jobs)

    with ThreadPoolExecutor(max_workers=max(1, jobs), thread_name_prefix="wheelfarm-gates") as gates:
        results = _each_of([gates.submit(one, build, trial) for build, trial in asked])
    return {build.id.name: found for (build, _), found in zip(asked, results, strict=True)}


def _log_beside(log: Path, slug: str) -> Path:
    """A new log beside another one."""
    own = log.with_name(f"{log.stem}-{slug}.log")
    own.unlink(missing_ok=True)
    return own


def _all_of(checks: Sequence[Future[tuple[Result, ...]]]) -> list[Result]:
    """The results of checks that run side by side, as `_each_of` has them."""
    return [result for results in _each_of(checks) for result in results]


def _each_of(checks: Sequence[Future[tuple[Result, ...]]]) -> list[tuple[Result, ...]]:
    """The results of each of the checks that run side by side.

    Raises:
        FarmError: what is wrong in any of them, once all have ended.
    """
    problems, results = Collector(), list[tuple[Result, ...]]()
    for check in checks:
        with problems.collect():
            results.append(check.result())
    stopped = [error for error in problems.errors if isinstance(error, CancelledRunError)]
    if stopped:
        raise stopped[0]
    problems.check()
    return results


def _whole(wheel: Wheel) -> tuple[Result, ...]:
    """Whether each member is what RECORD says."""
    verify(wheel)
    found = f"{len(wheel.members)} members as it says"
    return (Result(check="record", expected="every member as RECORD says", found=found),)


def _told(wheel: Wheel) -> tuple[Result, ...]:
    """Whether the bill of materials is there, and speaks of each vendored library."""
    count = check_sbom(wheel)
    found = f"{count} listed" if count else "none vendored"
    return (Result(check="sbom", expected="every vendored library by its digest", found=found),)
