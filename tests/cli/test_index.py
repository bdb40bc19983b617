"""The tasks `index.*`, on a static index."""

from __future__ import annotations

import json
import shutil
import tomllib
from typing import TYPE_CHECKING

import pytest

from support.door import Door
from support.farm import write_farm
from support.publishing import publishing_farm, stock, store
from support.site_keys import write_keys
from support.surveyed import Stock
from wheelfarm.errors import PublishError, SettingsError, UnverifiedError, UsageError
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


class TestProjectStatus:
    @pytest.fixture
    def door(self, door: Door) -> Door:
        """The farm, which has published."""
        door.inv("index.publish", "all")
        return door

    def test_it_is_set_and_shown(self, door: Door) -> None:
        words = ("index.status", "alpha", "--set", "archived", "--reason", "use beta")
        assert door.inv(*words, "--dry-run").stdout == "alpha (plain) would be archived: use beta\n"
        assert "archived" not in (door / "public/plain/simple/alpha/index.html").read_text()
        assert door.inv(*words).stdout == "alpha (plain) is archived: use beta\n"
        shown = door.inv("index.status", "all").stdout.splitlines()
        assert shown[:2] == ["variant plain: 4 same", "alpha is archived: use beta"]
        rows = json.loads(door.inv("index.status", "all", "--json").stdout)
        assert {(each["project"], each["project-status"]["status"]) for each in rows} == {
            ("alpha", "archived"),
            ("beta", "active"),
        }

    def test_a_quarantined_project_can_be_active_again(self, door: Door) -> None:
        door.inv("index.status", "alpha", "--set", "quarantined")
        assert door.inv("index.status", "alpha").stdout.splitlines()[:2] == [
            "variant plain: 2 closed",
            "alpha is quarantined",
        ]
        door.inv("index.status", "alpha", "--set", "active")
        assert door.inv("index.status", "alpha").stdout.splitlines()[0] == "variant plain: 2 same"

    @pytest.mark.parametrize(
        ("words", "message"),
        [
            (("alpha", "--set", "archive"), "did you mean 'archived'"),
            (("all", "--set", "archived"), "name the projects"),
            (("alpha==1.0", "--set", "archived"), "not of a version"),
            (("gamma,alpha", "--set", "archived"), "internal lists no gamma"),
            (("alpha", "--reason", "old"), "a reason is for a status"),
        ],
    )
    def test_what_cannot_be_set_changes_nothing(
        self, door: Door, words: tuple[str, ...], message: str
    ) -> None:
        page = door / "public/plain/simple/alpha/index.json"
        before = page.read_bytes()
        refused = door.inv("index.status", *words)
        assert refused.returncode == UsageError.exit_code
        assert message in refused.stderr
        assert page.read_bytes() == before


def test_serve_refuses_a_host_that_others_can_reach(door: Door) -> None:
    refused = door.inv("index.serve", "--host", "192.0.2.1")
    assert refused.returncode == UsageError.exit_code
    assert "pypi-server run" in refused.stderr


