"""Signatures by a key of the site, for farms without an identity provider: a file, an HSM or a KMS.

securesystemslib signs and verifies; a private key never leaves what its url names. The signed statement is a
DSSE envelope in a Sigstore bundle whose verification material is a public key, which cosign reads. Keys are
ECDSA on NIST P-256: what `cosign generate-key-pair` makes, and what PKCS#11 tokens and every KMS have.

The format is https://github.com/sigstore/protobuf-specs (bundle v0.3, DSSE v1).
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import stat
import threading
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from wheelfarm.errors import FarmError, PublishError, SettingsError, UnverifiedError
from wheelfarm.recipes.settings import SIGN_PIN
from wheelfarm.system.files import parse_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from wheelfarm.recipes.signer_table import SignerKey

BUNDLE: Final = "application/vnd.dev.sigstore.bundle.v0.3+json"
PAYLOAD: Final = "application/vnd.in-toto+json"
_SCHEME: Final = "ecdsa-sha2-nistp256"
_KEY_ID: Final = "-"
"""Stands for every key while securesystemslib compares key ids; the bundle has none, as cosign's."""
_PREFIX_VARIABLE: Final = "CRYPTO_SIGNER_PATH_PREFIX"
"""Of securesystemslib: the directory of a private key whose url has a relative path."""
_PRIVATE: Final = (b"PRIVATE KEY", b"EC PRIVATE KEY")
"""The labels of PEM files with a private key that is not encrypted (RFC 7468, RFC 5915)."""
_INSTALL: Final = "pip install 'wheelfarm[attest]'"


@dataclass(frozen=True, kw_only=True)
class PublicKey:
    """A public key of the site."""

    name: str
    """Its file, for errors."""
    key: Any
    """The `SSlibKey`."""
    hint: str
    """What a bundle names it by, unverified: base64 of the sha256 of its DER, as cosign does."""
    expires: date | None = None

    def is_expired(self) -> bool:
        """Whether its last day has passed, in UTC."""
        return self.expires is not None and datetime.now(UTC).date() > self.expires


def read_public_key(path: Path, *, name: str, expires: date | None = None) -> PublicKey:
    """Read a public key.

    Args:
        path: its file, PEM.
        name: how errors name it.
        expires: the last day on which a signature by it counts.

    Raises:
        SettingsError: when it cannot be read, is not a public key on P-256, or its library is missing.
    """
    try:
        from cryptography.hazmat.primitives import serialization  # noqa: PLC0415 - an extra
        from securesystemslib.signer import SSlibKey  # noqa: PLC0415
    except ImportError as error:
        raise SettingsError(
            f"the public key {name} cannot be used", why=f"{error.name} is not installed", hint=_INSTALL
        ) from error
    text = b""
    try:
        text = path.read_bytes()
        found = serialization.load_pem_public_key(text)
        key = SSlibKey.from_crypto(found, _KEY_ID)
    except Exception as error:
        private = b"PRIVATE KEY-----" in text
        raise SettingsError(
            f"{name} is not a public key",
            where=name,
            why="it is a private key, which no file of a farm may have" if private else _reason(error),
            hint=f"openssl pkey -in {name} -pubout; make another key if others could read this one"
            if private
            else "it is a PEM file that begins with BEGIN PUBLIC KEY, as cosign.pub",
        ) from error
    if key.scheme != _SCHEME:
        raise SettingsError(
            f"the public key {name} is of another kind than ECDSA on NIST P-256",
            where=name,
            why=f"it is for {key.scheme}",
            hint="openssl ecparam -name prime256v1 -genkey -noout | openssl pkcs8 -topk8 -nocrypt",
        )
    der = found.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    hint = base64.b64encode(hashlib.sha256(der).digest()).decode()
    return PublicKey(name=name, key=key, hint=hint, expires=expires)


def read_public_keys(root: Path, keys: Iterable[SignerKey]) -> tuple[PublicKey, ...]:
    """Read the public keys of an index's settings; see `read_public_key`."""
    return tuple(read_public_key(root / each.file, name=each.file, expires=each.expires) for each in keys)


