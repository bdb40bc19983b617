"""The last build's repair done again, where no binary has changed since: what it made of them is taken.

A repair tool looks at binaries, and changes these, tags and RECORD; that takes a third of the time of a build
that has nothing to compile. So when two wheels out of one environment differ in texts that the tool has left
as they were, the repaired wheels differ in these alone. Anything else is the tool's: another list of files,
another mode, other metadata.

Usage: python -m wheelfarm.repair.again WHEEL STAGE
"""

from __future__ import annotations

import sys
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

from wheelfarm.errors import FarmError
from wheelfarm.stage import BUILT_WHEEL, KEPT_BUILD, LAST, REPAIRED_WHEEL
from wheelfarm.wheels import Changes, Wheel, open_wheel, read_member, write_edition

if TYPE_CHECKING:
    from collections.abc import Mapping

_Facts = dict[str, tuple[str, int, int]]
"""Member → its digest as RECORD states it, the checksum of its bytes, its mode."""


def again(built: Path, stage: Path) -> Wheel | None:
    """Repair a wheel as the last one was, into the stage's directory of repaired wheels.

    Args:
        built: the wheel as the backend made it.
        stage: the stage; it tells whether the build went on from a kept directory, and has the last wheels.

    Returns:
        The repaired wheel; None where the tool has to do it.

    Raises:
        FarmError: when a wheel cannot be read.
        OSError: when one cannot be read or written.
    """
    last = stage / LAST
    before, repaired = last / BUILT_WHEEL / built.name, list((last / REPAIRED_WHEEL).glob("*.whl"))
    if not (stage / KEPT_BUILD).exists() or not before.is_file() or len(repaired) != 1:
        return None
    wheel, old, done = open_wheel(built), open_wheel(before), open_wheel(repaired[0])
    written = _changed(wheel, old, done)
    if written is None:
        return None
    return write_edition(done, stage / REPAIRED_WHEEL / done.path.name, Changes(written=written))


def _facts(wheel: Wheel) -> _Facts:
    digests = {member.name: member.sha256 or "" for member in wheel.members}
    with zipfile.ZipFile(wheel.path) as archive:
        infos = [info for info in archive.infolist() if info.filename in digests]
    return {
        info.filename: (digests[info.filename], info.CRC, info.external_attr >> 16)
        for info in infos
        if info.filename != f"{wheel.dist_info}/RECORD"
    }


def _changed(wheel: Wheel, before: Wheel, repaired: Wheel) -> Mapping[str, bytes] | None:
    """The contents of what has changed; None when that may be of interest to a repair tool."""
    now, then, done = _facts(wheel), _facts(before), _facts(repaired)
    if now.keys() != then.keys():
        return None
    changed = [name for name in now if now[name] != then[name]]
    for name in changed:
        # The tool has put something of its own into it, as delvewheel does into an __init__.py.
        touched = name not in done or done[name][:2] != then[name][:2]
        if touched or now[name][2] != then[name][2] or name.startswith(f"{wheel.dist_info}/"):
            return None
    with zipfile.ZipFile(wheel.path) as archive, zipfile.ZipFile(before.path) as old:
        written = {name: read_member(archive, name) for name in changed}
        texts = (*written.values(), *(read_member(old, name) for name in changed))
    return None if any(b"\0" in text for text in texts) else written


if __name__ == "__main__":
    try:
        made = again(Path(sys.argv[1]), Path(sys.argv[2]))
    except (FarmError, OSError) as problem:
        sys.stdout.write(f"the last repair is of no use: {problem}\n")
    else:
        if made is not None:
            sys.stdout.write(
                f"no binary has changed since the last repair: {made.path.name} is made of its wheel\n"
            )
