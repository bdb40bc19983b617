"""Writes a tree of wheels as the ZIP file of an AWS Lambda layer: the same bytes from the same wheels.

What Lambda unpacks below /opt is described in "Packaging your layer content" of its developer guide.
"""

from __future__ import annotations

import time
import zipfile
from typing import TYPE_CHECKING, Final

from wheelfarm.deploy.tree_files import EPOCH, tree_files
from wheelfarm.system.files import temporary_path

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from wheelfarm.deploy.tree import Tree

_LEVEL: Final = 9


def write_zip(tree: Tree, path: Path, compiled: Mapping[str, bytes]) -> None:
    """Write the ZIP file in one step.

    Args:
        tree: the files.
        path: the ZIP file, which is replaced.
        compiled: further files, which are bytecode, by path.

    Raises:
        WheelError: when a wheel cannot be read.
        OSError: when the file cannot be written.
    """
    with temporary_path(path.parent) as draft, zipfile.ZipFile(draft, "w") as archive:
        for name, data, mode in tree_files(tree, compiled):
            info = zipfile.ZipInfo(name, time.gmtime(EPOCH)[:6])
            info.create_system = 3  # Unix, on any machine
            info.external_attr = mode << 16
            archive.writestr(info, data, zipfile.ZIP_DEFLATED, _LEVEL)
        archive.close()
        draft.replace(path)
