"""Tiny packages whose builds want the network, each in a way that projects use."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from support.index import add_meson, seed_wheel
from support.packages import tinyleaf
from support.tiny import BUILD, tiny_farm, tiny_index
from support.tinymeson import tinymeson

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from support.farm import Table
    from wheelfarm.recipes.settings import Settings

_URL: Final = "https://files.example.org/data-1.0.tar.gz"
_RUN: Final = "import subprocess\nimport sys\nsubprocess.run({words}, check=True)\n"
_CMAKE: Final = _RUN.format(words=["cmake", "-S", ".", "-B", "cmake-build"])
_PROJECT: Final = "cmake_minimum_required(VERSION 3.15)\nproject(tinyleaf C)\n"
_FETCH: Final = (
    "include(FetchContent)\nFetchContent_Declare(data {source})\nFetchContent_MakeAvailable(data)\n"
)
_WRAP: Final = f"[wrap-file]\ndirectory = data-1.0\nsource_url = {_URL}\nsource_filename = data-1.0.tar.gz\n"


@dataclass(frozen=True)
class Download:
    """One way to download: what runs first in setup.py, further files, and what the recipe says."""

    code: str = ""
    files: Mapping[str, str] = field(default_factory=dict)
    recipe: Table = field(default_factory=dict)


def _cmake(text: str) -> Download:
    packages = {"system-packages": {"apt": ["cmake", "git", "ninja-build"]}}
    return Download(_CMAKE, {"CMakeLists.txt": _PROJECT + text}, packages)


DOWNLOADS: Final = {
    "urllib": Download(f"import urllib.request\nurllib.request.urlopen({_URL!r})\n"),
    "socket": Download("import socket\nsocket.create_connection(('192.0.2.1', 80), 5)\n"),
    "git": Download(
        _RUN.format(words=["git", "clone", "https://git.example.org/data.git"]),
        recipe={"system-packages": {"apt": ["git"]}},
    ),
    "pip": Download(
        "import subprocess\nimport sys\n"
        "subprocess.run([sys.executable, '-m', 'pip', 'install', 'data'], check=True)\n",
        recipe={"build-requires": {"add": ["pip"]}},
    ),
    "curl": Download(_RUN.format(words=["curl", "-fsSLO", _URL])),
    "wget": Download(_RUN.format(words=["wget", "-nv", _URL])),
    "cmake-download": _cmake(f"file(DOWNLOAD {_URL} data.tar.gz EXPECTED_HASH SHA256={'a' * 64})\n"),
    "cmake-git": _cmake(_FETCH.format(source="GIT_REPOSITORY https://git.example.org/data.git")),
    "meson-wrap": Download(files={"subprojects/data.wrap": _WRAP}),
}


def downloading_farm(
    root: Path, how: str, *, settings: Table | None = None, environ: Mapping[str, str] | None = None
) -> tuple[Settings, str]:
    """A farm with the package that downloads in this way, and the package's name."""
    case = DOWNLOADS[how]
    if case.code:
        name, files = "tinyleaf", tinyleaf()
        files |= {"setup.py": case.code + files["setup.py"]}
    else:
        name, files = "tinymeson", tinymeson()
        files |= {"meson.build": files["meson.build"] + "subproject('data')\n"}
    more: dict[str, Any] = {name: {**files, **case.files}}
    index = tiny_index(root / "index", **more)
    add_meson(index)
    index.add(seed_wheel("pip"))
    locks = {} if name == "tinymeson" else {f"recipes/{name}/build.lock": index.lock(*BUILD, "pip")}
    return (
        tiny_farm(root / "farm", index, {name: case.recipe}, settings=settings, files=locks, environ=environ),
        name,
    )
