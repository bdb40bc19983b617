"""Runs where the build runs, before it: builds the wheel once for a profile, and runs what the profile is of.

The scripts of compilers.py add -fprofile-generate while WHEELFARM_PROFILE says so. The training script then
runs with that wheel, and what GCC's code counts goes into the directory `profile`, of which the same scripts
give each later compile its file. The source tree is put back as it was, since a file of counts belongs to an
object's path. Uses the standard library only.

Usage: profile.py ENVIRONMENT SOURCE PROJECT BUILD-DIRECTORY SCRIPT LIBRARIES [OPTION…]

PROJECT is the part of SOURCE that is built. As ENVIRONMENT, - is this interpreter's, and as BUILD-DIRECTORY
none. LIBRARIES are directories, separated by colons. The options are those of the build frontend.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

PROFILE = "profile"  # in the build directory; compilers.py reads it
CALLS = "tmp/compiler-calls"
# One thread, so that the counts are the same each time.
THREADS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")
ADDR_NO_RANDOMIZE = 0x0040000  # of <sys/personality.h>


def keep_addresses() -> None:
    """Give each run the same addresses: the order of a set follows them, and whether realloc moves a block.

    A container may not allow it; then the counts are a little different each time.
    """
    ctypes.CDLL(None).personality(ADDR_NO_RANDOMIZE)


def run(what: str, argv: list[str], env: dict[str, str]) -> None:
    sys.stdout.write(f"profile: {what}\n")
    sys.stdout.flush()
    code = subprocess.run(argv, env={**os.environ, **env}, preexec_fn=keep_addresses, check=False).returncode
    if code:
        sys.exit(f"profile: {what} failed with exit code {code}")


def empty(directory: Path) -> None:
    """Remove what is in a directory; itself it may be a mount."""
    for path in directory.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()


def main(words: list[str]) -> None:
    environment, source, project, build, script, libraries, *options = words
    python = sys.executable if environment == "-" else str(Path(environment, "bin", "python"))
    root = Path.cwd()
    work, counts = root / "tmp" / PROFILE, root / PROFILE
    untouched, wheels, site = work / "source", work / "wheel", work / "site"
    counts.mkdir(exist_ok=True)
    shutil.copytree(source, untouched, symlinks=True)
    frontend = [python, "-m", "build", "--no-isolation", "--wheel", "--outdir", str(wheels), *options]
    run("build of the wheel that counts", [*frontend, project], {"WHEELFARM_PROFILE": "generate"})
    (wheel,) = wheels.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    # What runs during the build, such as checks of its configuration, is no training.
    env = {"PYTHONPATH": str(site), "GCOV_PREFIX": str(counts), "LD_LIBRARY_PATH": libraries}
    # Not where the source tree is: its packages have no extension modules.
    run("training", [python, "-P", script], env | dict.fromkeys(THREADS, "1"))
    files = [*counts.rglob("*.gcda")]
    if not files:
        sys.exit("profile: the training ran no code that the build compiled with GCC")
    for file in files:
        # GCC writes it under the path of its object, and looks for this name if that path is a relative one.
        os.link(file, counts / f"/{file.relative_to(counts)}".replace("/", "#"))
    empty(Path(source))
    shutil.copytree(untouched, source, symlinks=True, dirs_exist_ok=True)
    # The report on compiled objects is of the build that follows.
    for directory in (Path(build) if build != "-" else None, work, root / CALLS):
        if directory:
            empty(directory)


if __name__ == "__main__":
    main(sys.argv[1:])
