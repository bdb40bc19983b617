"""Patch files: their headers, what is no patch, and what the recipe does not list."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.patches import HEADER, PatchMaker, edited, refused
from wheelfarm.sources.patches import check_header

if TYPE_CHECKING:
    from pathlib import Path


class TestFile:
    @pytest.mark.parametrize(
        ("header", "missing"),
        [
            (b"", "Why: and Upstream:"),
            (b"Why: x\n", "Upstream:"),
            (b"Upstream: x\n", "Why:"),
            (b"Why:\n\nUpstream: x\n", "Why:"),
            (b"---\nWhy: x\nUpstream: y\n", "Why: and Upstream:"),
        ],
    )
    def test_without_a_header(self, header: bytes, missing: str, tree: Path, make: PatchMaker) -> None:
        (error,) = refused(tree, make({"a.txt": edited(l10="ten")}, header))
        assert error.what == f"0001-change.patch does not say {missing}"

    def test_a_field_in_the_change_does_not_count(self, tree: Path, make: PatchMaker) -> None:
        assert refused(tree, make({"new": b"Why: x\nUpstream: y\n"}, b""))

    def test_the_header(self, make: PatchMaker) -> None:
        one = make({"new": b"x\n"}, HEADER.replace(b"\n", b"\r\n"))
        check_header(one)

    @pytest.mark.parametrize(
        "rest", [b"", b"\n", b"diff --git a/a.txt b/a.txt\n", b"--- a/a.txt\n+++ b/a.txt\n"]
    )
    def test_that_changes_nothing(self, rest: bytes, tree: Path, tmp_path: Path) -> None:
        path = tmp_path / "x.patch"
        path.write_bytes(HEADER + rest)
        (error,) = refused(tree, path)
        assert error.what == "x.patch changes nothing"

    def test_that_is_cut_off(self, tree: Path, make: PatchMaker) -> None:
        one = make({"a.txt": edited(l10="ten")})
        one.write_bytes(one.read_bytes()[:-30])
        assert "corrupt patch" in str(refused(tree, one)[0].why)

    def test_that_is_missing(self, tree: Path, tmp_path: Path) -> None:
        (error,) = refused(tree, tmp_path / "gone.patch")
        assert (error.what, error.why) == ("gone.patch cannot be read", "No such file or directory")

    def test_all_files_are_read_before_one_is_applied(self, tree: Path, make: PatchMaker) -> None:
        good, bad, worse = make({"new": b"x\n"}), make({"new2": b"x\n"}, b""), make({"new3": b"x\n"}, b"")
        assert len(refused(tree, good, bad, worse)) == 2
