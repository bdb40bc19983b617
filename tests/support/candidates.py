"""Offers and listed files that exist nowhere, for what is pure."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from support.store import key_of
from wheelfarm.index.candidates import Candidate
from wheelfarm.index.protocol import ListedFile
from wheelfarm.model import Digest, Name
from wheelfarm.wheelhouse.project_index import IndexedFile

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
        key=key_of("key"),
    )
    needs = frozenset(map(Name, requires))
    return Candidate(project=Name(name), variant="plain", file=file, path=Path(filename), requires=needs)


def listed(wheel: Candidate | str, sha256: str | None = "") -> ListedFile:
    """A file as an index lists it: an candidate with its own digest unless another is given."""
    filename = wheel if isinstance(wheel, str) else wheel.filename
    own = key_of(filename) if isinstance(wheel, str) else wheel.sha256
    return ListedFile(
        filename=filename, sha256=own if sha256 == "" else None if sha256 is None else Digest(sha256)
    )
