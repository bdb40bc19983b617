"""Modules without their comments: the same code at the same places, and the notices that licenses ask for."""

from __future__ import annotations

import ast
import io
import sysconfig
import tokenize
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from support.wheels import make_wheel
from wheelfarm.deploy.comments import strip_comments, without_comments
from wheelfarm.deploy.tree import lay_out
from wheelfarm.deploy.tree_files import tree_files
from wheelfarm.model import Target, sha256_of_bytes
from wheelfarm.wheels.archive import open_wheel
from wheelfarm.wheels.dist_info import read_record

if TYPE_CHECKING:
    from collections.abc import Iterator

STANDARD_LIBRARY = sorted(Path(sysconfig.get_path("stdlib")).glob("[a-z]*.py"))
NOTICE = b"a\n# Copyright 2026 the authors\nb  # see LICENSE\n"
HEADER = b"#!/usr/bin/python\n# -*- coding: latin-1 -*-\n\n# About it.\n"


def comments(source: bytes) -> Iterator[str]:
    for token in tokenize.tokenize(io.BytesIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield token.string


@pytest.mark.parametrize("path", STANDARD_LIBRARY[::4], ids=lambda path: path.name)
def test_the_code_of_the_standard_library_stays_where_it_was(path: Path) -> None:
    source = path.read_bytes()
    found = without_comments(source)
    before, after = (ast.dump(ast.parse(each), include_attributes=True) for each in (source, found))
    assert before == after
    assert found.count(b"\n") == source.count(b"\n")


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (b"a = 1  # one\n", b"a = 1\n"),
        (b"a = '# no comment'  # one\n", b"a = '# no comment'\n"),
        (b'"""Text.\n\n# not here\n"""\n', b'"""Text.\n\n# not here\n"""\n'),
        (b"if a:\n    # why\n    b\n", b"if a:\n\n    b\n"),
        (b"a = [  # one\r\n    2,\t# two\r\n]\r\n", b"a = [\r\n    2,\r\n]\r\n"),
        (
            b"a\n# Copyright 2026 the authors\nb  # see LICENSE\n",
            b"a\n# Copyright 2026 the authors\nb  # see LICENSE\n",
        ),
        (HEADER + b"a = '\xe4'  # \xfc\n", HEADER + b"a = '\xe4'\n"),
        (b"\xef\xbb\xbf# first\na = 1  # one", b"\xef\xbb\xbf# first\na = 1"),
        (b"a = 1\x0c  # one\n\x0cb = 2  # two\n", b"a = 1\x0c\n\x0cb = 2\n"),
        (b"{{ template }  # stays\n", b"{{ template }  # stays\n"),
        (b"a = '\xff'  # stays\n", b"a = '\xff'  # stays\n"),
        (b"", b""),
        (b"# alone\n", b"# alone\n"),
    ],
)
def test_what_goes_and_what_stays(source: bytes, expected: bytes) -> None:
    assert without_comments(source) == expected


def test_a_tree_has_the_sizes_and_hashes_of_what_is_left(tmp_path: Path) -> None:
    files = {"pkg/__init__.py": "a = 1  # one\n", "pkg/b.py": "b = 2\n", "pkg/data.txt": "c  # two\n"}
    wheel = open_wheel(make_wheel(tmp_path, "pkg", "1.0", files))
    laid_out = lay_out([wheel], Target.parse("cp311-manylinux_x86_64"))
    tree = strip_comments(laid_out)
    assert tree.dropped[wheel.name, "comments"] == len("  # one") == laid_out.size - tree.size
    found = {path: data for path, data, _ in tree_files(tree, {})}
    assert found["python/pkg/__init__.py"] == b"a = 1\n"
    assert found["python/pkg/data.txt"] == b"c  # two\n"
    record = f"{wheel.dist_info}/RECORD"
    names = {name.removeprefix("python/") for name in found}
    digests = read_record(found[f"python/{record}"], record, names)
    assert digests["pkg/__init__.py"] == sha256_of_bytes(b"a = 1\n")
