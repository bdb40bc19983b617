"""Verify stored wheels against their build records, and make the attestations for publishing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wheelfarm.errors import RecordError, UnprovenError, WheelhouseError
from wheelfarm.provenance.attestation import Attestation, sbom_digest, statement
from wheelfarm.provenance.record import Record, RecordedWheel
from wheelfarm.system.files import sha256_of_file
from wheelfarm.wheels.archive import open_wheel

if TYPE_CHECKING:
    from collections.abc import Callable

    from wheelfarm.index.candidates import Candidate
    from wheelfarm.wheelhouse.wheelhouse import Wheelhouse

    Attest = Callable[[Candidate], Attestation]


def verify_candidate(wheelhouse: Wheelhouse, candidate: Candidate) -> Record:
    """Compare a stored wheel with its build record, and its bytes with both.

    Raises:
        UnprovenError: when the record is missing, describes another wheel or has no gate results, or when
            the bytes are not those that passed the gate.
    """

    def unproven(what: str, why: str | None = None) -> UnprovenError:
        hint = f"inv chain {candidate.project} --variant {candidate.variant}"
        return UnprovenError(what, where=str(candidate.path), why=why, hint=hint)

    name = candidate.filename
    try:
        text = wheelhouse.record(candidate.variant, candidate.file.key)
        record = Record.from_json(text, str(candidate.path))
    except (RecordError, WheelhouseError) as error:
        raise unproven(f"{name} has no build record", error.why or error.what) from error
    if (record.wheel.filename, record.wheel.sha256, record.key) != (
        name,
        candidate.sha256,
        candidate.file.key,
    ):
        raise unproven(
            f"the build record of {name} describes another wheel",
            f"it says {record.wheel.filename}, sha256 {record.wheel.sha256}",
        )
    if not record.gate_results:
        raise unproven(f"{name} has not passed its gate")
    try:
        actual = sha256_of_file(candidate.path)
    except OSError as error:
        raise unproven(f"{name} cannot be read", error.strerror) from error
    if actual != candidate.sha256:
        raise unproven(
            f"{name} was changed after its gate", f"its sha256 was {candidate.sha256} and is {actual}"
        )
    return record


def attest(wheelhouse: Wheelhouse, sign: Callable[[str], str], candidate: Candidate) -> Attestation:
    """Make the attestation of a wheel that was tagged for publishing.

    Args:
        wheelhouse: where its build record is.
        sign: signs a statement; returns an empty text without an identity.
        candidate: the tagged wheel.

    Raises:
        UnprovenError: see `verify_candidate`.
    """
    stored = candidate.stored or candidate
    record = verify_candidate(wheelhouse, stored)
    wheel = RecordedWheel(
        filename=candidate.filename,
        sha256=candidate.sha256,
        size=candidate.file.size,
        built_sha256=record.wheel.built_sha256,
        unnumbered_sha256=record.wheel.unnumbered,
    )
    record = record.model_copy(update={"wheel": wheel})
    text = record.to_json()
    made = statement(record, text, sbom_digest(open_wheel(candidate.path)))
    return Attestation(record=text, statement=made, signature=sign(made))
