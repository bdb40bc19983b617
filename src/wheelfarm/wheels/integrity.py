"""Whether the bytes of a wheel are those that its RECORD promises."""

from __future__ import annotations

import hashlib
import zipfile
from typing import TYPE_CHECKING, Final

from wheelfarm.errors import Collector, WheelError
from wheelfarm.wheels.archive import unreadable_as_wheel_error

if TYPE_CHECKING:
    from wheelfarm.wheels.wheel import Member, Wheel

_CHUNK: Final = 1024**2  # bytes


def verify(wheel: Wheel) -> None:
    """Read every byte and compare each member with its hash in RECORD.

    `open_wheel` has already refused what unpacks to too much; memory stays small, as members are streamed.

    Raises:
        WheelError: when a member differs or cannot be read; a GroupError when several do.
    """
    problems = Collector()
    with unreadable_as_wheel_error(wheel.path.name), zipfile.ZipFile(wheel.path) as archive:
        for member in wheel.members:
            with problems.collect():
                _compare(archive, member)
    problems.check()


def _compare(archive: zipfile.ZipFile, member: Member) -> None:
    with unreadable_as_wheel_error(member.name), archive.open(member.name) as stream:
        digest = hashlib.sha256()
        while chunk := stream.read(_CHUNK):
            digest.update(chunk)
    actual = digest.hexdigest()
    if member.sha256 is not None and actual != member.sha256:
        raise WheelError(
            "a member is not what RECORD says",
            where=member.name,
            why=f"its sha256 is {actual}, RECORD says {member.sha256}",
        )
