"""The tasks `index.*`, on a static index."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from support.door import Door
from support.publishing import publishing_farm, stock, store
from wheelfarm.errors import UsageError
from wheelfarm.wheelhouse.wheelhouse import Wheelhouse

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def door(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Door:
    """A farm with alpha and beta in its wheelhouse."""
    farm = publishing_farm(tmp_path / "farm", {"kind": "static", "url": "public"})
    stock(farm.wheelhouse)
    return Door(tmp_path / "farm", capsys, monkeypatch)


def test_publish_status_yank_prune_and_config(door: Door) -> None:
    root, wheelhouse = door.root, Wheelhouse(door / "wheelhouse")
    dry = door.inv("index.publish", "beta", "--dry-run")
    assert dry.stdout.splitlines()[0] == "4 to upload"
    assert not (root / "public").exists()
    done = door.inv("index.publish", "all", "--json")
    assert {each["state"] for each in json.loads(done.stdout)} == {"to upload"}
    assert "4 wheels published and listed by internal" in done.stderr
    rows = json.loads(door.inv("index.status", "all", "--json").stdout)
    assert {(each["variant"], each["state"]) for each in rows} == {("plain", "same")}
    table = door.inv("index.status", "alpha").stdout.splitlines()
    assert table[0] == "variant plain: 2 same"
    assert table[1].split() == ["package", "version", "target", "wheelhouse", "index", "state"]
    yanked = door.inv("index.yank", "alpha==1.0", "--index", "internal", "--reason", "broken")
    assert yanked.stdout.count("yanked: alpha-1.0-") == 2
    assert '"yanked": "broken"' in (root / "public/plain/simple/alpha/index.json").read_text()
    assert door.inv("index.yank", "alpha==7").returncode == UsageError.exit_code
    store(wheelhouse, "alpha", content="again")
    store(wheelhouse, "alpha", target="cp312-manylinux_x86_64", content="again")
    assert door.inv("index.publish", "all").returncode == 0
    shown = door.inv("index.prune", "all", "--keep", "1")
    assert shown.stdout.count("alpha-1.0-1_") == 2
    assert len(list((root / "public").rglob("alpha*.whl"))) == 4
    door.inv("index.prune", "all", "--keep", "1", "--yes")
    assert len(list((root / "public").rglob("alpha*.whl"))) == 2
    config = door.inv("index.config", "uv", "beta")
    assert 'alpha = { index = "internal" }' in config.stdout
    assert (root / "public/plain/simple").as_uri() in config.stdout
    assert door.inv("index.config", "uvv", "all").returncode == UsageError.exit_code
    assert door.inv("index.prune", "all", "--keep", "0").returncode == UsageError.exit_code


def test_serve_refuses_a_host_that_others_can_reach(door: Door) -> None:
    refused = door.inv("index.serve", "--host", "192.0.2.1")
    assert refused.returncode == UsageError.exit_code
    assert "pypi-server run" in refused.stderr
