"""Patch series, made with git from real changes and applied to real trees."""

from __future__ import annotations

import shlex
import stat
import subprocess
import time
from typing import TYPE_CHECKING

import pytest

from support.archives import digest
from support.patches import FILES, HEADER, LINES, PatchMaker, edited, patch, refused
from support.repositories import Repository
from wheelfarm.errors import PatchError, ProcessError
from wheelfarm.model import AppliedPatch, parse_name
from wheelfarm.sources.patches import apply, check_header

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


class TestExact:
    def test_applies_and_tells_what(self, tree: Path, make: PatchMaker) -> None:
        one = make({"a.txt": edited(l10="ten", l50="fifty"), "sub/b.txt": b"one\n2\nthree\n"})
        content = one.read_bytes()
        assert patch(tree, one) == (
            AppliedPatch(file="0001-change.patch", sha256=digest(content), text=content.decode()),
        )
        assert (tree / "a.txt").read_bytes() == edited(l10="ten", l50="fifty")
        assert (tree / "sub/b.txt").read_bytes() == b"one\n2\nthree\n"

    def test_an_empty_series(self, tree: Path) -> None:
        assert patch(tree) == ()

    def test_the_order_matters(self, tree: Path, make: PatchMaker) -> None:
        first = make({"a.txt": edited(l10="ten")})
        second = make({"a.txt": edited(l10="TEN")})
        assert len(refused(tree, second, first)) == 1
        assert len(patch(tree, first, second)) == 2
        assert (tree / "a.txt").read_bytes() == edited(l10="TEN")

    def test_hunks_that_move_each_other(self, tree: Path, make: PatchMaker) -> None:
        lines = list(LINES)
        lines[5:5] = ["new\n"] * 4
        lines[40] = "changed\n"
        patch(tree, make({"a.txt": "".join(lines).encode()}))
        assert (tree / "a.txt").read_text() == "".join(lines)

    def test_new_and_deleted_files(self, tree: Path, make: PatchMaker) -> None:
        patch(tree, make({"new/file": b"x\n", "sub/b.txt": None, "empty": b""}))
        assert (tree / "new/file").read_bytes() == b"x\n"
        assert (tree / "empty").read_bytes() == b""
        assert not (tree / "sub/b.txt").exists()

    def test_a_mode(self, tree: Path, make: PatchMaker, tmp_path: Path) -> None:
        (tmp_path / "edited" / "run.sh").chmod(0o755)
        patch(tree, make({}))
        assert (tree / "run.sh").stat().st_mode & stat.S_IXUSR

    def test_a_rename(self, tree: Path, make: PatchMaker) -> None:
        patch(tree, make({"a.txt": None, "c.txt": FILES["a.txt"]}, HEADER, "--find-renames"))
        assert (tree / "c.txt").read_bytes() == FILES["a.txt"]
        assert not (tree / "a.txt").exists()

    def test_a_binary(self, tree: Path, make: PatchMaker) -> None:
        content = bytes(reversed(range(256)))
        patch(tree, make({"blob.bin": content}))
        assert (tree / "blob.bin").read_bytes() == content

    def test_line_ends_stay(self, tree: Path, make: PatchMaker) -> None:
        content = b"one\r\n2 \r\nthree\r\n"
        patch(tree, make({"win.txt": content}))
        assert (tree / "win.txt").read_bytes() == content

    def test_white_space_stays(self, tree: Path, make: PatchMaker) -> None:
        content = b"one  \n\ttwo \n \tthree\n\n\n"
        patch(tree, make({"sub/b.txt": content}))
        assert (tree / "sub/b.txt").read_bytes() == content

    def test_a_plain_diff(self, tree: Path, make: PatchMaker) -> None:
        one = make({"a.txt": edited(l10="-- a/x"), "sub/b.txt": b"1\ntwo\nthree\n"})
        lines = one.read_bytes().splitlines(keepends=True)
        one.write_bytes(b"".join(line for line in lines if not line.startswith((b"diff", b"index"))))
        patch(tree, one)
        assert (tree / "a.txt").read_bytes() == edited(l10="-- a/x")

    @pytest.mark.parametrize("place", ["beside", "around"])
    def test_a_tree_inside_a_repository(
        self, place: str, tree: Path, make: PatchMaker, tmp_path: Path
    ) -> None:
        Repository(tmp_path if place == "around" else tree).git("init", "--quiet")
        patch(tree, make({"a.txt": edited(l10="ten")}))
        assert (tree / "a.txt").read_bytes() == edited(l10="ten")


