"""Wheels that a key of the site has signed: published, verified, reused and refused."""

from __future__ import annotations

import shutil
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from pypi_attestations import Attestation
from sigstore.models import TrustedRoot
from sigstore.verify import Verifier

from support.publishing import VARIANT, publication, publishing_farm, stock, store
from support.raised import only, raised
from support.sigstore_bundles import ISSUER, SIGNER, LocalSigstore
from support.site_keys import write_keys
from wheelfarm.errors import PublishError, SettingsError, UnverifiedError, UsageError
from wheelfarm.model import Name
from wheelfarm.provenance.signing import Signer
from wheelfarm.recipes.index_table import IndexTable
from wheelfarm.recipes.settings import load
from wheelfarm.run.farm import Farm

if TYPE_CHECKING:
    from support.farm import Table

TODAY = datetime.now(UTC).date()
YESTERDAY = TODAY - timedelta(days=1)


def named(*names: str, expires: date | None = None) -> list[Table]:
    return [{"file": f"keys/{name}.pub", **({"expires": expires} if expires else {})} for name in names]


def signing_farm(tmp_path: Path, **changes: Any) -> Farm:
    """A farm that signs with a new key, and takes what this has signed."""
    key = {"sign-key": write_keys(tmp_path / "farm", "a"), "signer-keys": named("a")}
    return publishing_farm(tmp_path / "farm", {"kind": "static", "url": "../public", **key, **changes})


def changed_settings(farm: Farm, **changes: Any) -> Farm:
    """The same farm with other settings of its index."""
    table = farm.settings.choose_index("internal").model_dump(by_alias=True)
    index = IndexTable.model_validate({**table, **changes})
    return Farm(settings=farm.settings.replace(indexes={"internal": index}))


def whys(farm: Farm, **words: Any) -> set[str | None]:
    """Why wheels were refused; {None} when none was."""
    return {each.error.why if each.error else None for each in publication(farm).verify(None, **words)}


@pytest.fixture
def farm(tmp_path: Path) -> Farm:
    """A farm that has published signed wheels."""
    farm = signing_farm(tmp_path)
    stock(farm.wheelhouse)
    publication(farm).publish(None)
    return farm


def bundles(tmp_path: Path) -> list[Path]:
    return sorted((tmp_path / "public" / VARIANT).glob("wheels/*/*.whl.sigstore.json"))


def test_signed_wheels_are_verified(farm: Farm, tmp_path: Path) -> None:
    verdicts = list(publication(farm).verify(None))
    assert len(verdicts) == len(bundles(tmp_path)) == 4
    assert all(each.error is None and each.signed for each in verdicts)


def test_the_private_key_is_in_no_file_of_the_farm_or_the_index(
    farm: Farm, tmp_path: Path, log: pytest.LogCaptureFixture
) -> None:
    secret = (tmp_path / "secrets/a.pem").read_bytes().splitlines()[1]
    publication(farm).publish(None)
    files = [path for top in ("farm", "public") for path in (tmp_path / top).rglob("*") if path.is_file()]
    assert len(files) > 20
    assert not [path for path in files if secret in path.read_bytes()]
    assert secret.decode() not in "".join(log.messages)


def lose(bundle: Path, _others: list[Path]) -> None:
    bundle.unlink()


def swap(bundle: Path, others: list[Path]) -> None:
    """Put the signature of another wheel there."""
    bundle.write_bytes(others[-1].read_bytes())


def cut(bundle: Path, _others: list[Path]) -> None:
    bundle.write_bytes(bundle.read_bytes()[:100])


@pytest.mark.parametrize(
    ("harm", "why"),
    [
        (lose, "there is none by a key of the site; accepted: keys/a.pub"),
        (swap, "it was made for another statement"),
        (cut, "the bundle cannot be read: "),
    ],
)
def test_one_wheel_whose_signature_was_changed(farm: Farm, tmp_path: Path, harm: Any, why: str) -> None:
    found = bundles(tmp_path)
    harm(found[0], found)
    (refused,) = [each for each in publication(farm).verify(None) if each.error]
    assert refused.filename == found[0].name.removesuffix(".sigstore.json")
    assert isinstance(refused.error, UnverifiedError)
    assert str(refused.error.why).startswith(why)


