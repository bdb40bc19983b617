"""Real libraries and extension modules for three systems, made on Linux with ziglang's compiler."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from support.wheels import make_wheel

_EXPORT: Final = "#ifdef _WIN32\n__declspec(dllexport)\n#endif\n"
LIBRARY: Final = f"{_EXPORT}int answer(void) {{ return 42; }}\n"
EXTENSION: Final = (
    f"int answer(void);\n{_EXPORT}void *PyInit_ext(void) {{ static int a; a = answer(); return &a; }}\n"
)
OWN_MACOS_TOOLS: Final = {
    # Apple's takes -m: the name is a file's, whatever brackets it holds. To LLVM's it always is.
    "otool": (
        'for word do shift; [ "$word" = -m ] || set -- "$@" "$word"; done\nexec {llvm}otool{version} "$@"\n'
    ),
    "install_name_tool": 'exec {llvm}install-name-tool{version} "$@"\n',
    "lipo": 'exec {llvm}lipo{version} "$@"\n',
    # Debian has nothing that signs; what was signed before is only looked at here.
    "codesign": 'case "$1" in --verify) echo "$2: code object is not signed at all" >&2; exit 1;; esac\n',
}
"""Debian's LLVM tools in the place of Apple's, as scripts."""


@dataclass(frozen=True)
class System:
    """What is compiled for."""

    triple: str
    tag: str
    extension: str
    library: str


_DARWIN: Final = ("ext.cpython-311-darwin.so", "libanswer.dylib")
SYSTEMS: Final = {
    "windows": System("x86_64-windows-gnu", "win_amd64", "ext.cp311-win_amd64.pyd", "answer.dll"),
    "arm64": System("aarch64-macos.11.0", "macosx_11_0_arm64", *_DARWIN),
    "x86_64": System("x86_64-macos.11.0", "macosx_11_0_x86_64", *_DARWIN),
    "linux": System(
        "x86_64-linux-gnu.2.17", "linux_x86_64", "ext.cpython-311-x86_64-linux-gnu.so", "libanswer.so"
    ),
}


def _compile(directory: Path, system: System, source: str, output: str, *more: str) -> None:
    path = directory / f"{output}.c"
    path.write_text(source, encoding="utf-8")
    words = [sys.executable, "-m", "ziglang", "cc", "-target", system.triple, "-shared", "-O1", "-fPIC"]
    subprocess.run(
        [*words, str(path), *more, "-o", str(directory / output)],
        cwd=directory,
        env={**os.environ, "ZIG_GLOBAL_CACHE_DIR": str(directory.parent / "zig-cache")},
        check=True,
        capture_output=True,
    )


def library_of(root: Path, name: str, source: str = LIBRARY) -> Path:
    """The directory with a system's library."""
    directory, system = root / name, SYSTEMS[name]
    if not (directory / system.library).is_file():
        directory.mkdir(exist_ok=True)
        more = {
            "windows": ["-s", "-Wl,--out-implib,answer.lib"],
            "linux": ["-Wl,-soname,libanswer.so"],
        }.get(name, ["-Wl,-install_name,@rpath/libanswer.dylib", "-Wl,-headerpad_max_install_names"])
        _compile(directory, system, source, system.library, *more)
    return directory


def wheel_of(root: Path, name: str, source: str = EXTENSION) -> Path:
    """A wheel, not repaired yet, whose extension module needs that library."""
    directory, system = library_of(root, name), SYSTEMS[name]
    more = {
        "windows": ["-s", "answer.lib"],
        "linux": [system.library],
    }.get(name, [system.library, "-Wl,-rpath,/opt/lib", "-Wl,-headerpad_max_install_names"])
    _compile(directory, system, source, system.extension, *more)
    files = {"demo/__init__.py": b"", f"demo/{system.extension}": (directory / system.extension).read_bytes()}
    return make_wheel(directory, "demo", "1.0", files, tag=f"cp311-cp311-{system.tag}")


def macos_tools(directory: Path) -> Path:
    """A directory with programs of Apple's names."""
    found = sorted(Path("/usr/bin").glob("llvm-otool*"))
    if not found:
        pytest.skip("LLVM's tools are not here: apt-get install llvm")
    version = found[-1].name.removeprefix("llvm-otool")
    directory.mkdir()
    for name, text in OWN_MACOS_TOOLS.items():
        script = directory / name
        filled = text.replace("{llvm}", "/usr/bin/llvm-").replace("{version}", version)
        script.write_text(f"#!/bin/sh\n{filled}", encoding="utf-8")
        script.chmod(0o755)
    return directory