class TestCpu:
    """What `index.config` says of the CPU: no tag of a wheel does."""

    @pytest.fixture
    def door(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> Door:
        fast = {"description": "for newer CPUs", "extends": "plain"}
        root = write_farm(tmp_path / "farm", settings={"variants": {"fast": fast}})
        stock = Stock(root)
        for variant, level in {"plain": "x86-64-v2", "fast": "x86-64-v3"}.items():
            stock.add("alpha", variant=variant, resolved={"expect": {"instruction-set": level}})
        return Door(root, capsys, monkeypatch)

    @pytest.mark.parametrize("tool", ["pip", "uv", "poetry", "docker"])
    def test_wheels_for_newer_cpus_name_the_level_and_the_other_index(self, door: Door, tool: str) -> None:
        shown = door.inv("index.config", tool, "all", "--variant", "fast", "--index", "wheelhouse")
        assert shown.returncode == 0, shown.stderr
        assert "\n# The wheels of fast need a CPU of the level x86-64-v3." in shown.stdout
        other = shown.stdout.splitlines()[-1]
        assert other.startswith("# For all other CPUs there is an index of its own: ")
        assert other.endswith(" --variant plain")
        if tool in {"uv", "poetry"}:
            tomllib.loads(shown.stdout)

    def test_wheels_for_all_cpus_name_the_index_for_newer_ones(self, door: Door) -> None:
        shown = door.inv("index.config", "pip", "all", "--index", "wheelhouse")
        assert "need a CPU" not in shown.stdout
        last = shown.stdout.splitlines()[-1]
        assert last.startswith("# For CPUs of the level x86-64-v3 there is an index of its own: ")
        assert last.endswith(" --variant fast")

    def test_it_is_data_too(self, door: Door) -> None:
        shown = door.inv("index.config", "pip", "all", "--variant", "fast", "--index", "wheelhouse", "--json")
        assert json.loads(shown.stdout)["cpu"] == "x86-64-v3"


class TestVerifySigner:
    @pytest.fixture
    def signing(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> Door:
        """A farm that has published alpha with a signature by its key."""
        key = {"sign-key": write_keys(tmp_path / "farm", "a"), "signer-keys": [{"file": "keys/a.pub"}]}
        farm = publishing_farm(tmp_path / "farm", {"kind": "static", "url": "public", **key})
        stock(farm.wheelhouse)
        door = Door(tmp_path / "farm", capsys, monkeypatch)
        door.inv("index.publish", "alpha")
        return door

    def test_a_known_and_an_unknown_key(self, signing: Door, tmp_path: Path) -> None:
        write_keys(tmp_path / "farm", "b")
        for options in ((), ("--signer", "keys/a.pub")):
            done = signing.inv("index.verify", "all", *options)
            assert done.returncode == 0
            assert done.stdout.count(", signed\n") == 2
        done = signing.inv("index.verify", "all", "--signer", "keys/b.pub", "--json")
        assert done.returncode == UnverifiedError.exit_code
        assert all(each["why"].endswith("accepted: keys/b.pub") for each in json.loads(done.stdout))

    def test_a_key_that_is_not_there(self, signing: Door) -> None:
        done = signing.inv("index.verify", "all", "--signer", "keys/none.pub")
        assert done.returncode == SettingsError.exit_code
        assert "keys/none.pub is not a public key" in done.stderr

    def test_signing_again_with_the_same_key_changes_nothing(self, signing: Door) -> None:
        done = signing.inv("index.sign", "all")
        assert done.stdout.count("unchanged") == 2
        assert "0 wheels signed" in done.stderr

    def test_an_unsigned_wheel_is_signed_where_it_is_stored_alone(self, signing: Door) -> None:
        (signature, _) = signing.root.rglob("*.sigstore.json")
        signature.unlink()
        done = signing.inv("index.sign", "all")
        assert done.returncode == 0
        assert "1 wheel signed" in done.stderr
        signature.unlink()
        shutil.rmtree(signing.root / "wheelhouse")
        done = signing.inv("index.sign", "all", "--json")
        assert done.returncode == UnverifiedError.exit_code
        assert sorted(each["state"] for each in json.loads(done.stdout)) == ["refused", "unchanged"]

    def test_a_dry_run_tells_of_a_key_that_cannot_sign(self, signing: Door, tmp_path: Path) -> None:
        (tmp_path / "secrets/a.pem").unlink()
        assert signing.inv("index.sign", "all", "--dry-run").returncode == 0
        next(signing.root.rglob("*.sigstore.json")).unlink()
        done = signing.inv("index.sign", "all", "--dry-run")
        assert done.returncode == PublishError.exit_code
        assert done.stdout.count("would be signed") == 1
        assert "a.pem: No such file or directory" in done.stderr
        assert signing.inv("index.publish", "alpha", "--dry-run").returncode == 0
        done = signing.inv("index.publish", "all", "--dry-run")
        assert done.returncode == PublishError.exit_code
        assert "the key keys/a.pub cannot sign" in done.stderr
