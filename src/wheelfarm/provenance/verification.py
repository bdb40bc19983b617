"""Verify a wheel against its embedded record, its SBOM and its attestation."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from wheelfarm.errors import Collector, RecordError, UnverifiedError
from wheelfarm.provenance.attestation import PREDICATE, SBOM, STATEMENT, statement
from wheelfarm.provenance.record import read_embedded_record
from wheelfarm.provenance.sbom_reading import MEMBER, check_sbom
from wheelfarm.wheels.archive import open_wheel, verify

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from wheelfarm.model import Digest
    from wheelfarm.provenance.attestation import Attestation
    from wheelfarm.provenance.record import EmbeddedRecord, Record
    from wheelfarm.wheels.archive import Wheel

_AGAIN: Final = "do not install it; publish it again under another build number"


def verify_wheel(path: Path, short_key: str) -> EmbeddedRecord:
    """Verify a wheel by itself: its RECORD, its SBOM, and its embedded build record.

    Args:
        path: the wheel, under its own name.
        short_key: the digits of the build key in its build tag; empty without one.

    Raises:
        UnverifiedError: when the embedded record is missing, or makes another build key.
        WheelError: when the wheel or its SBOM is damaged.
    """
    wheel = open_wheel(path)
    verify(wheel)
    check_sbom(wheel)
    try:
        record = read_embedded_record(wheel)
    except RecordError as error:
        raise UnverifiedError(error.what, where=error.where, why=error.why, hint=_AGAIN) from error
    if not short_key or not record.key.startswith(short_key):
        why = f"its record makes the build key {record.key}, its build tag has {short_key or 'none'}"
        raise _differs(path, "the build tag", why)
    return record


def verify_attestation(path: Path, sha256: Digest, attestation: Attestation) -> Record:
    """Compare a wheel with its attestation.

    Args:
        path: the wheel, under its own name.
        sha256: the digest of its bytes.
        attestation: what the index has for that digest.

    Returns:
        The build record.

    Raises:
        UnverifiedError: a group of all differences.
        WheelError: when the wheel is damaged.
    """
    problems = Collector()
    try:
        record = attestation.read
    except RecordError as error:
        raise UnverifiedError(
            f"the build record of {path.name} cannot be read", where=path.name, why=error.why, hint=_AGAIN
        ) from error
    wheel = record.wheel
    if (wheel.filename, wheel.sha256) != (path.name, sha256):
        why = f"it says {wheel.filename}, sha256 {wheel.sha256}; the wheel has {sha256}"
        problems.add(_differs(path, "the build record", why))
    if not record.gate_results:
        problems.add(_differs(path, "the build record", "it has no results of the gate"))
    with problems.collect():
        _check_statement(path, record, attestation, sbom_digest(open_wheel(path)))
    problems.check()
    return record


def sbom_digest(wheel: Wheel) -> Digest | None:
    """The digest of the farm's SBOM in a wheel, as RECORD states it."""
    where = f"{wheel.dist_info}/{MEMBER}"
    return next((member.sha256 for member in wheel.members if member.name == where), None)


def _check_statement(path: Path, record: Record, attestation: Attestation, sbom: Digest | None) -> None:
    """Raise unless the statement is the one that the record makes."""
    made = statement(record, attestation.record, sbom)
    if attestation.statement == made:
        return
    if not attestation.statement:
        raise _differs(path, "the provenance statement", "there is none")
    try:
        why = _why(json.loads(attestation.statement), json.loads(made))
    except (ValueError, RecursionError) as error:
        why = f"it is not JSON: {error}"
    except (KeyError, TypeError, AttributeError):
        why = "it does not have the form that the farm writes"
    raise _differs(path, "the provenance statement", why)


def _why(document: Mapping[str, Any], made: Mapping[str, Any]) -> str:
    """Which part of a statement differs from the one that the record makes."""
    if (document["_type"], document["predicateType"]) != (STATEMENT, PREDICATE):
        return f"it is not a {STATEMENT} with the predicate {PREDICATE}"
    if document["subject"] != made["subject"]:
        return f"its subject is {document['subject']!r:.300}, not {made['subject']}"
    definition, wanted = (each["predicate"]["buildDefinition"] for each in (document, made))
    digests, byproducts = (
        {each["name"]: each["digest"]["sha256"] for each in one["predicate"]["runDetails"]["byproducts"]}
        for one in (document, made)
    )
    for name, digest in byproducts.items():
        if digests.get(name) != digest:
            what = "the SBOM in the wheel" if name == SBOM else "the build record"
            return f"it has the sha256 {digests.get(name)} for {what}, whose sha256 is {digest}"
    differing = [name for name, value in wanted.items() if definition[name] != value]
    return f"it differs from the build record in {', '.join(differing) or 'runDetails'}"


def _differs(path: Path, what: str, why: str) -> UnverifiedError:
    return UnverifiedError(f"{what} does not match {path.name}", where=path.name, why=why, hint=_AGAIN)


def check_signature(path: Path, attestation: Attestation | None, *, identity: str, issuer: str) -> None:
    """Verify the signature of a statement with Sigstore.

    Args:
        path: the wheel, for errors.
        attestation: of the wheel; None without one.
        identity: who must have signed: an address, or the url of a workflow with its ref.
        issuer: who vouches for that identity.

    Raises:
        UnverifiedError: when the signature is not theirs, or of another statement, or cannot be verified.
    """
    from wheelfarm.provenance.signing import signed_text  # noqa: PLC0415 - Sigstore is slow to import

    if attestation is None or not attestation.signature:
        raise _differs(path, "the signature", f"there is none; {identity} must have signed")
    if (
        signed_text(attestation.signature, identity=identity, issuer=issuer, where=path.name)
        != attestation.statement
    ):
        raise _differs(path, "the signature", "it was made for another statement")
