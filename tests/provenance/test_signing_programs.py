"""What a key in SoftHSM signs, and what cosign and pypi-attestations say of signatures of the farm."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

import pytest
from sigstore._internal.tuf import DEFAULT_TUF_URL

from support.publishing import VARIANT, publication, publishing_farm, stock
from support.raised import only
from support.sigstore_bundles import SIGNER, LocalSigstore
from support.site_keys import write_keys
from wheelfarm.errors import PublishError
from wheelfarm.provenance.signing import Signer
from wheelfarm.recipes.settings import load
from wheelfarm.run.farm import Farm

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.farm import Table

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="the paths are those of Linux"),
]

SOFTHSM: Final = "/usr/lib/softhsm/libsofthsm2.so"
PIN: Final = "8264"
TRUSTED_ROOT: Final = {"mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1"}


def run(*words: str | Path, status: int = 0) -> str:
    """Run a program that has to end with a status; return all that it printed."""
    done = subprocess.run(
        list(map(str, words)), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    assert done.returncode == status, done.stdout
    return done.stdout


def published(farm: Farm, tmp_path: Path) -> list[Path]:
    """Publish wheels of a farm; return them as the index has them."""
    stock(farm.wheelhouse)
    publication(farm).publish(None)
    return sorted((tmp_path / "public" / VARIANT).glob("wheels/*/*.whl"))


@pytest.fixture(scope="module")
def token(tmp_path_factory: pytest.TempPathFactory) -> Iterator[bytes]:
    """The public key, as PEM, of a key that was made in a PKCS#11 token."""
    if shutil.which("softhsm2-util") is None or shutil.which("pkcs11-tool") is None:
        pytest.skip("SoftHSM and OpenSC are not installed: .ci/provision-tools")
    root = tmp_path_factory.mktemp("token")
    (root / "tokens").mkdir()
    (root / "softhsm2.conf").write_text(f"directories.tokendir = {root}/tokens\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SOFTHSM2_CONF", str(root / "softhsm2.conf"))
        patch.setenv("PYKCS11LIB", SOFTHSM)
        run("softhsm2-util", "--init-token", "--free", "--label", "farm", "--pin", PIN, "--so-pin", PIN)
        tool = ("pkcs11-tool", "--module", SOFTHSM, "--token-label", "farm")
        run(*tool, "--login", "--pin", PIN, "--keypairgen", "--key-type", "EC:prime256v1", "--id", "02")
        run(*tool, "--read-object", "--type", "pubkey", "--id", "02", "-o", root / "02.der")
        run("openssl", "pkey", "-pubin", "-inform", "DER", "-in", root / "02.der", "-out", root / "02.pub")
        yield (root / "02.pub").read_bytes()


class TestToken:
    """A key that never leaves its token."""

    def farm(self, tmp_path: Path, public: bytes, url: str = "hsm:2?label=farm", pin: str = PIN) -> Farm:
        table = {"kind": "static", "url": "../public", "sign-key": url}
        farm = publishing_farm(tmp_path / "farm", {**table, "signer-keys": [{"file": "keys/token.pub"}]})
        (tmp_path / "farm/keys").mkdir(exist_ok=True)
        (tmp_path / "farm/keys/token.pub").write_bytes(public)
        environ = {**farm.settings.environ, "WHEELFARM_SIGN_PIN": pin}
        return Farm(settings=load(tmp_path / "farm", environ=environ))

    def test_it_signs_each_wheel_of_a_release(self, token: bytes, tmp_path: Path) -> None:
        farm = self.farm(tmp_path, token)
        wheels = published(farm, tmp_path)
        verdicts = list(publication(farm).verify(None))
        assert len(verdicts) == len(wheels) == 4
        assert all(each.signed and each.error is None for each in verdicts)
        assert not [
            path for path in tmp_path.rglob("*") if path.is_file() and PIN.encode() in path.read_bytes()
        ]

    @pytest.mark.parametrize(
        ("changes", "why"),
        [
            ({"pin": "1111"}, "PinIncorrect"),
            ({"url": "hsm:2?label=other"}, "ValueError: No PKCS#11 token found for label other"),
            (
                {"url": "hsm:3?label=farm"},
                "ValueError: could not find ECDSA private key on the PKCS#11 token",
            ),
            ({"public": None}, "the private key is not that of keys/token.pub"),
        ],
    )
    def test_a_token_that_cannot_sign(self, token: bytes, tmp_path: Path, changes: Table, why: str) -> None:
        if "public" in changes:
            write_keys(tmp_path / "farm", "other")
            changes = {"public": (tmp_path / "farm/keys/other.pub").read_bytes()}
        farm = self.farm(tmp_path, **{"public": token, **changes})
        stock(farm.wheelhouse)
        error = only(lambda: publication(farm).publish(None), PublishError)
        assert error.why == why
        assert not list(tmp_path.glob("public/**/*.sigstore.json"))


