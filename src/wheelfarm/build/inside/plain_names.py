"""Runs where the build runs, before it: gives scipy-openblas the names that BLAS and LAPACK have elsewhere.

All its symbols begin with `scipy_`, which numpy and scipy know and other projects do not. The archive that is
written here has `dgemm_` and the others, each of which jumps to its own: no argument is touched. They are
hidden: an extension module that links them needs the symbols of scipy-openblas, and exports none.
Uses the standard library and binutils only.

Usage: plain_names.py DIRECTORY LIBRARY
"""

from __future__ import annotations

import platform
import re
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

NAMES = "scipy_openblas_names"
JUMPS = {"x86_64": "jmp {}@PLT", "aarch64": "b {}"}
# Fortran's names and those of CBLAS. LAPACKE has twice as many, and few use it.
SYMBOL = re.compile(r"scipy_((?:cblas_)?[a-z0-9_]+_|cblas_\w+)")
# A member of the archive has a routine for all types, sgemm_ to zgemm_: a fourth of the files to assemble.
GROUP = re.compile(r"(?:cblas_)?[sdcz]?")
FUNCTION = """\
.globl {name}
.hidden {name}
.type {name}, %function
{name}:
{jump}
.size {name}, . - {name}
"""
END = '.section .note.GNU-stack, "", %progbits\n'
PKG_CONFIG = """\
libdir={lib}
includedir={include}
Name: {name}
Description: OpenBLAS by the usual names of BLAS and LAPACK
Version: 3
Libs: -L${{libdir}} -l{names} -l{library}
Cflags: -I${{includedir}}
"""


def run(*words: str) -> str:
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout


def exported(library: Path) -> list[str]:
    lines = run("nm", "-D", "--defined-only", "--format=posix", str(library)).splitlines()
    return [found[1] for line in lines if (found := SYMBOL.fullmatch(line.split()[0]))]


def write_archive(archive: Path, names: list[str], jump: str) -> None:
    groups = defaultdict(list)
    for name in names:
        groups[GROUP.sub("", name, count=1)].append(name)
    with tempfile.TemporaryDirectory() as scratch:
        members = []
        for group, routines in sorted(groups.items()):
            code = [
                FUNCTION.format(name=each, jump=jump.format(f"scipy_{each}")) for each in sorted(routines)
            ]
            source, member = (Path(scratch, f"{group}{suffix}") for suffix in (".s", ".o"))
            source.write_text("".join([".text\n", *code, END]), encoding="utf-8")
            run("as", "-o", str(member), str(source))
            members.append(str(member))
        archive.unlink(missing_ok=True)
        run("ar", "rcsD", str(archive), *members)


def main(directory: Path, library: str, machine: str) -> None:
    jump = JUMPS.get(machine)
    if jump is None:
        return  # what looks for BLAS by its usual names finds none
    lib = directory / "lib"
    names = exported(lib / f"lib{library}.so")
    if not names:
        sys.exit(f"plain_names: lib{library}.so has no routine of BLAS")
    write_archive(lib / f"lib{NAMES}.a", names, jump)
    for name in ("blas", "lapack", "openblas"):
        text = PKG_CONFIG.format(
            lib=lib, include=directory / "include", name=name, names=NAMES, library=library
        )
        (directory / "pkgconfig" / f"{name}.pc").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], platform.machine())