def test_an_attacker_who_writes_to_the_index_cannot_sign(farm: Farm, tmp_path: Path) -> None:
    """The statements are right; another key of the same name has signed them."""
    (tmp_path / "attacker").mkdir()
    attacker = signing_farm(tmp_path / "attacker")
    stock(attacker.wheelhouse)
    publication(attacker).publish(None)
    for bundle in bundles(tmp_path / "attacker"):
        (own,) = [each for each in bundles(tmp_path) if each.name == bundle.name]
        own.write_bytes(bundle.read_bytes())
    (why,) = whys(farm)
    assert str(why).startswith("it names the key ")


class TestRotation:
    def test_a_new_key_signs_what_comes_and_the_old_one_counts(self, farm: Farm, tmp_path: Path) -> None:
        url = write_keys(tmp_path / "farm", "b")
        rotated = changed_settings(farm, **{"sign-key": url, "signer-keys": [*named("b"), *named("a")]})
        store(rotated.wheelhouse, "alpha", "2.0", tag="py3-none-any")
        publication(rotated).publish(None)
        assert len(bundles(tmp_path)) == 5
        assert whys(rotated) == {None}
        only_new = changed_settings(rotated, **{"signer-keys": named("b")})
        assert len([each for each in publication(only_new).verify(None) if each.error]) == 4

    def test_an_old_key_that_has_expired_does_not_count(self, farm: Farm, tmp_path: Path) -> None:
        write_keys(tmp_path / "farm", "b")
        keys = [*named("b"), *named("a", expires=YESTERDAY)]
        assert whys(changed_settings(farm, **{"signer-keys": keys})) == {f"keys/a.pub expired on {YESTERDAY}"}


class TestSignAgain:
    """`inv index.sign`, while the old key still counts and after."""

    def rotated(self, farm: Farm, tmp_path: Path, old: list[Table]) -> Farm:
        url = write_keys(tmp_path / "farm", "b")
        return changed_settings(farm, **{"sign-key": url, "signer-keys": [*named("b"), *old]})

    def test_the_new_key_signs_once(self, farm: Farm, tmp_path: Path) -> None:
        rotated = self.rotated(farm, tmp_path, named("a"))
        assert [each.new for each in publication(rotated).sign_again(None, writes=True)] == [True] * 4
        assert [each.new for each in publication(rotated).sign_again(None, writes=True)] == [False] * 4
        assert whys(changed_settings(rotated, **{"signer-keys": named("b")})) == {None}

    def test_a_dry_run_writes_nothing(self, farm: Farm, tmp_path: Path) -> None:
        before = [each.read_bytes() for each in bundles(tmp_path)]
        rotated = self.rotated(farm, tmp_path, named("a"))
        assert [each.new for each in publication(rotated).sign_again(None, writes=False)] == [True] * 4
        assert [each.read_bytes() for each in bundles(tmp_path)] == before

    @pytest.mark.parametrize("old", [[], named("a", expires=YESTERDAY)])
    def test_what_no_accepted_key_has_signed_is_not_signed_elsewhere(
        self, farm: Farm, tmp_path: Path, old: list[Table]
    ) -> None:
        """A machine that does not store these wheels knows of them what the index says."""
        before = [each.read_bytes() for each in bundles(tmp_path)]
        rotated = self.rotated(farm, tmp_path, old)
        shutil.rmtree(rotated.settings.wheelhouse)
        found = list(publication(rotated).sign_again(None, writes=True))
        assert len(found) == 4
        assert all(isinstance(each.error, UnverifiedError) for each in found)
        assert [each.read_bytes() for each in bundles(tmp_path)] == before

    @pytest.mark.parametrize("old", [[], named("a", expires=YESTERDAY)])
    def test_the_machine_that_stores_the_wheels_signs_them(
        self, farm: Farm, tmp_path: Path, old: list[Table]
    ) -> None:
        """Wheels of an expired or lost key, and unsigned ones: it makes the same statements itself."""
        rotated = self.rotated(farm, tmp_path, old)
        bundles(tmp_path)[0].unlink()
        other = store(farm.wheelhouse, "alpha", "2.0", tag="py3-none-any")
        assert [each.new for each in publication(rotated).sign_again(None, writes=True)] == [True] * 4
        assert whys(changed_settings(rotated, **{"signer-keys": named("b")})) == {None}
        assert other.path.is_file()

    def test_a_wheel_of_the_same_build_with_other_bytes_is_not_signed(
        self, farm: Farm, tmp_path: Path
    ) -> None:
        """Somebody has published another wheel of the same name, with a record and a statement about it."""
        other = publishing_farm(tmp_path / "other/farm", {"kind": "static", "url": "../../public"})
        shutil.rmtree(tmp_path / "public")
        stock(other.wheelhouse, content="bad", inputs_of="")
        publication(other).publish(None)
        found = list(publication(self.rotated(farm, tmp_path, named("a"))).sign_again(None, writes=True))
        assert len(found) == 4
        assert all(isinstance(each.error, UnverifiedError) for each in found)
        assert not bundles(tmp_path)

    def test_a_statement_that_was_changed_is_not_signed(self, farm: Farm, tmp_path: Path) -> None:
        path = Path(str(bundles(tmp_path)[0]).replace(".sigstore.json", ".provenance.json"))
        path.write_text(path.read_text().replace("12.2.0", "13.1.0"))
        rotated = self.rotated(farm, tmp_path, named("a"))
        (refused,) = [each for each in publication(rotated).sign_again(None, writes=True) if each.error]
        assert f"{refused.filename}.provenance.json" == path.name

    def test_an_index_without_a_key(self, tmp_path: Path) -> None:
        farm = publishing_farm(tmp_path / "farm", {"kind": "static", "url": "../public"})
        error = only(lambda: list(publication(farm).sign_again(None, writes=True)), UsageError)
        assert error.what == "index internal has no key that signs"


