"""The script that maps vendored libraries to system packages, on systems with each package manager."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from support.archives import digest
from support.wheels import make_wheel
from wheelfarm.build.environment_report import LibraryProvenance, SystemPackage
from wheelfarm.build.inside import library_provenance

if TYPE_CHECKING:
    from collections.abc import Callable

    Provenance = Callable[..., dict[str, Any]]

CONTENT = b"\x7fELF a library"


@pytest.fixture
def provenance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict[str, Any]]:
    """The provenance of a wheel with these members, on a machine with these programs, written in shell."""

    def found(members: Mapping[str, bytes] | list[str], *given: Path, **bodies: str) -> dict[str, Any]:
        monkeypatch.setenv("PATH", programs(tmp_path / "bin", **bodies))
        (tmp_path / "wheels").mkdir()
        files = members if isinstance(members, Mapping) else dict.fromkeys(members, b"vendored")
        make_wheel(tmp_path / "wheels", "demo", "1.0", dict(files))
        output = tmp_path / "out" / "provenance.json"
        library_provenance.main(tmp_path / "wheels", output, [str(path) for path in given], tmp_path)
        answer: dict[str, Any] = json.loads(output.read_text(encoding="utf-8"))
        return answer

    return found


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
    wheel = make_wheel(tmp_path, "demo", "1.0", {member: b"vendored", "demo/_ext.so": b""})
    output = tmp_path / "provenance.json"
    script = [sys.executable, "-I", str(library_provenance.__file__), str(wheel.parent), str(output)]
    subprocess.run(script, check=True)
    answer = json.loads(output.read_text())
    assert answer["kind"] == "deb"
    assert list(answer["packages"]) == [member]
    found = answer["packages"][member]
    assert (found["kind"], found["name"]) == ("deb", "libgcc-s1")
    assert re.fullmatch(r"gcc-\d+", found["source"])
    release = Path("/etc/os-release").read_text()
    assert f"ID={answer['distribution']}" in release.replace('"', "")
    assert f"VERSION_ID={answer['release']}" in release.replace('"', "")
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
    found = library_provenance.copyright_of("liby1", tmp_path)
    assert library_provenance.texts(found) == {"liby-common/copyright": "MIT"}
    assert library_provenance.copyright_of("libother", tmp_path) == []


def test_a_file_that_is_missing_or_of_no_package(tmp_path: Path, provenance: Provenance) -> None:
    gone, strange = f"demo.libs/{mangled('libgone', '.so.1', b'')}", "demo/.dylibs/libmine.dylib"
    lay(tmp_path / "lib", {"libmine.dylib": CONTENT})
    answer = provenance([gone, strange, "demo/_ext.so", "demo/libs/data.txt"], tmp_path / "lib")
    assert (answer["kind"], answer["packages"]) == ("", {gone: None, strange: None})


def test_the_one_with_the_content_is_found(tmp_path: Path) -> None:
    lay(tmp_path, {"a/libx.so.1": b"other", "b/libx.so.1": CONTENT, "c/liby-12345678.so": b"bundled before"})
    find = library_provenance.find_original
    paths = [tmp_path / "a", tmp_path / "b", tmp_path / "c"]
    assert find(mangled("libx", ".so.1", CONTENT), paths) == tmp_path / "b" / "libx.so.1"
    assert find(mangled("libx", ".so.1", b"third", 32), paths) == tmp_path / "a" / "libx.so.1"
    again = mangled("liby-12345678", ".so", b"bundled before")
    assert find(again, paths) == tmp_path / "c" / "liby-12345678.so"
    assert find("libx.so.1", []) is None


def test_copies_of_netlib_come_from_the_system(tmp_path: Path, provenance: Provenance) -> None:
    system = tmp_path / "usr" / "lib" / "libblas.so.3.11.0"
    copied = json.dumps({"libblas.so.3": str(system)})
    lay(
        tmp_path,
        {"usr/lib/libblas.so.3.11.0": CONTENT, "lib/libblas.so.3": CONTENT, "lib/copied.json": copied},
    )
    member = f"demo.libs/{mangled('libblas', '.so.3', CONTENT)}"
    lines = "blas\\n3.11-1\\nBSD\\nlapack-3.11-1.src.rpm\\n"
    answer = f'[ "$2 $5" = "-qf {system}" ] || [ "$1 $4" = "-qf {system}" ] && printf "{lines}"'
    document = provenance([member], tmp_path / "lib", rpm=answer)
    assert document["kind"] == "rpm"
    found = document["packages"][member]
    about = {"kind": "rpm", "name": "blas", "version": "3.11-1", "license": "BSD", "source": "lapack"}
    assert found == {**about, "texts": {}}


def test_a_package_of_alpine(tmp_path: Path, provenance: Provenance) -> None:
    lay(tmp_path, {"lib/libgfortran.so.5.0.0": CONTENT})
    member = f"demo.libs/{mangled('libgfortran', '.so.5.0.0', CONTENT)}"
    answers = """case "$2" in
    --who-owns) echo "$3 is owned by libgfortran-14.2.0-r4";;
    --license) printf 'libgfortran-14.2.0-r4 license:\\nGPL-2.0-or-later\\n';;
    --installed) echo "$3-14.2.0-r4 x86_64 {gcc} (GPL-2.0-or-later LGPL-2.1-or-later) [installed]";;
    *) exit 1;;
    esac"""
    answer = provenance([member], tmp_path / "lib", apk=answers)
    found = answer["packages"][member]
    assert (found["kind"], found["name"], found["version"]) == ("apk", "libgfortran", "14.2.0-r4")
    assert (found["license"], found["source"]) == ("GPL-2.0-or-later", "gcc")


def test_a_formula_of_homebrew(tmp_path: Path, provenance: Provenance) -> None:
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
    answer = provenance([member], tmp_path / "opt/gcc/lib/gcc/current")
    found = answer["packages"][member]
    assert (found["kind"], found["name"], found["version"]) == ("brew", "gcc", "14.2.0_1")
    assert (found["license"], found["texts"]) == ("GPL-3.0-or-later", {"gcc/COPYING3": "GPL"})


def test_a_port_of_vcpkg(tmp_path: Path, provenance: Provenance) -> None:
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
    answer = provenance([member], place)
    found = answer["packages"][member]
    assert (found["kind"], found["name"], found["version"]) == ("vcpkg", "zlib", "1.3.1")
    assert found["texts"] == {"zlib/copyright": "Zlib"}


DPKG_QUERY = """case "$2" in
"-f=\\${Package}|"*)
    printf 'libpq-dev||libpq5 (= 15), libssl-dev, \\n'
    printf 'libpq5|libpq-any|libc6 (>= 2.36), libssl3 | libssl1, \\n'
    printf 'all-dev||mail-any, libpq-dev, \\n'
    printf 'postbox|mail-any (= 1), other|, \\n';;
