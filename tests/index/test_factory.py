"""Where installers read an index, by its settings."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from support.farm import make_farm
from support.raised import only
from wheelfarm.errors import UsageError
from wheelfarm.index.factory import read_url

if TYPE_CHECKING:
    from pathlib import Path

    from wheelfarm.recipes.settings import Settings

INDEX = {"kind": "simple-upload", "url": "https://index.invalid/pypi", "targets": ["cp311-manylinux_x86_64"]}


def settings(tmp_path: Path, **table: Any) -> Settings:
    return make_farm(tmp_path, settings={"index": {"internal": {**INDEX, **table}}})


def test_where_installers_read(tmp_path: Path) -> None:
    read = partial(read_url, "internal")
    uploads = settings(tmp_path / "a", simple="+simple", variants={"plain": "alice/prod"})
    assert read(uploads, "plain") == "https://index.invalid/pypi/alice/prod/+simple/"
    assert "it takes plain" in str(only(lambda: read(uploads, "netlib"), UsageError).hint)
    bucket = settings(tmp_path / "b", kind="static", url="s3://bucket/farm")
    assert only(lambda: read(bucket, "plain"), UsageError).hint == "set `read-url`"
    public = settings(
        tmp_path / "c", kind="static", url="s3://bucket/farm", **{"read-url": "https://cdn.invalid/farm"}
    )
    assert read(public, "plain") == "https://cdn.invalid/farm/plain/simple/"
    directory = settings(tmp_path / "d", kind="static", url="public")
    assert read(directory, "plain") == f"{(tmp_path / 'd/public/plain/simple').as_uri()}/"
