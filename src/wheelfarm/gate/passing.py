"""Passing the gate: integrity, expectations and tests side by side, and everything that is wrong at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from wheelfarm.errors import Collector
from wheelfarm.gate.check import Result
from wheelfarm.gate.clean_room import lay_room, try_in_clean_room
from wheelfarm.gate.expectations import check_expectations
from wheelfarm.sbom import check_sbom
from wheelfarm.wheels import open_wheel, verify

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from wheelfarm.engine import Engine, Follower
    from wheelfarm.model import PinnedWheel
    from wheelfarm.plan import Build
    from wheelfarm.wheels import Wheel


def pass_gate(
    build: Build,
    engine: Engine,
    room: Path,
    *,
    wheel: PinnedWheel,
    run_with: Sequence[PinnedWheel],
    log: Path,
    follower: Follower,
) -> tuple[Result, ...]:
    """Put a repaired wheel through the gate of its recipe.

    Args:
        build: whose wheel it is.
        engine: for the clean room.
        room: a directory to lay the clean room out in.
        wheel: the repaired wheel.
        run_with: the wheels that it needs when it is installed.
        log: what the test prints goes there.
        follower: hears the test's output, and may cancel it.

    Raises:
        FarmError: a member that is not what RECORD says, a vendored library that the SBOM leaves out, an
            expectation that is not met, a test that fails; a group when there are several.
    """
    problems, results = Collector(), list[Result]()
    lay_room(room, build, wheel, run_with)
    opened, env = open_wheel(wheel.path), engine.clean_room(room, build.id.target).env
    # The room and the reader of binaries are other processes, so that none of the three waits for another.
    with ThreadPoolExecutor(max_workers=3) as pool:
        checks = (
            pool.submit(_whole, opened),
            pool.submit(check_expectations, build, opened, env, room),
            pool.submit(try_in_clean_room, build, engine, room, log=log, follower=follower),
            pool.submit(_told, opened),
        )
        for check in checks:
            with problems.collect():
                results += check.result()
    problems.check()
    return tuple(results)


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
