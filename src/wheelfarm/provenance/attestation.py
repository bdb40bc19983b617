"""The provenance statement of a wheel, and the verification of a wheel against statement, record and SBOM.

The statement is in-toto's Statement v1 with SLSA's Provenance v1 as its predicate. It is made of the build
record alone, so whoever has the record can make it again; docs/reference/provenance.md describes its content.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from wheelfarm.errors import Collector, RecordError, UnverifiedError
from wheelfarm.model import sha256_of_bytes
from wheelfarm.provenance.record import Record, read_embedded_record
from wheelfarm.provenance.sbom_components import purl
from wheelfarm.provenance.sbom_reader import MEMBER, check_sbom
from wheelfarm.provenance.signing import signed_text
from wheelfarm.provenance.site_keys import verify_key_signature
from wheelfarm.system.files import parse_json
from wheelfarm.wheels.archive import open_wheel, verify

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from wheelfarm.model import Digest
    from wheelfarm.provenance.record import EmbeddedRecord
    from wheelfarm.provenance.site_keys import PublicKey
    from wheelfarm.wheels.archive import Wheel

STATEMENT: Final = "https://in-toto.io/Statement/v1"
PREDICATE: Final = "https://slsa.dev/provenance/v1"
BUILD_TYPE: Final = "urn:wheelfarm:build:v1"
"""The form of the parameters (SLSA provenance v1, `buildType`)."""
BUILDER: Final = "urn:wheelfarm:engine:"
"""What runs the builds and is trusted to report them: an engine of the farm."""
RECORD: Final = "build-record.json"
SBOM: Final = "sbom.cdx.json"

_AGAIN: Final = "do not install it; publish it again under another build number"
_SIGN: Final = "do not install it; inv index.sign, on the machine that stores it, signs it"


@dataclass(frozen=True, kw_only=True)
class Attestation:
    """The build record of a published wheel, with a signed statement about it, as text."""

    record: str
    statement: str = ""
    """The in-toto statement."""
    signature: str = ""
    """The statement's Sigstore bundle; empty without an identity."""
    key_signature: str = ""
    """The statement's bundle that a key of the site signed; empty without one."""

    @property
    def signed(self) -> bool:
        """Whether anybody has signed the statement."""
        return bool(self.signature or self.key_signature)


@dataclass(frozen=True, kw_only=True)
class RequiredSigners:
    """Who must have signed the statements of an index: the identity and one of the keys, if any."""

    identity: str | None = None
    """The signer's address, or the url of a workflow with its ref."""
    issuer: str = ""
    """The OpenID Connect issuer of that identity."""
    keys: tuple[PublicKey, ...] = ()

    def check(self, path: Path, attestation: Attestation | None) -> None:
        """Verify the signatures of a wheel's statement.

        Args:
            path: the wheel, for errors.
            attestation: of the wheel; None without one.

        Raises:
            UnverifiedError: when a signature that is required is missing, not theirs or of another statement,
                or cannot be verified.
        """
        if self.identity:
            check_signature(path, attestation, identity=self.identity, issuer=self.issuer)
        if self.keys:
            _check_key_signature(path, attestation, self.keys)


def statement(record: Record, text: str, sbom: Digest | None) -> str:
    """Make the statement of a wheel as stable text.

    Args:
        record: its build record.
        text: the record as it is published.
        sbom: the digest of the SBOM in the wheel, where it has one.
    """
    digest = sha256_of_bytes(text.encode("utf-8", "surrogateescape"))
    byproducts = {RECORD: digest} | ({SBOM: sbom} if sbom else {})
    document = {
        "_type": STATEMENT,
        "subject": [{"name": record.wheel.filename, "digest": {"sha256": record.wheel.sha256}}],
        "predicateType": PREDICATE,
        "predicate": {
            "buildDefinition": {
                "buildType": BUILD_TYPE,
                # The choices, which a verifier compares with what was wanted.
                "externalParameters": {
                    "recipe": record.recipe,
                    "distribution": record.distribution,
                    "version": record.version,
                    "variant": record.variant,
                    "target": str(record.target),
                    "configSettings": {key: list(values) for key, values in record.config_settings.items()},
                    "environment": dict(record.environment),
                },
                "internalParameters": {"key": record.key, "keyParts": dict(record.key_parts)},
                "resolvedDependencies": list(_dependencies(record)),
            },
            "runDetails": {
                "builder": {"id": f"{BUILDER}{record.engine}", "version": dict(record.toolchain)},
                "metadata": {
                    "invocationId": record.key,
                    "startedOn": record.started.strftime("%Y-%m-%dT%H:%M:%SZ"),
                    "finishedOn": record.finished.strftime("%Y-%m-%dT%H:%M:%SZ"),
                },
                "byproducts": [
                    {"name": name, "digest": {"sha256": sha256}} for name, sha256 in byproducts.items()
                ],
            },
        },
    }
    return json.dumps(document, sort_keys=True) + "\n"