def signing_farm(tmp_path: Path) -> Farm:
    table = {"kind": "static", "url": "../public", "sign-key": write_keys(tmp_path / "farm", "a")}
    return publishing_farm(tmp_path / "farm", {**table, "signer-keys": [{"file": "keys/a.pub"}]})


@pytest.mark.skipif(shutil.which("cosign") is None, reason="cosign is not installed: .ci/provision-tools")
class TestCosign:
    """Its versions 2.5 and 3 take these options; they look at nothing but the files."""

    @pytest.mark.parametrize(
        "command", [("verify-blob",), ("verify-blob-attestation", "--type", "slsaprovenance1")]
    )
    def test_it_accepts_what_the_key_has_signed(
        self, tmp_path: Path, command: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("HOME", str(tmp_path))
        wheels = published(signing_farm(tmp_path), tmp_path)
        write_keys(tmp_path / "farm", "b")
        root = tmp_path / "trusted_root.json"
        root.write_text(json.dumps(TRUSTED_ROOT))

        def verify(wheel: Path, signed: Path, key: str, status: int = 0) -> str:
            files = ("--key", tmp_path / "farm/keys" / key, "--bundle", f"{signed}.sigstore.json")
            offline = ("--insecure-ignore-tlog=true", "--new-bundle-format", "--trusted-root", root)
            return run("cosign", *command, *files, *offline, wheel, status=status)

        for wheel in wheels:
            assert "Verified OK" in verify(wheel, wheel, "a.pub")
        assert "accepted signatures do not match" in verify(wheels[0], wheels[0], "b.pub", 1)
        assert "failed to verify signature: provided artifact" in verify(wheels[0], wheels[1], "a.pub", 1)


class TestPyPIAttestations:
    """It verifies identities alone, here of the tests' own Sigstore."""

    TOOL: Final = Path(sys.prefix, "bin/pypi-attestations")

    @pytest.fixture
    def sigstore(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LocalSigstore:
        """One whose root is the trusted one for programs, and which signs for publishers."""
        local = LocalSigstore()
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
        monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
        self.trust(local, tmp_path)
        monkeypatch.setattr(Signer, "sign", lambda _self, text: local.sign(text))
        return local

    def trust(self, sigstore: LocalSigstore, tmp_path: Path) -> None:
        """Put the root where Sigstore's library keeps that of the public services."""
        cache = tmp_path / "cache/sigstore-python/tuf" / quote(DEFAULT_TUF_URL, safe="")
        cache.mkdir(parents=True, exist_ok=True)
        (cache / "trusted_root.json").write_text(sigstore.trusted_root)

    def verify(self, wheel: Path, identity: str = SIGNER, status: int = 1) -> str:
        words = ("verify", "attestation", "--offline", "--identity", identity)
        return run(self.TOOL, *words, wheel, status=status)

    def test_a_signature_by_a_key_has_no_form_of_pep_740(self, tmp_path: Path) -> None:
        wheel = published(signing_farm(tmp_path), tmp_path)[0]
        assert "Couldn't find attestations for file" in self.verify(wheel)
        bundle, output = f"{wheel}.sigstore.json", tmp_path / "converted"
        text = run(self.TOOL, "convert", "--output-file", output, bundle, status=1)
        assert "Invalid Sigstore bundle: expected certificate in bundle" in text

    @pytest.mark.usefixtures("sigstore")
    def test_it_accepts_what_an_identity_has_signed(self, tmp_path: Path) -> None:
        wheels = published(signing_farm(tmp_path), tmp_path)
        for wheel in wheels:
            assert f"OK: {wheel}.slsa.attestation" in self.verify(wheel, status=0)
        assert "SANs do not match other@example.org" in self.verify(wheels[0], "other@example.org")
        shutil.copyfile(f"{wheels[0]}.slsa.attestation", f"{wheels[1]}.slsa.attestation")
        assert "Verification failed for" in self.verify(wheels[1])
        self.trust(LocalSigstore(), tmp_path)
        assert "failed to build timestamp certificate chain" in self.verify(wheels[0])
