"""A source tree, and patches that git makes of real changes to it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self

import pytest

from support.repositories import Repository
from wheelfarm.errors import FarmError, GroupError, PatchError
from wheelfarm.model import AppliedPatch, parse_name
from wheelfarm.sources.patches import apply

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

HEADER: Final = b"""From 0123 Mon Sep 17 00:00:00 2001
Subject: a change

Why: it is needed
  here
Upstream: https://example.org/1 (open)

"""
LINES: Final = [f"line {number}\n" for number in range(1, 61)]
FILES: Final[Mapping[str, bytes]] = {
    "a.txt": "".join(LINES).encode(),
    "sub/b.txt": b"one\ntwo\nthree\n",
    "win.txt": b"one\r\ntwo\r\nthree\r\n",
    "blob.bin": bytes(range(256)),
    "run.sh": b"#!/bin/sh\n",
}


def edited(**changes: str) -> bytes:
    """a.txt with some lines changed: `l10="ten"`."""
    lines = list(LINES)
    for number, text in changes.items():
        lines[int(number[1:]) - 1] = f"{text}\n"
    return "".join(lines).encode()


def write(tree: Path, changes: Mapping[str, bytes | None]) -> Path:
    """Write files below a directory; None deletes."""
    for name, content in changes.items():
        path = tree / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if content is None:
            path.unlink()
        else:
            path.write_bytes(content)
    return tree


@dataclass(frozen=True)
class PatchMaker:
    """Makes patches, each of which begins where the one before ended."""

    repository: Repository
    directory: Path

    @classmethod
    def create(cls, path: Path) -> Self:
        """Begin with the sample tree, committed."""
        repository = Repository.create(path / "edited")
        repository.commit(FILES)
        (path / "patches").mkdir()
        return cls(repository, path / "patches")

    def __call__(self, changes: Mapping[str, bytes | None], header: bytes = HEADER, *options: str) -> Path:
        """Make a patch out of changes, with options of `git diff`."""
        write(self.repository.path, changes)
        path = self.directory / f"{len(list(self.directory.iterdir())) + 1:04}-change.patch"
        path.write_bytes(header + self.repository.diff(*options))
        self.repository.commit()
        return path


def patch(tree: Path, *series: Path) -> tuple[AppliedPatch, ...]:
    """Apply a series."""
    return apply(tree, series, recipe=parse_name("sample"), environ={"PATH": os.defpath})


def refused(tree: Path, *series: Path) -> list[FarmError]:
    """The errors of a series that is refused and that changes nothing."""
    before = _contents(tree)
    with pytest.raises(FarmError) as caught:
        patch(tree, *series)
    assert _contents(tree) == before
    errors = caught.value.errors if isinstance(caught.value, GroupError) else (caught.value,)
    assert all(isinstance(error, PatchError) for error in errors)
    return list(errors)


def _contents(tree: Path) -> dict[str, bytes]:
    return {str(path.relative_to(tree)): path.read_bytes() for path in tree.rglob("*") if path.is_file()}
