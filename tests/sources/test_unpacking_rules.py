"""Whatever the members are called, nothing leaves the directory."""

from __future__ import annotations

import os
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
