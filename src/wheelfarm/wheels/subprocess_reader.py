"""Reads a wheel's binaries in a process of its own, and hands them over as JSON.

The parser takes 50 MB and several times the largest library, and is native code at work on whatever a build
has left: its memory and its crashes are not the farm's.

Usage: python -m wheelfarm.wheels.subprocess_reader WHEEL OUTPUT
"""

from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wheelfarm.errors import Collector, FarmError, GroupError, ProcessError, WheelError
from wheelfarm.system.process import Command, run
from wheelfarm.wheels.archive import open_wheel
from wheelfarm.wheels.binary import Binary, BinaryFormat
from wheelfarm.wheels.linkage import linkage

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wheelfarm.wheels.wheel import Wheel

_SETS = ("exported", "hidden", "undefined", "marks")
_TUPLES = ("needed", "rpaths")
_TIME_LIMIT = 600.0


def linkage_apart(wheel: Wheel, env: Mapping[str, str], scratch: Path) -> tuple[Binary, ...]:
    """What `linkage` finds, read by a child.

    Args:
        wheel: the wheel.
        env: what the child may see of the host.
        scratch: a directory for the child's answer.

    Raises:
        WheelError: when a binary cannot be read, or the parser dies of it; a group when several cannot.
    """
    env = {**env, "PYTHONPATH": str(Path(__file__).parents[2])}
    output = scratch / "binaries.json"
    argv = (sys.executable, "-P", "-m", "wheelfarm.wheels.subprocess_reader", str(wheel.path), str(output))
    try:
        run(Command(argv=argv, env=env, time_limit=_TIME_LIMIT))
        answer = json.loads(output.read_bytes())
    except (ProcessError, OSError, ValueError) as problem:
        why = problem.why if isinstance(problem, ProcessError) else str(problem)
        raise WheelError("the binaries cannot be read", where=wheel.path.name, why=why) from problem
    problems = Collector()
    for error in answer["errors"]:
        problems.add(WheelError(**error))
    problems.check()
    return tuple(map(_binary, answer["binaries"]))


def _binary(values: Mapping[str, Any]) -> Binary:
    # What a hundred extension modules leave undefined are the same few names.
    sets = {name: frozenset(map(sys.intern, values[name])) for name in _SETS}
    tuples = {name: tuple(values[name]) for name in _TUPLES}
    return Binary(**{**values, **sets, **tuples, "format": BinaryFormat(values["format"])})


def _error_fields(error: FarmError) -> dict[str, str | None]:
    return {"what": error.what, "where": error.where, "why": error.why, "hint": error.hint}


def main(path: Path, output: Path) -> None:
    """Read the binaries of a wheel and write them, or what is wrong with them, as JSON."""
    binaries: tuple[Binary, ...] = ()
    errors: tuple[FarmError, ...] = ()
    try:
        binaries = linkage(open_wheel(path))
    except GroupError as group:
        errors = group.errors
    except FarmError as error:
        errors = (error,)
    answer = {
        "binaries": [dataclasses.asdict(each) for each in binaries],
        "errors": list(map(_error_fields, errors)),
    }
    output.write_text(json.dumps(answer, default=sorted), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
