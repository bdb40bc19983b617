"""What an index lists, as plain values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from wheelfarm.errors import PublishError
from wheelfarm.model import Digest, Name


@dataclass(frozen=True, kw_only=True)
class ListedFile:
    """A file as the index lists it.

    Raises:
        PublishError: for a name that would lead out of a directory: whoever fetches a file writes it there.
    """

    filename: str
    sha256: Digest | None
    """None where the index tells no sha256, and nobody has looked at the bytes."""
    url: str = ""
    """Where it can be had, without credentials."""
    yanked: bool = False

    def __post_init__(self) -> None:
        if set(self.filename) & set("/\\\0"):
            raise PublishError(
                "the index lists something that is no file name",
                where=self.url or None,
                why=repr(self.filename),
                hint="look at the server: somebody may want to have files written elsewhere",
            )


Listing = Mapping[Name, tuple[ListedFile, ...]]
"""The files of each project that was asked for; projects that the index does not know have none."""