class TestSigner:
    """`inv index.verify --signer`."""

    def test_it_stands_for_who_is_in_the_settings(self, farm: Farm, tmp_path: Path) -> None:
        write_keys(tmp_path / "farm", "b")
        assert whys(farm, signer="keys/a.pub") == {None}
        (why,) = whys(farm, signer="keys/b.pub")
        assert str(why).endswith("accepted: keys/b.pub")
        assert whys(farm, signer="me@example.org") == {"there is none; me@example.org must have signed"}

    def test_a_key_expires_as_the_settings_say(self, farm: Farm) -> None:
        expired = changed_settings(farm, **{"signer-keys": named("a", expires=YESTERDAY)})
        assert whys(expired, signer="keys/a.pub") == {f"keys/a.pub expired on {YESTERDAY}"}

    def test_a_file_that_is_missing(self, farm: Farm) -> None:
        error = only(lambda: whys(farm, signer="keys/none.pub"), SettingsError)
        assert error.what == "keys/none.pub is not a public key"


class TestUnableToSign:
    def test_nothing_is_published_without_the_private_key(self, tmp_path: Path) -> None:
        farm = signing_farm(tmp_path, **{"sign-key": f"file2:{tmp_path}/none.pem"})
        stock(farm.wheelhouse)
        error = only(lambda: publication(farm).publish(None), PublishError)
        assert error.what == "the key keys/a.pub cannot sign"
        public = tmp_path / "public" / VARIANT
        assert not [path for path in public.rglob("*") if path.suffix in {".whl", ".html", ".json"}]

    def test_a_later_try_with_the_key_publishes(self, tmp_path: Path) -> None:
        farm = signing_farm(tmp_path)
        secret = tmp_path / "secrets/a.pem"
        stock(farm.wheelhouse)
        secret.rename(tmp_path / "a.pem")
        only(lambda: publication(farm).publish(None), PublishError)
        (tmp_path / "a.pem").rename(secret)
        publication(farm).publish(None)
        assert whys(farm) == {None}

    @pytest.mark.parametrize("environ", [{}, {"WHEELFARM_SIGN_PIN": "123456"}])
    def test_a_token_that_is_not_there(self, tmp_path: Path, environ: Table) -> None:
        farm = signing_farm(tmp_path, **{"sign-key": "hsm:2?label=none"})
        variables = {**farm.settings.environ, **environ}
        farm = Farm(settings=load(farm.settings.root, environ=variables))
        stock(farm.wheelhouse)
        error = only(lambda: publication(farm).publish(None), PublishError)
        assert error.where == "sign-key = 'hsm:2?label=none'"
        assert "123456" not in str(error)


class TestSettings:
    @pytest.mark.parametrize(
        ("changes", "expected"),
        [
            ({"signer-keys": []}, "its public key is missing"),
            ({"sign-key": "/secrets/a.pem"}, "the url of a private key"),
            ({"signer-keys": [{"file": "../a.pub"}]}, "relative to its directory"),
            ({"signer-keys": [{"file": "a.pub", "expires": "soon"}]}, "date"),
            ({"kind": "simple-upload", "url": "https://example.org/"}, "only a static index has provenance"),
            (
                {"kind": "simple-upload", "url": "https://example.org/"},
                "only a static index has signatures: each wheel would be refused",
            ),
        ],
    )
    def test_bad_values(self, tmp_path: Path, changes: Table, expected: str) -> None:
        errors = raised(lambda: signing_farm(tmp_path, **changes), SettingsError)
        assert expected in "\n".join(str(each) for each in errors)

    def test_a_date_is_written_as_toml_has_it(self, tmp_path: Path) -> None:
        farm = signing_farm(tmp_path, **{"signer-keys": named("a", expires=TODAY)})
        text = (tmp_path / "farm/pyproject.toml").read_text()
        assert f"expires = {TODAY.isoformat()}" in text
        again = load(tmp_path / "farm", environ=dict(farm.settings.environ))
        assert again.indexes["internal"].signer_keys[0].expires == TODAY


