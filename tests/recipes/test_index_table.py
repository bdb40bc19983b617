"""What an index may say in `[tool.wheelfarm.index.NAME]`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from support.farm import make_farm
from support.raised import only, raised
from wheelfarm.errors import SettingsError, UsageError
from wheelfarm.recipes.index_table import IndexKind

if TYPE_CHECKING:
    from pathlib import Path

    from wheelfarm.recipes.settings import Settings

SECRET = "s3cret/word"
INDEX = {"kind": "simple-upload", "url": "https://index.invalid/pypi", "targets": ["cp311-manylinux_x86_64"]}


def settings(tmp_path: Path, **table: Any) -> Settings:
    return make_farm(tmp_path, settings={"index": {"internal": {**INDEX, **table}}})


def test_a_table(tmp_path: Path) -> None:
    farm = settings(tmp_path, variants={"plain": "", "netlib": "netlib"}, **{"listing-timeout": 5.0})
    table = farm.choose_index("internal")
    assert (table.kind, table.listing_timeout, table.read_url) == (IndexKind.SIMPLE_UPLOAD, 5.0, None)
    assert [table.path(each) for each in ("plain", "netlib", "other")] == ["", "netlib", None]
    assert settings(tmp_path / "other").choose_index("internal").path("any") == "any"
    assert farm.origins["index"] == "pyproject.toml"


@pytest.mark.parametrize("key", ["url", "read-url"])
def test_a_url_with_credentials_is_refused_and_not_shown(tmp_path: Path, key: str) -> None:
    url = f"https://alice:{SECRET.replace('/', '%2F')}@index.invalid/pypi?token={SECRET}"
    error = only(lambda: settings(tmp_path, **{key: url}), SettingsError)
    assert error.what == "bad value 'https://***@index.invalid/pypi'"
    assert error.where == f"pyproject.toml: tool.wheelfarm: index.internal.{key}"
    assert "TWINE_PASSWORD" in str(error.why)
    assert "s3cret" not in str(error)
    assert "alice" not in str(error)


@pytest.mark.parametrize(
    ("table", "what"),
    [
        ({"kind": "simple"}, "bad value 'simple'"),
        ({"url": "ftp://index.invalid"}, "bad value 'ftp://index.invalid'"),
        ({"kind": "static"}, "bad value 'https://index.invalid/pypi'"),
        ({"targets": []}, "bad value []"),
        ({"targets": ["cp311"]}, "bad value 'cp311'"),
        ({"variants": {"plain": "../up"}}, "bad value '../up'"),
        ({"variants": {"plain": "/root"}}, "bad value '/root'"),
        ({"simple": "a b"}, "bad value 'a b'"),
        ({"read-url": "s3://bucket"}, "bad value 's3://bucket'"),
        ({"listing-timeout": -1.0}, "bad value -1.0"),
        ({"listing-timeout": float("inf")}, "bad value inf"),
        ({"listing-timeout": float("nan")}, "bad value nan"),
        ({"listing-timeout": 10**400}, f"bad value {10**400}"),
        ({"user": "alice"}, "unknown key 'user'"),
    ],
)
def test_what_cannot_be(tmp_path: Path, table: dict[str, Any], what: str) -> None:
    errors = raised(lambda: settings(tmp_path, **table), SettingsError)
    assert what in [error.what for error in errors]


@pytest.mark.parametrize("name", ["wheelhouse", "Upper", "-x"])
def test_names_that_cannot_be(tmp_path: Path, name: str) -> None:
    only(lambda: make_farm(tmp_path, settings={"index": {name: INDEX}}), SettingsError)


def test_an_index_that_is_not_there(tmp_path: Path) -> None:
    assert "internal" in str(only(lambda: settings(tmp_path).choose_index("internl"), UsageError).hint)
    bare = make_farm(tmp_path / "bare")
    assert "add" in str(only(lambda: bare.choose_index("internal"), UsageError).hint)
