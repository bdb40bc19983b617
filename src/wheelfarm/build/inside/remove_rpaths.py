"""Runs where the build runs, after the repair: removes what no other machine has from RPATH and RUNPATH.

The repair tool edits only binaries that need a library which it has put in. Others have what the linker was
given: directories of the build, of a Python with an RPATH in its own linker options (pyenv, conda, Homebrew),
an empty entry. The directories that remain begin with $ORIGIN and stay in site-packages. Uses the standard
library and patchelf, which the repair tool needs too.

Usage: remove_rpaths.py DIRECTORY [--outside] [GLOB…], for the one wheel there, but for members that a glob
matches; with --outside, entries that begin with $ORIGIN and lead out of site-packages stay too
"""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import posixpath
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from fnmatch import fnmatchcase
from pathlib import Path

ORIGIN = re.compile(r"\$(?:ORIGIN|\{ORIGIN\})(?=/|$)")
PATCHELF = shutil.which("patchelf") or "patchelf"
DATA = re.compile(r"[^/]+\.data/(?:pure|plat)lib/")


def useful(member: str, entry: str, *, outside: bool = False) -> bool:
    """Whether an entry is relative to its binary and stays in site-packages (ld.so(8))."""
    found = ORIGIN.match(entry)
    if found is None or outside:
        return found is not None
    place = posixpath.dirname(DATA.sub("", member)) or "."
    return posixpath.normpath(f"{place}/{entry[found.end() :]}").split("/")[0] != ".."


def edited(member: str, data: bytes, path: Path, *, outside: bool) -> bytes:
    """The bytes of a binary without the entries that are of no use; the same where there is none."""
    path.write_bytes(data)
    found = subprocess.run(
        [PATCHELF, "--print-rpath", str(path)], capture_output=True, text=True, check=False
    ).stdout.rstrip("\n")
    entries = found.split(":") if found else []
    left = [entry for entry in entries if useful(member, entry, outside=outside)]
    if left == entries:
        return data
    # As auditwheel does: DT_RPATH, which LD_LIBRARY_PATH does not come before.
    words = ["--force-rpath", "--set-rpath", ":".join(left)] if left else ["--remove-rpath"]
    subprocess.run([PATCHELF, *words, str(path)], check=True)
    removed = ", ".join(repr(entry) for entry in entries if entry not in left)
    sys.stdout.write(f"removed from the rpath of {member}: {removed}\n")
    return path.read_bytes()


def with_record(record: bytes, changed: dict[str, bytes]) -> bytes:
    """RECORD with the digests of the changed members (binary distribution format specification)."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    for row in csv.reader(io.StringIO(record.decode(), newline="")):
        if row[0] in changed:
            data = changed[row[0]]
            digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
            row[1:] = [f"sha256={digest}", str(len(data))]
        writer.writerow(row)
    return text.getvalue().encode()


def rewrite(wheel: Path, directory: Path, allowed: list[str], *, outside: bool) -> None:
    with zipfile.ZipFile(wheel) as archive:
        changed = {}
        for info in archive.infolist():
            with archive.open(info) as stream:
                head = stream.read(4)
            if head == b"\x7fELF" and not any(fnmatchcase(info.filename, glob) for glob in allowed):
                data = archive.read(info)
                new = edited(info.filename, data, directory / "binary", outside=outside)
                if new is not data:
                    changed[info.filename] = new
        if not changed:
            return
        (record,) = (name for name in archive.namelist() if re.fullmatch(r"[^/]+\.dist-info/RECORD", name))
        members = {**changed, record: with_record(archive.read(record), changed)}
        with zipfile.ZipFile(directory / wheel.name, "w") as output:
            for info in archive.infolist():
                output.writestr(info, members.get(info.filename) or archive.read(info), info.compress_type)
    shutil.copyfile(directory / wheel.name, wheel)


if __name__ == "__main__":
    (only,) = Path(sys.argv[1]).glob("*.whl")
    with tempfile.TemporaryDirectory() as scratch:
        globs = [word for word in sys.argv[2:] if word != "--outside"]
        rewrite(only, Path(scratch), globs, outside="--outside" in sys.argv)