class TestIdentity:
    """What an identity signs, by a Sigstore of the tests' own: they reach no other."""

    @pytest.fixture
    def sigstore(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> LocalSigstore:
        local = LocalSigstore()
        (tmp_path / "root.json").write_text(local.trusted_root)
        root = TrustedRoot.from_file(str(tmp_path / "root.json"))
        monkeypatch.setattr(Signer, "sign", lambda _self, text: local.sign(text))
        monkeypatch.setattr(Verifier, "production", lambda: Verifier(trusted_root=root))
        return local

    def farm(self, tmp_path: Path, **changes: Any) -> Farm:
        farm = signing_farm(tmp_path, signer=SIGNER, issuer=ISSUER, **changes)
        stock(farm.wheelhouse)
        publication(farm).publish(None)
        return farm

    def test_it_has_an_attestation_of_pep_740_for_each_wheel(
        self, sigstore: LocalSigstore, tmp_path: Path
    ) -> None:
        """The name is that which `pypi-attestations verify attestation` looks for beside a file."""
        assert sigstore.identity == SIGNER
        self.farm(tmp_path)
        for bundle in bundles(tmp_path):
            wheel = bundle.with_name(bundle.name.removesuffix(".sigstore.json"))
            attestation = Attestation.model_validate_json(Path(f"{wheel}.slsa.attestation").read_bytes())
            assert attestation.envelope.statement == Path(f"{wheel}.provenance.json").read_bytes()

    @pytest.mark.usefixtures("sigstore")
    def test_both_must_have_signed_where_the_settings_name_both(self, tmp_path: Path) -> None:
        farm = self.farm(tmp_path)
        assert whys(farm) == {None}
        found = bundles(tmp_path)
        found[0].unlink()
        signatures = [Path(str(each).replace(".sigstore.json", ".provenance.sigstore")) for each in found]
        signatures[1].write_bytes(signatures[2].read_bytes())
        refused = {
            each.filename: str(each.error.why) for each in publication(farm).verify(None) if each.error
        }
        assert refused == {
            found[0].name.removesuffix(
                ".sigstore.json"
            ): "there is none by a key of the site; accepted: keys/a.pub",
            found[1].name.removesuffix(".sigstore.json"): "it was made for another statement",
        }

    @pytest.mark.usefixtures("sigstore")
    @pytest.mark.parametrize(
        ("changes", "why"),
        [
            ({"signer": "other@example.org"}, "SANs do not match other@example.org"),
            ({"issuer": "https://other.example.org"}, "OIDCIssuer does not match"),
        ],
    )
    def test_another_identity(self, tmp_path: Path, changes: Table, why: str) -> None:
        (found,) = whys(changed_settings(self.farm(tmp_path), **changes))
        assert why in str(found)


class TestMoved:
    def test_a_copy_of_the_files_has_the_signatures(self, farm: Farm, tmp_path: Path) -> None:
        """A mirror needs nothing of the farm: any program that copies files will do."""
        shutil.move(tmp_path / "public", tmp_path / "mirror")
        assert whys(changed_settings(farm, url="../mirror")) == {None}

    def test_a_yanked_wheel_keeps_its_signature(self, farm: Farm, tmp_path: Path) -> None:
        index = publication(farm).index
        names = [each.filename for each in index.list_files([Name("alpha")])[Name("alpha")]]
        for reason in ("broken", None):
            index.yank(Name("alpha"), names, reason)
            assert len(list(publication(farm).verify(None))) == len(bundles(tmp_path)) == 4
            assert whys(farm) == {None}

    def test_the_signature_of_a_removed_wheel_is_removed(self, farm: Farm, tmp_path: Path) -> None:
        index = publication(farm).index
        index.remove(Name("beta"), [each.filename for each in index.list_files([Name("beta")])[Name("beta")]])
        assert [each.name.partition("-")[0] for each in bundles(tmp_path)] == ["alpha", "alpha"]
