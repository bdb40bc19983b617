"""The script that maps vendored libraries to system packages, on systems with each package manager."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from support.archives import digest
from support.wheels import make_wheel

if TYPE_CHECKING:
    from types import ModuleType

SCRIPT = Path(str(files("wheelfarm.build") / "inside" / "library_provenance.py"))
CONTENT = b"\x7fELF a library"


def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("library_provenance", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def provenance(root: Path, members: list[str], *given: Path, path: str = "") -> dict[str, Any]:
    """The provenance of a wheel with these members."""
    wheels = root / "wheels"
    wheels.mkdir()
    make_wheel(wheels, "demo", "1.0", dict.fromkeys(members, b"vendored"))
    words = [
        sys.executable,
        "-I",
        str(SCRIPT),
        str(wheels),
        str(root / "out" / "provenance.json"),
        *map(str, given),
    ]
    env = {"PATH": path or os.environ["PATH"]}
    subprocess.run(words, check=True, env=env)
    answer: dict[str, Any] = json.loads((root / "out" / "provenance.json").read_text(encoding="utf-8"))
    return answer


def lay(root: Path, contents: dict[str, str | bytes]) -> None:
    for name, content in contents.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())


def mangled(stem: str, suffix: str, content: bytes, digits: int = 8) -> str:
    return f"{stem}-{digest(content)[:digits]}{suffix}"


def programs(directory: Path, **bodies: str) -> str:
    """A path on which only these programs are, written in shell."""
    directory.mkdir()
    for name, body in bodies.items():
        (directory / name).write_text(f"#!/bin/sh\n{body}\n")
        (directory / name).chmod(0o755)
    return str(directory)


@pytest.mark.skipif(shutil.which("dpkg") is None, reason="needs dpkg")
def test_a_package_of_this_machine(tmp_path: Path) -> None:
    library = next(Path("/").glob("usr/lib/*/libgcc_s.so.1"))
    member = f"demo.libs/{mangled('libgcc_s', '.so.1', library.read_bytes())}"
    answer = provenance(tmp_path, [member, "demo/_ext.so"])
    assert answer["kind"] == "deb"
    assert list(answer["packages"]) == [member]
    found = answer["packages"][member]
    assert (found["kind"], found["name"]) == ("deb", "libgcc-s1")
    words = ["dpkg-query", "-W", "-f=${Version}", "libgcc-s1"]
    assert found["version"] == subprocess.run(words, check=True, capture_output=True, text=True).stdout
    ((name, text),) = found["texts"].items()
    assert (name.endswith("-base/copyright"), "RUNTIME LIBRARY EXCEPTION" in text) == (True, True)


def test_a_copyright_file_that_is_only_linked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = """case "$1 $3" in
    "-W liby1") printf 'src\\nsrc-base (= 1), liby-common (>= 1), libc6\\n';;
    "-W src-base"|"-W liby-common") printf 'src\\n\\n';;
    "-W libc6") printf 'glibc\\n\\n';;
    *) exit 1;;
    esac"""
    monkeypatch.setenv("PATH", programs(tmp_path / "bin", **{"dpkg-query": answers}))
    lay(tmp_path, {"usr/share/doc/liby-common/copyright": "MIT", "usr/share/doc/libc6/copyright": "LGPL"})
    module = script()
    assert module.texts(module.copyright_of("liby1", tmp_path)) == {"liby-common/copyright": "MIT"}
    assert module.copyright_of("libother", tmp_path) == []


def test_nothing_vendored_and_no_package_manager(tmp_path: Path) -> None:
    answer = provenance(tmp_path, ["demo/_ext.so", "demo/libs/data.txt"], path=programs(tmp_path / "bin"))
    assert (answer["packages"], answer["kind"]) == ({}, "")


def test_a_file_that_is_missing_or_of_no_package(tmp_path: Path) -> None:
    gone, strange = f"demo.libs/{mangled('libgone', '.so.1', b'')}", "demo/.dylibs/libmine.dylib"
    lay(tmp_path / "lib", {"libmine.dylib": CONTENT})
    answer = provenance(tmp_path, [gone, strange], tmp_path / "lib", path=programs(tmp_path / "bin"))
    assert answer["packages"] == {gone: None, strange: None}


def test_the_one_with_the_content_is_found(tmp_path: Path) -> None:
    lay(tmp_path, {"a/libx.so.1": b"other", "b/libx.so.1": CONTENT, "c/liby-12345678.so": b"bundled before"})
    module = script()
    paths = [tmp_path / "a", tmp_path / "b", tmp_path / "c"]
    assert module.find_original(mangled("libx", ".so.1", CONTENT), paths) == tmp_path / "b" / "libx.so.1"
    assert module.find_original(mangled("libx", ".so.1", b"third", 32), paths) == tmp_path / "a" / "libx.so.1"
    again = mangled("liby-12345678", ".so", b"bundled before")
    assert module.find_original(again, paths) == tmp_path / "c" / "liby-12345678.so"
    assert module.find_original("libx.so.1", []) is None


def test_copies_of_netlib_come_from_the_system(tmp_path: Path) -> None:
    system = tmp_path / "usr" / "lib" / "libblas.so.3.11.0"
    copied = json.dumps({"libblas.so.3": str(system)})
    lay(
        tmp_path,
        {"usr/lib/libblas.so.3.11.0": CONTENT, "lib/libblas.so.3": CONTENT, "lib/copied.json": copied},
    )
    member = f"demo.libs/{mangled('libblas', '.so.3', CONTENT)}"
    answer = (
        f'[ "$2 $5" = "-qf {system}" ] || [ "$1 $4" = "-qf {system}" ] && printf "blas\\n3.11-1\\nBSD\\n"'
    )
    document = provenance(tmp_path, [member], tmp_path / "lib", path=programs(tmp_path / "bin", rpm=answer))
    assert document["kind"] == "rpm"
    found = document["packages"][member]
    assert found == {"kind": "rpm", "name": "blas", "version": "3.11-1", "license": "BSD", "texts": {}}


def test_a_package_of_alpine(tmp_path: Path) -> None:
    lay(tmp_path, {"lib/libgfortran.so.5.0.0": CONTENT})
    member = f"demo.libs/{mangled('libgfortran', '.so.5.0.0', CONTENT)}"
    answers = """case "$2" in
    --who-owns) echo "$3 is owned by libgfortran-14.2.0-r4";;
    --license) printf 'libgfortran-14.2.0-r4 license:\\nGPL-2.0-or-later\\n';;
    *) exit 1;;
    esac"""
    answer = provenance(tmp_path, [member], tmp_path / "lib", path=programs(tmp_path / "bin", apk=answers))
    found = answer["packages"][member]
    assert (found["kind"], found["name"], found["version"]) == ("apk", "libgfortran", "14.2.0-r4")
    assert found["license"] == "GPL-2.0-or-later"


def test_a_formula_of_homebrew(tmp_path: Path) -> None:
    keg = "Cellar/gcc/14.2.0_1"
    lay(
        tmp_path,
        {
            f"{keg}/lib/gcc/current/libgfortran.5.dylib": CONTENT,
            f"{keg}/COPYING3": "GPL",
            f"{keg}/README": "no licence",
            f"{keg}/.brew/gcc.rb": 'class Gcc\n  license "GPL-3.0-or-later"\nend\n',
        },
    )
    (tmp_path / "opt").mkdir()
    (tmp_path / "opt" / "gcc").symlink_to(tmp_path / keg)
    member = "demo/.dylibs/libgfortran.5.dylib"
    answer = provenance(
        tmp_path, [member], tmp_path / "opt/gcc/lib/gcc/current", path=programs(tmp_path / "bin")
    )
    found = answer["packages"][member]
    assert (found["kind"], found["name"], found["version"]) == ("brew", "gcc", "14.2.0_1")
    assert (found["license"], found["texts"]) == ("GPL-3.0-or-later", {"gcc/COPYING3": "GPL"})


def test_a_port_of_vcpkg(tmp_path: Path) -> None:
    installed = "vcpkg/installed"
    lay(
        tmp_path,
        {
            f"{installed}/x64-windows/bin/zlib1.dll": CONTENT,
            f"{installed}/x64-windows/share/zlib/copyright": "Zlib",
            f"{installed}/vcpkg/info/png_1.6_x64-windows.list": "x64-windows/bin/png.dll\n",
            f"{installed}/vcpkg/info/zlib_1.3.1_x64-windows.list": "x64-windows/bin/zlib1.dll\n",
        },
    )
    member = f"demo.libs/{mangled('zlib1', '.dll', CONTENT, 32)}"
    place = tmp_path / installed / "x64-windows" / "bin"
    answer = provenance(tmp_path, [member], place, path=programs(tmp_path / "bin"))
    found = answer["packages"][member]
    assert (found["kind"], found["name"], found["version"]) == ("vcpkg", "zlib", "1.3.1")
    assert found["texts"] == {"zlib/copyright": "Zlib"}
