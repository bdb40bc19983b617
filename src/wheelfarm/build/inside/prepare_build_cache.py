"""Runs in a build environment that was just made, before the build: makes a kept build directory fit to use.

It is emptied unless it is the one that the farm speaks of, and the system's packages are those that it was
built with. Meson keeps the results of its trials, which may compile sources; so it forgets them when a source
has changed that may be one of those. The files of the environment are pinned by hash, so they say nothing new
by being written again: they all get one time, older than whatever is built. What the environment holds is
written down, so that the next build can tell whether it is as it was made.
Uses the standard library only.

Usage: prepare_build_cache.py BUILD-DIRECTORY
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import stat
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

OLD = 315532800
"""1980, the beginning of zip's time, in seconds."""
OWN = ".wheelfarm"
"""The farm's own directory in the build directory."""
MARK = f"{OWN}/basis.json"
"""What it is built from."""
KEPT = "kept-build"
"""Whether the build goes on from a kept directory, in the stage."""
HELD = "environment-held.json"
"""What the environment held when it had been made, in the stage."""
TRIED = (".c", ".cc", ".cpp", ".cxx", ".c++", ".m", ".mm", ".h", ".hh", ".hpp", ".hxx", ".inc", ".f", ".f90")
"""Suffixes of sources that a trial may compile or include."""


def paths(directory: Path) -> Iterator[str]:
    """All files below a directory that are no links; the farm's own are left out."""
    for parent, directories, names in os.walk(directory):
        directories[:] = [name for name in directories if name != OWN]
        for name in names:
            path = os.path.join(parent, name)  # noqa: PTH118 - this runs with any Python, on thousands of files
            if not os.path.islink(path):  # noqa: PTH114
                yield path


def settle(directory: Path, since: float = OLD) -> None:
    """Set the times of all files below a directory that are newer; what cannot be set is left.

    Args:
        directory: of what was installed.
        since: seconds; what is not newer keeps its time.
    """
    for path in paths(directory):
        try:
            if os.lstat(path).st_mtime > since:
                os.utime(path, (OLD, OLD))
        except OSError:
            pass


def held(environment: Path) -> dict[str, str]:
    """Every file of an environment with its size and its time, and where its links lead.

    Byte code is left out: Python makes it, and compares it with its source.
    """
    found = {}
    for parent, directories, names in os.walk(environment):
        directories[:] = [name for name in directories if name != "__pycache__"]
        for name in (*directories, *names):
            path = os.path.join(parent, name)  # noqa: PTH118
            status = os.lstat(path)
            if stat.S_ISLNK(status.st_mode):
                found[os.path.relpath(path, environment)] = "-> " + os.readlink(path)  # noqa: PTH115
            elif stat.S_ISREG(status.st_mode):
                found[os.path.relpath(path, environment)] = f"{status.st_size} {status.st_mtime_ns}"
    return found


def system(root: Path) -> str:
    """The digest of what the system has installed; a library's headers may change and be no newer."""
    said = []
    for words in (["dpkg-query", "-W"], ["rpm", "-qa", "--qf", "%{NEVRA}\\n"]):
        if shutil.which(words[0]):
            lines = subprocess.run(words, capture_output=True, text=True, check=False).stdout.splitlines()
            said += sorted(lines)
    # Whoever replaces a file there changes its directory; packages of the above come with new directories.
    for place in ("usr/local/include", "opt/homebrew/include", *([] if said else ["usr/include"])):
        said += sorted(f"{parent} {os.stat(parent).st_mtime_ns}" for parent, _, _ in os.walk(root / place))  # noqa: PTH116
    return hashlib.sha256("\n".join(said).encode()).hexdigest()


def fits(build: Path, kept: dict[str, object], installed: str) -> bool:
    """Whether what a build directory holds can be gone on from."""
    try:
        mark = json.loads((build / MARK).read_bytes())
    except (OSError, ValueError):
        return False
    if mark != {"built-from": kept["old"], "system": installed}:
        return False
    # Times of a clock that was put back since: what has changed would look older than what was made of it.
    return all(os.lstat(path).st_mtime_ns < kept["changed"] for path in paths(build))  # type: ignore[operator]


def trials_hold(build: Path, source: Path, changed: list[str]) -> bool:
    """Whether the results of Meson's trials hold: what has changed is compiled for itself, and by none."""
    lines = (build / "build.ninja").read_text(encoding="utf-8").splitlines()
    edges = (line.partition(": ")[2].split() for line in lines if line.startswith("build "))
    compiled = {word for rule, *inputs in edges if "_COMPILER" in rule for word in inputs}
    tried = (name for name in changed if name.lower().endswith(TRIED))
    return all(os.path.relpath(source / name, build) in compiled for name in tried)


def empty(directory: Path) -> None:
    """Remove all that a directory holds; it may be the place where a volume is mounted."""
    directory.mkdir(exist_ok=True)
    for path in directory.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()


def main(build: Path, stage: Path) -> None:
    """Make the build directory fit, and tell the witness whether it was gone on from."""
    kept = json.loads((stage / "inside" / "kept.json").read_bytes())
    installed = system(Path("/"))
    if fits(build, kept, installed):
        if not trials_hold(build, stage / "source", kept["files"]):
            shutil.rmtree(build / "meson-private")
        (stage / KEPT).touch()
    else:
        empty(build)
    mark = {"built-from": kept["new"], "system": installed}
    (build / OWN).mkdir(exist_ok=True)
    (build / MARK).write_text(json.dumps(mark), encoding="utf-8")


if __name__ == "__main__":
    stage = Path(__file__).parents[1]
    # The whole of a virtual environment; of an image's own Python only where packages go, and what has come
    # since the farm laid out the stage: the rest has the time that it has in the image, and a container would
    # first make a copy of each file.
    alone = sys.prefix != sys.base_prefix
    kinds = ("data",) if alone else ("purelib", "platlib", "scripts")
    since = OLD if alone else (stage / "inside" / "kept.json").stat().st_mtime
    for each in {sysconfig.get_path(kind) for kind in kinds}:
        settle(Path(each), since)
    if alone:
        (stage / HELD).write_text(json.dumps(held(Path(sys.prefix))), encoding="utf-8")
    main(Path(sys.argv[1]), stage)
