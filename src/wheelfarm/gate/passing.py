"""Passing the gate: expectations and tests side by side, and everything that is wrong at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from wheelfarm.errors import Collector
from wheelfarm.gate.clean_room import lay_room, try_in_clean_room
from wheelfarm.gate.expectations import Result, check_expectations
from wheelfarm.wheels import open_wheel

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from wheelfarm.engine import Engine, Follower
    from wheelfarm.model import PinnedWheel
    from wheelfarm.plan import Build


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
        FarmError: an expectation that is not met or a test that fails; a group when there are several.
    """
    problems, failures = Collector(), Collector()
    results: list[Result] = []
    lay_room(room, build, wheel, run_with)
    with ThreadPoolExecutor(max_workers=1) as pool:
        # The room is another process: reading the wheel's binaries meanwhile costs no time.
        env = engine.clean_room(room, build.id.target).env
        expected = pool.submit(check_expectations, build, open_wheel(wheel.path), env, room)
        with failures.collect():
            results += try_in_clean_room(build, engine, room, log=log, follower=follower)
        with problems.collect():
            results = [*expected.result(), *results]
    for failure in failures.errors:
        problems.add(failure)
    problems.check()
    return tuple(results)
