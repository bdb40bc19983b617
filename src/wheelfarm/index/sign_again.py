"""Sign the statements of published wheels with a new key of the site."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from wheelfarm.errors import FarmError, UnverifiedError
from wheelfarm.index.verify import listed_wheels
from wheelfarm.provenance.attestation import RequiredSigners

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from wheelfarm.index.build_tags import BuildSlot
    from wheelfarm.index.protocol import IndexProtocol, ListedFile
    from wheelfarm.model import Digest, Name
    from wheelfarm.provenance.attestation import Attestation


@dataclass(frozen=True, kw_only=True)
class SigningResult:
    """What happened to the signature of one listed wheel."""

    project: Name
    filename: str
    new: bool = False
    """Whether it got a new signature; without one it had it already."""
    error: FarmError | None = None


def sign_again(
    index: IndexProtocol,
    wanted: Mapping[Name, str | None],
    *,
    signers: RequiredSigners,
    make_statement: Callable[[Name, ListedFile, BuildSlot], str | None],
    sign: Callable[[str], str] | None,
) -> Iterator[SigningResult]:
    """Sign each statement with the first key, unless this has signed it.

    A statement needs a signature that still counts, or is the one that this farm makes of its own stored
    wheel: whoever can write to the index could else get a signature.

    Args:
        index: the index.
        wanted: distributions, each with a version or None for all.
        signers: who must have signed; the first of their keys is that of the new signatures.
        make_statement: makes the statement of a listed wheel that is stored here; None for another one.
        sign: signs a statement; None when nothing is to be written.

    Raises:
        NetworkError, PublishError: when the index cannot be reached, or refuses.
        FarmError: when the key cannot sign.
    """
    newest = RequiredSigners(keys=signers.keys[:1])

    def check(project: Name, file: ListedFile, slot: BuildSlot, found: Attestation | None) -> None:
        try:
            signers.check(Path(file.filename), found)
        except UnverifiedError:
            if found is None or found.statement != make_statement(project, file, slot):
                raise

    attestations: dict[tuple[Name, str], Mapping[Digest, Attestation]] = {}
    for project, file, slot in listed_wheels(index, wanted):
        release, path = (project, str(slot.version)), Path(file.filename)
        if release not in attestations:
            attestations[release] = index.attestations(*release)
        found = attestations[release].get(file.sha256) if file.sha256 else None
        try:
            check(project, file, slot, found)
        except FarmError as error:
            yield SigningResult(project=project, filename=file.filename, error=error)
            continue
        try:
            newest.check(path, found)
        except UnverifiedError:
            if sign is not None and found is not None:
                index.write_signature(project, file.filename, sign(found.statement))
            yield SigningResult(project=project, filename=file.filename, new=True)
        else:
            yield SigningResult(project=project, filename=file.filename)
