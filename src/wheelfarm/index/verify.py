"""Whether the wheels in an index are what their papers say: fetched, hashed and compared."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.utils import InvalidWheelFilename, parse_wheel_filename
from packaging.version import Version

from wheelfarm.errors import FarmError, UnverifiedError
from wheelfarm.provenance.verification import check_signature, verify_attestation

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from wheelfarm.index.protocol import Index, ListedFile
    from wheelfarm.model import Digest, Name
    from wheelfarm.provenance.attestation import Attestation


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What was found of one listed wheel."""

    project: Name
    filename: str
    sha256: Digest | None = None
    """Of the bytes that were fetched."""
    key: Digest | None = None
    """The rebuild key that its record tells."""
    signed: bool = False
    """Whether its statement has a signature; who made it is checked where a signer is asked for."""
    error: FarmError | None = None


@dataclass(frozen=True, kw_only=True)
class Verification:
    """Verifies what an index lists.

    Args:
        index: the index.
        signer: who must have signed; None where nobody must.
        issuer: who vouches for the signer.
    """

    index: Index
    signer: str | None
    issuer: str

    def run(self, wanted: Mapping[Name, str | None]) -> Iterator[Verdict]:
        """The verdict on each wheel that the index lists of some distributions, or of one version of them.

        Raises:
            NetworkError, PublishError: when the index cannot be reached, or refuses.
        """
        # Every file is fetched anyway, so none has to be hashed for the listing.
        listing = self.index.look(sorted(wanted))
        papers: dict[tuple[Name, str], Mapping[Digest, Attestation] | FarmError] = {}
        for project in sorted(listing):
            for file in listing[project]:
                version = _version(file.filename)
                if version is None or not _is(version, wanted[project]):
                    continue
                if (project, version) not in papers:
                    papers[project, version] = self._papers(project, version)
                yield self._verdict(project, file, papers[project, version])

    def _papers(self, project: Name, version: str) -> Mapping[Digest, Attestation] | FarmError:
        try:
            return self.index.papers(project, version)
        except FarmError as error:
            return error

    def _verdict(
        self, project: Name, file: ListedFile, known: Mapping[Digest, Attestation] | FarmError
    ) -> Verdict:
        verdict = Verdict(project=project, filename=file.filename)
        try:
            if isinstance(known, FarmError):
                raise known
            with tempfile.TemporaryDirectory(prefix="wheelfarm-verify-") as scratch:
                return self._checked(verdict, file, known, Path(scratch, file.filename))
        except FarmError as error:
            return Verdict(project=project, filename=file.filename, error=error)

    def _checked(
        self, verdict: Verdict, file: ListedFile, known: Mapping[Digest, Attestation], path: Path
    ) -> Verdict:
        """The verdict on a wheel that has nothing against it.

        Raises:
            FarmError: what there is against it.
        """
        sha256 = self.index.fetch(file, path)
        if file.sha256 not in {None, sha256}:
            raise UnverifiedError(
                f"{file.filename} has other bytes than the index says",
                where=f"index {self.index.name}",
                why=f"its sha256 is {sha256}, the index says {file.sha256}",
                hint="do not install it; look at the server",
            )
        papers = known.get(sha256)
        if papers is None:
            raise UnverifiedError(
                f"{file.filename} has no papers in the index",
                where=f"index {self.index.name}",
                why="no build record there tells of these bytes: it was changed, or published by others",
                hint="compare it with the farm's own: inv index.status",
            )
        record = verify_attestation(path, sha256, papers)
        if self.signer:
            check_signature(path, papers, identity=self.signer, issuer=self.issuer)
        return Verdict(
            project=verdict.project,
            filename=verdict.filename,
            sha256=sha256,
            key=record.key,
            signed=bool(papers.signature),
        )


def _version(filename: str) -> str | None:
    """The version of a wheel; None for what is none."""
    try:
        return str(parse_wheel_filename(filename)[1])
    except InvalidWheelFilename:
        return None


def _is(version: str, wanted: str | None) -> bool:
    return wanted is None or Version(wanted) == Version(version)
