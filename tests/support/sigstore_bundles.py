"""A Sigstore of the tests: a certificate authority and logs, whose keys are in a trusted root of their own.

It does what Fulcio, the certificate transparency log and Rekor do for one signature, so that the verifiers of
Sigstore accept the bundles of whoever trusts that root, and of nobody else.
"""

from __future__ import annotations

import base64
import hashlib
import json
import struct
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

ISSUER: Final = "https://login.example.org"
SIGNER: Final = "farm@example.org"
_MEDIA: Final = "application/vnd.dev.sigstore.bundle.v0.3+json"
_ROOT: Final = "application/vnd.dev.sigstore.trustedroot+json;version=0.1"
_PAYLOAD: Final = "application/vnd.in-toto+json"
_SCT: Final = x509.ObjectIdentifier("1.3.6.1.4.1.11129.2.4.2")
_ISSUER: Final = x509.ObjectIdentifier("1.3.6.1.4.1.57264.1.1")
_DER: Final = serialization.Encoding.DER
_SHA256: Final = ec.ECDSA(hashes.SHA256())


def _new_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def _public(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.public_key().public_bytes(_DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def _id(key: ec.EllipticCurvePrivateKey) -> bytes:
    """The name of a log, and of an issuer: the sha256 of its public key (RFC 6962)."""
    return hashlib.sha256(_public(key)).digest()


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _canonical(value: object) -> bytes:
    """JSON as RFC 8785 has it, for texts and integers."""
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def _octets(data: bytes) -> bytes:
    """A DER octet string of less than 256 bytes."""
    return bytes([0x04, *([0x81] if len(data) > 127 else []), len(data)]) + data


@dataclass
class LocalSigstore:
    """Signs statements for an identity, as the services of Sigstore do."""

    identity: str = SIGNER
    authority: ec.EllipticCurvePrivateKey = field(default_factory=_new_key)
    ct_log: ec.EllipticCurvePrivateKey = field(default_factory=_new_key)
    rekor: ec.EllipticCurvePrivateKey = field(default_factory=_new_key)
    start: datetime = field(default_factory=lambda: datetime.now(UTC).replace(microsecond=0))

    def __post_init__(self) -> None:
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "authority of the tests")])
        usage = x509.KeyUsage(*(index in {5, 6} for index in range(9)))  # signs certificates and lists
        builder = x509.CertificateBuilder(
            self.name, self.name, self.authority.public_key(), 1, *self._around(timedelta(days=1))
        )
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        builder = builder.add_extension(usage, critical=True)
        identifier = x509.SubjectKeyIdentifier.from_public_key(self.authority.public_key())
        self.root = builder.add_extension(identifier, critical=False).sign(self.authority, hashes.SHA256())

    def _around(self, span: timedelta) -> tuple[datetime, datetime]:
        return self.start - span, self.start + span

    @property
    def trusted_root(self) -> str:
        """Whom a verifier trusts, as JSON."""
        valid = {"start": (self.start - timedelta(days=1)).strftime("%Y-%m-%dT%H:%M:%SZ")}

        def log(key: ec.EllipticCurvePrivateKey) -> dict[str, Any]:
            details = {"keyDetails": "PKIX_ECDSA_P256_SHA_256", "validFor": valid}
            public = {"rawBytes": _text(_public(key)), **details}
            base = {"baseUrl": "https://log.invalid", "hashAlgorithm": "SHA2_256"}
            return {**base, "publicKey": public, "logId": {"keyId": _text(_id(key))}}

        authority = {
            "subject": {"organization": "tests", "commonName": "tests"},
            "uri": "https://authority.invalid",
            "certChain": {"certificates": [{"rawBytes": _text(self.root.public_bytes(_DER))}]},
            "validFor": valid,
        }
        document = {
            "mediaType": _ROOT,
            "tlogs": [log(self.rekor)],
            "certificateAuthorities": [authority],
            "ctlogs": [log(self.ct_log)],
        }
        return json.dumps(document)

    def sign(self, statement: str) -> str:
        """The bundle of a statement, as JSON."""
        key, payload = _new_key(), statement.encode()
        signed = b"DSSEv1 %d %b %d %b" % (len(_PAYLOAD), _PAYLOAD.encode(), len(payload), payload)
        signature = _text(key.sign(signed, _SHA256))
        certificate = self._certificate(key)
        pem = certificate.public_bytes(serialization.Encoding.PEM)
        envelope = {"payload": _text(payload), "payloadType": _PAYLOAD, "signatures": [{"sig": signature}]}
        body = {
            "apiVersion": "0.0.1",
            "kind": "dsse",
            "spec": {
                "envelopeHash": _digest(_canonical(envelope)),
                "payloadHash": _digest(payload),
                "signatures": [{"signature": signature, "verifier": _text(pem)}],
            },
        }
        material = {
            "certificate": {"rawBytes": _text(certificate.public_bytes(_DER))},
            "tlogEntries": [self._entry(_canonical(body))],
        }
        return json.dumps({"mediaType": _MEDIA, "verificationMaterial": material, "dsseEnvelope": envelope})

    def _certificate(self, key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
        """A certificate of ten minutes, with the promise of the log to list it."""
        usage = x509.KeyUsage(*(index == 0 for index in range(9)))  # signs
        authority = x509.AuthorityKeyIdentifier.from_issuer_public_key(self.authority.public_key())
        subject = x509.SubjectAlternativeName([x509.RFC822Name(self.identity)])
        builder = x509.CertificateBuilder(
            self.name, x509.Name([]), key.public_key(), 2, *self._around(timedelta(minutes=10))
        )
        builder = builder.add_extension(usage, critical=True).add_extension(authority, critical=False)
        builder = builder.add_extension(
            x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING]), critical=False
        )
        builder = builder.add_extension(subject, critical=True)
        builder = builder.add_extension(x509.UnrecognizedExtension(_ISSUER, ISSUER.encode()), critical=False)
        unlisted = builder.sign(self.authority, hashes.SHA256()).tbs_certificate_bytes
        time = int(self.start.timestamp() * 1000)
        entry = _id(self.authority) + len(unlisted).to_bytes(3, "big") + unlisted
        promised = struct.pack("!BBQH", 0, 0, time, 1) + entry + bytes(2)
        signature = self.ct_log.sign(promised, _SHA256)
        promise = struct.pack("!B32sQHBBH", 0, _id(self.ct_log), time, 0, 4, 3, len(signature)) + signature
        listed = _octets(struct.pack("!HH", len(promise) + 2, len(promise)) + promise)
        return builder.add_extension(x509.UnrecognizedExtension(_SCT, listed), critical=False).sign(
            self.authority, hashes.SHA256()
        )

    def _entry(self, body: bytes) -> dict[str, Any]:
        """The second entry of a transparency log: some verifiers take an index of 0 for none (RFC 6962)."""
        time, first = int(self.start.timestamp()), hashlib.sha256(b"\0").digest()
        root = hashlib.sha256(b"\1" + first + hashlib.sha256(b"\0" + body).digest()).digest()
        promised = {
            "body": _text(body),
            "integratedTime": time,
            "logID": _id(self.rekor).hex(),
            "logIndex": 1,
        }
        note = f"log.invalid\n2\n{_text(root)}\n"
        signature = _id(self.rekor)[:4] + self.rekor.sign(note.encode(), _SHA256)
        checkpoint = f"{note}\n\N{EM DASH} log.invalid {_text(signature)}\n"
        proof = {"logIndex": "1", "rootHash": _text(root), "treeSize": "2", "hashes": [_text(first)]}
        promise = _text(self.rekor.sign(_canonical(promised), _SHA256))
        return {
            "logIndex": "1",
            "logId": {"keyId": _text(_id(self.rekor))},
            "kindVersion": {"kind": "dsse", "version": "0.0.1"},
            "integratedTime": str(time),
            "inclusionPromise": {"signedEntryTimestamp": promise},
            "inclusionProof": {**proof, "checkpoint": {"envelope": checkpoint}},
            "canonicalizedBody": _text(body),
        }


def _digest(data: bytes) -> dict[str, str]:
    return {"algorithm": "sha256", "value": hashlib.sha256(data).hexdigest()}
