"""The papers of stored wheels, and the wheels that carry them."""

from __future__ import annotations

import zipfile
from collections import defaultdict
from typing import TYPE_CHECKING

from wheelfarm.errors import RecordError, UnprovenError, WheelhouseError
from wheelfarm.index.candidates import Candidate
from wheelfarm.model import Digest, sha256_of_bytes
from wheelfarm.provenance.attestation import Attestation, statement
from wheelfarm.provenance.carrier import carrier_project, write_carrier
from wheelfarm.provenance.record import Record
from wheelfarm.provenance.sbom_reading import MEMBER
from wheelfarm.system.files import sha256_of_file
from wheelfarm.wheelhouse.project_index import IndexedFile

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from wheelfarm.model import Name
    from wheelfarm.wheelhouse.wheelhouse import Wheelhouse

    Issue = Callable[[Candidate], Attestation]
    """Makes the papers of a stored wheel."""


def verify_record(wheelhouse: Wheelhouse, candidate: Candidate) -> tuple[Record, str]:
    """The record of a stored wheel that has passed its gate, and the text that it was read from.

    Raises:
        UnprovenError: when the record is missing or describes another wheel, or when the gate found nothing.
    """
    where = str(candidate.path)
    try:
        text = wheelhouse.record(candidate.variant, candidate.file.key)
        record = Record.from_json(text, where)
    except (RecordError, WheelhouseError) as error:
        raise UnprovenError(
            f"{candidate.filename} has no build record",
            where=where,
            why=error.why or error.what,
            hint=_again(candidate),
        ) from error
    recorded = (record.wheel.filename, record.wheel.sha256, record.key)
    if recorded != (candidate.filename, candidate.sha256, candidate.file.key):
        raise UnprovenError(
            f"the build record of {candidate.filename} describes another wheel",
            where=where,
            why=f"it says {record.wheel.filename}, sha256 {record.wheel.sha256}",
            hint=_again(candidate),
        )
    if not record.gate_results:
        raise UnprovenError(
            f"{candidate.filename} has not passed its gate", where=where, hint=_again(candidate)
        )
    return record, text


def prove(wheelhouse: Wheelhouse, candidate: Candidate) -> None:
    """Compare a stored wheel with its record, and its bytes with both.

    Raises:
        UnprovenError: when its record is missing or describes another wheel, when the gate found nothing,
            or when its bytes have changed since.
    """
    if not candidate.carrier:  # which the farm has just written
        verify_record(wheelhouse, candidate)
    where = str(candidate.path)
    try:
        actual = sha256_of_file(candidate.path)
    except OSError as error:
        raise UnprovenError(
            f"{candidate.filename} cannot be read", where=where, why=error.strerror, hint=_again(candidate)
        ) from error
    if actual != candidate.sha256:
        raise UnprovenError(
            f"{candidate.filename} was changed after its gate",
            where=where,
            why=f"its sha256 was {candidate.sha256} and is {actual}",
            hint=_again(candidate),
        )


def _again(candidate: Candidate) -> str:
    return f"inv chain {candidate.project} --variant {candidate.variant}"


def issue(wheelhouse: Wheelhouse, sign: Callable[[str], str], candidate: Candidate) -> Attestation:
    """Make the papers of a stored wheel.

    Args:
        wheelhouse: where its build record is.
        sign: signs a statement; gives an empty text where nobody can.
        candidate: the wheel.

    Raises:
        UnprovenError: when its record is missing, or describes another wheel or no gate.
    """
    record, text = verify_record(wheelhouse, candidate)
    said = statement(record, text, _sbom(candidate.path))
    return Attestation(record=text, statement=said, signature=sign(said))


def _sbom(path: Path) -> Digest | None:
    """The digest of the bill of materials in a wheel; its bytes are looked at before it is sent."""
    try:
        with zipfile.ZipFile(path) as archive:
            found = [name for name in archive.namelist() if name.endswith(f".dist-info/{MEMBER}")]
            return sha256_of_bytes(archive.read(found[0])) if found else None
    except (zipfile.BadZipFile, OSError):
        return None


def carriers(todo: Iterable[Candidate], issue: Issue, directory: Path) -> tuple[Candidate, ...]:
    """Write a wheel for each release that carries the papers of its wheels.

    Args:
        todo: the wheels.
        issue: makes their papers.
        directory: where the carriers go.

    Raises:
        UnprovenError: when a wheel has no build record.
        WheelhouseError: when a carrier cannot be written.
    """
    releases: defaultdict[tuple[Name, str], list[Candidate]] = defaultdict(list)
    for candidate in todo:
        releases[candidate.project, candidate.version].append(candidate)
    found = []
    for (project, version), wheels in releases.items():
        papers = {candidate.sha256: issue(candidate) for candidate in wheels}
        path = write_carrier(project, version, papers, directory)
        file = IndexedFile(
            filename=path.name,
            sha256=sha256_of_file(path),
            size=path.stat().st_size,
            metadata_sha256=Digest(""),
            requires_python=None,
            uploaded="",
            key=Digest(""),
        )
        found.append(
            Candidate(
                project=carrier_project(project),
                variant=wheels[0].variant,
                file=file,
                path=path,
                carrier=project,
            )
        )
    return tuple(found)