class TestInexact:
    def test_an_offset(self, tree: Path, make: PatchMaker) -> None:
        one = make({"a.txt": edited(l10="ten", l30="thirty"), "sub/b.txt": b"1\ntwo\nthree\n"})
        (tree / "a.txt").write_bytes(b"line 0\n" + FILES["a.txt"])
        errors = refused(tree, one)
        assert [error.where for error in errors] == [
            "sample: 0001-change.patch: a.txt: hunk 1 of 2: @@ -7,7 +7,7 @@ line 6",
            "sample: 0001-change.patch: a.txt: hunk 2 of 2: @@ -27,7 +27,7 @@ line 26",
        ]
        assert errors[0].what == "0001-change.patch applies with an offset of 1 line, not exactly"
        assert "refresh it" in str(errors[0].hint)

    def test_fuzz(self, tree: Path, make: PatchMaker) -> None:
        one = make({"a.txt": edited(l10="ten")})
        (tree / "a.txt").write_bytes(edited(l7="seven"))
        (error,) = refused(tree, one)
        assert error.what == "0001-change.patch does not apply"

    def test_a_conflict_names_the_hunk(self, tree: Path, make: PatchMaker) -> None:
        one = make({"a.txt": edited(l10="ten", l30="thirty", l50="fifty"), "sub/b.txt": b"1\ntwo\nthree\n"})
        (tree / "a.txt").write_bytes(edited(l30="30"))
        (error,) = refused(tree, one)
        assert error.where == "sample: 0001-change.patch: a.txt: hunk 2 of 3: @@ -27,7 +27,7 @@ line 26"

    def test_all_files_are_named(self, tree: Path, make: PatchMaker) -> None:
        one = make(
            {"a.txt": edited(l10="ten"), "sub/b.txt": b"1\ntwo\nthree\n", "win.txt": None, "new": b"x\n"}
        )
        (tree / "a.txt").write_bytes(edited(l10="10"))
        (tree / "sub/b.txt").write_bytes(b"other\n")
        (tree / "win.txt").unlink()
        (tree / "new").write_bytes(b"mine\n")
        errors = refused(tree, one)
        assert [str(error.where).split(": ")[2] for error in errors] == [
            "a.txt",
            "new",
            "sub/b.txt",
            "win.txt",
        ]
        assert [error.why for error in errors if "hunk" not in str(error.where)] == [
            "already exists in working directory",
            "No such file or directory",
        ]

    def test_other_line_ends(self, tree: Path, make: PatchMaker) -> None:
        one = make({"sub/b.txt": b"1\ntwo\nthree\n"})
        (tree / "sub/b.txt").write_bytes(b"one\r\ntwo\r\nthree\r\n")
        (error,) = refused(tree, one)
        assert error.why == "the source has CRLF here, the patch LF"
        subprocess.run(shlex.split(str(error.hint)), check=True)
        patch(tree, one)
        assert (tree / "sub/b.txt").read_bytes() == b"1\r\ntwo\r\nthree\r\n"

    def test_a_patch_whose_line_ends_an_editor_has_changed(self, tree: Path, make: PatchMaker) -> None:
        one = make({"a.txt": edited(l10="ten", l50="fifty"), "sub/b.txt": b"1\ntwo\nthree"})
        one.write_bytes(one.read_bytes().replace(b"\n", b"\r\n"))
        errors = refused(tree, one)
        assert {error.why for error in errors} == {"the source has LF here, the patch CRLF"}
        assert len(errors) == 2  # git names the first hunk of each file
        for error in errors:
            subprocess.run(shlex.split(str(error.hint)), check=True)
        patch(tree, one)
        assert (tree / "a.txt").read_bytes() == edited(l10="ten", l50="fifty")
        assert (tree / "sub/b.txt").read_bytes() == b"1\ntwo\nthree"

    def test_line_ends_that_differ_within_the_source(self, tree: Path, make: PatchMaker) -> None:
        one = make({"sub/b.txt": b"1\ntwo\nthree\n", "a.txt": edited(l10="ten", l50="fifty")})
        (tree / "sub/b.txt").write_bytes(b"one\r\ntwo\nthree\n")
        lines = FILES["a.txt"].split(b"\n")
        (tree / "a.txt").write_bytes(b"\r\n".join(lines[:30]) + b"\r\n" + b"\n".join(lines[30:]))
        first, second = refused(tree, one)
        assert first.why == "the source has CRLF here, the patch LF"
        assert second.why == "the source has CRLF and LF here, the patch LF"
        assert "by hand" in str(second.hint)
        # The other hunk of a.txt stays as it is.
        subprocess.run(shlex.split(str(first.hint)), check=True)
        assert [error.where for error in refused(tree, one)] == [second.where]

    def test_other_lines_and_other_line_ends(self, tree: Path, make: PatchMaker) -> None:
        one = make({"sub/b.txt": b"1\ntwo\nthree\n"})
        (tree / "sub/b.txt").write_bytes(b"other\r\ntwo\r\nthree\r\n")
        assert refused(tree, one)[0].why == "the source does not have the lines that it changes"

    def test_line_ends_and_an_offset(self, tree: Path, make: PatchMaker) -> None:
        one = make({"a.txt": edited(l10="ten")})
        (tree / "a.txt").write_bytes(b"line 0\r\n" + FILES["a.txt"].replace(b"\n", b"\r\n"))
        (error,) = refused(tree, one)
        assert error.why == "the source has CRLF here, the patch LF"
        subprocess.run(shlex.split(str(error.hint)), check=True)
        assert "with an offset of 1 line," in refused(tree, one)[0].what

    def test_another_binary(self, tree: Path, make: PatchMaker) -> None:
        one = make({"blob.bin": b"\0new"})
        (tree / "blob.bin").write_bytes(b"\0other")
        assert "does not match the current contents" in str(refused(tree, one)[0].why)

    @pytest.mark.parametrize(
        "changes", [{"a.txt": edited(l10="ten")}, {"new": b"x\n"}, {"sub/b.txt": None}, {"blob.bin": b"\0"}]
    )
    def test_already_in_the_source(
        self, changes: Mapping[str, bytes | None], tree: Path, make: PatchMaker
    ) -> None:
        one = make(changes)
        patch(tree, one)
        (error,) = refused(tree, one)
        assert error.what == "0001-change.patch is already in the source"
        assert "upstream has it" in str(error.why)
        assert "remove it" in str(error.hint)

    def test_those_before_stay(self, tree: Path, make: PatchMaker) -> None:
        first = make({"a.txt": edited(l10="ten")})
        second = make({"sub/b.txt": b"1\ntwo\nthree\n"})
        (tree / "sub/b.txt").write_bytes(b"other\n")
        with pytest.raises(PatchError, match="0002"):
            patch(tree, first, second)
        assert (tree / "a.txt").read_bytes() == edited(l10="ten")


