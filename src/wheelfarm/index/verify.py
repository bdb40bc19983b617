"""Verify the wheels in an index: fetch them and compare them with their records and attestations."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.version import Version

from wheelfarm.errors import FarmError, PublishError, UnverifiedError
from wheelfarm.index.build_tags import BuildSlot
from wheelfarm.model import sha256_of_bytes
from wheelfarm.provenance.attestation import verify_attestation, verify_wheel
from wheelfarm.sources.archive_checks import check_size
from wheelfarm.wheelhouse.layout import METADATA, read_metadata

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from wheelfarm.index.protocol import IndexProtocol, ListedFile
    from wheelfarm.model import Digest, Limits, Name
    from wheelfarm.provenance.attestation import Attestation, RequiredSigners


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """The result for one listed wheel."""

    project: Name
    filename: str
    sha256: Digest | None = None
    """Of the bytes that were fetched."""
    key: Digest | None = None
    """The build key that its embedded record makes."""
    signed: bool = False
    """Whether it has a signed attestation. The signer is checked where the settings name one."""
    error: FarmError | None = None


def verify_index(
    index: IndexProtocol,
    wanted: Mapping[Name, str | None],
    *,
    signers: RequiredSigners,
    limits: Limits,
) -> Iterator[Verdict]:
    """Verify each wheel that an index lists of some distributions, or of one version of them.

    Args:
        index: the index.
        wanted: distributions, each with a version or None for all.
        signers: who must have signed the attestations.
        limits: of what a wheel may unpack to.

    Raises:
        NetworkError, PublishError: when the index cannot be reached, or refuses.
    """
    attestations: dict[tuple[Name, str], Mapping[Digest, Attestation]] = {}

    def verify(project: Name, file: ListedFile, slot: BuildSlot, path: Path) -> Verdict:
        release = project, str(slot.version)
        if release not in attestations:
            attestations[release] = index.attestations(*release)
        sha256 = fetch_listed(index, file, path, limits)
        key = verify_wheel(path, slot.short_key).key
        check_metadata(index, file, path)
        attestation = attestations[release].get(sha256)
        if attestation is not None:
            verify_attestation(path, sha256, attestation)
        signers.check(path, attestation)
        signed = attestation is not None and attestation.signed
        return Verdict(project=project, filename=file.filename, sha256=sha256, key=key, signed=signed)

    for project, file, slot in listed_wheels(index, wanted):
        with tempfile.TemporaryDirectory(prefix="wheelfarm-verify-") as scratch:
            try:
                yield verify(project, file, slot, Path(scratch, file.filename))
            except FarmError as error:
                yield Verdict(project=project, filename=file.filename, error=error)


def listed_wheels(
    index: IndexProtocol, wanted: Mapping[Name, str | None]
) -> Iterator[tuple[Name, ListedFile, BuildSlot]]:
    """The farm's wheels that an index lists of some distributions, each with a version or None for all."""
    for project, files in sorted(index.list_files(sorted(wanted)).items()):
        for file in files:
            slot, version = BuildSlot.of(file.filename), wanted[project]
            if slot is not None and (version is None or Version(version) == slot.version):
                yield project, file, slot


def check_metadata(index: IndexProtocol, file: ListedFile, wheel: Path) -> None:
    """Compare the core metadata beside a wheel (PEP 658) with the wheel, and with what the index lists.

    Raises:
        UnverifiedError: when they differ, or are not there.
        NetworkError: see `IndexProtocol.fetch`.
    """
    if file.metadata is False:
        return
    own, beside = sha256_of_bytes(read_metadata(wheel)), replace(file, url=f"{file.url}{METADATA}")
    try:
        found = index.fetch(beside, wheel.with_name(f"{wheel.name}{METADATA}"))
        why = f"the sha256 is {own} in the wheel, {found} beside it, and the index lists {file.metadata}"
    except PublishError as error:
        found, why = None, f"the index lists them, and they are not there: {error.what}"
    if found != own or file.metadata not in {True, own}:
        raise UnverifiedError(
            f"the core metadata beside {file.filename} are not the wheel's",
            where=beside.url,
            why=why,
            hint="inv index.publish writes them again, where the index lets it",
        )


def fetch_listed(index: IndexProtocol, file: ListedFile, path: Path, limits: Limits) -> Digest:
    """Fetch a file and compare it with the digest that the index lists.

    Raises:
        UnverifiedError: when they differ.
        ArchiveError: when it unpacks to more than the limits.
        NetworkError, PublishError: see `IndexProtocol.fetch`.
    """
    sha256 = index.fetch(file, path)
    if file.sha256 not in {None, sha256}:
        raise UnverifiedError(
            f"{file.filename} has other bytes than index {index.name} lists",
            where=file.url,
            why=f"its sha256 is {sha256}, the index lists {file.sha256}",
            hint="do not install it; check the server",
        )
    check_size(path, limits)
    return sha256