def _dependencies(record: Record) -> Iterator[dict[str, Any]]:
    """All inputs with a digest: source, patches, build requirements, wheels of the farm."""
    source = record.source
    url = {"uri": source.url} if source.url else {}
    yield {"name": source.filename, "digest": {"sha256": source.sha256}} | url
    for patch in record.patches:
        yield {"name": f"patches/{record.recipe}/{patch.file}", "digest": {"sha256": patch.sha256}}
    for entry in record.build_requirements:
        if entry.sha256:
            uri = purl("pypi", entry.name, version=entry.version)
            yield {"uri": uri, "digest": {"sha256": entry.sha256}}
    for wheel in record.upstream:
        yield {"name": wheel.filename, "digest": {"sha256": wheel.sha256}}


def sbom_digest(wheel: Wheel) -> Digest | None:
    """The digest of the farm's SBOM in a wheel, as RECORD states it."""
    where = f"{wheel.dist_info}/{MEMBER}"
    return next((member.sha256 for member in wheel.members if member.name == where), None)


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
    """Compare a wheel that has its own name and that digest with its attestation; return its record.

    Raises:
        UnverifiedError: a group of all differences.
        WheelError: when the wheel is damaged.
    """
    problems = Collector()
    try:
        record = Record.from_json(attestation.record, path.name)
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
        made = statement(record, attestation.record, sbom_digest(open_wheel(path)))
        if attestation.statement != made:
            raise _differs(path, "the provenance statement", _difference(attestation.statement, made))
    problems.check()
    return record


def _difference(text: str, made: str) -> str:
    """Why a statement is not the one that the record makes."""
    if not text:
        return "there is none"
    try:
        return _first_difference(parse_json(text), parse_json(made))
    except (ValueError, RecursionError) as error:
        return f"it is not JSON: {error}"


def _first_difference(found: Any, made: Any, path: str = "") -> str:  # noqa: ANN401 - JSON
    if isinstance(found, dict) and isinstance(made, dict) and found.keys() == made.keys():
        pairs = [(f"{path}.{key}", found[key], made[key]) for key in made]
    elif isinstance(found, list) and isinstance(made, list) and len(found) == len(made):
        pairs = [(f"{path}[{index}]", *pair) for index, pair in enumerate(zip(found, made, strict=True))]
    else:
        return f"{path.removeprefix('.') or 'it'} is {found!r:.300}, not {made!r:.300}"
    for where, one, other in pairs:
        if one != other:
            return _first_difference(one, other, where)
    return "it is written in another form"


def _differs(path: Path, what: str, why: str, hint: str = _AGAIN) -> UnverifiedError:
    return UnverifiedError(f"{what} does not match {path.name}", where=path.name, why=why, hint=hint)


def check_signature(path: Path, attestation: Attestation | None, *, identity: str, issuer: str) -> None:
    """Verify the signature of a wheel's statement with Sigstore.

    Args:
        path: the wheel, for errors.
        attestation: of the wheel; None without one.
        identity: the signer's address, or the url of a workflow with its ref.
        issuer: the OpenID Connect issuer of that identity.

    Raises:
        UnverifiedError: when the signature is not theirs, or of another statement, or cannot be verified.
    """
    if attestation is None or not attestation.signature:
        raise _differs(path, "the signature", f"there is none; {identity} must have signed")
    text = signed_text(attestation.signature, identity=identity, issuer=issuer, where=path.name)
    if text != attestation.statement:
        raise _differs(path, "the signature", "it was made for another statement")


def _check_key_signature(path: Path, attestation: Attestation | None, keys: tuple[PublicKey, ...]) -> None:
    if attestation is None or not attestation.key_signature:
        names = ", ".join(public.name for public in keys)
        why = f"there is none by a key of the site; accepted: {names}"
        raise _differs(path, "the signature", why, _SIGN)
    if verify_key_signature(attestation.key_signature, keys, path.name) != attestation.statement:
        raise _differs(path, "the signature", "it was made for another statement")
