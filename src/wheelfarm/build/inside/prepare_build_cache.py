"""Runs in a new build environment: makes a cached build directory fit for use, or empties it.

It is fit when it is the one that the farm describes, and the system's packages are those that it was built
with. Meson caches the results of its configure checks, which may compile sources: these results go when such
a source has changed. All files of the environment get one old time: their hashes are pinned, and that they
are installed again is no change. Uses the standard library only.

Usage: prepare_build_cache.py ENVIRONMENT BUILD-DIRECTORY, where - is this interpreter's environment
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import sysconfig
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

OLD = 315532800  # 1980, the beginning of zip's time, in seconds
MARK = ".wheelfarm.json"  # says which build a build directory is of
USED = "build-cache-used"  # exists in the directory of a build that continues from the cache
# Suffixes of sources that a configure check may compile or include.
CHECKED = (
    *(".c", ".cc", ".cpp", ".cxx", ".c++", ".m", ".mm", ".f", ".f90"),
    *(".h", ".hh", ".hpp", ".hxx", ".inc"),
)


def files(directory: Path) -> Iterator[str]:
    """All files below a directory that are no links."""
    for parent, _, names in os.walk(directory):
        for name in names:
            path = os.path.join(parent, name)  # noqa: PTH118 - this runs with any Python, on thousands of files
            if not os.path.islink(path):  # noqa: PTH114
                yield path


def set_old_times(directory: Path, since: float = OLD) -> None:
    """Set the time of all files that are newer than `since` (seconds), where that is possible."""

    def set_old_time(path: str) -> None:
        with suppress(OSError):
            if os.lstat(path).st_mtime > since:
                os.utime(path, (OLD, OLD))

    # With several threads: each may wait until the disk has the file, which was written just now.
    with ThreadPoolExecutor(max_workers=16) as pool:
        list(pool.map(set_old_time, files(directory)))


def system(root: Path) -> str:
    """The digest of what the system has installed: a changed header of a library may be no newer."""
    found = []
    for words in (["dpkg-query", "-W"], ["rpm", "-qa", "--qf", "%{NEVRA}\\n"]):
        if shutil.which(words[0]):
            lines = subprocess.run(words, capture_output=True, text=True, check=False).stdout.splitlines()
            found += sorted(lines)
    # A file that is replaced there changes its directory; packages of the above bring new directories.
    for path in ("usr/local/include", "opt/homebrew/include", *([] if found else ["usr/include"])):
        found += sorted(f"{parent} {os.stat(parent).st_mtime_ns}" for parent, _, _ in os.walk(root / path))  # noqa: PTH116
    return hashlib.sha256("\n".join(found).encode()).hexdigest()


def is_usable(build: Path, changes: dict[str, object], installed: str) -> bool:
    """Whether the build can continue from what a build directory holds."""
    try:
        mark = json.loads((build / MARK).read_bytes())
    except (OSError, ValueError):
        return False
    if mark != {"token": changes["old"], "system": installed}:
        return False
    # After the clock was set back, what has changed would look older than what was made of it.
    return all(os.lstat(path).st_mtime_ns < changes["changed"] for path in files(build))  # type: ignore[operator]


def checks_are_valid(build: Path, source: Path, changed: list[str]) -> bool:
    """Whether Meson's configure checks hold: each changed source is compiled by itself, and by no check."""
    lines = (build / "build.ninja").read_text(encoding="utf-8").splitlines()
    edges = (line.partition(": ")[2].split() for line in lines if line.startswith("build "))
    compiled = {word for rule, *inputs in edges if "_COMPILER" in rule for word in inputs}
    suspects = (name for name in changed if name.lower().endswith(CHECKED))
    return all(os.path.relpath(source / name, build) in compiled for name in suspects)


def main(build: Path, directory: Path) -> None:
    """Prepare the build directory, and mark whether the build continues from it."""
    changes = json.loads((directory / "inside" / "build-cache.json").read_bytes())
    installed = system(Path("/"))
    if is_usable(build, changes, installed):
        if not checks_are_valid(build, directory / "source", changes["files"]):
            shutil.rmtree(build / "meson-private")
        (directory / USED).touch()
    else:
        # It may be the mount point of a volume, which cannot be removed.
        build.mkdir(exist_ok=True)
        for path in build.iterdir():
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
    (build / MARK).write_text(json.dumps({"token": changes["new"], "system": installed}), encoding="utf-8")


if __name__ == "__main__":
    directory, prefix = Path.cwd(), sys.argv[1]
    if prefix == "-":
        prefix = str(Path(sys.executable).parents[1])
    # All of a virtual environment. Of an image's own Python only what was installed since the farm made the
    # build directory: the rest has its time from the image, and a container would first copy each file.
    own = Path(prefix, "pyvenv.cfg").exists()
    kinds = ("data",) if own else ("purelib", "platlib", "scripts")
    since = OLD if own else (directory / "inside" / "build-cache.json").stat().st_mtime
    scheme, base = "nt" if os.name == "nt" else "posix_prefix", {"base": prefix, "platbase": prefix}
    for each in {sysconfig.get_path(kind, scheme, base) for kind in kinds}:
        set_old_times(Path(each), since)
    main(Path(sys.argv[2]), directory)
