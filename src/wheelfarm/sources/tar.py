"""A tar whose bytes depend on nothing but the trees in it."""

from __future__ import annotations

import tarfile
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Tree:
    """The files of one commit.

    Args:
        path: the tar that git made of it.
        prefix: where it belongs in the whole: empty, or a directory with a slash at its end.
        time: of its commit, in seconds since 1970.
    """

    path: Path
    prefix: str
    time: int


def write_tar(path: Path, trees: Sequence[Tree], *, top: str) -> None:
    """Write trees as one: names sorted, times those of the commits, no owner, two modes.

    Directories are left out: git knows none, and which are there says which files are.
    """
    with ExitStack() as stack:
        members = {}
        for tree in trees:
            archive = stack.enter_context(tarfile.open(tree.path, "r:"))
            for member in archive:
                if member.isfile() or member.issym():
                    members[f"{top}/{tree.prefix}{member.name}"] = (archive, member, tree.time)
        whole = stack.enter_context(tarfile.open(path, "w", format=tarfile.PAX_FORMAT))
        for name, (archive, member, time) in sorted(members.items()):
            info = tarfile.TarInfo(name)
            info.type, info.linkname, info.size = member.type, member.linkname, member.size
            info.mode = 0o755 if member.mode & 0o100 else 0o644
            info.mtime = time
            whole.addfile(info, archive.extractfile(member) if member.isfile() else None)