class TestOutside:
    @pytest.mark.parametrize("name", ["../evil", "/evil", "sub/../../evil"])
    def test_by_name(self, name: str, tree: Path, make: PatchMaker, tmp_path: Path) -> None:
        one = make({"new": b"x\n"})
        one.write_bytes(one.read_bytes().replace(b"/new", f"/{name}".encode()))
        assert any("outside of the source tree" in error.what for error in refused(tree, one))
        assert not (tmp_path / "evil").exists()

    def test_an_existing_file(self, tree: Path, make: PatchMaker, tmp_path: Path) -> None:
        (tmp_path / "b.txt").write_bytes(FILES["sub/b.txt"])
        one = make({"sub/b.txt": b"1\ntwo\nthree\n"})
        one.write_bytes(one.read_bytes().replace(b"/sub/b.txt", b"/../b.txt"))
        assert any("outside of the source tree" in error.what for error in refused(tree, one))
        assert (tmp_path / "b.txt").read_bytes() == FILES["sub/b.txt"]

    def test_through_a_link(self, tree: Path, make: PatchMaker, tmp_path: Path) -> None:
        (tmp_path / "elsewhere").mkdir()
        (tree / "way").symlink_to(tmp_path / "elsewhere")
        assert "outside of the source tree" in refused(tree, make({"way/new": b"x\n"}))[0].what
        assert list((tmp_path / "elsewhere").iterdir()) == []


def test_a_file_that_cannot_be_written_is_an_error(tree: Path, make: PatchMaker) -> None:
    one = make({"way/new": b"x\n"})
    (tree / "way").write_bytes(b"a file where git expects a directory")
    (error,) = refused(tree, one)
    assert error.what == "0001-change.patch could not be applied"
    assert "unable to write" in str(error.why)


def test_lines_that_look_like_messages(tree: Path, make: PatchMaker) -> None:
    fake = b"Hunk #1 succeeded at 9 (offset 1 line).\nerror: fake\nChecking patch fake...\n"
    one = make({"a.txt": fake + FILES["a.txt"]})
    two = make({"a.txt": FILES["a.txt"]})
    assert len(refused(tree, two)) == 1
    patch(tree, one)


def test_without_git(tree: Path, make: PatchMaker, tmp_path: Path) -> None:
    with pytest.raises(ProcessError, match="git was not found"):
        apply(tree, [make({"new": b"x\n"})], recipe=parse_name("sample"), environ={"PATH": str(tmp_path)})


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


@pytest.mark.parametrize(
    "text",
    [
        b"Why:" + b" " * 200_000 + b"\n",
        b"Why:" + b" " * 200_000 + b"\nWhy:\n" + b"\t" * 200_000,
        HEADER + b"--- a/x\n+++ b/x\n@@ -" + b"9" * 5000 + b" +1 @@\n",
        HEADER + b"--- a/x\n+++ b/x\n@@ -1,999999999999999999 +1 @@\n x\n",
        HEADER + b"diff --git a/.git/hooks/x b/.git/hooks/x\nnew file mode 100755\n--- /dev/null\n"
        b"+++ b/.git/hooks/x\n@@ -0,0 +1 @@\n+x\n",
        HEADER + b"--- a/x\0y\n+++ b/x\0y\n@@ -1 +1 @@\n-a\n+b\n",
        HEADER + b"\xff\xfe" * 1000,
    ],
)
def test_a_hostile_patch_is_refused_soon(text: bytes, tree: Path, tmp_path: Path) -> None:
    (tmp_path / "0001-x.patch").write_bytes(text)
    started = time.process_time()
    assert refused(tree, tmp_path / "0001-x.patch")
    assert time.process_time() - started < 5
