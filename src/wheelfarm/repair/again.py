"""The last build's repair done again on this machine, as far as nothing has changed that it depends on.

`stage.inside.last` does so in any build where only texts have changed. Here more is at hand: where a binary
has changed but asks the same of others, the tool is given that one alone. Anything else is the tool's:
another list of files, another mode, other metadata.

Usage: python -m wheelfarm.repair.again WHEEL DIRECTORY BUILD-DIRECTORY
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING
from zipfile import ZipFile

from wheelfarm.errors import FarmError
from wheelfarm.repair.alone import repair_alone
from wheelfarm.stage.inside import last
from wheelfarm.wheels import asked, open_wheel, read_member, unreadable_as_wheel_error

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from wheelfarm.wheels import Asked, Wheel


def again(built: Path, directory: Path, build_dir: Path, env: Mapping[str, str]) -> Wheel | None:
    """Repair a wheel as the last one was.

    Args:
        built: the wheel as the backend made it.
        directory: where the repaired wheel goes.
        build_dir: the kept build directory, which has the last wheels.
        env: the whole environment of the tool.

    Returns:
        The repaired wheel; None where the tool has to do it.

    Raises:
        FarmError: when a wheel cannot be read.
        ValueError: when one is packed in a way that is not known.
        OSError: when one cannot be written, or the tool is not found.
    """
    wheels = last.wheels_of(build_dir, built.name)
    if wheels is None:
        return None
    with unreadable_as_wheel_error(built.name):
        parts = last.parted(built, *wheels)
    if parts is None:
        return None
    texts, binaries = parts
    alone = _alone(built, *wheels, binaries, env) if binaries else {}
    if alone is None:
        return None
    path = directory / wheels[1].name
    last.edition(wheels[1], path, {**texts, **alone})
    try:
        return open_wheel(path)
    except FarmError:
        path.unlink()
        raise


def _alone(
    built: Path, before: Path, repaired: Path, names: Iterable[str], env: Mapping[str, str]
) -> Mapping[str, bytes] | None:
    """The changed binaries as the tool leaves them; None when what it decides about them may have changed."""
    asks: dict[str, Asked] = {}
    with ZipFile(built) as archive, ZipFile(before) as old:
        for name in names:
            found = asked(read_member(archive, name))
            if found is None or found != asked(read_member(old, name)):
                return None
            asks[name] = found
    return repair_alone(open_wheel(built), open_wheel(repaired), asks, env)


if __name__ == "__main__":
    try:
        wheel, to, build = map(Path, sys.argv[1:])
        made = again(wheel, to, build, os.environ)  # noqa: TID251 - as the engine made it
    except (FarmError, OSError, ValueError) as problem:
        sys.stdout.write(f"the last repair is of no use: {problem}\n")
    else:
        if made is not None:
            sys.stdout.write(f"the last repair serves again: {made.path.name} is made of its wheel\n")