@dataclass
class KeySigner:
    """Signs the statements of one run with the private key of the site.

    Args:
        url: names the private key to securesystemslib.
        root: the farm, in which no private key may be.
        keys: the public keys in the settings; the first is that of the private key.
        environ: the environment, which may have the PIN.
    """

    url: str
    root: Path
    keys: Sequence[SignerKey]
    environ: Mapping[str, str]
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)
    _opened: tuple[PublicKey, Any] | None = field(default=None, init=False)

    def sign(self, text: str) -> str:
        """The Sigstore bundle of a statement, as JSON.

        Raises:
            SettingsError: when the public key cannot be used, or the private key is in the farm.
            PublishError: when the private key has expired, cannot be used, or is not that of the public key.
        """
        # A PKCS#11 token has few sessions, and the wheels of a release are attested by several threads.
        with self._lock:
            public, signer = self._opened = self._opened or self._open()
            from securesystemslib.dsse import Envelope  # noqa: PLC0415 - an extra
            from securesystemslib.exceptions import VerificationError  # noqa: PLC0415

            envelope = Envelope(text.encode(), PAYLOAD, {})
            try:
                envelope.sign(signer)
                # A token does not compare its key with the public key.
                envelope.verify([public.key], 1)
            except VerificationError as error:
                raise self._unusable(f"the private key is not that of {public.name}") from error
            except Exception as error:
                raise self._unusable(_reason(error)) from error
        document = envelope.to_dict()
        document["signatures"] = [{"sig": document["signatures"][0]["sig"]}]
        material = {"publicKey": {"hint": public.hint}, "tlogEntries": []}
        bundle = {"mediaType": BUNDLE, "verificationMaterial": material, "dsseEnvelope": document}
        return json.dumps(bundle, sort_keys=True) + "\n"

    def check(self) -> None:
        """Raise what `sign` would raise before it signs; no token is used."""
        with self._lock:
            self._opened = self._opened or self._open()

    def _open(self) -> tuple[PublicKey, Any]:
        parts = urlsplit(self.url)
        if parts.scheme == "file2":
            self._check_file(Path(self.environ.get(_PREFIX_VARIABLE, ""), parts.path).resolve())
        (public,) = read_public_keys(self.root, self.keys[:1])
        if public.is_expired():
            raise self._unusable(f"{public.name} expired on {public.expires}")
        from securesystemslib.signer import Signer  # noqa: PLC0415 - an extra

        try:
            return public, Signer.from_priv_key_uri(self.url, public.key, self._find_secret)
        except Exception as error:
            raise self._unusable(_reason(error)) from error

    def _check_file(self, path: Path) -> None:
        """Raise unless a file has a private key that this user alone can read."""
        if path.is_relative_to(self.root.resolve()):
            raise SettingsError(
                "the private key of the site is in the farm",
                where=str(path),
                why="whoever gets a copy of the farm could sign",
                hint="keep it outside, and set sign-key to that path",
            )
        try:
            mode, text = path.stat().st_mode, path.read_bytes()
        except OSError as error:
            raise self._unusable(f"{path}: {error.strerror}") from error
        # Windows has access lists in place of modes.
        if os.name != "nt" and mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise SettingsError(
                "other users can read or change the private key of the site",
                where=str(path),
                why=f"its mode is {stat.S_IMODE(mode):04o}",
                hint=f"chmod 600 {path}; make another key if somebody may have read it",
            )
        label = re.search(rb"-----BEGIN ([A-Z0-9 ]+)-----", text)
        if label is None or label[1] not in _PRIVATE:
            kind = label[1].decode().lower() if label else "no key in PEM"
            raise self._unusable(f"{path} has {kind}, and an unencrypted private key (PKCS#8) is needed")

    def _find_secret(self, name: str) -> str:
        if SIGN_PIN not in self.environ:
            raise self._unusable(f"it needs a {name}; set {SIGN_PIN}")
        return self.environ[SIGN_PIN]

    def _unusable(self, why: str) -> PublishError:
        name = self.keys[0].file
        error = PublishError(
            f"the key {name} cannot sign",
            where=f"sign-key = {self.url!r}",
            why=why,
            hint="the first of `signer-keys` is the public key of `sign-key`; see docs/how-to/sign.md",
        )
        error.retryable = False
        return error


def verify_key_signature(bundle: str, keys: Sequence[PublicKey], where: str) -> str:
    """The statement in a bundle, once its signature is found to be by one of the site's keys.

    Raises:
        UnverifiedError: when it is by no key, by an unknown key or by one that has expired.
    """
    from securesystemslib.dsse import Envelope  # noqa: PLC0415 - an extra, which the keys have imported
    from securesystemslib.exceptions import VerificationError  # noqa: PLC0415

    try:
        document = parse_json(bundle)
        hint = document["verificationMaterial"]["publicKey"]["hint"]
        content = document["dsseEnvelope"]
        (signature,) = content["signatures"]
        signatures = [{"sig": signature["sig"], "keyid": _KEY_ID}]
        envelope = Envelope.from_dict({**content, "signatures": signatures})
        text = envelope.payload.decode()
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise _unsigned(where, f"the bundle cannot be read: {_reason(error)}") from error
    if envelope.payload_type != PAYLOAD:
        raise _unsigned(where, f"it signs {envelope.payload_type!r:.80}, not a statement of in-toto")
    for public in keys:
        try:
            envelope.verify([public.key], 1)
        except VerificationError:
            continue
        if public.is_expired():
            hint = "inv index.sign, on the machine that stores these wheels, signs them with another key"
            raise _unsigned(where, f"{public.name} expired on {public.expires}", hint)
        return text
    named = next((public.name for public in keys if public.hint == hint), None)
    why = f"the signature is not by {named}, which it names" if named else f"it names the key {hint!r:.80}"
    raise _unsigned(where, f"{why}; accepted: {', '.join(public.name for public in keys) or 'none'}")


def _unsigned(
    where: str, why: str, hint: str = "do not install it before you know who has signed it"
) -> UnverifiedError:
    what = "the provenance statement is not signed by an accepted key of the site"
    return UnverifiedError(what, where=where, why=why, hint=hint)


def _reason(error: Exception) -> str:
    """The first cause of a library's error, in one line."""
    if isinstance(error, FarmError):
        return error.why or error.what
    while isinstance(error.__cause__, Exception):
        error = error.__cause__
    return ": ".join(filter(None, (type(error).__name__, str(error)[:200])))
