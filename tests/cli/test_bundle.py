"""index.bundle and index.load: from one farm to another that has no network."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.bundles import rewrite, set_digest
from support.door import Door
from support.namespaces import can_have_namespaces
from wheelfarm.errors import ArchiveError, HashError, UsageError
from wheelfarm.run.bundle_reader import unpacked_bundle
from wheelfarm.system.files import sha256_of_file

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.index import Index

ROOT = Path(__file__).parents[2]
LEFT_OUT = shutil.ignore_patterns("wheelhouse", ".wheelfarm", "home", "cache", "states")


@pytest.fixture
def sender(
    built: Path,
    index: Index,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> Door:
    """A farm whose chain is built, and that itself needs what the tests' own index has."""
    root = shutil.copytree(built, tmp_path / "sender", symlinks=True)
    (root / "requirements").mkdir()
    (root / "requirements/ci.txt").write_text(index.lock("build", "packaging", "pyproject-hooks"))
    return Door(root, capsys, monkeypatch)


@pytest.fixture
def pip(index: Index, tmp_path: Path) -> dict[str, str]:
    """The variable that lets pip use that index alone."""
    return {"PIP_INDEX_URL": index.url, "HOME": str(tmp_path / "sender-home")}


@pytest.fixture
def receiver(
    built: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Door:
    """The same farm on another machine, on which nothing was built or fetched yet."""
    root = shutil.copytree(built, tmp_path / "receiver", symlinks=True, ignore=LEFT_OUT)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    return Door(root, capsys, monkeypatch)


@pytest.fixture
def archive(sender: Door, pip: dict[str, str], tmp_path: Path) -> Path:
    done = sender.inv("index.bundle", "tinytop", "--output", str(tmp_path / "tiny.tar"), **pip)
    assert done.returncode == 0, done.stderr
    return tmp_path / "tiny.tar"


def state_of(farm: Door) -> list[str]:
    """The files that a farm has made."""
    return sorted(
        path.relative_to(farm.root).as_posix()
        for name in ("wheelhouse", ".wheelfarm", "cache")
        for path in (farm.root / name).rglob("*")
        if path.is_file()
    )


class TestBundle:
    def test_it_has_all_and_is_the_same_each_time(
        self, sender: Door, pip: dict[str, str], tmp_path: Path
    ) -> None:
        one = sender.inv("index.bundle", "tinytop", "--output", str(tmp_path / "one.tar"), "--json", **pip)
        assert one.returncode == 0, one.stderr
        data = json.loads(one.stdout)
        assert [each["id"].split()[0] for each in data["builds"]] == ["tinybase", "tinytop"]
        kinds = [name.partition("/")[0] for name in data["files"]]
        assert set(kinds) == {"environment", "farm.zip", "inputs", "records", "wheels"}
        assert kinds.count("records") == kinds.count("wheels") >= 2
        assert data["sha256"] == sha256_of_file(tmp_path / "one.tar")
        two = sender.inv("index.bundle", "tinytop", "--output", str(tmp_path / "two.tar"), **pip)
        assert f"sha256 {data['sha256']}" in two.stderr
        assert not list(sender.root.glob(".wheelfarm/bundle-*"))

    def test_a_dry_run_writes_nothing(self, sender: Door, tmp_path: Path) -> None:
        done = sender.inv("index.bundle", "all", "--output", str(tmp_path / "dry.tar"), "--dry-run")
        assert done.returncode == 0, done.stderr
        assert "wheels with records" in done.stdout
        assert not (tmp_path / "dry.tar").exists()

    def test_what_is_not_built_is_named_with_the_command(self, receiver: Door, tmp_path: Path) -> None:
        shutil.copytree(receiver.root / "recipes", tmp_path / "recipes")
        done = receiver.inv("index.bundle", "tinytop", "--dry-run")
        assert done.returncode != 0
        assert "nox -s build-tiny" in done.stderr


class TestLoad:
    def test_wheels_sources_and_environment_arrive(self, archive: Path, receiver: Door) -> None:
        done = receiver.inv("index.load", str(archive), "--sha256", sha256_of_file(archive))
        assert done.returncode == 0, done.stderr
        assert {line.split("-")[0] for line in done.stdout.splitlines()} >= {"tinybase", "tinytop"}
        assert "next: nox -s build-tinytop -- --offline" in done.stderr
        assert "warning" not in done.stderr
        assert (receiver.root / ".wheelfarm/environment/requirements.txt").is_file()
        plan = receiver.inv("plan", "all", "--offline", "--json")
        assert {each["action"] for each in json.loads(plan.stdout)} == {"nothing"}
        before = state_of(receiver)
        assert receiver.inv("index.load", str(archive)).returncode == 0
        assert state_of(receiver) == before

    @pytest.mark.slow
    def test_the_packages_are_built_from_it_offline_with_the_same_bytes(
        self, archive: Path, receiver: Door
    ) -> None:
        receiver.inv("index.load", str(archive))
        wheels = {
            path.name: sha256_of_file(path) for path in receiver.root.glob("wheelhouse/*/wheels/*/*.whl")
        }
        shutil.rmtree(receiver.root / "wheelhouse")
        project = receiver.root / "pyproject.toml"
        project.write_text(
            project.read_text().replace('index-url = "', 'index-url = "https://unreachable.invalid/')
        )
        done = receiver.inv("chain", "tinytop", "--offline", "--no-compiler-cache")
        assert done.returncode == 0, done.stderr
        assert {
            path.name: sha256_of_file(path) for path in receiver.root.glob("wheelhouse/*/wheels/*/*.whl")
        } == wheels

    def test_a_dry_run_only_verifies(self, archive: Path, receiver: Door) -> None:
        done = receiver.inv("index.load", str(archive), "--dry-run")
        assert done.returncode == 0, done.stderr
        assert "only verified" in done.stderr
        assert state_of(receiver) == []

    def test_files_of_the_farm_that_differ_are_named(self, archive: Path, receiver: Door) -> None:
        (receiver.root / "recipes/tinybase/smoke.py").write_text("import tinybase  # another\n")
        done = receiver.inv("index.load", str(archive))
        assert done.returncode == 0
        assert "1 file of this farm differs from the bundle's" in done.stderr
        assert "recipes/tinybase/smoke.py" in done.stderr

    @pytest.mark.parametrize(
        ("words", "message"),
        [
            (("nowhere.tar",), "there is no file nowhere.tar"),
            (("pyproject.toml",), "this is no bundle"),
            (("pyproject.toml", "--sha256", "abc"), "is no sha256"),
            (("pyproject.toml", "--sha256", "0" * 64), "the bundle is another one"),
        ],
    )
    def test_what_is_no_bundle(self, receiver: Door, words: tuple[str, ...], message: str) -> None:
        done = receiver.inv("index.load", *words)
        assert done.returncode in {UsageError.exit_code, ArchiveError.exit_code, HashError.exit_code}
        assert message in done.stderr
        assert state_of(receiver) == []


def first(members: dict[str, bytes], directory: str) -> str:
    return next(name for name in members if name.startswith(f"{directory}/"))


def change_wheel(members: dict[str, bytes]) -> None:
    members[first(members, "wheels")] += b"more"


def lose_input(members: dict[str, bytes]) -> None:
    del members[first(members, "inputs")]


def add_file(members: dict[str, bytes]) -> None:
    members["../outside"] = b"text"


def change_record(members: dict[str, bytes]) -> None:
    """A record of other bytes, with a manifest that says so."""
    name = first(members, "records")
    record = json.loads(members[name])
    record["wheel"]["sha256"] = "0" * 64
    members[name] = json.dumps(record).encode()
    set_digest(members, name)


def lose_record(members: dict[str, bytes]) -> None:
    name = first(members, "records")
    del members[name]
    manifest = json.loads(members["bundle.json"])
    del manifest["files"][name]
    members["bundle.json"] = json.dumps(manifest).encode()


def change_farm(members: dict[str, bytes]) -> None:
    """No zip file, with a manifest that says so."""
    members["farm.zip"] = members["farm.zip"][:-30]
    set_digest(members, "farm.zip")


def newer(members: dict[str, bytes]) -> None:
    members["bundle.json"] = json.dumps(json.loads(members["bundle.json"]) | {"version": 2}).encode()


def no_json(members: dict[str, bytes]) -> None:
    members["bundle.json"] = members["bundle.json"][:-5]


class TestDamage:
    @pytest.mark.parametrize(
        ("change", "message"),
        [
            (change_wheel, "in the bundle was changed"),
            (lose_input, "is missing"),
            (add_file, "does not list '../outside' as a file"),
            (lose_record, "and does not list it"),
            (change_record, "is not the record of wheels/"),
            (change_farm, "the bundle is damaged"),
            (newer, "the bundle is of a newer wheelfarm"),
            (no_json, "the bundle is damaged"),
        ],
    )
    def test_a_changed_bundle_is_refused_and_nothing_is_stored(
        self,
        archive: Path,
        receiver: Door,
        change: Callable[[dict[str, bytes]], object],
        message: str,
        tmp_path: Path,
    ) -> None:
        rewrite(archive, change)
        done = receiver.inv("index.load", str(archive))
        assert done.returncode in {ArchiveError.exit_code, HashError.exit_code}, done.stderr
        assert message in done.stderr
        assert state_of(receiver) == []
        assert not (tmp_path / "outside").exists()

    def test_a_bundle_that_is_cut_off_anywhere_is_refused(self, archive: Path, tmp_path: Path) -> None:
        data, part, work = archive.read_bytes(), tmp_path / "part.tar", tmp_path / "work"

        # The end of a tar archive is two or more blocks of zeros, which need not be there.
        end = len(data.rstrip(b"\0"))

        @settings(max_examples=40)
        @given(st.integers(0, end - 1))
        def check(length: int) -> None:
            part.write_bytes(data[:length])
            with pytest.raises((ArchiveError, HashError)), unpacked_bundle(part, work):
                pass
            assert list(work.iterdir()) == []

        check()


@pytest.mark.slow
def test_a_machine_without_a_network_makes_its_environment_and_builds(
    built: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """`tar`, `pip` and `nox` alone, in a network namespace with nothing but loopback."""
    if not can_have_namespaces():
        pytest.skip("only root makes network namespaces, where the kernel has them")
    sender = Door(shutil.copytree(built, tmp_path / "sender", symlinks=True), capsys, monkeypatch)
    archive = tmp_path / "tiny.tar"
    done = sender.inv("index.bundle", "tinytop", "--output", str(archive), **pip_variables())
    assert done.returncode == 0, done.stderr

    receiver = shutil.copytree(built, tmp_path / "receiver", symlinks=True, ignore=LEFT_OUT)
    project = receiver / "pyproject.toml"
    for name in ("noxfile.py", "tasks.py"):
        (receiver / name).unlink(missing_ok=True)
    (receiver / "noxfile.py").write_text(
        f"import sys\nfrom pathlib import Path\nsys.path.insert(0, {str(ROOT / 'src')!r})\n"
        "from wheelfarm.cli.sessions import register_recipes\nregister_recipes(Path(__file__).parent)\n"
    )
    (receiver / "tasks.py").write_text((ROOT / "tasks.py").read_text())
    assert project.is_file()
    script = f"""
set -e
cd {tmp_path}
tar xf tiny.tar environment
{sys.executable} -m venv alone
alone/bin/pip install -q --no-index --find-links environment --require-hashes -r environment/requirements.txt
cd {receiver}
export PYTHONPATH={ROOT / "src"}
{tmp_path}/alone/bin/python -m invoke index.load {archive}
rm -rf wheelhouse
{tmp_path}/alone/bin/nox -s build-tinytop -- --offline
"""
    env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path / "home")}
    finished = subprocess.run(
        ["unshare", "--net", "sh", "-c", f"ip link set lo up\n{script}"],
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 0, finished.stdout + finished.stderr
    assert list(receiver.glob("wheelhouse/plain/wheels/*/tinytop*.whl"))


def pip_variables() -> dict[str, Any]:
    """The settings of this machine's index, for pip."""
    return {key: value for key, value in os.environ.items() if key.startswith("PIP_")}