*) exit 1;;
esac"""


def test_the_link_may_have_a_name_without_the_abi(tmp_path: Path, provenance: Provenance) -> None:
    lay(tmp_path, {"usr/lib/libyaml-0.so.2.0.9": CONTENT, "usr/lib/libother.so.1": b"other"})
    (tmp_path / "usr/lib/libyaml-0.so.2").symlink_to("libyaml-0.so.2.0.9")
    (tmp_path / "usr/lib/libyaml.so").symlink_to("libyaml-0.so.2.0.9")
    (tmp_path / "usr/lib/libaaa.so").symlink_to("libother.so.1")
    answers = """case "$2" in
    */libyaml.so) echo "libyaml-dev: $2";;
    */libaaa.so) echo "libother-dev: $2";;
    */libyaml-0.so.2.0.9) echo "libyaml-0-2: $2";;
    *) exit 1;;
    esac"""
    member = f"demo.libs/{mangled('libyaml-0', '.so.2', CONTENT)}"
    document = provenance({member: b"vendored"}, dpkg=answers)
    assert document["packages"][member]["development"] == "libyaml-dev"


def test_what_a_recipe_could_name(tmp_path: Path, provenance: Provenance) -> None:
    lay(tmp_path, {"usr/lib/libpq.so.5.15": CONTENT, "usr/lib/libssl.so.3": CONTENT + b"2"})
    (tmp_path / "usr/lib/libpq.so.5").symlink_to("libpq.so.5.15")
    (tmp_path / "usr/lib/libpq.so").symlink_to("libpq.so.5.15")
    answers = f"""case "$2" in
    */libpq.so) echo "libpq-dev: $2";;
    {tmp_path}/*/libpq.so.5.15) echo "libpq5:amd64: $2";;
    {tmp_path}/*/libssl.so.3) echo "libssl3:amd64: $2";;
    *) exit 1;;
    esac"""
    direct = f"demo.libs/{mangled('libpq', '.so.5', CONTENT)}"
    indirect = f"demo.libs/{mangled('libssl', '.so.3', CONTENT + b'2')}"
    extension = direct.rpartition("/")[2].encode()
    document = provenance(
        {
            direct: b"vendored",
            indirect: b"vendored",
            "demo/_ext.so": extension,
            "demo/x.py": indirect.encode(),
        },
        **{"dpkg": answers, "dpkg-query": DPKG_QUERY},
    )
    assert document["direct"] == [direct]
    assert document["packages"][direct]["development"] == "libpq-dev"
    assert "development" not in document["packages"][indirect]
    found = LibraryProvenance.model_validate(document)
    assert {member: each.development for member, each in found.unnamed().items()} == {direct: "libpq-dev"}


@pytest.mark.parametrize(
    ("named", "brings"),
    [
        (["libpq-dev=15"], {"libpq5", "libssl-dev", "libc6", "libssl3", "libssl1"}),
        (["all-dev"], {"postbox", "libpq5"}),
        (["unknown"], {"unknown"}),
    ],
)
def test_what_a_named_package_brings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, named: list[str], brings: set[str]
) -> None:
    monkeypatch.setenv("PATH", programs(tmp_path / "bin", **{"dpkg-query": DPKG_QUERY}))
    assert library_provenance.packages_with_dependencies(named) >= brings


def system_package(name: str, development: str = "") -> SystemPackage:
    return SystemPackage(kind="deb", name=name, version="1", development=development)


def test_which_packages_should_be_named() -> None:
    packages = {
        "a.libs/libx.so": system_package("libx1", "libx-dev"),
        "a.libs/liby.so": system_package("liby1", "liby-dev"),
        "a.libs/libz.so": system_package("libz1"),
        "a.libs/libgfortran.so": system_package("libgfortran5"),
        "a.libs/libindirect.so": system_package("libindirect1"),
        "a.libs/libbrew.dylib": SystemPackage(kind="brew", name="b", version="1"),
        "a.libs/libunknown.so": None,
    }
    found = LibraryProvenance(
        kind="deb",
        distribution="debian",
        packages=packages,
        direct=tuple(name for name in packages if "indirect" not in name),
        named=("liby-dev",),
    )
    assert list(found.unnamed()) == ["a.libs/libx.so", "a.libs/libz.so"]
