"""Unpacking real archives, good and bad, and what a source tree says of itself."""

from __future__ import annotations

import copy
import os
import re
import stat
import tarfile
import tempfile
import zipfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from support.archives import WHEN, Entry, directory, fetched, hardlink, make_tar, make_zip, symlink
from support.raised import only
from wheelfarm.errors import ArchiveError, FarmError, GroupError, SourceError
from wheelfarm.model import Digest, FetchedSource, Limits, Name
from wheelfarm.sources.archive_checks import check_size
from wheelfarm.sources.unpacking import check_pkg_info, unpack

if TYPE_CHECKING:
    from collections.abc import Callable

GOOD = (
    directory("pkg-1.0"),
    Entry("pkg-1.0/setup.py", b"print()\n"),
    Entry("pkg-1.0/deep/er/run", b"#!/bin/sh\n", mode=0o4755),
    symlink("pkg-1.0/deep/link", "../setup.py"),
)


def untouched(path: Path) -> list[str]:
    """The files next to an archive."""
    return sorted(entry.name for entry in path.parent.iterdir() if entry != path)


@pytest.fixture(params=["", "gz", "bz2", "xz", "zip"])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[..., Path]:
    path = tmp_path / "sample"
    if request.param == "zip":
        return lambda entries: make_zip(path, entries)
    return lambda entries: make_tar(path, entries, request.param)


class TestGood:
    def test_unpacks_each_format(self, make: Callable[..., Path], tmp_path: Path) -> None:
        top = unpack(fetched(make(GOOD)), tmp_path / "into")
        assert top == tmp_path / "into" / "pkg-1.0"
        assert (top / "setup.py").read_bytes() == b"print()\n"
        assert (top / "deep" / "link").readlink().as_posix() == "../setup.py"
        assert untouched(tmp_path / "sample") == ["into"]

    def test_keeps_executable_bits_and_times_only(self, make: Callable[..., Path], tmp_path: Path) -> None:
        mask = os.umask(0o077)
        try:
            top = unpack(fetched(make(GOOD)), tmp_path / "into")
        finally:
            os.umask(mask)
        modes = {
            path.relative_to(top).as_posix(): stat.S_IMODE(path.lstat().st_mode) for path in top.rglob("*")
        }
        assert {name: modes[name] for name in ("setup.py", "deep", "deep/er", "deep/er/run")} == {
            "setup.py": 0o644,
            "deep": 0o755,
            "deep/er": 0o755,
            "deep/er/run": 0o755,
        }
        assert {path.stat().st_mtime for path in (top, *top.rglob("*"))} == {WHEN}
        assert stat.S_IMODE(top.parent.stat().st_mode) == 0o755

    @pytest.mark.parametrize("entries", [[Entry("a"), Entry("b/c")], [Entry("alone")], []])
    def test_several_at_the_top(self, entries: list[Entry], tmp_path: Path) -> None:
        into = tmp_path / "into"
        into.mkdir()
        assert unpack(fetched(make_tar(tmp_path / "t", entries)), into) == into

    @pytest.mark.parametrize(
        "strays",
        [
            [Entry("._pkg-1.0"), Entry("pax_global_header", b"52 comment=1")],
            [directory("__MACOSX"), Entry("__MACOSX/._pkg-1.0"), Entry(".DS_Store")],
        ],
    )
    def test_strays_beside_the_top(
        self, strays: list[Entry], make: Callable[..., Path], tmp_path: Path
    ) -> None:
        assert unpack(fetched(make([*strays, *GOOD])), tmp_path / "into").name == "pkg-1.0"

    def test_dots_and_repeated_directories(self, tmp_path: Path) -> None:
        entries = [directory("."), directory("./p"), directory("p"), Entry("./p//x", b"1")]
        assert (
            unpack(fetched(make_tar(tmp_path / "t", entries)), tmp_path / "into") / "x"
        ).read_bytes() == b"1"

    def test_a_hard_link_becomes_a_copy(self, tmp_path: Path) -> None:
        entries = [Entry("p/x", b"content"), hardlink("p/y", "p/x")]
        top = unpack(fetched(make_tar(tmp_path / "t", entries)), tmp_path / "into")
        assert (top / "y").read_bytes() == b"content"
        assert (top / "y").stat().st_nlink == 1

    @pytest.mark.parametrize(
        "links",
        [
            [symlink("p/l", ".")],
            [symlink("p/l", "nowhere")],
            [symlink("p/d/up", ".."), symlink("p/l", "d/up/x")],
            [symlink("p/l", "../q/x"), Entry("q/x")],
        ],
    )
    def test_links_that_stay_inside(self, links: list[Entry], tmp_path: Path) -> None:
        unpack(fetched(make_tar(tmp_path / "t", [Entry("p/x"), *links])), tmp_path / "into")

    def test_times_that_no_file_system_keeps(self, tmp_path: Path) -> None:
        with tarfile.open(tmp_path / "t", "w") as archive:
            for name, time in (("p/early", -5), ("p/late", 10**15)):
                info = tarfile.TarInfo(name)
                info.mtime = time
                archive.addfile(info)
        top = unpack(fetched(tmp_path / "t"), tmp_path / "into")
        assert (top / "early").stat().st_mtime == 0
        assert (top / "late").stat().st_mtime == 2**32 - 1


