"""Candidates and listed files without bytes, for pure functions."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from support.store import key_of
from wheelfarm.index.build_tags import build_tag
from wheelfarm.index.candidates import Candidate
from wheelfarm.index.protocol import ListedFile
from wheelfarm.model import Digest, Name
from wheelfarm.wheelhouse.simple_index import IndexedFile
from wheelfarm.wheels.rewrite import tagged_name

if TYPE_CHECKING:
    from collections.abc import Iterable

TARGETS: Final = ("cp311-manylinux_x86_64", "cp312-manylinux_x86_64")


def make_candidate(
    name: str,
    version: str = "1.0",
    *,
    target: str = TARGETS[0],
    tag: str | None = None,
    build: str = "",
    requires: Iterable[str] = (),
    content: str = "",
    key: str = "key",
) -> Candidate:
    """A wheel that is candidates."""
    python = target.partition("-")[0]
    parts = [name, version, *([build] if build else []), tag or f"{python}-{python}-manylinux_2_28_x86_64"]
    filename = f"{'-'.join(parts)}.whl"
    file = IndexedFile(
        filename=filename,
        sha256=key_of(filename + content),
        size=1000,
        metadata_sha256=key_of("metadata"),
        requires_python=None,
        uploaded="2026-01-01T00:00:00Z",
        key=key_of(key),
    )
    needs = frozenset(map(Name, requires))
    return Candidate(project=Name(name), variant="plain", file=file, path=Path(filename), requires=needs)


def is_same(wheel: Candidate, tag: str, digest: Digest | None) -> bool:
    return tagged_digest(wheel, tag) == digest


def tagged_digest(wheel: Candidate, tag: str) -> Digest:
    """A digest of the bytes that a candidate has with a build tag."""
    return key_of(wheel.sha256 + tag)


def published(wheel: Candidate, number: int = 1, sha256: str | None = "") -> ListedFile:
    """A candidate as an index lists it after publishing; with its own digest unless another is given."""
    tag = build_tag(number, wheel.file.key)
    digest = tagged_digest(wheel, tag) if sha256 == "" else None if sha256 is None else Digest(sha256)
    return ListedFile(filename=tagged_name(wheel.filename, tag), sha256=digest)


def listed(filename: str) -> ListedFile:
    """A file of another publisher."""
    return ListedFile(filename=filename, sha256=key_of(filename))
