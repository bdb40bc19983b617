"""Small file systems, and full ones."""

from __future__ import annotations

import shutil
import subprocess
from contextlib import contextmanager, suppress
from itertools import count
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def small_disk(place: Path, options: str) -> Iterator[Path]:
    """A file system of few bytes and names (mount's options of tmpfs), where this user may mount one."""
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(place)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("only root can mount a small file system")
    try:
        yield place
    finally:
        subprocess.run(["umount", str(place)], check=True)


def fill(disk: Path, *, names: bool = False) -> None:
    """Fill a disk with content and, with `names`, with files."""
    with suppress(OSError), (disk / "filler").open("wb", buffering=0) as filler:
        while True:
            filler.write(bytes(1 << 16))
    with suppress(OSError):
        for number in count() if names else ():
            (disk / str(number)).touch()
