"""The files of a tree of wheels with their bytes: the same order and modes from the same wheels."""

from __future__ import annotations

import stat
import zipfile
from collections import defaultdict
from contextlib import ExitStack
from typing import TYPE_CHECKING, Final

from wheelfarm.deploy.bytecode import bytecode_path
from wheelfarm.deploy.tree import SITE
from wheelfarm.model import sha256_of_bytes
from wheelfarm.wheels.archive import read_member
from wheelfarm.wheels.dist_info import write_record

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from wheelfarm.deploy.tree import Tree

EPOCH: Final = 315_532_800
"""1980-01-01, the oldest time that a ZIP file can hold: no time of this machine is in what is deployed."""


def tree_files(tree: Tree, compiled: Mapping[str, bytes]) -> Iterator[tuple[str, bytes, int]]:
    """The path, the bytes and the mode of each file; of a symbolic link, the bytes are its target.

    RECORD of each distribution lists what is there of it.

    Args:
        tree: the files.
        compiled: further files, which are bytecode, by path.

    Raises:
        WheelError: when a wheel cannot be read.
    """
    files = {entry.path: entry for entry in tree.entries}
    records = _records(tree, compiled)
    with ExitStack() as opened:
        wheels: dict[Path, zipfile.ZipFile] = {}
        for name in sorted({*files, *compiled}):
            entry = files.get(name)
            if entry is None:
                yield name, compiled[name], stat.S_IFREG | 0o644
            elif entry.link:
                yield name, entry.link.encode(), stat.S_IFLNK | 0o777
            elif name in records:
                yield name, records[name], stat.S_IFREG | 0o644
            else:
                source = entry.wheel.path
                if source not in wheels:
                    wheels[source] = opened.enter_context(zipfile.ZipFile(source))
                executable = (wheels[source].getinfo(entry.member).external_attr >> 16) & 0o111
                data = read_member(wheels[source], entry.member) if entry.content is None else entry.content
                yield name, data, stat.S_IFREG | (0o755 if executable else 0o644)


def _records(tree: Tree, compiled: Mapping[str, bytes]) -> dict[str, bytes]:
    """RECORD of each distribution, by its path."""
    rows: dict[str, list[tuple[str, str, int]]] = defaultdict(list)
    for entry in tree.entries:
        record = f"{entry.wheel.dist_info}/RECORD"
        if entry.sha256 is not None:
            rows[record].append((_listed(entry.path), entry.sha256, entry.size))
        if (bytecode := compiled.get(bytecode_path(entry.path, tree.target.python))) is not None:
            name = _listed(bytecode_path(entry.path, tree.target.python))
            rows[record].append((name, sha256_of_bytes(bytecode), len(bytecode)))
    return {f"{SITE}/{record}": write_record(listed, record) for record, listed in rows.items()}


def _listed(path: str) -> str:
    """A path as RECORD has it: relative to the directory that is on the import path."""
    top = f"{SITE}/"
    return path.removeprefix(top) if path.startswith(top) else f"../{path}"
