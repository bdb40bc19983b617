"""A tree that is edited at will comes back byte for byte, by the farm's patches and by git's."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from support.patched import File, PatchedFarm, git_apply, snapshot
from support.patches import patch

if TYPE_CHECKING:
    from collections.abc import Mapping

    from support.patched import Snapshot

NAMES: Final = (
    *("a.txt", "sub/b.txt", "sub/deep/c.py", "win.bat", "blob.bin", "run.sh", "ignored.log"),
    *("with space.txt", "ümlaut.txt", 'quo"te.txt', "-dash", "new/file.txt"),
)
ATTRIBUTES: Final = b"* text=auto eol=crlf\n*.txt ident filter=lfs diff=lfs\n*.py export-ignore -diff\n"
ALWAYS: Final = {
    "pyproject.toml": File(b"[build-system]\nrequires = []\n"),
    ".gitattributes": File(ATTRIBUTES),
    ".gitignore": File(b"*.log\nnew/\n"),
}
LINES: Final = st.sampled_from(
    [b"one", b"", b"two $Id$", b"\tthree  ", b"--- a/x", b"@@ -1 +1 @@", b"diff --git a b"]
)
ENDS: Final = st.sampled_from([b"\n", b"\r\n"])


@st.composite
def texts(draw: st.DrawFn) -> bytes:
    """Lines with either end, or both, and perhaps none at the last one."""
    parts = draw(st.lists(st.tuples(LINES, ENDS), max_size=12))
    text = b"".join(line + end for line, end in parts)
    return text.rstrip(b"\r\n") if draw(st.booleans()) else text


CONTENTS: Final = texts() | st.binary(max_size=60) | st.just(b"\0" + bytes(range(256)))
FILES: Final = st.builds(File, CONTENTS, st.sampled_from(["file", "file", "program"])) | st.just(
    File(b"pyproject.toml", "link")
)
SOURCES: Final = st.dictionaries(st.sampled_from(NAMES), FILES, max_size=6)


@st.composite
def edits(draw: st.DrawFn) -> dict[str, File | None] | tuple[str, str]:
    """New contents, modes and files, deletions alone, or a file with another name."""
    match draw(st.sampled_from(["write", "delete", "rename"])):
        case "rename":
            old, new = draw(st.permutations(NAMES))[:2]
            return old, new
        case "delete":
            return dict.fromkeys(draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=3)))
        case _:
            return dict(
                draw(st.dictionaries(st.sampled_from(NAMES), FILES | st.none(), min_size=1, max_size=4))
            )


def edit(farm: PatchedFarm, number: int, change: dict[str, File | None] | tuple[str, str]) -> None:
    before = snapshot(farm.tree)
    if isinstance(change, tuple):
        old, new = change
        if old not in before or (farm.tree / new).is_dir():
            return
        kind, content = before[old]
        change = {old: None, new: File(content, kind)}
    farm_files = {name: file for name, file in change.items() if file is not None or name in before}
    try:
        farm.commit(f"Change {number}", farm_files)
    except subprocess.CalledProcessError:
        # git refuses a commit that changes nothing.
        assert snapshot(farm.tree) == before


def check_round_trip(root: Path, source: Mapping[str, File], changes: list[object]) -> None:
    farm = PatchedFarm.create(root, ALWAYS | dict(source), archive=True)
    farm.start()
    unpacked = root / "unpacked"
    shutil.copytree(farm.tree, unpacked, symlinks=True, ignore=shutil.ignore_patterns(".git"))
    for number, change in enumerate(changes):
        edit(farm, number, change)  # type: ignore[arg-type]
    wanted: Snapshot = snapshot(farm.tree)
    farm.save()
    saved = farm.state
    series = [farm.root / "patches/sample" / entry.file for entry in farm.patches().recipe.table.patches]
    assert len(series) == len(farm.files)
    for name, apply in (
        ("farm", lambda tree: patch(tree, *series)),
        ("git", lambda tree: git_apply(tree, series)),
    ):
        applied = Path(shutil.copytree(unpacked, root / f"by-{name}", symlinks=True))
        apply(applied)
        assert snapshot(applied) == wanted
    assert not farm.save().changes
    farm.start()
    assert snapshot(farm.tree) == wanted
    assert not farm.save().changes
    assert farm.state == saved


# To make an example smaller takes minutes.
SETTINGS: Final = settings(
    phases=[Phase.explicit, Phase.generate], suppress_health_check=[HealthCheck.too_slow]
)
CHANGES: Final = st.lists(edits(), min_size=1, max_size=3)


@settings(SETTINGS, max_examples=3)
@given(SOURCES, CHANGES)
def test_what_is_edited_comes_back(source: dict[str, File], changes: list[object]) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        check_round_trip(Path(scratch, "work"), source, changes)


@pytest.mark.slow
@settings(SETTINGS, max_examples=60)
@given(SOURCES, CHANGES)
def test_what_is_edited_comes_back_in_many_ways(source: dict[str, File], changes: list[object]) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        check_round_trip(Path(scratch, "work"), source, changes)


def test_each_kind_of_change_in_one_series(tmp_path: Path) -> None:
    """Those that the documentation promises, whatever the examples above were."""
    source = {
        "a.txt": File(b"one\ntwo\nthree\nfour\nfive\nsix\n"),
        "win.bat": File(b"one\r\ntwo\r\nthree\r\n"),
        "run.sh": File(b"#!/bin/sh\n"),
        "blob.bin": File(bytes(range(256))),
        "sub/b.txt": File(b"b"),
    }
    changes: list[object] = [
        {"win.bat": File(b"one\r\n2\r\nthree"), "run.sh": File(b"#!/bin/sh\n", "program")},
        ("a.txt", "new/file.txt"),
        {"sub/b.txt": None},
        {"blob.bin": File(b"\0" * 300), "ignored.log": File(b"\0\1\2"), "-dash": File(b"no end")},
        {"ümlaut.txt": File(b""), "win.bat": File(b"pyproject.toml", "link")},
    ]
    check_round_trip(tmp_path / "work", source, changes)
