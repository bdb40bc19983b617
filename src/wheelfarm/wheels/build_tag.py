"""The build tag: the number by which installers tell a later build of a version from an earlier one."""

from __future__ import annotations

import zipfile
from typing import TYPE_CHECKING

from wheelfarm.wheels.archive import read_member
from wheelfarm.wheels.edition import Changes, write_edition

if TYPE_CHECKING:
    from pathlib import Path

    from wheelfarm.wheels.wheel import Wheel


def numbered_name(filename: str, number: int) -> str:
    """The name of a wheel file with a build number, in the place of the one that it may have.

    Args:
        filename: name-version[-build]-python-abi-platform.whl (binary distribution format specification).
        number: the build number.
    """
    parts = filename.split("-")
    return "-".join((*parts[:2], str(number), *parts[-3:]))


def write_numbered(wheel: Wheel, directory: Path, number: int) -> Wheel:
    """Write the edition of a wheel that has a build number: in its name, in WHEEL and so in RECORD.

    All else stays as it is, with it the bill of materials: it speaks of the version, which is the same, and
    of members, whose bytes are. The same wheel and number make the same bytes.

    Args:
        wheel: the wheel, with another number or none.
        directory: where the edition goes.
        number: the build number.

    Raises:
        WheelError: when the wheel cannot be read.
        OSError: when the edition cannot be written.
    """
    member = f"{wheel.dist_info}/WHEEL"
    with zipfile.ZipFile(wheel.path) as archive:
        lines = read_member(archive, member).decode().splitlines()
    fields = [line for line in lines if line and not line.lower().startswith("build:")]
    # Where the specification has it: before the tags.
    first = next((at for at, line in enumerate(fields) if line.lower().startswith("tag:")), len(fields))
    fields.insert(first, f"Build: {number}")
    written = {member: ("\n".join(fields) + "\n").encode()}
    path = directory / numbered_name(wheel.path.name, number)
    return write_edition(wheel, path, Changes(written=written))