UNSAFE = {
    "upwards": ([Entry("p/../../x")], r"'\.\.'"),
    "upwards-windows": ([Entry("p\\..\\x")], r"'\.\.'"),
    "absolute": ([Entry("/etc/x")], "absolute"),
    "drive": ([Entry("p/C:/x")], "drive"),
    "nameless": ([Entry("./.")], "no name"),
    "symlink-up": ([symlink("p/l", "../../x")], "leads out"),
    "symlink-next-to-a-single-top": ([Entry("p/x"), symlink("p/l", "../x")], "leads out"),
    "symlink-absolute": ([symlink("p/l", "/etc/passwd")], "leads out"),
    "symlink-drive": ([symlink("p/l", "C:\\x")], "leads out"),
    "symlink-through-a-link": (
        [Entry("p/a/b/x"), symlink("p/a/b/top", "../.."), symlink("p/l", "a/b/top/../x")],
        "leads out",
    ),
    "symlink-onto-absolute": ([symlink("p/l", "/etc"), symlink("p/m", "l/passwd")], "leads out"),
    "symlink-circle": ([symlink("p/a", "b"), symlink("p/b", "a")], "in a circle"),
    "below-a-link": (
        [Entry("p/d/x"), symlink("p/l", "d"), Entry("p/l/y")],
        "above it is a symbolic link",
    ),
    "below-a-file": ([Entry("p/x"), Entry("p/x/y")], "above it is a file"),
    "fifo": ([Entry("p/f", kind=tarfile.FIFOTYPE)], "fifo"),
    "device": ([Entry("p/d", kind=tarfile.CHRTYPE)], "device"),
    "twice": ([Entry("p/x"), Entry("p/./x")], "twice"),
    "file-and-directory": ([Entry("p/x"), directory("p/x")], "twice"),
}


