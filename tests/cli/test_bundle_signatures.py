"""index.bundle takes signatures along, and index.load requires them."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from support.bundles import rewrite, set_digest
from support.clones import publish_all
from support.door import Door
from support.site_keys import write_keys
from support.tiny import VARIANT
from wheelfarm.errors import ArchiveError, SettingsError, UnverifiedError, UsageError
from wheelfarm.model import sha256_of_bytes
from wheelfarm.provenance.record import Record
from wheelfarm.recipes.settings import load
from wheelfarm.run.bundle import collect_bundle, write_bundle
from wheelfarm.run.farm import Farm
from wheelfarm.system.files import sha256_of_file
from wheelfarm.system.machine import native_target

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

TODAY = datetime.now(UTC).date()
YESTERDAY = TODAY - timedelta(days=1)


def index_lines(target: object, keys: str, *, name: str = "internal", sign: str = "") -> str:
    lines = (f"[tool.wheelfarm.index.{name}]", 'kind = "static"', 'url = "../public"', sign)
    return "\n".join(["", *lines, f'targets = ["{target}"]', f"signer-keys = [{keys}]", ""])


@dataclass
class Made:
    """A farm that has published its chain with signatures, and the bundle that it has made."""

    root: Path
    archive: Path


@pytest.fixture(scope="module")
def made(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Made:
    top = tmp_path_factory.mktemp("signed")
    root = shutil.copytree(built, top / "farm", symlinks=True)
    for name in ("b", "a"):
        url = write_keys(root, name)
    settings = load(root, environ={"PATH": "/usr/bin:/bin", "HOME": str(top)})
    with (root / "pyproject.toml").open("a") as file:
        file.write(
            index_lines(
                native_target(settings.pythons[0]), '{file = "keys/a.pub"}', sign=f'sign-key = "{url}"'
            )
        )
    settings = load(root, environ=settings.environ)
    publish_all(settings)
    farm = Farm(settings=settings)
    (top / "environment").mkdir()
    bundle = collect_bundle(farm, farm.plan(None), top / "environment", "internal")
    write_bundle(bundle, top / "tiny.tar")
    return Made(root, top / "tiny.tar")


@pytest.fixture
def receiver(
    made: Made, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Door:
    """The same farm on a machine that has neither the wheels, nor the private key, nor the index."""
    left_out = shutil.ignore_patterns("wheelhouse", ".wheelfarm", "home", "cache", "states")
    root = shutil.copytree(made.root, tmp_path / "receiver", symlinks=True, ignore=left_out)
    project = root / "pyproject.toml"
    lines = project.read_text().splitlines(keepends=True)
    project.write_text("".join(line for line in lines if not line.startswith("sign-key")))
    return Door(root, capsys, monkeypatch)


@pytest.fixture
def archive(made: Made, tmp_path: Path) -> Path:
    """A copy of the bundle that may be changed."""
    return shutil.copyfile(made.archive, tmp_path / "tiny.tar")


def change_keys(farm: Door, keys: str) -> None:
    project = farm.root / "pyproject.toml"
    project.write_text(project.read_text().replace('[{file = "keys/a.pub"}]', f"[{keys}]"))


def stored(farm: Door) -> list[Path]:
    return sorted(path for path in farm.root.glob("wheelhouse/**/*") if path.is_file())


class TestSigned:
    def test_it_is_verified_and_stored_with_the_signed_records(
        self, made: Made, archive: Path, receiver: Door
    ) -> None:
        done = receiver.inv("index.load", str(archive))
        assert done.returncode == 0, done.stderr
        assert "wheels signed as index internal requires it" in done.stderr
        before, after = (
            dict(Farm(settings=load(root, environ={})).wheelhouse.records(VARIANT))
            for root in (made.root, receiver.root)
        )
        assert after == before
        plan = receiver.inv("plan", "all", "--offline", "--json")
        assert {each["action"] for each in json.loads(plan.stdout)} == {"nothing"}

    def test_a_signer_of_the_command_line_stands_for_the_settings(
        self, archive: Path, receiver: Door
    ) -> None:
        done = receiver.inv("index.load", str(archive), "--signer", "keys/a.pub", "--json")
        assert json.loads(done.stdout)["signed"] == 2
        done = receiver.inv("index.load", str(archive), "--signer", "keys/b.pub")
        assert done.returncode == UnverifiedError.exit_code
        assert "accepted: keys/b.pub" in done.stderr

    def test_both_keys_count_in_a_rotation(self, archive: Path, receiver: Door) -> None:
        change_keys(receiver, '{file = "keys/b.pub"}, {file = "keys/a.pub", expires = ' + f"{TODAY}}}")
        assert receiver.inv("index.load", str(archive), "--dry-run").returncode == 0

    def test_nobody_needs_to_have_signed_for_the_wheelhouse(self, archive: Path, receiver: Door) -> None:
        done = receiver.inv("index.load", str(archive), "--index", "wheelhouse", "--json")
        assert json.loads(done.stdout)["signed"] == 0
        assert stored(receiver)


class TestRefused:
    """Nothing of these bundles is stored."""

    @pytest.mark.parametrize(
        ("keys", "why"),
        [
            ('{file = "keys/b.pub"}', "it names the key "),
            (f'{{file = "keys/a.pub", expires = {YESTERDAY}}}', f"keys/a.pub expired on {YESTERDAY}"),
        ],
    )
    def test_an_unknown_and_an_expired_key(self, archive: Path, receiver: Door, keys: str, why: str) -> None:
        change_keys(receiver, keys)
        done = receiver.inv("index.load", str(archive))
        assert done.returncode == UnverifiedError.exit_code
        assert done.stderr.count(why) == 2
        assert not stored(receiver)

    def test_a_bundle_without_signatures(self, made: Made, tmp_path: Path, receiver: Door) -> None:
        farm = Farm(settings=load(made.root, environ={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}))
        (tmp_path / "environment").mkdir()
        write_bundle(collect_bundle(farm, farm.plan(None), tmp_path / "environment"), tmp_path / "no.tar")
        done = receiver.inv("index.load", str(tmp_path / "no.tar"))
        assert done.returncode == UnverifiedError.exit_code
        assert "the bundle has no attestation of tinybase" in done.stderr
        assert "next: inv index.bundle --index NAME" in done.stderr
        assert not stored(receiver)

    @pytest.mark.parametrize(
        ("words", "error", "message"),
        [
            (("--index", "other"), UsageError, "other"),
            (("--signer", "keys/none.pub"), SettingsError, "keys/none.pub is not a public key"),
            (("--signer", "keys/none.pub", "--index", "other"), UsageError, "other"),
        ],
    )
    def test_bad_words(
        self, archive: Path, receiver: Door, words: tuple[str, ...], error: Any, message: str
    ) -> None:
        done = receiver.inv("index.load", str(archive), *words)
        assert done.returncode == error.exit_code, done.stderr
        assert message in done.stderr

    def test_two_indexes_with_keys_have_to_be_named(self, archive: Path, receiver: Door) -> None:
        with (receiver.root / "pyproject.toml").open("a") as file:
            file.write(index_lines("cp311-manylinux_x86_64", '{file = "keys/b.pub"}', name="second"))
        done = receiver.inv("index.load", str(archive))
        assert "internal, second have signer-keys" in done.stderr
        assert receiver.inv("index.load", str(archive), "--index", "internal").returncode == 0


def attestation(members: dict[str, bytes]) -> str:
    return next(name for name in members if name.startswith("attestations/"))


def swap(members: dict[str, bytes]) -> None:
    """Put the attestation of another wheel there."""
    one, other = (name for name in members if name.startswith("attestations/"))
    members[one] = members[other]
    set_digest(members, one)


def edit(text: Callable[[dict[str, str]], dict[str, str]]) -> Callable[[dict[str, bytes]], None]:
    def change(members: dict[str, bytes]) -> None:
        name = attestation(members)
        members[name] = json.dumps(text(json.loads(members[name]))).encode()
        set_digest(members, name)

    return change


def other_statement(found: dict[str, str]) -> dict[str, str]:
    return {**found, "statement": found["statement"].replace("startedOn", "finishedOn")}


def other_record(found: dict[str, str]) -> dict[str, str]:
    record = json.loads(found["record"])
    record["wheel"]["size"] += 1
    return {**found, "record": json.dumps(record)}


def escaping_record(found: dict[str, str]) -> dict[str, str]:
    record = json.loads(found["record"])
    record["wheel"]["filename"] = record["wheel"]["filename"].replace("-1_", "-../../1_", 1)
    return {**found, "record": json.dumps(record)}


def no_text(members: dict[str, bytes]) -> None:
    name = attestation(members)
    members[name] = b"[" * 100_000
    set_digest(members, name)


def change_wheel(members: dict[str, bytes]) -> None:
    """Another wheel of the same name, with a record and a manifest that say so."""
    manifest = json.loads(members["bundle.json"])
    wheel = manifest["wheels"][0]
    # Something after the end of the archive, which zip readers skip.
    data = members.pop(wheel["wheel"]) + b"\0"
    record = json.loads(members[wheel["record"]])
    wheel["sha256"] = record["wheel"]["sha256"] = sha256_of_bytes(data)
    record["wheel"]["size"] = len(data)
    members[wheel["record"]] = json.dumps(record).encode()
    del manifest["files"][wheel["wheel"]]
    wheel["wheel"] = f"wheels/{wheel['sha256']}/{wheel['wheel'].rpartition('/')[2]}"
    members[wheel["wheel"]] = data
    members["bundle.json"] = json.dumps(manifest).encode()
    for name in (wheel["wheel"], wheel["record"]):
        set_digest(members, name)


class TestChanged:
    """Whoever changes a bundle can change its manifest too; the signatures are what is left."""

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            (swap, "does not match"),
            (edit(lambda found: {**found, "key_signature": ""}), "there is none by a key of the site"),
            (edit(lambda found: {**found, "key_signature": "{}"}), "the bundle cannot be read"),
            (edit(other_statement), "it was made for another statement"),
            (edit(other_record), "does not match"),
            (edit(escaping_record), "does not match"),
            (edit(lambda found: {**found, "record": "{}"}), "the attested record of"),
            (edit(lambda found: {**found, "more": ""}), "cannot be read"),
            (edit(lambda found: {"statement": found["statement"]}), "cannot be read"),
            (no_text, "cannot be read"),
            (change_wheel, "the signed record is not one of"),
        ],
    )
    def test_it_is_refused_and_nothing_is_stored(
        self, archive: Path, receiver: Door, change: Callable[[dict[str, bytes]], None], message: str
    ) -> None:
        rewrite(archive, change)
        done = receiver.inv("index.load", str(archive))
        assert done.returncode == UnverifiedError.exit_code, done.stderr
        assert message in done.stderr
        assert "Traceback" not in done.stderr
        assert not stored(receiver)
        assert not list(receiver.root.glob(".wheelfarm/bundle-*"))

    def test_a_record_beside_a_wheel_is_not_what_is_stored(self, archive: Path, receiver: Door) -> None:
        """The signed one is."""

        def change(members: dict[str, bytes]) -> None:
            for name in [each for each in members if each.startswith("records/")]:
                record = json.loads(members[name])
                members[name] = json.dumps({**record, "gate_results": []}).encode()
                set_digest(members, name)

        rewrite(archive, change)
        assert receiver.inv("index.load", str(archive)).returncode == 0
        wheelhouse = Farm(settings=load(receiver.root, environ={})).wheelhouse
        records = [Record.from_json(text, key) for key, text in wheelhouse.records(VARIANT)]
        assert len(records) == 2
        assert all(each.gate_results for each in records)

    def test_a_key_that_is_a_path(self, archive: Path, receiver: Door, tmp_path: Path) -> None:
        def change(members: dict[str, bytes]) -> None:
            manifest = json.loads(members["bundle.json"])
            manifest["wheels"][0]["key"] = "../../../outside"
            members["bundle.json"] = json.dumps(manifest).encode()

        rewrite(archive, change)
        done = receiver.inv("index.load", str(archive), "--index", "wheelhouse")
        assert done.returncode == ArchiveError.exit_code
        assert "its manifest has the digest '../../../outside'" in done.stderr
        assert not list(tmp_path.rglob("outside*"))


class TestBundle:
    def test_the_index_with_keys_is_the_one_by_default(
        self, made: Made, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        sender = Door(made.root, capsys, monkeypatch)
        for words, count in (((), 2), (("--index", "internal"), 2), (("--index", "wheelhouse"), 0)):
            done = sender.inv("index.bundle", "all", "--dry-run", "--json", *words)
            assert done.returncode == 0, done.stderr
            files = json.loads(done.stdout)["files"]
            assert sum(name.startswith("attestations/") for name in files) == count

    def test_what_is_not_published_or_not_signed_is_named(
        self, made: Made, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        top = shutil.copytree(made.root.parent, tmp_path / "copy", symlinks=True)
        (bundle,) = top.glob("public/*/wheels/*/tinybase-*.sigstore.json")
        bundle.unlink()
        for path in top.glob("public/*/wheels/*/tinytop-*.record.json"):
            path.unlink()
        done = Door(top / "farm", capsys, monkeypatch).inv("index.bundle", "all", "--dry-run")
        assert done.returncode == UnverifiedError.exit_code
        assert "there is none by a key of the site; accepted: keys/a.pub" in done.stderr
        assert "index internal has no attestation of tinytop-1.0" in done.stderr
        assert "next: inv index.publish tinytop==1.0 --index internal" in done.stderr

    def test_an_index_that_requires_no_signature(
        self, made: Made, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        root = shutil.copytree(made.root, tmp_path / "farm", symlinks=True)
        project = root / "pyproject.toml"
        lines = project.read_text().splitlines(keepends=True)
        project.write_text(
            "".join(each for each in lines if not each.startswith(("sign-key", "signer-keys")))
        )
        done = Door(root, capsys, monkeypatch).inv("index.bundle", "all", "--dry-run", "--index", "internal")
        assert done.returncode == UsageError.exit_code
        assert "index internal names nobody who must have signed" in done.stderr


def test_the_same_wheels_make_the_same_bundle(made: Made, tmp_path: Path) -> None:
    farm = Farm(settings=load(made.root, environ={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}))
    (tmp_path / "environment").mkdir()
    bundle = collect_bundle(farm, farm.plan(None), tmp_path / "environment", "internal")
    assert write_bundle(bundle, tmp_path / "again.tar") == sha256_of_file(made.archive)
