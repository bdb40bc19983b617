"""Signing statements with Sigstore, by the identity of a CI job, without keys of our own.

The library is the extra `attest`. Where it is not installed, or the machine has no identity, statements
stay unsigned; they still tie wheel, record and bill of materials together by hash.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from wheelfarm.errors import UnverifiedError
from wheelfarm.system.logs import get_logger

if TYPE_CHECKING:
    from collections.abc import Mapping

logger = get_logger(__name__)

_HINT = "pip install 'wheelfarm[attest]'"
_VARIABLES = ("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "SIGSTORE_ID_TOKEN", "CIRCLE_OIDC_TOKEN_V2", "BUILDKITE")
"""Variables of CI systems that give their jobs an identity: GitHub, GitLab, CircleCI, Buildkite."""


@dataclass
class Signer:
    """Signs the statements of one run.

    Args:
        environ: the environment, whose variables show whether there is an identity.
    """

    environ: Mapping[str, str]
    _warned: bool = field(default=False, init=False)
    _token: Any = field(default=None, init=False)

    def sign(self, text: str) -> str:
        """The Sigstore bundle of a statement as JSON; empty where nobody can sign."""
        if not any(self.environ.get(name) for name in _VARIABLES):
            return ""
        try:
            import pypi_attestations  # noqa: F401, PLC0415 - an extra; publishing needs it too
            from sigstore.dsse import Statement  # noqa: PLC0415
            from sigstore.models import ClientTrustConfig  # noqa: PLC0415
            from sigstore.oidc import IdentityToken, detect_credential  # noqa: PLC0415
            from sigstore.sign import SigningContext  # noqa: PLC0415
        except ImportError:
            return self._unsigned(f"sigstore or pypi-attestations is not installed: {_HINT}")
        try:
            if self._token is None or not self._token.in_validity_period():
                credential = detect_credential()
                if credential is None:
                    return self._unsigned("this job has no identity; in GitHub Actions: id-token: write")
                self._token = IdentityToken(credential)
            config = ClientTrustConfig.production()
            # Entries of version 2 have no time, and PEP 740 has no place for a timestamp beside them.
            config.force_tlog_version = 1
            context = SigningContext.from_trust_config(config)
            with context.signer(self._token) as signer:
                return str(signer.sign_dsse(Statement(text.encode())).to_json())
        except Exception as error:  # noqa: BLE001 - whatever the library or its services raise
            return self._unsigned(f"{type(error).__name__}: {str(error)[:200]}")

    def _unsigned(self, why: str) -> str:
        if not self._warned:
            logger.warning("provenance statements stay unsigned: %s", why)
            self._warned = True
        return ""


def make_index_attestation(bundle: str) -> str:
    """A Sigstore bundle in the form that indexes have (PEP 740), for `pypi-attestations verify`.

    The form has a certificate and an entry of a transparency log: a bundle with a public key has none.

    Raises:
        ValueError: when the bundle is none, or has no certificate.
    """
    from pypi_attestations import Attestation  # noqa: PLC0415 - an extra
    from sigstore.errors import Error  # noqa: PLC0415
    from sigstore.models import Bundle  # noqa: PLC0415

    try:
        return Attestation.from_bundle(Bundle.from_json(bundle)).model_dump_json() + "\n"
    except Error as error:
        raise ValueError(str(error)) from error


def signed_text(bundle: str, *, identity: str, issuer: str, where: str) -> str:
    """The statement in a bundle, once its signature is found to be of that identity.

    Raises:
        UnverifiedError: when it is not, or when Sigstore is not installed or cannot be reached.
    """
    try:
        from sigstore.models import Bundle  # noqa: PLC0415 - an extra
        from sigstore.verify import Verifier  # noqa: PLC0415
        from sigstore.verify.policy import Identity  # noqa: PLC0415
    except ImportError as error:
        raise UnverifiedError(
            "the signature cannot be verified", where=where, why="sigstore is not installed", hint=_HINT
        ) from error
    try:
        found, policy = Bundle.from_json(bundle), Identity(identity=identity, issuer=issuer)
        _, payload = Verifier.production().verify_dsse(found, policy)
    except Exception as error:
        raise UnverifiedError(
            f"the signature is not that of {identity}, or cannot be verified",
            where=where,
            why=f"{type(error).__name__}: {str(error)[:200]}",
            hint="do not install it before you know who has signed it",
        ) from error
    return payload.decode()
