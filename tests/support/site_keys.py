"""Key pairs of a site, as `cosign import-key-pair` and OpenSSL write them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

if TYPE_CHECKING:
    from pathlib import Path

    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes


def write_keys(farm: Path, name: str, private: PrivateKeyTypes | None = None) -> str:
    """Write a public key below a farm and the private key beside it; return the private key's url.

    Args:
        farm: the farm.
        name: of the files, without a suffix.
        private: the private key; by default a new one on P-256.
    """
    private = private or ec.generate_private_key(ec.SECP256R1())
    public = farm / "keys" / f"{name}.pub"
    public.parent.mkdir(parents=True, exist_ok=True)
    public.write_bytes(
        private.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    )
    secret = farm.parent / "secrets" / f"{name}.pem"
    secret.parent.mkdir(exist_ok=True)
    secret.touch(mode=0o600)
    secret.write_bytes(
        private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return f"file2:{secret}"
