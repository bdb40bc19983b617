"""Read any wheel on any system: tags, metadata, contents by kind, linkage of ELF, Mach-O and PE.

Nothing here extracts or runs what is in a wheel. None is changed either: `write_edition` writes another one.
The parser of binaries is heavy: `linkage` imports it when it is called, `linkage_apart` leaves it to a child,
and importing this room stays cheap.
"""

from __future__ import annotations

from wheelfarm.wheels.apart import linkage_apart
from wheelfarm.wheels.archive import open_wheel, read_member, unreadable_as_wheel_error
from wheelfarm.wheels.asked import Asked, asked
from wheelfarm.wheels.binary import Binary, BinaryFormat, externals
from wheelfarm.wheels.blas import Blas, Interface, Provider, blas, blas_all
from wheelfarm.wheels.build_tag import numbered_name, write_numbered
from wheelfarm.wheels.contents import Contents, Kind, Share, contents, kind_of, vendored
from wheelfarm.wheels.description import describe
from wheelfarm.wheels.difference import difference
from wheelfarm.wheels.edition import Changes, write_edition
from wheelfarm.wheels.inside import inside
from wheelfarm.wheels.integrity import verify
from wheelfarm.wheels.linkage import linkage
from wheelfarm.wheels.record import write_record
from wheelfarm.wheels.wheel import Member, Metadata, Wheel, files

__all__ = [
    "Asked",
    "Binary",
    "BinaryFormat",
    "Blas",
    "Changes",
    "Contents",
    "Interface",
    "Kind",
    "Member",
    "Metadata",
    "Provider",
    "Share",
    "Wheel",
    "asked",
    "blas",
    "blas_all",
    "contents",
    "describe",
    "difference",
    "externals",
    "files",
    "inside",
    "kind_of",
    "linkage",
    "linkage_apart",
    "numbered_name",
    "open_wheel",
    "read_member",
    "unreadable_as_wheel_error",
    "vendored",
    "verify",
    "write_edition",
    "write_numbered",
    "write_record",
]
