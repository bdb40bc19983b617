"""Writes a tree of wheels as the ZIP file of an AWS Lambda layer: the same bytes from the same wheels.

What Lambda unpacks below /opt is described in "Packaging your layer content" of its developer guide.
"""

from __future__ import annotations

import stat
import zipfile
from collections import defaultdict
from contextlib import ExitStack
from typing import TYPE_CHECKING, Final

from wheelfarm.deploy.bytecode import bytecode_path
from wheelfarm.deploy.tree import SITE
from wheelfarm.model import sha256_of_bytes
from wheelfarm.system.files import temporary_path
from wheelfarm.wheels.archive import read_member
from wheelfarm.wheels.dist_info import write_record

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from wheelfarm.deploy.tree import Tree

_TIME: Final = (1980, 1, 1, 0, 0, 0)
"""The oldest that a ZIP file can say: no time of this machine is in the layer."""
_LEVEL: Final = 9


def write_zip(tree: Tree, path: Path, compiled: Mapping[str, bytes]) -> None:
    """Write the ZIP file in one step.

    RECORD of each distribution lists what is there of it.

    Args:
        tree: the files.
        path: the ZIP file, which is replaced.
        compiled: further files, which are bytecode, by path.

    Raises:
        WheelError: when a wheel cannot be read.
        OSError: when the file cannot be written.
    """
    with temporary_path(path.parent) as draft, zipfile.ZipFile(draft, "w") as archive, ExitStack() as opened:
        wheels: dict[Path, zipfile.ZipFile] = {}
        files = {entry.path: entry for entry in tree.entries}
        records = _records(tree, compiled)
        for name in sorted({*files, *compiled}):
            entry = files.get(name)
            if entry is None:
                _write(archive, name, compiled[name], 0o644)
            elif entry.link:
                _write(archive, name, entry.link.encode(), stat.S_IFLNK | 0o777)
            elif name in records:
                _write(archive, name, records[name], 0o644)
            else:
                source = entry.wheel.path
                if source not in wheels:
                    wheels[source] = opened.enter_context(zipfile.ZipFile(source))
                mode = wheels[source].getinfo(entry.member).external_attr >> 16
                _write(
                    archive, name, read_member(wheels[source], entry.member), 0o755 if mode & 0o111 else 0o644
                )
        archive.close()
        draft.replace(path)


def _write(archive: zipfile.ZipFile, name: str, data: bytes, mode: int) -> None:
    info = zipfile.ZipInfo(name, _TIME)
    info.create_system = 3  # Unix, on any machine
    info.external_attr = (mode if stat.S_IFMT(mode) else stat.S_IFREG | mode) << 16
    archive.writestr(info, data, zipfile.ZIP_DEFLATED, _LEVEL)


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
