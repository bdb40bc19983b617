"""What is not source is found by its content, whatever its name is; what may be source is not."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import marshal
import py_compile
import struct
import subprocess
import tarfile
import zipfile
from typing import TYPE_CHECKING

import pytest

from support.binaries import elf, fat, macho, pe
from wheelfarm.sources import inspection
from wheelfarm.sources.inspection import find_non_source

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

ELF = b"\x7fELF\2\1\1" + bytes(57)
LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"a" * 64 + b"\nsize 12345\n"


def found(tree: Path, files: Mapping[str, bytes], project: str = ".") -> dict[str, str]:
    for name, content in files.items():
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_bytes(content)
    return dict(find_non_source(tree, tree / project))


def zipped(files: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def tarred(files: Mapping[str, bytes], *, old: bool = False) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    data = buffer.getvalue()
    if old:  # before POSIX, without a magic
        block = data[:148] + b" " * 8 + data[156:257] + bytes(8) + data[265:512]
        data = block[:148] + b"%06o\0 " % sum(block) + block[156:] + data[512:]
    return data


def pyc(start: bytes) -> bytes:
    return start + marshal.dumps(compile("", "", "exec"))


BINARIES: Mapping[str, tuple[Callable[[], bytes], str]] = {
    "elf": (lambda: elf("int x;"), "ELF binary"),
    "mach-o": (lambda: macho(exported=["x"]), "Mach-O binary"),
    "mach-o-32": (lambda: b"\xce\xfa\xed\xfe" + bytes(60), "Mach-O binary"),
    "mach-o-big-endian": (lambda: b"\xfe\xed\xfa\xcf" + bytes(60), "Mach-O binary"),
    "mach-o-fat": (lambda: fat((0x01000007, macho()), (0x0100000C, macho())), "Mach-O binary"),
    "mach-o-fat-64": (lambda: b"\xca\xfe\xba\xbf" + bytes(60), "Mach-O binary"),
    "pe": (lambda: pe("x.dll"), "PE or DOS binary"),
    "coff": (lambda: struct.pack("<HHIIIHH8s", 0x8664, 3, 0, 300, 9, 0, 0, b".text"), "COFF object"),
    "coff-big": (lambda: b"\0\0\xff\xff\2\0\x64\x86" + bytes(40), "COFF object"),
    "thin-archive": (lambda: b"!<thin>\n", "static library"),
    "python-3.12": (lambda: pyc(b"\xcb\r\r\n" + bytes(12)), "Python bytecode"),
    "python-by-hash": (lambda: pyc(b"\xa7\r\r\n\3\0\0\0abcdefgh"), "Python bytecode"),
    "python-3.6": (lambda: pyc(b"\x33\r\r\nabcdefgh"), "Python bytecode"),
    "python-2.7": (lambda: b"\x03\xf3\r\nabcdc" + bytes(40), "Python bytecode"),
    "java": (lambda: b"\xca\xfe\xba\xbe\0\0\0\x34" + bytes(40), "Java class"),
    "wasm": (lambda: b"\0asm\1\0\0\0", "WebAssembly"),
    "llvm": (lambda: b"BC\xc0\xde\x35\x14", "LLVM bitcode"),
    "lfs": (lambda: LFS, "Git LFS pointer"),
    "lfs-with-extension": (lambda: LFS.replace(b"oid", b"ext-0-x sha256:1\noid"), "Git LFS pointer"),
    "annex": (lambda: b"/annex/objects/SHA256E-s5--ab\n", "git-annex pointer"),
    "cmake": (lambda: b"# This is the CMakeCache file.\n", "product of an earlier build"),
}


@pytest.mark.parametrize(("make", "kind"), BINARIES.values(), ids=BINARIES)
def test_each_kind_is_found(make: Callable[[], bytes], kind: str, tmp_path: Path) -> None:
    content = make()
    assert found(tmp_path, {"data.txt": content, "a.py": b"import b\n"}) == {"data.txt": kind}


def test_what_compilers_make(tmp_path: Path) -> None:
    (tmp_path / "x.c").write_text("int x;")
    (tmp_path / "x.py").write_text("x = 1\n")
    subprocess.run(["gcc", "-c", "x.c", "-o", "object"], cwd=tmp_path, check=True)
    subprocess.run(["ar", "qc", "library", "object"], cwd=tmp_path, check=True)
    py_compile.compile(str(tmp_path / "x.py"), cfile=str(tmp_path / "bytecode"))
    assert found(tmp_path, {}) == {
        "bytecode": "Python bytecode",
        "library": "static library",
        "object": "ELF binary",
    }


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"MZ is where the header of DOS begins, in text\n",
        b"version https://example.org\n",
        b"version https://git-lfs.github.com/spec/v1\nis how a pointer begins\n",
        b"ab\r\nc, of CRLF\r\n",
        b"\xef\xbb\xbf# with a mark\n",
        b"d\x86",
        b"BZhang wrote this\n",
        b"#!/bin/sh\nexit 1\n",
        b"\x89PNG\r\n\x1a\n" + bytes(30),
        zipped({"arr_0.npy": b"\x93NUMPY\1\0v\0"}),
        gzip.compress(b"1,2\n3,4\n", mtime=0),
        bz2.compress(tarred({"x.csv": b"1"})),
        struct.pack("<20f", *range(20)),
        "文字".encode("utf-16"),
    ],
)
def test_what_may_be_source_is_not_found(content: bytes, tmp_path: Path) -> None:
    assert found(tmp_path, {"x.so": content}) == {}


INSIDE: Mapping[str, tuple[bytes, str]] = {
    "zip": (zipped({"a/x.txt": b"1", "a/y": ELF}), "ELF binary in an archive: a/y"),
    "jar": (
        zipped({"META-INF/MANIFEST.MF": b"", "A.class": b"\xca\xfe\xba\xbe\0\0\0\x34"}),
        "Java class in an archive: A.class",
    ),
    "tar": (tarred({"x": b"1", "y": ELF}), "ELF binary in an archive: y"),
    "old-tar": (tarred({"y": ELF}, old=True), "ELF binary in an archive: y"),
    "tar.gz": (gzip.compress(tarred({"y": ELF})), "ELF binary in an archive: y"),
    "tar.xz": (lzma.compress(tarred({"y": ELF})), "ELF binary in an archive: y"),
    "gz": (gzip.compress(ELF), "ELF binary"),
    "bz2": (bz2.compress(ELF), "ELF binary"),
    "gz.gz": (gzip.compress(gzip.compress(ELF)), "ELF binary"),
    "zip-in-tar-in-zip": (
        zipped({"t": tarred({"z": zipped({"y": ELF})})}),
        "ELF binary in an archive: y",
    ),
    "zipapp": (b"#!/usr/bin/env python3\n" + zipped({"y": ELF}), "ELF binary in an archive: y"),
    "too-deep": (
        zipped({"a": zipped({"b": zipped({"c": zipped({"y": ELF})})})}),
        "archive in too many others in an archive: c",
    ),
    "damaged": (zipped({"y": ELF})[:-30], "archive that cannot be read"),
    "damaged-gz": (gzip.compress(ELF)[:12], "archive that cannot be read"),
    "7z": (b"7z\xbc\xaf\x27\x1c\0\4", "archive of a format that the farm does not open"),
    "escapes": (zipped({"\x1b[2J": ELF}), r"ELF binary in an archive: \x1b[2J"),
}


@pytest.mark.parametrize(("content", "kind"), INSIDE.values(), ids=INSIDE)
def test_archives_are_looked_into(content: bytes, kind: str, tmp_path: Path) -> None:
    assert found(tmp_path, {"data": content}) == {"data": kind}


def test_an_encrypted_archive_is_found(tmp_path: Path) -> None:
    data = bytearray(zipped({"y": b"1"}))
    data[data.index(b"PK\1\2") + 8] |= 1
    assert found(tmp_path, {"data": bytes(data)}) == {"data": "encrypted file in an archive: y"}


def test_a_large_archive_is_not_read_to_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inspection, "_MAX_INSIDE", 1000)
    content = gzip.compress(tarred({"x": bytes(2000), "y": ELF}))
    assert found(tmp_path, {"data": content}) == {"data": "archive that is too large to look into"}


def test_what_setuptools_left_is_found_where_it_would_use_it(tmp_path: Path) -> None:
    files = {
        "build/lib/pkg/mod.py": b"",
        "build/lib.linux-x86_64-cpython-311/pkg/_ext.so": ELF,
        "build/temp.linux-x86_64-cpython-311/x.c": b"",
        "build/tools.py": b"",
        "build/library/x.py": b"",
        "docs/build/lib/x.py": b"",
        "python/build/lib/pkg/mod.py": b"",
    }
    assert found(tmp_path, files) == {
        "build/lib/pkg/mod.py": "product of an earlier build",
        "build/lib.linux-x86_64-cpython-311/pkg/_ext.so": "ELF binary",
        "build/temp.linux-x86_64-cpython-311/x.c": "product of an earlier build",
    }
    assert "python/build/lib/pkg/mod.py" in found(tmp_path, {}, "python")


def test_links_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "tree").mkdir()
    (tmp_path / "elf").write_bytes(ELF)
    (tmp_path / "tree" / "link").symlink_to("../elf")
    assert found(tmp_path / "tree", {}) == {}
