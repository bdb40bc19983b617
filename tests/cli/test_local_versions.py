"""Wheels with a local version and edited metadata, in the tasks that compare, move and deploy them."""

from __future__ import annotations

import json
import sys
import zipfile
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler
from typing import TYPE_CHECKING

import pytest

from support.clones import fresh_clone, publish_all, reloaded, with_index
from support.door import Door
from support.edited import LOCAL, index_of
from support.publishing import TARGETS, publishing_farm, store
from support.servers import served
from support.store import check_tidy
from support.tiny import VARIANT, run_farm
from wheelfarm.system.machine import native_target

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from wheelfarm.recipes.settings import Settings

pytestmark = pytest.mark.slow


@pytest.fixture
def farm(edited_chain: Settings, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Door:
    return Door(edited_chain.root, capsys, monkeypatch)


@pytest.fixture
def public(edited: Path) -> Iterator[str]:
    """The url of the public index, on loopback."""
    with served(partial(SimpleHTTPRequestHandler, directory=str(index_of(edited).root))) as host:
        yield f"http://{host}/simple/"


def test_the_difference_to_the_public_wheel_is_what_the_recipe_changed(farm: Door, public: str) -> None:
    done = farm.inv("wheel.diff", "public", "tinybase", "--json", WHEELFARM_INDEX_URL=public)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["before"].startswith("tinybase-1.0-cp")
    assert found["after"].startswith(f"tinybase-{LOCAL}-cp")
    edits = {name: pair["after"] for name, pair in found["options"].items() if name.startswith("metadata")}
    assert edits == {
        "metadata.local-version": "team.1",
        "metadata.requires.loosen": '["quick"]',
        "metadata.requires.add": '["plus>=1"]',
    }
    assert found["facts"]["version"] == {"before": "1.0", "after": LOCAL}
    assert found["facts"]["requires_dist"] == {"before": ["quick<2"], "after": ["plus>=1", "quick"]}
    # METADATA is one member that differs, and not two of which one is only here.
    (metadata,) = (each for each in found["members"] if each["member"].endswith("METADATA"))
    assert None not in (metadata["before"], metadata["after"])
    lines = farm.inv("wheel.diff", "public", "tinybase", WHEELFARM_INDEX_URL=public).stdout.splitlines()
    assert ["option", "metadata.requires.loosen", '["quick"]'] in [line.split() for line in lines]
    assert ["requires_dist", "quick<2", "plus>=1,", "quick"] in [line.split() for line in lines]


def test_an_index_has_it_and_a_fresh_clone_reuses_it(
    farm: Door, edited_chain: Settings, tmp_path: Path
) -> None:
    with_index(
        edited_chain, targets=[str(native_target(edited_chain.pythons[0]))], url=str(tmp_path / "public")
    )
    settings = reloaded(edited_chain)
    publish_all(settings)
    page = json.loads((tmp_path / "public/simple/tinybase/index.json").read_text())
    (file,) = page["files"]
    assert file["filename"].startswith(f"tinybase-{LOCAL}-")
    assert f"tinybase-{LOCAL.replace('+', '%2B')}-" in file["url"]
    status = json.loads(farm.inv("index.status", "all", "--json").stdout)
    assert {(each["project"], each["version"]) for each in status} == {
        ("tinybase", LOCAL),
        ("tinytop", "1.0"),
    }
    assert farm.inv("index.verify", f"tinybase=={LOCAL}").returncode == 0
    clone = fresh_clone(settings, tmp_path / "clone")
    run = run_farm(clone)
    assert run.states == {"tinybase": "reused", "tinytop": "reused"}
    assert run.record("tinybase").version == LOCAL
    check_tidy(clone.wheelhouse, VARIANT)


def test_a_search_knows_it_by_pep_440(farm: Door) -> None:
    def found(*words: str) -> list[tuple[str, str]]:
        answer = json.loads(farm.inv("wheel.search", *words, "--json").stdout)
        return [(each["name"], each["version"]) for each in answer]

    assert found("--links", "libtiny") == [("tinybase", LOCAL)]
    for matching in (
        "tinybase",
        "tinybase==1.0",
        f"tinybase=={LOCAL}",
        "tinybase>=1.0",
        "tinybase<1.0.post1",
    ):
        assert found("--built-with", matching) == [("tinytop", "1.0")], matching
    for other in ("tinybase>1.0", "tinybase==1.0+team.2", "tinybase!=1.0"):
        assert found("--built-with", other) == [], other


@pytest.mark.skipif(sys.platform != "linux", reason="a layer is for Linux")
def test_a_layer_has_it(farm: Door) -> None:
    done = farm.inv("deploy.layer", "tinytop", "--like", "debian13", "--engine", "host", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["tested"] == ["tinybase", "tinytop"]
    with zipfile.ZipFile(farm / "layer.zip") as archive:
        assert f"python/tinybase-{LOCAL}.dist-info/METADATA" in archive.namelist()


def test_a_bundle_takes_it_to_a_farm_without_a_network(
    edited: Path, edited_chain: Settings, farm: Door, tmp_path: Path
) -> None:
    receiver = replace(farm, root=fresh_clone(edited_chain, tmp_path / "receiver").root)
    index = index_of(edited)
    for root in (farm.root, receiver.root):
        (root / "requirements").mkdir()
        (root / "requirements/ci.txt").write_text(index.lock("build", "packaging", "pyproject-hooks"))
    pip = {"PIP_INDEX_URL": index.url, "HOME": str(tmp_path / "sender-home")}
    done = farm.inv("index.bundle", "tinytop", "--output", str(tmp_path / "tiny.tar"), **pip)
    assert done.returncode == 0, done.stderr
    done = receiver.inv("index.load", str(tmp_path / "tiny.tar"))
    assert done.returncode == 0, done.stderr
    assert any(line.startswith(f"tinybase-{LOCAL}-") for line in done.stdout.splitlines())
    plan = receiver.inv("plan", "all", "--offline", "--json")
    assert {each["action"] for each in json.loads(plan.stdout)} == {"nothing"}
    check_tidy(receiver / "wheelhouse", VARIANT)


def test_a_recipe_that_goes_back_to_the_release_needs_the_newer_one_yanked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = publishing_farm(tmp_path / "farm", {"kind": "static", "url": str(tmp_path / "public")})
    farm = Door(tmp_path / "farm", capsys, monkeypatch)

    def publish(*words: str) -> dict[str, bool]:
        done = farm.inv("index.publish", *words)
        assert done.returncode == 0, done.stderr
        files = json.loads((tmp_path / "public/plain/simple/alpha/index.json").read_text())["files"]
        return {each["filename"].split("-")[1]: bool(each.get("yanked")) for each in files}

    for version in (LOCAL, "1.0"):
        for target in TARGETS:
            store(made.wheelhouse, "alpha", version, target)
    assert publish("alpha") == {LOCAL: False}
    for index in ("internal", "wheelhouse"):
        done = farm.inv("index.yank", f"alpha=={LOCAL}", "--index", index, "--reason", "no patch")
        assert done.returncode == 0, done.stderr
    assert publish("alpha") == {LOCAL: True, "1.0": False}
