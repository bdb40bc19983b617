"""Readers of what sources hold: archives, patches, PKG-INFO, pyproject.toml and the files of a tree.

A target lets only the farm's own errors pass.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tarfile
import tempfile
import zipfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from support.hostile_archives import HOSTILE, NUL, file, header, pax
from wheelfarm.errors import FarmError
from wheelfarm.model import Digest, FetchedSource, parse_name
from wheelfarm.plan.inputs import PatchInput
from wheelfarm.recipes.build_requirements import (
    backend,
    build_requires,
    edit_build_requires,
    static_run_requires,
)
from wheelfarm.recipes.recipe import BuildRequires
from wheelfarm.sources.inspection import find_non_source
from wheelfarm.sources.patches import check_header, read_hunks, read_patch
from wheelfarm.sources.unpacking import check_pkg_info, unpack

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def _source(path: Path) -> FetchedSource:
    return FetchedSource(name=parse_name("sample"), version="1.0", path=path, sha256=Digest("a" * 64))


def read_archive(data: bytes) -> None:
    """Unpack an archive; nothing may be written outside, and a refused one leaves nothing."""
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch)
        (root / "archive").write_bytes(data)
        expected = {"archive"}
        try:
            unpack(_source(root / "archive"), root / "into")
            expected.add("into")
        except FarmError as error:
            _check_printable(error)
        assert {path.name for path in root.iterdir()} == expected


def _check_printable(error: FarmError) -> None:
    assert all(line.isprintable() for line in "\n".join(error.lines()).split("\n"))


def read_patch_file(data: bytes) -> None:
    """Read a patch as the plan and the series do."""
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch, "0001-x.patch")
        path.write_bytes(data)
        for read in (check_header, read_hunks, read_patch, PatchInput.of):
            with suppress(FarmError):
                read(path)


def read_pkg_info(data: bytes) -> None:
    """Compare PKG-INFO with the recipe's name and version."""
    with tempfile.TemporaryDirectory() as scratch:
        Path(scratch, "PKG-INFO").write_bytes(data)
        try:
            check_pkg_info(_source(Path("sample-1.0.tar.gz")), Path(scratch))
        except FarmError as error:
            _check_printable(error)


def read_pyproject(data: bytes) -> None:
    """Read and edit a pyproject.toml."""
    with tempfile.TemporaryDirectory() as scratch:
        tree = Path(scratch)
        (tree / "pyproject.toml").write_bytes(data)
        for read in (backend, build_requires, static_run_requires):
            with suppress(FarmError):
                read(tree)
        with suppress(FarmError):
            edit_build_requires(tree, BuildRequires.model_validate({"add": ["x"]}), where="recipe.toml")


def inspect_file(data: bytes) -> None:
    """Search a tree for what is not source."""
    with tempfile.TemporaryDirectory() as scratch:
        Path(scratch, "data").write_bytes(data)
        assert all(kind.isprintable() for _, kind in find_non_source(Path(scratch), Path(scratch)))


def _zip(compression: int) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        archive.writestr("p/setup.py", b"print()\n" * 9)
        link = zipfile.ZipInfo("p/link")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "setup.py")
    return buffer.getvalue()


_TAR: Final = b"".join(
    (
        pax({"comment": "0" * 40}, tarfile.XGLTYPE),
        header(b"p/", tarfile.DIRTYPE),
        pax({"mtime": "1600000000.5", "path": "p/sétup.py"}),
        file(b"p/setup.py", b"print()\n" * 80),
        header(b"p/link", tarfile.SYMTYPE, link=b"setup.py"),
        header(b"p/copy", tarfile.LNKTYPE, link=b"p/s\xc3\xa9tup.py"),
        NUL,
        NUL,
    )
)
_PATCH: Final = b"""\
Why: it is needed
Upstream: https://example.org/1 (open)

diff --git a/x b/x
index 1..2 100644
--- a/x
+++ b/x
@@ -1,2 +1,2 @@ def f():
 a
-b
+c
"""
_ZIPS: Final = [_zip(kind) for kind in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA)]

TARGETS: Final[Mapping[str, Callable[[bytes], None]]] = {
    "archive-tar": read_archive,
    "archive-zip": read_archive,
    "patch": read_patch_file,
    "pkg-info": read_pkg_info,
    "pyproject": read_pyproject,
    "source-file": inspect_file,
}
SEEDS: Final[Mapping[str, list[bytes]]] = {
    "archive-tar": [
        *(_TAR, gzip.compress(_TAR, mtime=0), bz2.compress(_TAR), lzma.compress(_TAR)),
        *(content for name, (content, _) in HOSTILE.items() if not name.startswith("zip")),
    ],
    "archive-zip": [*_ZIPS, *(content for name, (content, _) in HOSTILE.items() if name.startswith("zip"))],
    "patch": [
        _PATCH,
        _PATCH.replace(b"\n", b"\r\n"),
        _PATCH + b"GIT binary patch\nliteral 1\nIcmZPo000310\n",
    ],
    "pkg-info": [
        b"Metadata-Version: 2.1\nName: sample\nVersion: 1.0\n\nText\n",
        b"Name: x\nVersion: 1" + b"0" * 5000,
    ],
    "pyproject": [
        b'[build-system]\nrequires = ["setuptools>=61"]\nbuild-backend = "setuptools.build_meta"\n',
        b'[project]\nname = "x"\ndependencies = ["numpy>=1"]\n[tool.x]\na = {b = [[1, 2.5, 1979-05-27]]}\n',
    ],
    "source-file": [
        *(_TAR, gzip.compress(gzip.compress(_TAR, mtime=0)), *_ZIPS, b"#!/bin/sh\n" + _ZIPS[0]),
        *(b"MZ\0\0", b"\xca\xfe\xba\xbe\0\0\0\x34", b"\xcb\r\r\n" + bytes(12) + b"\xe3" + bytes(12)),
        b"version https://git-lfs.github.com/spec/v1\noid sha256:1\n",
    ],
}
"""Valid ones, from which others are made; and those that were refused once."""
