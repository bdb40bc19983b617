"""Runs where the build runs, after the repair: edits RPATH and RUNPATH.

It removes what no other machine has. The repair tool edits only binaries that need a library which it has put
in. Others have what the linker was given: directories of the build, of a Python with an RPATH in its own
linker options (pyenv, conda, Homebrew), an empty entry. The directories that remain begin with $ORIGIN and
stay in site-packages.

It adds the directories of libraries that the repair left to other wheels, as they are installed in the build
environment. Uses the standard library and patchelf, which the repair tool needs too.

Usage: edit_rpaths.py DIRECTORY ENVIRONMENT [--exclude GLOB]… [--allow GLOB]…, for the one wheel there, but
for members that a glob of --allow matches; ENVIRONMENT is - for this interpreter's. Where the repair left
libraries out, entries that begin with $ORIGIN and lead out of site-packages stay too.
"""

from __future__ import annotations

import argparse
import base64
import csv
import hashlib
import io
import os
import posixpath
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import zipfile
from fnmatch import fnmatchcase
from pathlib import Path
from typing import NamedTuple

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


class Excluded(NamedTuple):
    """What the repair left to other wheels."""

    globs: list[str]
    """Of file names."""
    directories: dict[str, str]
    """The directory of each library of these names in the build environment."""
    site: str
    """Its site-packages. Both are absolute: a relative path may lead above the root of the container."""


def find_excluded(globs: list[str], environment: Path) -> Excluded:
    """Look for libraries in site-packages and below the prefix of an environment."""
    base = {"base": str(environment), "platbase": str(environment)}
    site, prefix = (Path(sysconfig.get_path(kind, "posix_prefix", base)) for kind in ("platlib", "data"))
    found: dict[str, str] = {}
    trees = ((prefix / "lib", False), (site, True)) if globs else ()
    for top, whole in trees:
        for parent, directories, names in os.walk(top):
            directories[:] = sorted(directories) if whole else []
            matching = [name for name in names if any(fnmatchcase(name, glob) for glob in globs)]
            found |= dict.fromkeys(matching, parent)
    return Excluded(globs, found, str(site))


def patchelf(*words: str) -> list[str]:
    """The lines of its output; none where it cannot read the file."""
    return subprocess.run([PATCHELF, *words], capture_output=True, text=True, check=False).stdout.splitlines()


def edited(member: str, data: bytes, path: Path, excluded: Excluded) -> bytes:
    """The bytes of a binary with its entries; the same where they are right."""
    path.write_bytes(data)
    found = "".join(patchelf("--print-rpath", str(path)))
    entries = found.split(":") if found else []
    left = [entry for entry in entries if useful(member, entry, outside=bool(excluded.globs))]
    place = f"{excluded.site}/{posixpath.dirname(DATA.sub('', member))}"
    for library in patchelf("--print-needed", str(path)) if excluded.directories else ():
        if library in excluded.directories:
            entry = f"$ORIGIN/{posixpath.relpath(excluded.directories[library], place)}"
            left += [entry] if entry not in left else []
    if left == entries:
        return data
    # As auditwheel does: DT_RPATH, which LD_LIBRARY_PATH does not come before.
    words = ["--force-rpath", "--set-rpath", ":".join(left)] if left else ["--remove-rpath"]
    subprocess.run([PATCHELF, *words, str(path)], check=True)
    for what, those, others in (("removed from", entries, left), ("added to", left, entries)):
        if changed := ", ".join(repr(entry) for entry in those if entry not in others):
            sys.stdout.write(f"{what} the rpath of {member}: {changed}\n")
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


def rewrite(wheel: Path, directory: Path, allowed: list[str], excluded: Excluded) -> None:
    with zipfile.ZipFile(wheel) as archive:
        changed = {}
        for info in archive.infolist():
            with archive.open(info) as stream:
                head = stream.read(4)
            if head == b"\x7fELF" and not any(fnmatchcase(info.filename, glob) for glob in allowed):
                data = archive.read(info)
                new = edited(info.filename, data, directory / "binary", excluded)
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
    parser = argparse.ArgumentParser()
    parser.add_argument("directory", type=Path)
    parser.add_argument("environment")
    parser.add_argument("--exclude", action="append", default=[])
    parser.add_argument("--allow", action="append", default=[])
    words = parser.parse_args()
    (only,) = words.directory.glob("*.whl")
    # Without site, sys.prefix is that of the interpreter that a virtual environment was made with.
    own = Path(sys.executable).parents[1]
    given = own if words.environment == "-" else Path(words.environment).absolute()
    with tempfile.TemporaryDirectory() as scratch:
        rewrite(only, Path(scratch), words.allow, find_excluded(words.exclude, given))
