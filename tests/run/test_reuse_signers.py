"""Published wheels that a build reuses: a key of the site must have signed them where the settings say so."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta
from functools import partial
from http.server import SimpleHTTPRequestHandler
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from support.clones import fresh_clone, publish_all, reloaded
from support.publishing import VARIANT, publication, publishing_farm, stock
from support.raised import only
from support.servers import served
from support.site_keys import write_keys
from support.store import check_tidy
from support.tiny import VARIANT as TINY
from support.tiny import run_farm
from wheelfarm.errors import SettingsError, UnverifiedError
from wheelfarm.index.factory import open_index
from wheelfarm.model import Name
from wheelfarm.provenance.record import Record
from wheelfarm.provenance.site_keys import KeySigner
from wheelfarm.recipes.signer_table import SignerKey
from wheelfarm.run.reuse import PublishedWheel, fetch_published
from wheelfarm.system.machine import native_target

if TYPE_CHECKING:
    from support.tiny import Run
    from wheelfarm.recipes.settings import Settings

ALPHA = Name("alpha")
YESTERDAY = datetime.now(UTC).date() - timedelta(days=1)


@pytest.fixture
def public(tmp_path: Path) -> Path:
    """A static index with signed wheels."""
    table = {"kind": "static", "url": "../public", "sign-key": write_keys(tmp_path / "farm", "a")}
    farm = publishing_farm(tmp_path / "farm", {**table, "signer-keys": [{"file": "keys/a.pub"}]})
    stock(farm.wheelhouse)
    publication(farm).publish(None)
    (tmp_path / "secrets/a.pem").unlink()
    return tmp_path / "public"


def reuse(tmp_path: Path, read_url: str | None = None, **key: Any) -> Record:
    """Fetch alpha as a farm does whose settings have this public key alone, and no private key."""
    table = {"kind": "static", "url": "../public", "signer-keys": [{"file": "keys/a.pub", **key}]}
    if read_url:
        table |= {"url": "../nowhere", "read-url": read_url}
    farm = publishing_farm(tmp_path / "clone", table)
    (tmp_path / "clone" / "keys").mkdir()
    for public in (tmp_path / "farm/keys").iterdir():
        (tmp_path / "clone/keys" / public.name).write_bytes(public.read_bytes())
    settings = farm.settings
    index = open_index("internal", settings, VARIANT, wheelhouse=farm.wheelhouse, read_only=True)
    file = index.list_files([ALPHA])[ALPHA][0]
    assert file.sha256 is not None
    record = Record.from_json(index.attestations(ALPHA, "1.0")[file.sha256].record, file.filename)
    # A build has a plan, recipes and sources; of these, fetching looks at two values.
    build: Any = SimpleNamespace(key_of=lambda _name: record.key, version="1.0")
    wheel = PublishedWheel(distribution=ALPHA, file=file)
    return fetch_published(build, wheel, index, tmp_path / "reused", settings)[1]


@pytest.mark.usefixtures("public")
def test_a_wheel_that_the_key_has_signed_is_taken_without_the_private_key(tmp_path: Path) -> None:
    assert reuse(tmp_path).gate_results


def test_signatures_are_read_from_a_web_server_too(public: Path, tmp_path: Path) -> None:
    with served(partial(SimpleHTTPRequestHandler, directory=str(public))) as host:
        assert reuse(tmp_path, f"http://{host}/").gate_results
        for bundle in public.rglob("*.sigstore.json"):
            bundle.unlink()
        shutil.rmtree(tmp_path / "clone")
        error = only(lambda: reuse(tmp_path, f"http://{host}/"), UnverifiedError)
    assert error.why == "there is none by a key of the site; accepted: keys/a.pub"


def test_a_wheel_without_a_signature(public: Path, tmp_path: Path) -> None:
    for bundle in public.rglob("*.sigstore.json"):
        bundle.unlink()
    error = only(lambda: reuse(tmp_path), UnverifiedError)
    assert error.why == "there is none by a key of the site; accepted: keys/a.pub"


@pytest.mark.usefixtures("public")
def test_a_wheel_of_an_unknown_key(tmp_path: Path) -> None:
    write_keys(tmp_path / "farm", "b")
    error = only(lambda: reuse(tmp_path, file="keys/b.pub"), UnverifiedError)
    assert str(error.why).startswith("it names the key ")


@pytest.mark.usefixtures("public")
def test_a_wheel_of_an_expired_key(tmp_path: Path) -> None:
    error = only(lambda: reuse(tmp_path, expires=YESTERDAY), UnverifiedError)
    assert error.why == f"keys/a.pub expired on {YESTERDAY}"


@pytest.mark.usefixtures("public")
def test_a_public_key_that_is_missing_is_an_error(tmp_path: Path) -> None:
    error = only(lambda: reuse(tmp_path, file="keys/none.pub"), SettingsError)
    assert error.what == "keys/none.pub is not a public key"


@pytest.mark.slow
class TestChain:
    """A chain on a clone of the farm: what is not signed as its settings require is built."""

    @pytest.fixture
    def filled(self, chain: Settings, tmp_path: Path) -> Settings:
        """A farm that has published its chain with signatures."""
        target = native_target(chain.pythons[0])
        with (chain.root / "pyproject.toml").open("a") as file:
            file.write(
                f'\n[tool.wheelfarm.index.internal]\ntargets = ["{target}"]\nkind = "static"\n'
                f'url = "{tmp_path / "public"}"\nsigner-keys = [{{ file = "keys/a.pub" }}]\n'
                f'sign-key = "{write_keys(chain.root, "a")}"\n'
            )
        settings = reloaded(chain)
        publish_all(settings)
        return settings

    def run(self, filled: Settings, tmp_path: Path, keys: str = "") -> Run:
        """A run of a clone that has the public keys alone, each time a new one."""
        if keys:
            project = filled.root / "pyproject.toml"
            project.write_text(project.read_text().replace('{ file = "keys/a.pub" }', keys))
        for private in tmp_path.glob("secrets/*"):
            private.unlink()
        run = run_farm(fresh_clone(filled, tmp_path / f"clone-{len(list(tmp_path.iterdir()))}"))
        check_tidy(run.settings.wheelhouse, TINY)
        return run

    def test_signed_wheels_are_reused_and_both_keys_count_in_a_rotation(
        self, filled: Settings, tmp_path: Path
    ) -> None:
        assert set(self.run(filled, tmp_path).states.values()) == {"reused"}
        write_keys(filled.root, "b")
        keys = f'{{ file = "keys/b.pub" }}, {{ file = "keys/a.pub", expires = {datetime.now(UTC).date()} }}'
        assert set(self.run(filled, tmp_path, keys).states.values()) == {"reused"}

    @pytest.mark.parametrize("harm", ["lost", "another wheel's", "another key's"])
    def test_a_wheel_that_is_wrongly_signed_is_built_with_the_reason(
        self, filled: Settings, tmp_path: Path, harm: str
    ) -> None:
        bundles = sorted((tmp_path / "public").rglob("*.sigstore.json"))
        (base,) = (each for each in bundles if each.name.startswith("tinybase"))
        (top,) = (each for each in bundles if each.name.startswith("tinytop"))
        if harm == "lost":
            base.unlink()
            why = "there is none by a key of the site; accepted: keys/a.pub"
        elif harm == "another wheel's":
            base.write_bytes(top.read_bytes())
            why = "it was made for another statement"
        else:
            statement = Path(str(base).replace(".sigstore.json", ".provenance.json")).read_text()
            url = write_keys(tmp_path / "attacker/farm", "a")
            signer = SignerKey.model_validate({"file": "keys/a.pub"})
            base.write_text(KeySigner(url, tmp_path / "attacker/farm", [signer], {}).sign(statement))
            why = "it names the key "
        run = self.run(filled, tmp_path)
        assert run.states == {"tinybase": "built", "tinytop": "reused"}
        (line,) = (line for line in run.lines if "is built, and not reused from index internal" in line)
        assert why in line

    def test_an_expired_key_lets_all_be_built(self, filled: Settings, tmp_path: Path) -> None:
        run = self.run(filled, tmp_path, f'{{ file = "keys/a.pub", expires = {YESTERDAY} }}')
        assert set(run.states.values()) == {"built"}
        assert sum(f"keys/a.pub expired on {YESTERDAY}" in line for line in run.lines) == 2
