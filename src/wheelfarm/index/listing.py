"""What an index lists, as plain values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from wheelfarm.model import Digest, Name


@dataclass(frozen=True, kw_only=True)
class ListedFile:
    """A file as the index lists it."""

    filename: str
    sha256: Digest | None
    """None where the index tells no sha256, and nobody has looked at the bytes."""
    url: str = ""
    """Where it can be had, without credentials."""
    yanked: bool = False


Listing = Mapping[Name, tuple[ListedFile, ...]]
"""The files of each project that was asked for; projects that the index does not know have none."""
