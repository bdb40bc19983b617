"""Repairs alone the binaries that have changed, where the tool decides about them as it did before.

auditwheel reads every binary of a wheel in Python, a third of the time of scipy's rebuild after a change to
one file. It decides by what a binary asks of others: where that is as it was in the last build, so is the
decision, and what is left to do is to change the new binary as the old one was. It does that itself, in a
wheel that holds little else.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Final
from zipfile import ZipFile

from wheelfarm.build.inside import last
from wheelfarm.build.repair import TOOLS
from wheelfarm.errors import FarmError
from wheelfarm.model import Platform
from wheelfarm.wheels.archive import open_wheel, read_member, unreadable_as_wheel_error
from wheelfarm.wheels.link_interface import asked
from wheelfarm.wheels.rewrite import Changes, write_edition
from wheelfarm.wheels.wheel import files

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from wheelfarm.wheels.link_interface import LinkInterface
    from wheelfarm.wheels.wheel import Wheel


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
    asks: dict[str, LinkInterface] = {}
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
        made = again(wheel, to, build, os.environ)
    except (FarmError, OSError, ValueError) as problem:
        sys.stdout.write(f"the last repair is of no use: {problem}\n")
    else:
        if made is not None:
            sys.stdout.write(f"the last repair serves again: {made.path.name} is made of its wheel\n")


_POLICY: Final = re.compile(r"(?:many|musl)linux_\d+_\d+_\w+")
_SCRIPTS: Final = ".data/"
"""Programs are moved from there, and one of the tool's own takes their place (pypa/auditwheel#340)."""


def repair_alone(
    wheel: Wheel, repaired: Wheel, changed: Mapping[str, LinkInterface], env: Mapping[str, str]
) -> Mapping[str, bytes] | None:
    """Have auditwheel repair some binaries of a wheel, each of which asks what the last build's did.

    Args:
        wheel: the wheel as the backend made it.
        repaired: the last one after its repair.
        changed: the binaries, and what they ask of others.
        env: the whole environment of the tool.

    Returns:
        The repaired binaries; None where the tool has to see the whole wheel.

    Raises:
        WheelError: when a wheel cannot be read.
        OSError: when the tool is not found, or a file cannot be written.
    """
    policy = next(filter(_POLICY.fullmatch, repaired.platform_tag.split(".")), None)
    if policy is None or any(_SCRIPTS in name for name in changed):
        return None
    with zipfile.ZipFile(wheel.path) as archive:
        shown = _with_needed(archive, changed)
    own = f"{wheel.dist_info}/"
    rest = (member.name for member in wheel.members if not member.name.startswith(own))
    with tempfile.TemporaryDirectory(prefix="alone-", dir=wheel.path.parent.parent) as scratch:
        part, dest = Path(scratch, wheel.path.name), Path(scratch, "dist")
        write_edition(wheel, part, Changes(dropped=frozenset(rest) - shown))
        words, _ = TOOLS[Platform.LINUX].command(wheel=str(part), dest=str(dest), arch="", libraries=None)
        # In the process group of this step, which ends as a whole; by the tag that the whole wheel got, since
        # that decides on the libraries that are put in.
        done = subprocess.run([*words, "--plat", policy, "--only-plat"], env=env, check=False)
        made = list(dest.glob("*.whl"))
        return _taken(open_wheel(made[0]), repaired, changed) if done.returncode == 0 and made else None


def _with_needed(archive: zipfile.ZipFile, changed: Mapping[str, LinkInterface]) -> frozenset[str]:
    """Some binaries of a wheel, and those of its own that they need."""
    homes = {PurePosixPath(name).name: name for name in archive.namelist()}
    found = set(changed)
    left = list(changed.values())
    while left:
        needed = {homes[library] for library in left.pop().needed if library in homes} - found
        found |= needed
        left += filter(None, (asked(read_member(archive, name)) for name in needed))
    return frozenset(found)


def _taken(part: Wheel, repaired: Wheel, changed: Collection[str]) -> Mapping[str, bytes] | None:
    """The changed binaries of a repaired part; None when what lies beside them is not as in the last."""
    before = files(repaired)
    for name, digest in files(part).items():
        if name not in changed and not name.startswith(part.dist_info) and before.get(name) != digest:
            return None
    with zipfile.ZipFile(part.path) as archive:
        return {name: read_member(archive, name) for name in changed}
