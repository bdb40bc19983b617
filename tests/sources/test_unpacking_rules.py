"""Whatever the members are called, nothing leaves the directory."""

from __future__ import annotations

import os
import shutil
import stat
import tarfile
import tempfile
from contextlib import suppress
from pathlib import Path

from hypothesis import example, given, settings
from hypothesis import strategies as st

from support.archives import Entry, fetched, hardlink, make_tar, symlink
from wheelfarm.errors import FarmError
from wheelfarm.sources.unpacking import unpack

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
@settings(max_examples=300, deadline=None)
def test_nothing_escapes(members: list[Entry], below: bool) -> None:  # noqa: FBT001 - drawn
    if below:
        members = [Entry(f"top/{one.name}", one.content, one.kind, one.link) for one in members]
    with tempfile.TemporaryDirectory() as scratch:
        room = Path(scratch).resolve() / "around" / "room"
        room.mkdir(parents=True)
        into = room / "into"
        source = fetched(make_tar(room / "archive", members))
        with suppress(FarmError):
            top = unpack(source, into)
            for directory, _, names in os.walk(into):
                for name in names:
                    assert Path(os.path.realpath(Path(directory, name))).is_relative_to(
                        top if below else into
                    )
        assert {path.name for path in room.iterdir()} <= {"archive", "into"}
        assert [path.name for path in room.parent.iterdir()] == ["room"]
        assert [path.name for path in room.parent.parent.iterdir()] == ["around"]


names = st.lists(st.sampled_from("abc"), min_size=1, max_size=3).map("/".join)
contents = st.sampled_from([b"", b"one", b"two", b"one" * 100_000])
whole = st.one_of(
    st.builds(Entry, names, contents),
    st.builds(Entry, names, st.just(b""), st.just(tarfile.DIRTYPE)),
    st.builds(symlink, names, st.sampled_from("abc")),
)
changes = st.tuples(st.sampled_from(["write", "remove", "link", "hard link", "directory", "mode"]), names)


def change(tree: Path, what: str, name: str) -> None:
    """What a build may do to a source tree; nothing when it cannot be done there."""
    path = tree / name
    with suppress(OSError, StopIteration):
        path.parent.mkdir(parents=True, exist_ok=True)
        match what:
            case "write":
                path.write_bytes(b"two")
            case "remove":
                shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
            case "link":
                path.symlink_to("a")
            case "hard link":
                path.hardlink_to(next(one for one in tree.rglob("*") if one.is_file()))
            case "directory":
                path.mkdir()
            case "mode":
                path.chmod(0o500)


def shown(tree: Path) -> dict[str, tuple[object, ...]]:
    """All that can be known of a tree."""
    found: dict[str, tuple[object, ...]] = {}
    for path in (tree, *sorted(tree.rglob("*"))):
        known = path.lstat()
        content: object = path.readlink() if path.is_symlink() else path.is_file() and path.read_bytes()
        time = 0 if path.is_symlink() else known.st_mtime
        links = 1 if path.is_dir() else known.st_nlink
        found[str(path.relative_to(tree))] = (stat.S_IFMT(known.st_mode), known.st_mode, time, links, content)
    return found


@given(st.lists(whole, max_size=5), st.lists(whole, max_size=5), st.lists(changes, max_size=5), st.booleans())
@settings(max_examples=150, deadline=None)
def test_over_whatever_is_left_it_is_as_afresh(
    before: list[Entry],
    after: list[Entry],
    done: list[tuple[str, str]],
    below: bool,  # noqa: FBT001 - drawn
) -> None:
    if below:
        before, after = (
            [Entry(f"top/{one.name}", one.content, one.kind, one.link) for one in entries]
            for entries in (before, after)
        )
    with tempfile.TemporaryDirectory() as scratch:
        room = Path(scratch)
        leftover = room / "never"
        with suppress(FarmError):
            leftover = unpack(fetched(make_tar(room / "before", before)), room / "one")
        if leftover.is_dir():
            for what, name in done:
                change(leftover, what, name)
        source = fetched(make_tar(room / "after", after))
        try:
            afresh = unpack(source, room / "afresh")
        except FarmError:
            return
        assert shown(unpack(source, room / "over", leftover=leftover)) == shown(afresh)
        assert not [path.name for path in room.iterdir() if path.name.startswith(".")]
