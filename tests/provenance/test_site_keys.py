"""Signatures by a key of the site: what is signed, which keys count, and what is refused."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from hypothesis import given, settings
from hypothesis import strategies as st
from sigstore_models.bundle.v1 import Bundle

from support.raised import only
from support.site_keys import write_keys
from wheelfarm.errors import PublishError, SettingsError, UnverifiedError
from wheelfarm.provenance.site_keys import (
    BUNDLE,
    PAYLOAD,
    KeySigner,
    PublicKey,
    read_public_key,
    read_public_keys,
    verify_key_signature,
)
from wheelfarm.recipes.signer_table import SignerKey

if TYPE_CHECKING:
    from pathlib import Path

TEXT = '{"_type": "https://in-toto.io/Statement/v1", "subject": []}\n'
TODAY = datetime.now(UTC).date()


def key(name: str, expires: date | None = None) -> SignerKey:
    return SignerKey.model_validate({"file": f"keys/{name}.pub", "expires": expires})


class Site:
    """A farm and the keys of its site."""

    def __init__(self, directory: Path) -> None:
        self.root = directory / "farm"
        self.urls: dict[str, str] = {}

    def signer(self, name: str, *others: SignerKey, **changes: Any) -> KeySigner:
        if name not in self.urls:
            self.urls[name] = write_keys(self.root, name)
        changes = {"url": self.urls[name], "keys": (key(name), *others), "environ": {}, **changes}
        return KeySigner(root=self.root, **changes)

    def keys(self, *names: str, expires: date | None = None) -> tuple[PublicKey, ...]:
        return read_public_keys(self.root, [key(name, expires) for name in names])


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def changed(bundle: str, path: str, value: object) -> str:
    """The bundle with another value at a path."""
    part = document = json.loads(bundle)
    *parents, last = (int(step) if step.isdigit() else step for step in path.split("."))
    for step in parents:
        part = part[step]
    part[last] = value
    return json.dumps(document)


def refused(bundle: str, keys: tuple[PublicKey, ...]) -> str:
    error = only(lambda: verify_key_signature(bundle, keys, "here"), UnverifiedError)
    assert error.what == "the provenance statement is not signed by an accepted key of the site"
    return str(error.why)


class TestBundle:
    def test_it_is_one_of_sigstore_with_a_public_key(self, site: Site) -> None:
        """The hint is that of cosign, and the signature has no key id, by which cosign would skip it."""
        bundle = Bundle.from_json(site.signer("a").sign(TEXT))
        assert bundle.media_type == BUNDLE
        assert bundle.dsse_envelope is not None
        assert bundle.verification_material.public_key is not None
        assert bundle.verification_material.public_key.hint == site.keys("a")[0].hint
        assert bundle.dsse_envelope.payload.decode() == TEXT
        assert bundle.dsse_envelope.payload_type == PAYLOAD
        assert not bundle.dsse_envelope.signatures[0].keyid

    @pytest.mark.skipif(shutil.which("openssl") is None, reason="has no openssl")
    def test_openssl_verifies_the_signature(self, site: Site, tmp_path: Path) -> None:
        """Another implementation, with the text that DSSE v1 says is signed."""
        envelope = json.loads(site.signer("a").sign(TEXT))["dsseEnvelope"]
        payload = base64.b64decode(envelope["payload"])
        signed, signature = tmp_path / "signed", tmp_path / "signature"
        signed.write_bytes(b"DSSEv1 %d %b %d %b" % (len(PAYLOAD), PAYLOAD.encode(), len(payload), payload))
        signature.write_bytes(base64.b64decode(envelope["signatures"][0]["sig"]))
        words = "openssl dgst -sha256 -verify farm/keys/a.pub -signature signature signed"
        done = subprocess.run(words.split(), cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.stdout == "Verified OK\n", done.stderr

    @settings(max_examples=20)
    @given(text=st.text(st.characters(exclude_categories=["Cs"]), max_size=200))
    def test_what_was_signed_comes_back(self, tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
        site = Site(tmp_path_factory.mktemp("site"))
        bundle = site.signer("a").sign(text)
        assert verify_key_signature(bundle, site.keys("a"), "here") == text


class TestRotation:
    def test_both_keys_count_while_the_settings_name_both(self, site: Site) -> None:
        old = site.signer("old").sign(TEXT)
        new = site.signer("new", key("old")).sign(TEXT)
        for bundle in (old, new):
            assert verify_key_signature(bundle, site.keys("new", "old"), "here") == TEXT

    def test_a_key_that_was_removed_does_not_count(self, site: Site) -> None:
        old = site.signer("old").sign(TEXT)
        site.signer("new")
        hint = site.keys("old")[0].hint
        assert refused(old, site.keys("new")) == f"it names the key {hint!r}; accepted: keys/new.pub"

    def test_a_key_counts_on_its_last_day_and_not_after(self, site: Site) -> None:
        bundle = site.signer("a").sign(TEXT)
        assert verify_key_signature(bundle, site.keys("a", expires=TODAY), "here") == TEXT
        yesterday = TODAY - timedelta(days=1)
        assert refused(bundle, site.keys("a", expires=yesterday)) == f"keys/a.pub expired on {yesterday}"

    def test_an_expired_key_signs_nothing(self, site: Site) -> None:
        site.signer("a")
        signer = site.signer("a", keys=(key("a", TODAY - timedelta(days=1)),))
        error = only(lambda: signer.sign(TEXT), PublishError)
        assert "expired on" in str(error.why)
        assert not error.retryable


class TestRefused:
    def test_other_bytes(self, site: Site) -> None:
        bundle = site.signer("a").sign(TEXT)
        other = base64.b64encode(TEXT.replace("[]", "{}").encode()).decode()
        why = refused(changed(bundle, "dsseEnvelope.payload", other), site.keys("a"))
        assert why == "the signature is not by keys/a.pub, which it names; accepted: keys/a.pub"

    def test_a_signature_of_an_unknown_key_under_the_name_of_a_known_one(self, site: Site) -> None:
        bundle = site.signer("attacker").sign(TEXT)
        site.signer("a")
        forged = changed(bundle, "verificationMaterial.publicKey.hint", site.keys("a")[0].hint)
        assert refused(forged, site.keys("a")).startswith(
            "the signature is not by keys/a.pub, which it names"
        )

    def test_another_payload_type(self, site: Site) -> None:
        """DSSE signs the type too; ours is compared first."""
        bundle = changed(site.signer("a").sign(TEXT), "dsseEnvelope.payloadType", "text/plain")
        assert refused(bundle, site.keys("a")) == "it signs 'text/plain', not a statement of in-toto"

    @pytest.mark.parametrize(
        ("path", "value"),
        [
            ("verificationMaterial", None),
            ("verificationMaterial.publicKey", []),
            ("dsseEnvelope", "text"),
            ("dsseEnvelope.payload", 3),
            ("dsseEnvelope.payload", "/w=="),
            ("dsseEnvelope.signatures", []),
            ("dsseEnvelope.signatures", [{"sig": "AA=="}, {"sig": "AA=="}]),
            ("dsseEnvelope.signatures.0", None),
            ("dsseEnvelope.signatures.0.sig", "ä"),
            ("dsseEnvelope.signatures.0.sig", 3),
        ],
    )
    def test_a_bundle_of_another_form(self, site: Site, path: str, value: object) -> None:
        bundle = changed(site.signer("a").sign(TEXT), path, value)
        assert refused(bundle, site.keys("a")).startswith("the bundle cannot be read: ")

    @pytest.mark.parametrize("signature", ["", "AA==", "MAYCAQACAQA="])
    def test_a_signature_that_is_none(self, site: Site, signature: str) -> None:
        bundle = changed(site.signer("a").sign(TEXT), "dsseEnvelope.signatures.0.sig", signature)
        assert refused(bundle, site.keys("a")).startswith("the signature is not by keys/a.pub")

    def test_a_character_that_was_changed_makes_no_other_statement(self, site: Site) -> None:
        bundle = site.signer("a").sign(TEXT)
        keys = site.keys("a")

        @given(position=st.integers(0, len(bundle) - 1), character=st.characters(max_codepoint=0x2FF))
        def check(position: int, character: str) -> None:
            text = bundle[:position] + character + bundle[position + 1 :]
            try:
                assert verify_key_signature(text, keys, "here") == TEXT
            except UnverifiedError as error:
                assert error.hint  # noqa: PT017 - either of the two is right

        check()

    @pytest.mark.parametrize("text", ["", "{", "[]", "3", "{}", "[" * 100_000])
    def test_a_text_that_is_no_bundle(self, site: Site, text: str) -> None:
        site.signer("a")
        assert refused(text, site.keys("a")).startswith("the bundle cannot be read: ")


class TestKeys:
    @pytest.mark.parametrize(
        ("make", "scheme"),
        [
            (lambda: ec.generate_private_key(ec.SECP384R1()), "ecdsa-sha2-nistp384"),
            (ed25519.Ed25519PrivateKey.generate, "ed25519"),
            (lambda: rsa.generate_private_key(65537, 2048), "rsassa-pss-sha256"),
        ],
    )
    def test_a_public_key_of_another_kind(self, tmp_path: Path, make: Any, scheme: str) -> None:
        write_keys(tmp_path / "farm", "a", make())
        error = only(lambda: read_public_key(tmp_path / "farm/keys/a.pub", name="a.pub"), SettingsError)
        assert error.why == f"it is for {scheme}"

    def test_a_private_key_is_no_public_key_and_is_not_shown(self, site: Site, tmp_path: Path) -> None:
        site.signer("a")
        private = tmp_path / "secrets" / "a.pem"
        error = only(lambda: read_public_key(private, name="a.pem"), SettingsError)
        assert error.what == "a.pem is not a public key"
        assert error.why == "it is a private key, which no file of a farm may have"
        assert private.read_text().splitlines()[1] not in str(error)

    @pytest.mark.parametrize("content", [None, b"", b"-----BEGIN PUBLIC KEY-----\nAA==\n"])
    def test_a_file_that_is_no_key(self, tmp_path: Path, content: bytes | None) -> None:
        if content is not None:
            (tmp_path / "a.pub").write_bytes(content)
        error = only(lambda: read_public_key(tmp_path / "a.pub", name="a.pub"), SettingsError)
        assert error.what == "a.pub is not a public key"

    def test_a_private_key_in_the_farm_is_refused(self, site: Site, tmp_path: Path) -> None:
        site.signer("a")
        (tmp_path / "secrets" / "a.pem").rename(site.root / "a.pem")
        for url, environ in (
            (f"file2:{site.root}/a.pem", {}),
            ("file2:a.pem", {"CRYPTO_SIGNER_PATH_PREFIX": str(site.root)}),
        ):
            signer = site.signer("a", url=url, environ=environ)
            error = only(lambda: signer.sign(TEXT), SettingsError)  # noqa: B023 - called at once
            assert error.what == "the private key of the site is in the farm"

    def test_a_private_key_that_is_not_that_of_the_first_public_key(self, site: Site) -> None:
        site.signer("a"), site.signer("b")
        signer = site.signer("a", url=site.urls["b"])
        error = only(lambda: signer.sign(TEXT), PublishError)
        assert error.what == "the key keys/a.pub cannot sign"
        assert str(error.why).startswith("KeyMismatchError: ")

    def test_a_private_key_that_is_missing(self, site: Site, tmp_path: Path) -> None:
        signer = site.signer("a", url=f"file2:{tmp_path}/none.pem")
        error = only(lambda: signer.sign(TEXT), PublishError)
        assert error.why == f"{tmp_path}/none.pem: No such file or directory"

    @pytest.mark.parametrize(
        ("text", "found"),
        [
            (None, "public key"),
            ("-----BEGIN ENCRYPTED PRIVATE KEY-----\nAA==\n", "encrypted private key"),
            ("-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----\nAA==\n", "encrypted sigstore private key"),
            ("", "no key in PEM"),
        ],
    )
    def test_a_file_that_is_no_private_key(
        self, site: Site, tmp_path: Path, text: str | None, found: str
    ) -> None:
        signer, path = site.signer("a"), tmp_path / "secrets/a.pem"
        path.write_text((site.root / "keys/a.pub").read_text() if text is None else text)
        error = only(signer.check, PublishError)
        assert error.why == f"{path} has {found}, and an unencrypted private key (PKCS#8) is needed"

    def test_a_private_key_that_is_damaged(self, site: Site, tmp_path: Path) -> None:
        signer, path = site.signer("a"), tmp_path / "secrets/a.pem"
        path.write_bytes(path.read_bytes()[:60])
        error = only(signer.check, PublishError)
        assert str(error.why).startswith("ValueError: ")

    @pytest.mark.skipif(os.name == "nt", reason="Windows has no modes")
    @pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o644])
    def test_a_private_key_that_others_can_read(self, site: Site, tmp_path: Path, mode: int) -> None:
        signer, path = site.signer("a"), tmp_path / "secrets/a.pem"
        path.chmod(mode)
        error = only(signer.check, SettingsError)
        assert error.what == "other users can read or change the private key of the site"
        assert error.why == f"its mode is {mode:04o}"
        assert str(error.hint).startswith(f"chmod 600 {path}")
        path.chmod(0o400)
        assert site.signer("a").sign(TEXT)
