"""Tests where the build's libraries do not exist: a fresh environment, made from the wheels alone."""

from __future__ import annotations

import json
import shutil
from importlib.resources import files
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, Final

from wheelfarm.engine import run_step
from wheelfarm.errors import GateTestError, ProcessError
from wheelfarm.gate.check import Check, Result
from wheelfarm.gate.expectations import judged
from wheelfarm.wheels import contents, open_wheel

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from wheelfarm.engine import Engine, Follower
    from wheelfarm.model import PinnedWheel
    from wheelfarm.plan import Build

SCRIPTS: Final = ("enter.py", "driver.py")
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


def lay_room(directory: Path, build: Build, wheel: PinnedWheel, run_with: Sequence[PinnedWheel]) -> None:
    """Put into a directory all that a clean room is given."""
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    test, expect = build.resolved.test, build.resolved.expect
    wheels = [wheel, *run_with]
    for each in wheels:
        shutil.copyfile(each.path, directory / each.path.name)
    for script in SCRIPTS:
        (directory / script).write_bytes(files("wheelfarm.gate").joinpath("inside", script).read_bytes())
    if test.smoke:
        shutil.copyfile(build.entry.directory / test.smoke, directory / "smoke.py")
    manifest = {
        "wheels": [{"name": w.name, "file": w.path.name, "sha256": w.sha256} for w in wheels],
        "imports": list(dict.fromkeys([*contents(open_wheel(wheel.path)).packages, *(test.imports or ())])),
        "smoke": "smoke.py" if test.smoke else None,
        "cpu": expect.cpu_baseline is not None or expect.cpu_dispatch is not None,
    }
    (directory / "manifest.json").write_text(json.dumps(manifest, indent=1), encoding="utf-8")


def _wheel_of(directory: Path) -> str:
    return str(json.loads((directory / "manifest.json").read_bytes())["wheels"][0]["file"])


def _answer(output: str) -> dict[str, Any] | None:
    lines = [line for line in output.splitlines() if line.startswith(MARK)]
    return dict(json.loads(lines[-1].removeprefix(MARK))) if lines else None


def foreign(outside: Sequence[str]) -> list[str]:
    """The libraries outside the environment that no wheel may rely on."""
    return [path for path in outside if not PurePosixPath(path).name.startswith(SYSTEM)]


def try_in_clean_room(
    build: Build, engine: Engine, directory: Path, *, log: Path, follower: Follower
) -> tuple[Result, ...]:
    """Install, import and run the smoke script in the room laid out in `directory`.

    Raises:
        GateTestError: when one of them fails, or a library of this machine was used.
    """
    step = engine.clean_room(directory, build.id.target)
    limit = build.resolved.test.time_limit or TIME_LIMIT
    why: str | None = None
    output = ""
    try:
        output = run_step(engine, step, directory.parent, log=log, time_limit=limit, follower=follower).output
    except ProcessError as problem:
        why = problem.why or problem.what
    answer = _answer(output)
    if answer is None:
        raise GateTestError(
            f"{build.id}: the wheel does not install or test in a fresh environment",
            where=build.entry.where,
            why=why or "the test ended without an answer",
            log=log,
        )
    if answer["error"]:
        raise GateTestError(
            f"{build.id}: the test failed", where=build.entry.where, why=str(answer["error"]), log=log
        )
    strangers = foreign(answer["outside"])
    if strangers:
        raise GateTestError(
            f"{build.id}: the wheel uses libraries of this machine",
            where=", ".join(strangers),
            why="they were loaded from outside the environment, so another machine may not have them",
            log=log,
        )
    imported = ", ".join(answer["imported"]) or "none"
    results = [Result(check="imports", expected=imported, found=imported)]
    if answer["smoke"]:
        results.append(Result(check="smoke", expected="passed", found=str(answer["smoke"])))
    results += judged(build, _cpu_features(build, answer.get("cpu")), wheel=_wheel_of(directory))
    return tuple(results)


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
