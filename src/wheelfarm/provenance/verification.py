"""Whether a wheel is the one that its papers speak of, and whether these agree with each other."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from wheelfarm.errors import Collector, RecordError, UnverifiedError
from wheelfarm.provenance.attestation import PREDICATE, SBOM, STATEMENT, statement
from wheelfarm.provenance.sbom_reading import MEMBER, check_sbom
from wheelfarm.wheels.archive import open_wheel, verify

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from wheelfarm.model import Digest
    from wheelfarm.provenance.attestation import Attestation
    from wheelfarm.provenance.record import Record
    from wheelfarm.wheels.wheel import Wheel

_AGAIN: Final = "do not install it; publish it again under another build number"


def verify_attestation(path: Path, sha256: Digest, papers: Attestation) -> Record:
    """Compare a wheel with its record, its bill of materials and its statement.

    Args:
        path: the wheel, under its own name.
        sha256: the digest of its bytes, as they were read.
        papers: what was published with it.

    Returns:
        Its build record.

    Raises:
        UnverifiedError: a group with all that does not fit.
        WheelError: where the wheel itself is not sound.
    """
    problems = Collector()
    try:
        record = papers.read
    except RecordError as error:
        raise UnverifiedError(
            f"the build record of {path.name} cannot be read", where=path.name, why=error.why, hint=_AGAIN
        ) from error
    told = record.wheel
    if (told.filename, told.sha256) != (path.name, sha256):
        problems.add(
            _differs(
                path,
                "the build record",
                f"it says {told.filename}, sha256 {told.sha256}; the wheel has {sha256}",
            )
        )
    if not record.gate_results:
        problems.add(_differs(path, "the build record", "it tells of no gate that the wheel has passed"))
    with problems.collect():
        wheel = open_wheel(path)
        verify(wheel)
        check_sbom(wheel)
        _check_statement(path, record, papers, sbom_digest(wheel))
    problems.check()
    return record


def sbom_digest(wheel: Wheel) -> Digest | None:
    """The digest of the farm's bill of materials in a wheel, as RECORD states it."""
    where = f"{wheel.dist_info}/{MEMBER}"
    return next((member.sha256 for member in wheel.members if member.name == where), None)


def _check_statement(path: Path, record: Record, papers: Attestation, sbom: Digest | None) -> None:
    """The statement must be the one that the record makes: what it says beyond that, nobody has shown.

    Raises:
        UnverifiedError: when it is another one.
    """
    made = statement(record, papers.record, sbom)
    if papers.statement == made:
        return
    if not papers.statement:
        raise _differs(path, "the provenance statement", "there is none")
    try:
        why = _why(json.loads(papers.statement), json.loads(made))
    except (ValueError, RecursionError) as error:
        why = f"it is not JSON: {error}"
    except (KeyError, TypeError, AttributeError):
        why = "it is not of the form that the farm writes"
    raise _differs(path, "the provenance statement", why)


def _why(document: Mapping[str, Any], made: Mapping[str, Any]) -> str:
    """Which part of a statement is not what the record makes.

    Raises:
        KeyError, TypeError, AttributeError: when it has another form, which anybody may have given it.
    """
    if (document["_type"], document["predicateType"]) != (STATEMENT, PREDICATE):
        return f"it is no {STATEMENT} with the predicate {PREDICATE}"
    if document["subject"] != made["subject"]:
        return f"its subject is {document['subject']!r:.300}, not {made['subject']}"
    definition, wanted = (each["predicate"]["buildDefinition"] for each in (document, made))
    digests, byproducts = (
        {each["name"]: each["digest"]["sha256"] for each in one["predicate"]["runDetails"]["byproducts"]}
        for one in (document, made)
    )
    for name, digest in byproducts.items():
        if digests.get(name) != digest:
            what = "the bill of materials in the wheel" if name == SBOM else "the build record"
            return f"it holds the sha256 {digests.get(name)} of {what}, which has {digest}"
    differing = [name for name, value in wanted.items() if definition[name] != value]
    return f"it says otherwise than the build record: {', '.join(differing) or 'runDetails'}"


def _differs(path: Path, what: str, why: str) -> UnverifiedError:
    return UnverifiedError(f"{what} does not fit {path.name}", where=path.name, why=why, hint=_AGAIN)


def check_signature(path: Path, papers: Attestation, *, identity: str, issuer: str) -> None:
    """Verify that a statement was signed by somebody, with Sigstore.

    Args:
        path: the wheel, for errors.
        papers: with a signature.
        identity: who must have signed: an address, or the url of a workflow with its ref.
        issuer: who vouches for that identity.

    Raises:
        UnverifiedError: when the signature is not theirs, or of another statement, or cannot be verified.
    """
    from wheelfarm.provenance.signing import signed_text  # noqa: PLC0415 - it brings half of Sigstore along

    if not papers.signature:
        raise _differs(path, "the signature", f"there is none, and {identity} should have signed")
    if signed_text(papers.signature, identity=identity, issuer=issuer, where=path.name) != papers.statement:
        raise _differs(path, "the signature", "it was made for another statement")
