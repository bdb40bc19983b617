"""Linkage of real ELF objects made with gcc, and of Mach-O and PE made byte by byte."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest

from support.binaries import calls, elf, fat, functions, macho, pe
from support.raised import only, raised
from support.wheels import Fault, make_wheel
from wheelfarm.errors import GroupError, WheelError
from wheelfarm.wheels.archive import open_wheel
from wheelfarm.wheels.binary import Binary, BinaryFormat, externals
from wheelfarm.wheels.description import describe
from wheelfarm.wheels.linkage import linkage, linkage_in_child

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

X86_64, ARM64 = 0x01000007, 0x0100000C


def read(tmp_path: Path, files: Mapping[str, bytes]) -> tuple[Binary, ...]:
    return linkage(open_wheel(make_wheel(tmp_path, files=files)))


def test_extension(tmp_path: Path) -> None:
    source = calls("foo", "memcpy")
    data = elf(source, needs=("libfoo.so.1",), flags=("-s", "-Wl,-rpath,$ORIGIN/../a.libs:/opt/b"))
    (found,) = read(tmp_path, {"demo/ext.so": data})
    assert found.format is BinaryFormat.ELF
    assert found.needed[0] == "libfoo.so.1"
    assert found.rpaths == ("$ORIGIN/../a.libs", "/opt/b")
    assert found.soname == ""
    assert found.exported >= {"PyInit_ext"}
    assert found.undefined >= {"foo", "memcpy"}
    assert re.fullmatch(r"2\.\d+(\.\d+)?", found.glibc)
    assert (found.extension, found.stripped, found.has_debug) == (True, True, False)


def test_library_with_symbols_and_debug_information(tmp_path: Path) -> None:
    source = functions("shown") + "static void inner(void) {} void *keep(void) { return inner; }"
    data = elf(source, soname="libfoo.so.1", flags=("-g", "-nostdlib"))
    (found,) = read(tmp_path, {"demo/libfoo-hash.so": data})
    assert found.soname == "libfoo.so.1"
    assert found.exported >= {"shown", "keep"}
    assert "inner" in found.hidden
    assert not found.hidden & found.exported
    assert (found.extension, found.stripped, found.has_debug, found.glibc) == (False, False, True, "")


def test_glibc_is_compared_as_numbers(tmp_path: Path) -> None:
    # pow got a new version in 2.29, and the stack protector has 2.4, which as a text comes after that.
    source = "double pow(double, double); double a(double x) { return pow(x, x); }" + calls("memcpy")
    (found,) = read(
        tmp_path, {"demo/ext.so": elf(source, flags=("-s", "-fno-builtin", "-fstack-protector-all", "-lm"))}
    )
    assert [int(part) for part in found.glibc.split(".")] >= [2, 29]


def test_binaries_are_recognized_by_their_bytes(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        {
            "demo/tool": elf(functions("a")),
            "demo/text.so": b"not a binary",
            "demo/empty.so": b"",
            "demo/notes.txt": b"MZ is how this text begins, and it is longer than sixty-four bytes, by far.",
            "demo/short.txt": b"MZ",
            "demo/Main.class": b"\xca\xfe\xba\xbe\x00\x00\x00\x34" + bytes(99),
        },
    )
    assert [binary.member for binary in found] == ["demo/tool"]


@pytest.mark.parametrize(
    "data",
    [b"\x7fELF" + bytes(99), b"\xcf\xfa\xed\xfe", b"MZ".ljust(60, b"\0") + b"\x40\0\0\0PE\0\0"],
    ids=["elf", "macho", "pe"],
)
def test_unreadable_binary_is_an_error(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(WheelError, match="cannot be read") as caught:
        read(tmp_path, {"demo/a.so": data})
    assert caught.value.where == "demo/a.so"


def test_cut_elf_is_an_error_and_several_come_at_once(tmp_path: Path) -> None:
    data = elf(functions("a"))
    with pytest.raises(GroupError) as caught:
        read(tmp_path, {"demo/a.so": data[: len(data) - 64], "demo/b.so": b"\x7fELF"})
    assert [error.where for error in caught.value.errors] == ["demo/a.so", "demo/b.so"]


def test_damaged_member_is_an_error(tmp_path: Path) -> None:
    wheel = open_wheel(make_wheel(tmp_path, files={"demo.py": "x" * 99}, fault=Fault.DAMAGED_MEMBER))
    with pytest.raises(WheelError, match="damaged"):
        linkage(wheel)


def test_macho(tmp_path: Path) -> None:
    data = macho(
        install_name="@rpath/libfoo.dylib",
        needed=["/usr/lib/libSystem.B.dylib"],
        rpaths=["@loader_path"],
        exported=["dgemm_"],
        hidden=["inner"],
        undefined=["malloc"],
        debug=True,
    )
    (found,) = read(tmp_path, {"demo/.dylibs/libfoo.dylib": data})
    assert (found.format, found.machine, found.macos) == (BinaryFormat.MACHO, "arm64", "14.0")
    assert (found.soname, found.needed) == ("@rpath/libfoo.dylib", ("/usr/lib/libSystem.B.dylib",))
    assert found.rpaths == ("@loader_path",)
    assert [*found.exported, *found.hidden, *found.undefined] == ["dgemm_", "inner", "malloc"]
    assert (found.stripped, found.has_debug) == (False, True)


def test_macho_that_only_the_table_of_exports_describes(tmp_path: Path) -> None:
    (found,) = read(tmp_path, {"demo/a.dylib": macho(in_trie="dgemm_")})
    assert found.exported == {"dgemm_"}


def test_fat_macho_is_a_binary_for_each_slice(tmp_path: Path) -> None:
    old = macho(cpu=X86_64, minimum=None, old_minimum=(10, 13), exported=["PyInit_ext"])
    neither = macho(minimum=None)
    found = read(tmp_path, {"demo/ext.so": fat((X86_64, old), (ARM64, neither))})
    assert [(one.machine, one.macos, one.extension) for one in found] == [
        ("x86_64", "10.13", True),
        ("arm64", "", False),
    ]
    assert all(one.stripped and not one.has_debug for one in found)


def test_pe(tmp_path: Path) -> None:
    data = pe("ext.pyd", exported=["PyInit_ext"], imports={"KERNEL32.dll": ["Sleep"], "foo.dll": []})
    (found,) = read(tmp_path, {"demo/ext.pyd": data})
    assert (found.format, found.machine, found.soname) == (BinaryFormat.PE, "amd64", "ext.pyd")
    assert found.needed == ("KERNEL32.dll", "foo.dll")
    assert found.undefined == {"Sleep"}
    assert (found.extension, found.stripped, found.has_debug) == (True, True, False)


def test_pe_with_symbols_and_debug_information(tmp_path: Path) -> None:
    (found,) = read(tmp_path, {"demo/a.dll": pe(symbols=1, section=b".debug_i")})
    assert (found.stripped, found.has_debug, found.exported, found.soname) == (False, True, frozenset(), "")


def test_a_child_reads_the_same(tmp_path: Path) -> None:
    data = elf(calls("foo", "memcpy"), needs=("libfoo.so.1",))
    wheel = open_wheel(make_wheel(tmp_path, files={"demo/ext.so": data}))
    assert linkage_in_child(wheel, {}, tmp_path) == linkage(wheel)


def test_a_child_reports_all_errors(tmp_path: Path) -> None:
    files = {name: b"\x7fELF" + bytes(100) for name in ("a.so", "b.so")}
    wheel = open_wheel(make_wheel(tmp_path, files=files))
    here = raised(lambda: linkage(wheel), WheelError)
    there = raised(lambda: linkage_in_child(wheel, {}, tmp_path), WheelError)
    assert [str(error) for error in here] == [str(error) for error in there]
    assert len(there) == 2


def test_a_parser_that_dies_is_an_error(tmp_path: Path) -> None:
    wheel = open_wheel(make_wheel(tmp_path, files={"demo/ext.so": elf(functions("a"))}))
    error = only(lambda: linkage_in_child(wheel, {"PYTHONHOME": str(tmp_path)}, tmp_path), WheelError)
    assert error.what == "the binaries cannot be read"
    pure = open_wheel(make_wheel(tmp_path, files={"demo/text.so": "no binary"}))
    assert linkage_in_child(pure, {"PYTHONHOME": str(tmp_path)}, tmp_path) == ()  # there is no child


def test_externals_are_matched_by_file_name_and_as_the_system_does() -> None:
    def binary(member: str, binary_format: BinaryFormat, *needed: str, soname: str = "") -> Binary:
        return Binary(member=member, format=binary_format, machine="x86_64", needed=needed, soname=soname)

    found = externals(
        [
            binary("b.so", BinaryFormat.ELF, "libfoo.so.1", "libbar.so.1"),
            binary("a.so", BinaryFormat.ELF, "libbar.so.1"),
            binary("a.libs/libfoo-hash.so", BinaryFormat.ELF, soname="libfoo.so.1"),
            binary("a/ext.so", BinaryFormat.MACHO, "@loader_path/.dylibs/libx.dylib", "@rpath/LIBX.dylib"),
            binary("a/.dylibs/libx.dylib", BinaryFormat.MACHO),
            binary("a/ext.pyd", BinaryFormat.PE, "Foo.DLL", "KERNEL32.dll"),
            binary("a.libs/foo.dll", BinaryFormat.PE),
        ]
    )
    assert found == {
        "@rpath/LIBX.dylib": ["a/ext.so"],
        "KERNEL32.dll": ["a/ext.pyd"],
        "libbar.so.1": ["a.so", "b.so"],
    }


def test_describe_is_json(tmp_path: Path) -> None:
    path = make_wheel(
        tmp_path,
        files={
            "demo/__init__.py": "",
            "demo/ext.so": elf(calls("dgemm_"), needs=("libopenblas.so.0",), flags=("-g",)),
            "demo/mac.so": macho(),
            "demo/tests/test_a.py": "pass\n",
            "demo/copy.py": "pass\n",
            "demo/_x.pyx": "cdef int x\n",
        },
        requires=["numpy"],
    )
    data = describe(open_wheel(path))
    assert json.loads(json.dumps(data)) == data
    assert (data["name"], data["version"], data["tags"]) == ("demo", "1.0", ["py3-none-any"])
    assert data["packages"] == ["demo"]
    assert data["kinds"]["extension"]["count"] == 2
    assert data["linkage"]["formats"] == {"elf": 1, "macho": 1}
    assert data["linkage"]["unstripped"] == data["linkage"]["with_debug"] == ["demo/ext.so"]
    assert data["linkage"]["macos"] == "14.0"
    removable = {what: each["files"] for what, each in data["removable"].items()}
    assert removable == {
        "tests": 1,
        "sources of extensions": 1,
        "the same file again": 1,
        "not stripped, the whole file": 1,
    }
    assert data["removable"]["sources of extensions"]["bytes"] == len("cdef int x\n")
    assert data["externals"]["libopenblas.so.0"] == ["demo/ext.so"]
    assert data["blas"][0]["provider"] == "openblas"
