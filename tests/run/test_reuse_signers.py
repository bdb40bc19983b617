"""Published wheels that a build reuses: a key of the site must have signed them where the settings say so."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from support.publishing import VARIANT, publication, publishing_farm, stock
from support.raised import only
from support.site_keys import write_keys
from wheelfarm.errors import SettingsError, UnverifiedError
from wheelfarm.index.factory import open_index
from wheelfarm.model import Name
from wheelfarm.provenance.record import Record
from wheelfarm.run.reuse import PublishedWheel, fetch_published

if TYPE_CHECKING:
    from pathlib import Path

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


def reuse(tmp_path: Path, **key: Any) -> Record:
    """Fetch alpha as a farm does whose settings have this public key alone, and no private key."""
    table = {"kind": "static", "url": "../public", "signer-keys": [{"file": "keys/a.pub", **key}]}
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
