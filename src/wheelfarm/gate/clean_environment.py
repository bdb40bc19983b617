"""Tests where the build's libraries do not exist: a fresh environment, made from the wheels alone."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, Final

from wheelfarm.build.steps import run_step
from wheelfarm.errors import GateTestError, ProcessError
from wheelfarm.gate.check import Check, Result
from wheelfarm.gate.expectations import judged

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from wheelfarm.build.engine import Engine, Step
    from wheelfarm.build.progress import ProgressListener
    from wheelfarm.gate.test_environment import Room
    from wheelfarm.plan.build import Build

MARK: Final = "wheelfarm-gate: "
TIME_LIMIT: Final = 600.0
# What manylinux (PEP 600) lets a wheel take from the system; everything else must come from the wheel.
SYSTEM: Final = (
    *(
        "libc.so",
        "libm.so",
        "libdl.so",
        "librt.so",
        "libpthread.so",
        "libutil.so",
        "libresolv.so",
        "ld-linux",
    ),
    *(
        "libgcc_s.so",
        "libstdc++.so",
        "libz.so",
        "libexpat.so",
        "libnsl.so",
        "libmvec.so",
        "libatomic.so",
        "ld-musl",
    ),
    *("libnss_", "libX11.so", "libXext.so", "libXrender.so", "libICE.so", "libSM.so", "libGL.so"),
    *("libgobject-2.0.so", "libgthread-2.0.so", "libglib-2.0.so"),
)


def _answer(output: str) -> dict[str, Any] | None:
    lines = [line for line in output.splitlines() if line.startswith(MARK)]
    return dict(json.loads(lines[-1].removeprefix(MARK))) if lines else None


def foreign(outside: Sequence[str]) -> list[str]:
    """The libraries outside the environment that no wheel may rely on."""
    return [path for path in outside if not PurePosixPath(path).name.startswith(SYSTEM)]


def try_in_clean_room(
    build: Build, room: Room, engine: Engine, directory: Path, *, log: Path, listener: ProgressListener
) -> tuple[Result, ...]:
    """Install, import and run the smoke script in a room.

    Args:
        build: whose wheel it is that has to pass.
        room: what is tried.
        engine: makes the room.
        directory: where the room is laid out.
        log: what the test prints goes there.
        listener: receives it too, and may cancel the test.

    Raises:
        GateTestError: when one of them fails, or a library of this machine was used.
        ExpectationError: when its CPU features are others than expected.
    """
    room.lay(directory)
    step = engine.clean_room(directory, room.target)
    limit = room.resolved.test.time_limit or TIME_LIMIT
    answer, why = _run(engine, step, directory, log=log, time_limit=limit, listener=listener)
    if answer is None:
        what = "the wheel does not install or test in a fresh environment"
        raise _refusal(build, room, what, why=why, log=log)
    if answer["error"]:
        raise _refusal(build, room, "the test failed", why=str(answer["error"]), log=log)
    strangers = foreign(answer["outside"])
    if strangers:
        why = "they were loaded from outside the environment, so another machine may not have them"
        what = "the wheel uses libraries of this machine"
        raise _refusal(build, room, what, where=", ".join(strangers), why=why, log=log)
    imported = ", ".join(answer["imported"]) or "none"
    results = [Result(check="imports", expected=imported, found=imported)]
    if answer["smoke"]:
        results.append(Result(check="smoke", expected="passed", found=str(answer["smoke"])))
    if not room.downstream:
        results += judged(build, _cpu_features(build, answer.get("cpu")), wheel=room.wheel.path.name)
    return tuple(replace(result, room=room.name) for result in results)


def _run(
    engine: Engine, step: Step, directory: Path, *, log: Path, time_limit: float, listener: ProgressListener
) -> tuple[dict[str, Any] | None, str]:
    """What the room answers, if anything, and else why it may not."""
    try:
        # A mark and a label of the room's own, so that one that fails does not end those beside it.
        finished = run_step(engine, step, directory, log=log, time_limit=time_limit, listener=listener)
    except ProcessError as problem:
        return None, problem.why or problem.what
    return _answer(finished.output), "the test ended without an answer"


def _refusal(
    build: Build, room: Room, what: str, *, why: str, log: Path, where: str | None = None
) -> GateTestError:
    """The error of a room: what failed, with which Python, and what can be done."""
    where = where or room.recipe.where
    if not room.downstream:
        return GateTestError(f"{build.id}: {what}", where=f"{where}, {room.name}", why=why, log=log)
    name = room.wheel.name
    return GateTestError(
        f"{build.id}: the stored wheel of {name} {room.wheel.version} does not work with it: {what}",
        where=where,
        why=why,
        hint=f"inv chain {name} builds both, {name} on the new {build.id.name}; if its test is to blame, "
        f"mend that, or leave it out of test.downstream in {build.recipe.where}",
        log=log,
    )


def _cpu_features(build: Build, reported: dict[str, list[str]] | None) -> Iterator[Check]:
    """What the imported package says of its CPU features."""
    expect = build.resolved.expect
    for key, wanted in (("cpu-baseline", expect.cpu_baseline), ("cpu-dispatch", expect.cpu_dispatch)):
        if wanted is None:
            continue
        found = None if reported is None else reported[key]
        yield Check.of(
            key,
            expected=" ".join(sorted(wanted)) or "none",
            found="nothing reported" if found is None else " ".join(sorted(found)) or "none",
            ok=found is not None and set(found) == set(wanted),
            cause=f"the option {key} in setup-args, or what the compiler can do"
            if found is not None
            else "only numpy reports its CPU features",
        )
