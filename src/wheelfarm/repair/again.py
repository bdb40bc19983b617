"""The last build's repair done again, as far as nothing has changed that it depends on.

A repair tool looks at binaries, and changes these, tags and RECORD; that takes a third of the time of a build
that has nothing to compile. So when two wheels out of one environment differ in texts that the tool has left
as they were, the repaired wheels differ in these alone; and where a binary has changed but asks the same of
others, the tool is given that one alone. Anything else is the tool's: another list of files, another mode,
other metadata.

Usage: python -m wheelfarm.repair.again WHEEL STAGE
"""

from __future__ import annotations

import os
import sys
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

from wheelfarm.errors import FarmError
from wheelfarm.repair.alone import repair_alone
from wheelfarm.stage import BUILT_WHEEL, KEPT_BUILD, LAST, REPAIRED_WHEEL
from wheelfarm.wheels import Changes, Wheel, asked, open_wheel, read_member, write_edition

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wheelfarm.wheels import Asked

_Contents = dict[str, bytes]
_Facts = dict[str, tuple[str, int, int]]
"""Member → its digest as RECORD states it, the checksum of its bytes, its mode."""


def again(built: Path, stage: Path, env: Mapping[str, str]) -> Wheel | None:
    """Repair a wheel as the last one was, into the stage's directory of repaired wheels.

    Args:
        built: the wheel as the backend made it.
        stage: the stage; it tells whether the build went on from a kept directory, and has the last wheels.
        env: the whole environment of the tool.

    Returns:
        The repaired wheel; None where the tool has to do it.

    Raises:
        FarmError: when a wheel cannot be read.
        OSError: when one cannot be read or written, or the tool is not found.
    """
    last = stage / LAST
    before, repaired = last / BUILT_WHEEL / built.name, list((last / REPAIRED_WHEEL).glob("*.whl"))
    if not (stage / KEPT_BUILD).exists() or not before.is_file() or len(repaired) != 1:
        return None
    wheel, old, done = open_wheel(built), open_wheel(before), open_wheel(repaired[0])
    changed = _changed(wheel, old, done)
    if changed is None:
        return None
    written = _repaired(wheel, old, done, changed, env)
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


def _changed(wheel: Wheel, before: Wheel, repaired: Wheel) -> dict[str, bool] | None:
    """The members that have changed, and whether the tool left them as they were; None when more has."""
    now, then, done = _facts(wheel), _facts(before), _facts(repaired)
    if now.keys() != then.keys():
        return None
    changed = [name for name in now if now[name] != then[name]]
    for name in changed:
        if name not in done or now[name][2] != then[name][2] or name.startswith(f"{wheel.dist_info}/"):
            return None
    return {name: done[name][:2] == then[name][:2] for name in changed}


def _repaired(
    wheel: Wheel, before: Wheel, repaired: Wheel, changed: Mapping[str, bool], env: Mapping[str, str]
) -> _Contents | None:
    """What has changed, as the tool leaves it; None when that is the tool's to say."""
    written: _Contents = {}
    binaries: dict[str, Asked] = {}
    with zipfile.ZipFile(wheel.path) as archive, zipfile.ZipFile(before.path) as old:
        for name, left in changed.items():
            new, last = read_member(archive, name), read_member(old, name)
            if b"\0" not in new + last:
                # The tool has put something of its own into it, as delvewheel does into an __init__.py.
                if not left:
                    return None
                written[name] = new
            elif (asks := asked(new)) is not None and asks == asked(last):
                binaries[name] = asks
            else:
                return None
    alone = repair_alone(wheel, repaired, binaries, env) if binaries else {}
    return None if alone is None else {**written, **alone}


if __name__ == "__main__":
    try:
        made = again(Path(sys.argv[1]), Path(sys.argv[2]), os.environ)  # noqa: TID251 - as the engine made it
    except (FarmError, OSError) as problem:
        sys.stdout.write(f"the last repair is of no use: {problem}\n")
    else:
        if made is not None:
            sys.stdout.write(f"the last repair serves again: {made.path.name} is made of its wheel\n")
