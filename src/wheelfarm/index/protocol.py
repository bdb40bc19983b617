"""What all kinds of index have in common."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from wheelfarm.errors import PublishError
from wheelfarm.model import Digest, Name

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from pathlib import Path

    from wheelfarm.errors import FarmError
    from wheelfarm.index.candidates import Candidate
    from wheelfarm.model import Digest
    from wheelfarm.provenance.attestation import Attestation


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


class UploadFailure(Exception):  # noqa: N818 - it carries the error and is none
    """An upload that ended early.

    Args:
        error: what went wrong, for people.
        filename: the file that was on its way; None when twine did not come that far.
    """

    def __init__(self, error: FarmError, filename: str | None) -> None:
        super().__init__(str(error))
        self.error = error
        self.filename = filename


class Index(Protocol):
    """An index for one variant, as the transaction sees it."""

    @property
    def name(self) -> str:
        """What the settings call it."""

    def look(self, projects: Collection[Name], wanted: Collection[str] = ()) -> Listing:
        """What the index lists now.

        Args:
            projects: whose files.
            wanted: names of files whose sha256 must be known, if the bytes have to be fetched for it.

        Raises:
            NetworkError: when the index cannot be reached.
            PublishError: when it refuses, or answers with something that is no listing.
        """

    def carriers(self, todo: Sequence[Candidate]) -> tuple[Candidate, ...]:
        """What has to go to the index before some wheels, so that these have their papers there.

        Nothing, where papers lie beside their wheels.

        Raises:
            UnprovenError: when a wheel has no build record.
            WheelhouseError: when it cannot be written.
        """

    def papers(self, project: Name, version: str) -> Mapping[Digest, Attestation]:
        """The papers that the index has of a release's wheels, by their digests.

        Raises:
            NetworkError: when the index cannot be reached.
            PublishError: when it refuses.
            WheelError: when what carries them is damaged.
        """

    def fetch(self, file: ListedFile, path: Path) -> Digest:
        """Write the bytes of a listed file to a place, and tell their digest.

        Raises:
            NetworkError: when the index cannot be reached, or the connection breaks off.
            PublishError: when it refuses, or does not have what it lists.
        """

    def send(self, todo: Sequence[Candidate]) -> None:
        """Bring wheels into the index.

        Args:
            todo: proven wheels that the index does not have, dependencies before dependents.

        Raises:
            UploadFailure: when some did not arrive.
            PublishError, NetworkError: when the index refuses or cannot be reached.
        """

    def yank(self, project: Name, filenames: Collection[str], reason: str | None) -> None:
        """Have installers pass by some files (PEP 592); None for a reason candidates them again.

        Raises:
            PublishError: when this kind of index has no way to say that.
        """

    def remove(self, project: Name, filenames: Collection[str]) -> None:
        """Remove files.

        Raises:
            PublishError: when this kind of index has no way to do that.
        """
