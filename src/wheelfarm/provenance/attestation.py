"""The provenance statement of a wheel: in-toto Statement v1 with a SLSA Provenance v1 predicate.

It is made of the build record and nothing else, so whoever has the record can make it again; what it says
is described in docs/reference/provenance.md.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from wheelfarm.model import Digest
from wheelfarm.provenance.record import Record

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True, kw_only=True)
class Attestation:
    """The build record of a published wheel, with a signed statement about it, as text."""

    record: str
    """The build record."""
    statement: str = ""
    """The in-toto statement."""
    signature: str = ""
    """The statement's Sigstore bundle; empty without an identity."""

    @cached_property
    def read(self) -> Record:
        """The build record.

        Raises:
            RecordError: when it cannot be read.
        """
        return Record.from_json(self.record, "the published build record")


STATEMENT: Final = "https://in-toto.io/Statement/v1"
PREDICATE: Final = "https://slsa.dev/provenance/v1"
BUILD_TYPE: Final = "urn:wheelfarm:build:v1"
"""The form of the parameters (SLSA provenance v1, `buildType`)."""
BUILDER: Final = "urn:wheelfarm:engine:"
"""What carries the builds out, and is trusted to tell the truth of them: an engine of the farm."""
RECORD: Final = "build-record.json"
SBOM: Final = "sbom.cdx.json"


def text_digest(text: str) -> Digest:
    """The sha256 of a text in UTF-8."""
    return Digest(hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest())


def statement(record: Record, text: str, sbom: Digest | None) -> str:
    """The statement of a wheel, as stable text.

    Args:
        record: its build record.
        text: the same as it is published: the statement holds its digest.
        sbom: the digest of the bill of materials in the wheel; None where it has none.
    """
    byproducts = {RECORD: text_digest(text)} | ({SBOM: sbom} if sbom else {})
    document = {
        "_type": STATEMENT,
        "subject": [{"name": record.wheel.filename, "digest": {"sha256": record.wheel.sha256}}],
        "predicateType": PREDICATE,
        "predicate": {
            "buildDefinition": {
                "buildType": BUILD_TYPE,
                "externalParameters": _parameters(record),
                "internalParameters": {"key": record.key, "keyParts": dict(record.key_parts)},
                "resolvedDependencies": list(_resolved(record)),
            },
            "runDetails": {
                "builder": {"id": f"{BUILDER}{record.engine}", "version": dict(record.toolchain)},
                "metadata": {
                    "invocationId": record.key,
                    "startedOn": record.started.strftime("%Y-%m-%dT%H:%M:%SZ"),
                    "finishedOn": record.finished.strftime("%Y-%m-%dT%H:%M:%SZ"),
                },
                "byproducts": [
                    {"name": name, "digest": {"sha256": digest}} for name, digest in byproducts.items()
                ],
            },
        },
    }
    return json.dumps(document, sort_keys=True) + "\n"


def _parameters(record: Record) -> dict[str, Any]:
    """The choices, which a verifier compares with what was wanted."""
    return {
        "recipe": record.recipe,
        "distribution": record.distribution,
        "version": record.version,
        "variant": record.variant,
        "target": str(record.target),
        "configSettings": {key: list(values) for key, values in record.config_settings.items()},
        "environment": dict(record.environment),
    }


def _resolved(record: Record) -> Iterator[dict[str, Any]]:
    """All that went in and has a digest: source, patches, build requirements, upstream wheels."""
    source = record.source
    yield {"name": source.filename, "digest": {"sha256": source.sha256}} | (
        {"uri": source.url} if source.url else {}
    )
    for patch in record.patches:
        yield {"name": f"patches/{record.recipe}/{patch.file}", "digest": {"sha256": patch.sha256}}
    for entry in record.build_requirements:
        if entry.sha256:
            version = quote(entry.version, safe="")
            yield {"uri": f"pkg:pypi/{entry.name}@{version}", "digest": {"sha256": entry.sha256}}
    for wheel in record.upstream:
        yield {"name": wheel.filename, "digest": {"sha256": wheel.sha256}}
