"""What a build must see, and must not: values with all sorts of characters, and a decoy on the index."""

from __future__ import annotations

import json
import zipfile
from typing import TYPE_CHECKING, Final

from support.wheels import make_wheel
from wheelfarm.build.environment import PROXIES

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from support.index import Index
    from support.servers import IndexServer

NASTY: Final = {
    "SINGLE": "it's",
    "DOUBLE": 'say "hi"',
    "SLASHES": "\\ \\\\ \\n \\'",
    "DOLLAR": "$HOME ${HOME} $(id) $$ $'x'",
    "TICKS": "`id`",
    "EQUALS": "a=b=c",
    "SPACES": "  two  spaces\tand a tab ",
    "EMPTY": "",
    "NON_ASCII": "é漢🎉",
    "BRACES": "{project} {package} {wheel} ${x",
    "SHELL": "# ; & && | || < > * ~ ! ? [a] (b) <<EOF",
    "CFLAGS": '-DNAME="it\'s" -g0',
}
COMPILER: Final = "python record_cc.py"
ALWAYS: Final = {
    *("PATH", "HOME", "SOURCE_DATE_EPOCH", "PYTHONHASHSEED", "PIP_NO_INDEX", "PIP_DISABLE_PIP_VERSION_CHECK"),
    *("MAKEFLAGS", "CMAKE_BUILD_PARALLEL_LEVEL", "NPY_NUM_BUILD_JOBS", "GIT_CEILING_DIRECTORIES"),
    *PROXIES,
}
"""What every build sees."""


def compiler_saw(wheel: Path) -> dict[str, str]:
    """The environment of the compiler, as it wrote it into the wheel."""
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith("/compiler.json"))
        return dict(json.loads(archive.read(name)))


def added_by_tools(names: Iterable[str]) -> set[str]:
    """The variables that the build frontend, setuptools and the interpreter add by themselves."""
    own = {"PEP517_BUILD_BACKEND", "LC_CTYPE", "CC", "PLAT"}
    return {name for name in names if name.startswith("_PYPROJECT_HOOKS")} | own


def decoy(directory: Path, python: str) -> Path:
    """A wheel of tinybase with the farm's version and tags (`python` as in cp311), but another content."""
    files = {
        "tinybase/__init__.py": "def get_include():\n    return __file__.replace('__init__.py', 'include')\n",
        "tinybase/include/tinybase.h": '#define TINY_MARKER "impostor"\n',
    }
    return make_wheel(directory, "tinybase", "1.0", files, tag=f"{python}-{python}-manylinux_2_5_x86_64")


def serve(server: IndexServer, index: Index, *others: Path) -> None:
    """Put all of an index on a server, and other wheels beside it."""
    paths = [*(index.root / "files").iterdir(), *others]
    for project in {path.name.partition("-")[0] for path in paths}:
        files = {path.name: path.read_bytes() for path in paths if path.name.partition("-")[0] == project}
        server.add(project.replace("_", "-"), files)