class TestUnsafe:
    @pytest.mark.parametrize(("entries", "why"), UNSAFE.values(), ids=UNSAFE)
    @pytest.mark.parametrize("format_", ["tar", "zip"])
    @pytest.mark.filterwarnings("ignore:Duplicate name")
    def test_is_refused(self, format_: str, entries: list[Entry], why: str, tmp_path: Path) -> None:
        archive = tmp_path / "bad"
        (make_tar if format_ == "tar" else make_zip)(archive, [Entry("p/first"), *entries])
        with pytest.raises(FarmError) as caught:
            unpack(fetched(archive), tmp_path / "into")
        names = {entry.name for entry in entries}
        errors = caught.value.errors if isinstance(caught.value, GroupError) else (caught.value,)
        assert any(error.where and error.where.rstrip("/") in names for error in errors)
        assert re.search(why, str(errors[-1].why))
        assert untouched(archive) == []

    @pytest.mark.parametrize(
        "entries",
        [
            [hardlink("p/l", "/etc/passwd")],
            [hardlink("p/l", "../x")],
            [hardlink("p/l", "p/l")],
            [hardlink("p/l", "p/s"), symlink("p/s", "first")],
        ],
    )
    def test_hard_links_to_elsewhere(self, entries: list[Entry], tmp_path: Path) -> None:
        with pytest.raises(ArchiveError, match="hard link to"):
            unpack(fetched(make_tar(tmp_path / "t", [Entry("p/first"), *entries])), tmp_path / "into")

    def test_an_encrypted_zip(self, tmp_path: Path) -> None:
        archive = make_zip(tmp_path / "z", [Entry("p/x", b"1")], encrypted=True)
        with pytest.raises(ArchiveError, match="it is encrypted"):
            unpack(fetched(archive), tmp_path / "into")

    def test_a_null_byte(self, tmp_path: Path) -> None:
        archive = make_zip(tmp_path / "z", [Entry("p/x_y", b"1")])
        archive.write_bytes(archive.read_bytes().replace(b"x_y", b"x\0y"))
        with pytest.raises(ArchiveError, match="null byte"):
            unpack(fetched(archive), tmp_path / "into")

    def test_all_are_named_at_once_but_not_without_end(self, tmp_path: Path) -> None:
        archive = make_tar(tmp_path / "t", [Entry(f"../{number}") for number in range(60)])
        with pytest.raises(GroupError) as caught:
            unpack(fetched(archive), tmp_path / "into")
        assert len(caught.value.errors) == 51
        assert "10 further members" in str(caught.value.errors[-1])

    @pytest.mark.parametrize(
        ("limit", "most", "what"),
        [
            ("unpacked", 20, "t unpacks to 20 bytes or more; at most 19 are accepted"),
            ("members", 3, "t has more than 2 members and directories"),
        ],
    )
    def test_limits(self, limit: str, most: int, what: str, tmp_path: Path) -> None:
        entries = [Entry("a", b"x" * 10), hardlink("b", "a"), Entry("c")]
        source = fetched(make_tar(tmp_path / "t", entries))
        unpack(source, tmp_path / "into", Limits(**{limit: most}))
        error = only(
            lambda: unpack(source, tmp_path / "other", Limits(**{limit: most - 1})),
            ArchiveError,
        )
        assert (error.what, error.retryable) == (what, False)
        assert error.hint == f"if you trust it, raise `{limit}` in [tool.wheelfarm.limits]"

    @pytest.mark.parametrize("compression", ["gz", "bz2", "xz"])
    def test_a_bomb_is_not_unpacked(self, compression: str, tmp_path: Path) -> None:
        source = fetched(make_tar(tmp_path / "t", [Entry("a", bytes(5 << 20))], compression))
        with pytest.raises(ArchiveError, match="5,242,880 bytes or more"):
            unpack(source, tmp_path / "into", Limits(unpacked=1 << 20))
        assert [path.name for path in tmp_path.iterdir()] == ["t"]

    def test_overlapping_members_count_as_what_they_unpack_to(self, tmp_path: Path) -> None:
        """The kind of bomb that has one compressed stream for a thousand members."""
        with zipfile.ZipFile(path := tmp_path / "z.whl", "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("p/000", bytes(1 << 20))
            only_one = archive.filelist[0]
            for number in range(1, 1000):
                twin = copy.copy(only_one)
                twin.filename = twin.orig_filename = f"p/{number:03}"
                archive.filelist.append(twin)
        assert path.stat().st_size < 100_000
        small = Limits(unpacked=500 << 20)
        for call in (
            lambda: unpack(fetched(path), tmp_path / "into", small),
            lambda: check_size(path, small),
        ):
            assert "unpacks to 525,336,576 bytes or more" in only(call, ArchiveError).what

    def test_an_archive_in_an_archive_is_not_unpacked(self, tmp_path: Path) -> None:
        inner = make_tar(tmp_path / "inner", [Entry("a", bytes(5 << 20))], "xz").read_bytes()
        source = fetched(make_tar(tmp_path / "t", [Entry("p/bomb.tar.xz", inner)], "xz"))
        top = unpack(source, tmp_path / "into", Limits(unpacked=1 << 20))
        assert (top / "bomb.tar.xz").read_bytes() == inner

    @pytest.mark.parametrize("compression", ["", "xz"])
    def test_the_time_limit(self, compression: str, tmp_path: Path) -> None:
        entries = [Entry(f"p/{number}", bytes(1 << 20)) for number in range(3)]
        source = fetched(make_tar(tmp_path / "t", entries, compression))
        error = only(lambda: unpack(source, tmp_path / "into", Limits(unpack_time=1e-6)), ArchiveError)
        assert error.what == "t takes more than 1e-06 s to unpack"
        assert "raise `unpack-time`" in str(error.hint)
        assert [path.name for path in tmp_path.iterdir()] == ["t"]


class TestDamaged:
    @pytest.mark.parametrize("share", [0.0, 0.3, 0.7, 0.8])
    def test_truncated(self, share: float, make: Callable[..., Path], tmp_path: Path) -> None:
        noise = bytes((number * number) % 251 for number in range(30_000))
        archive = make([Entry("p/x", noise), Entry("p/y", noise[::-1]), Entry("p/z", b"end")])
        data = archive.read_bytes()
        archive.write_bytes(data[: int(len(data) * share)])
        with pytest.raises(ArchiveError, match="cannot be unpacked"):
            unpack(fetched(archive), tmp_path / "into")
        assert untouched(archive) == []

    @pytest.mark.parametrize("size", [512, 1024])
    def test_a_tar_cut_between_two_members(self, size: int, tmp_path: Path) -> None:
        archive = make_tar(tmp_path / "t", [Entry("p/a", b"x"), Entry("p/b", b"y")], "")
        archive.write_bytes(archive.read_bytes()[:size])
        with pytest.raises(ArchiveError, match=r"end"):
            unpack(fetched(archive), tmp_path / "into")

    def test_a_damaged_header_is_not_the_end(self, tmp_path: Path) -> None:
        archive = make_tar(tmp_path / "t", [Entry("p/a"), Entry("p/b")], "")
        data = bytearray(archive.read_bytes())
        data[512] ^= 1
        archive.write_bytes(data)
        with pytest.raises(ArchiveError, match="header is damaged"):
            unpack(fetched(archive), tmp_path / "into")

    def test_content_that_fails_its_checksum(self, tmp_path: Path) -> None:
        archive = make_zip(tmp_path / "z", [Entry("p/a", b"a"), Entry("p/b", os.urandom(1000))])
        data = bytearray(archive.read_bytes())
        data[-600] ^= 0xFF
        archive.write_bytes(data)
        with pytest.raises(ArchiveError, match=r"CRC|invalid|decompress"):
            unpack(fetched(archive), tmp_path / "into")
        assert untouched(archive) == []

    def test_no_archive(self, tmp_path: Path) -> None:
        (tmp_path / "t").write_text("<html>not found</html>")
        with pytest.raises(ArchiveError, match="and zip"):
            unpack(fetched(tmp_path / "t"), tmp_path / "into")


def test_a_directory_with_files_is_an_error(tmp_path: Path) -> None:
    into = tmp_path / "into"
    into.mkdir()
    (into / "mine").touch()
    with pytest.raises(ArchiveError, match="not empty"):
        unpack(fetched(make_tar(tmp_path / "t", GOOD)), into)
    assert [path.name for path in into.iterdir()] == ["mine"]


@pytest.mark.parametrize(
    ("text", "good"),
    [
        (None, True),
        ("Metadata-Version: 2.4\nName: Small_Thing\nVersion: 1.0\n\nText\n", True),
        ("Name: small-thing\nVersion: 1.0.0\n", True),
        ("Name: small-thing\nVersion: 1.1\n", False),
        ("Name: other\nVersion: 1.0\n", False),
        ("Name: small-thing\nVersion: new\n", False),
        ("Name: small-thing\n", False),
        ("", False),
    ],
)
def test_name_and_version(tmp_path: Path, text: str | None, *, good: bool) -> None:
    source = FetchedSource(
        name=Name("small-thing"), version="1.0", path=tmp_path / "x.tar.gz", sha256=Digest("a" * 64)
    )
    if text is not None:
        (tmp_path / "PKG-INFO").write_text(text)
    if good:
        check_pkg_info(source, tmp_path)
    else:
        with pytest.raises(SourceError, match=r"small-thing 1\.0 is"):
            check_pkg_info(source, tmp_path)


parts = st.sampled_from(["..", ".", "", "a", "b", "A", "c", "C:", "é", "x\\..", "\n"])
paths = st.lists(parts, min_size=1, max_size=5).map("/".join)
short = st.lists(st.sampled_from("abc"), min_size=1, max_size=4).map("/".join)
entries = st.one_of(
    st.builds(Entry, paths, st.just(b"x")),
    st.builds(Entry, paths, st.just(b""), st.just(tarfile.DIRTYPE)),
    st.builds(symlink, paths, paths),
    st.builds(symlink, short, paths),
    st.builds(hardlink, paths, paths),
)


@given(st.lists(entries, max_size=6), st.booleans())
@example([symlink("a", "a/../..")], False)  # noqa: FBT003 - as drawn
@settings(max_examples=150)
def test_nothing_escapes(members: list[Entry], below: bool) -> None:  # noqa: FBT001 - drawn
    if below:
        members = [Entry(f"top/{one.name}", one.content, one.kind, one.link) for one in members]
    with tempfile.TemporaryDirectory() as scratch:
        base = Path(scratch).resolve() / "around" / "base"
        base.mkdir(parents=True)
        into = base / "into"
        source = fetched(make_tar(base / "archive", members))
        with suppress(FarmError):
            top = unpack(source, into)
            for directory, _, names in os.walk(into):
                for name in names:
                    assert Path(os.path.realpath(Path(directory, name))).is_relative_to(
                        top if below else into
                    )
        assert {path.name for path in base.iterdir()} <= {"archive", "into"}
        assert [path.name for path in base.parent.iterdir()] == ["base"]
        assert [path.name for path in base.parent.parent.iterdir()] == ["around"]
