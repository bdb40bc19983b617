"""Read any wheel on any system: tags, metadata, contents by kind, linkage of ELF, Mach-O and PE.

Nothing here writes, extracts or runs anything. The parser of binaries is heavy, so it is imported by
`linkage` when that is called, and importing this room stays cheap.
"""

from __future__ import annotations

from wheelfarm.wheels.archive import open_wheel
from wheelfarm.wheels.binary import Binary, BinaryFormat, externals
from wheelfarm.wheels.blas import Blas, Interface, Provider, blas, blas_all
from wheelfarm.wheels.contents import Contents, Kind, Share, contents, kind_of
from wheelfarm.wheels.description import describe
from wheelfarm.wheels.integrity import verify
from wheelfarm.wheels.linkage import linkage
from wheelfarm.wheels.wheel import Member, Metadata, Wheel, files

__all__ = [
    "Binary",
    "BinaryFormat",
    "Blas",
    "Contents",
    "Interface",
    "Kind",
    "Member",
    "Metadata",
    "Provider",
    "Share",
    "Wheel",
    "blas",
    "blas_all",
    "contents",
    "describe",
    "externals",
    "files",
    "kind_of",
    "linkage",
    "open_wheel",
    "verify",
]
