"""Runs where the build runs, before it: links ccache under the names of the installed compilers.

Only of those: a build system would take any other link for a compiler. It also lists what ccache does not
check: the names of all files that an #include may find, since a new header that shadows another changes no
file that ccache reads; and the version of the assembler. Uses the standard library only.

Usage: compilers.py ENVIRONMENT CCACHE NAME…, where - is this interpreter's environment
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

OLDEST = (4, 4)  # the first version of ccache that writes a log of what each compile came to
# Suffixes of what an #include names; the standard library's headers have none.
INCLUDED = frozenset(
    {
        *("", ".h", ".hh", ".hpp", ".hxx", ".h++", ".inc", ".inl", ".ipp", ".tpp", ".tcc", ".def"),
        *(".c", ".cc", ".cpp", ".cxx", ".c++", ".i", ".ii", ".m", ".mm", ".gch", ".pch"),
    }
)
# A compiler that is called by its path cannot be replaced.
COMPILER = re.compile(r"([a-z0-9_]+-)*(cc|gcc|c\+\+|g\+\+|clang|clang\+\+)(-[0-9.]+)?")


def output(*words: str) -> str:
    try:
        return subprocess.run(words, capture_output=True, text=True, check=False).stdout
    except OSError:
        return ""


def usable(ccache: str) -> bool:
    found = re.match(r"ccache version (\d+)\.(\d+)", output(ccache, "--version"))
    return found is not None and (int(found[1]), int(found[2])) >= OLDEST


def includable(directory: Path) -> Iterator[str]:
    """The files below a directory that an #include may find, without installers' metadata."""
    for parent, directories, names in os.walk(directory):
        directories[:] = sorted(
            each for each in directories if not each.endswith((".dist-info", "__pycache__"))
        )
        for name in sorted(names):
            if os.path.splitext(name)[1].lower() in INCLUDED:  # noqa: PTH122 - thousands of names
                yield os.path.join(parent, name)  # noqa: PTH118


def python_compilers() -> list[str]:
    """The compilers that this Python was built with: setuptools calls them by these names."""
    values = (sysconfig.get_config_var(name) for name in ("CC", "CXX", "LDSHARED", "LDCXXSHARED"))
    return [value.split()[0] for value in values if value]


def main(ccache: str, names: list[str], directory: Path, packages: set[Path]) -> None:
    if not usable(ccache):
        sys.stderr.write(f"no compiler cache: {ccache} does not run here, or is older than {OLDEST}\n")
        return
    assembler = output("as", "--version").partition("\n")[0]
    lines = [assembler]
    for tree in (directory / "source", *sorted(packages)):
        lines += includable(tree)
    text = "\n".join(lines) + "\n"
    (directory / "compilers.txt").write_text(text, encoding="utf-8", errors="surrogateescape")
    links = directory / "compilers"
    path = os.pathsep.join(each for each in os.environ["PATH"].split(os.pathsep) if Path(each) != links)
    links.mkdir()
    for name in dict.fromkeys([*names, *python_compilers()]):
        if COMPILER.fullmatch(name) and shutil.which(name, path=path):
            (links / name).symlink_to(ccache)


if __name__ == "__main__":
    prefix = str(Path(sys.executable).parents[1]) if sys.argv[1] == "-" else sys.argv[1]
    scheme, base = "nt" if os.name == "nt" else "posix_prefix", {"base": prefix, "platbase": prefix}
    installed = {Path(sysconfig.get_path(kind, scheme, base)) for kind in ("purelib", "platlib")}
    main(sys.argv[2], sys.argv[3:], Path.cwd(), installed)
