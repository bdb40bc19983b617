"""The interface of all kinds of index."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from wheelfarm.errors import PublishError
from wheelfarm.model import Digest, Name

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from datetime import datetime
    from pathlib import Path

    from wheelfarm.errors import FarmError
    from wheelfarm.index.candidates import Candidate
    from wheelfarm.provenance.attestation import Attestation
    from wheelfarm.wheelhouse.simple_index import ProjectStatus


@dataclass(frozen=True, kw_only=True)
class ListedFile:
    """A file as the index lists it.

    Raises:
        PublishError: for a name with a path separator, since a fetched file is written under its name.
    """

    filename: str
    sha256: Digest | None
    """None where the index does not state it."""
    url: str = ""
    """Without credentials."""
    size: int | None = None
    """Bytes; None where the index does not state it."""
    uploaded: datetime | None = None
    """When it was uploaded; None where the index does not state it."""
    yanked: bool = False
    metadata: Digest | bool = False
    """The sha256 of its core metadata beside it (PEP 658); True where the index does not state it."""
    metadata_matches: bool = True
    """False where the core metadata beside it were read, and have another sha256."""

    def __post_init__(self) -> None:
        if set(self.filename) & set("/\\\0"):
            raise PublishError(
                "the index lists an invalid file name",
                where=self.url or None,
                why=repr(self.filename),
                hint="check the server: such a name can make a client write outside its directory",
            )


Listing = Mapping[Name, tuple[ListedFile, ...]]
"""The files of each requested project; empty for a project that the index does not know."""


class UploadFailure(Exception):  # noqa: N818 - it carries the error and is none
    """An upload that ended early.

    Args:
        error: the cause.
        filename: the file that failed; None when twine failed before the first one.
    """

    def __init__(self, error: FarmError, filename: str | None) -> None:
        super().__init__(str(error))
        self.error = error
        self.filename = filename


def closed(project: Name, index: str, status: ProjectStatus) -> PublishError:
    """The error for wheels of a project whose status lets it get none."""
    error = PublishError(
        f"{project} takes no wheels: it is {status.status}",
        where=f"index {index}",
        why=status.reason or None,
        hint=f"inv index.status {project} --index {index} --set active, if it shall",
    )
    error.retryable = False
    return error


class IndexProtocol(Protocol):
    """An index for one variant.

    Each method raises NetworkError when the index cannot be reached, and PublishError when it refuses, does
    not have what it lists, or its kind cannot do it.
    """

    @property
    def name(self) -> str:
        """Its name in the settings."""

    def list_files(self, projects: Collection[Name], keys: Collection[str] = ()) -> Listing:
        """List the files of some projects.

        Args:
            projects: the distributions.
            keys: first digits of build keys: files with one of them in the build tag get their sha256, even
                if the bytes have to be fetched for it.
        """

    def attestations(self, project: Name, version: str) -> Mapping[Digest, Attestation]:
        """The attestations of a release's wheels by sha256; none where an index takes only wheels."""

    def fetch(self, file: ListedFile, path: Path) -> Digest:
        """Write the bytes of a listed file to a path, and return their sha256."""

    def upload(self, wheels: Sequence[Candidate]) -> None:
        """Upload wheels.

        Args:
            wheels: tagged wheels that the index does not have, dependencies before dependents.

        Raises:
            UploadFailure: when some did not arrive.
        """

    def mend_metadata(self, project: Name, metadata: Mapping[str, bytes]) -> None:
        """Write the core metadata beside wheels again (PEP 658), by file name."""

    def write_signature(self, project: Name, filename: str, bundle: str) -> None:
        """Replace the signature by a key of the site beside a wheel."""

    def statuses(self, projects: Collection[Name]) -> Mapping[Name, ProjectStatus]:
        """The statuses of projects (PEP 792) that an index keeps for the farm; none of a server's own."""

    def set_status(self, project: Name, status: ProjectStatus) -> None:
        """Give a project a status."""

    def yank(self, project: Name, filenames: Collection[str], reason: str | None) -> None:
        """Yank files (PEP 592), or undo it when the reason is None."""

    def remove(self, project: Name, filenames: Collection[str]) -> None:
        """Remove files."""
