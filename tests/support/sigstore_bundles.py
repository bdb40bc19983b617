"""Sigstore bundles with a certificate and an entry of a log, well-formed and of nobody."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec


def identity_bundle(statement: str) -> str:
    """A bundle of version 0.3 around a statement, whose signature and log entry nobody should accept."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([])
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + timedelta(minutes=10))
    certificate = builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)

    def encoded(data: bytes) -> str:
        return base64.b64encode(data).decode()

    digest = encoded(bytes(32))
    proof = {"logIndex": "0", "rootHash": digest, "treeSize": "1", "hashes": []}
    entry = {
        "logIndex": "0",
        "logId": {"keyId": digest},
        "kindVersion": {"kind": "dsse", "version": "0.0.1"},
        "integratedTime": "1",
        "inclusionPromise": {"signedEntryTimestamp": digest},
        "inclusionProof": {**proof, "checkpoint": {"envelope": "log"}},
        "canonicalizedBody": encoded(b"{}"),
    }
    document = {
        "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
        "verificationMaterial": {"certificate": {"rawBytes": encoded(certificate)}, "tlogEntries": [entry]},
        "dsseEnvelope": {
            "payload": encoded(statement.encode()),
            "payloadType": "application/vnd.in-toto+json",
            "signatures": [{"sig": encoded(b"signature")}],
        },
    }
    return json.dumps(document)
