"""The stamp of a finished run: it is valid while nothing changed, and not written after an edit."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from support.farm import make_farm
from wheelfarm.build.host_engine import Host
from wheelfarm.cli import run_stamp
from wheelfarm.cli.run_stamp import input_states, write_stamp
from wheelfarm.cli.stamp import Stamp, environment_digest, file_state, output_digest
from wheelfarm.run.farm import Farm

if TYPE_CHECKING:
    from collections.abc import Callable

ENVIRON = {"PATH": "/bin", "HOME": "/home", "WHEELFARM_JOBS": "2", "PIP_INDEX_URL": "x", "EDITOR": "vi"}
ANSWER = "4.3.1\n"


@pytest.fixture
def stamp(tmp_path: Path) -> Stamp:
    (tmp_path / "there").write_text("one")
    files = [tmp_path / "there", tmp_path / "not there"]
    return Stamp(
        files={str(file): file_state(file) for file in files},
        environment=environment_digest(ENVIRON),
        commands={"podman\0version": output_digest(ANSWER)},
        lines=["nothing to do"],
    )


def _is_valid(stamp: Stamp, environ: dict[str, str] = ENVIRON, answer: str = ANSWER) -> bool:
    def output(words: list[str]) -> str:
        assert words == ["podman", "version"]
        return answer

    return stamp.is_valid(environ, output)


def test_a_stamp_is_valid_while_nothing_changed(stamp: Stamp, tmp_path: Path) -> None:
    file = tmp_path / "stamp.json"
    file.write_text(stamp.to_json(), encoding="utf-8")
    read = Stamp.read(file)
    assert read == stamp
    assert _is_valid(read)
    # Neither the order of variables matters, nor those that no run reads.
    assert _is_valid(stamp, dict(reversed((ENVIRON | {"EDITOR": "ed", "NEW": "x"}).items())))


@pytest.mark.parametrize("content", [None, "", "{", "[]", "{}", '{"files": {}}', "3", '"x"', "\xff"])
def test_a_file_that_is_no_stamp_is_ignored(tmp_path: Path, content: str | None) -> None:
    file = tmp_path / "stamp.json"
    if content is not None:
        file.write_text(content, encoding="latin-1")
    assert Stamp.read(file) is None


def _grow(root: Path) -> None:
    before = (root / "there").stat()
    (root / "there").write_text("more")
    os.utime(root / "there", ns=(before.st_atime_ns, before.st_mtime_ns))


def _swap(root: Path) -> None:
    before = (root / "there").stat()
    (root / "new").write_text("two")
    os.utime(root / "new", ns=(before.st_atime_ns, before.st_mtime_ns))
    (root / "new").replace(root / "there")


@pytest.mark.parametrize(
    "change",
    [
        lambda root: os.utime(root / "there", (1, 1)),
        _grow,
        _swap,
        lambda root: (root / "there").unlink(),
        lambda root: (root / "not there").touch(),
    ],
    ids=["time", "size", "inode", "removed", "added"],
)
def test_a_changed_file_voids_it(stamp: Stamp, tmp_path: Path, change: Callable[[Path], object]) -> None:
    change(tmp_path)
    assert not _is_valid(stamp)


@pytest.mark.parametrize(
    "changed",
    [
        {"PATH": "/usr/bin"},
        {"HOME": "/root"},
        {"WHEELFARM_JOBS": "3"},
        {"WHEELFARM_OFFLINE": ""},
        {"PIP_INDEX_URL": "y"},
        {"UV_DEFAULT_INDEX": "y"},
        {"CONTAINERS_CONF": "x"},
        {"DOCKER_HOST": "x"},
    ],
)
def test_a_changed_variable_voids_it(stamp: Stamp, changed: dict[str, str]) -> None:
    assert not _is_valid(stamp, ENVIRON | changed)


def test_a_missing_variable_or_another_answer_of_a_program_voids_it(stamp: Stamp) -> None:
    assert not _is_valid(stamp, {name: text for name, text in ENVIRON.items() if name != "WHEELFARM_JOBS"})
    assert not _is_valid(stamp, answer="4.3.2\n")
    assert not _is_valid(stamp, answer="")


def test_passwords_are_not_in_it(tmp_path: Path) -> None:
    assert _written(tmp_path, PIP_INDEX_URL="https://user:s3same@x.invalid/")
    assert "s3same" not in (tmp_path / "stamp.json").read_text()


def _written(tmp_path: Path, edited: str | None = None, engine: str | None = "host", **environ: str) -> bool:
    settings = make_farm(tmp_path, settings={"engine": engine}, environ=environ)
    farm = Farm(settings=settings)
    # As on a machine where no container engine answers.
    farm.__dict__["engine"] = Host(settings)
    inputs = input_states(settings)
    plan = farm.plan(None)
    if edited:
        (tmp_path / edited).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / edited).write_text("# edited\n")
    path = tmp_path / "stamp.json"
    write_stamp(path, farm, plan, (), inputs)
    return path.exists()


@pytest.mark.parametrize(
    "name",
    [
        "recipes/alpha/recipe.toml",
        "recipes/new/recipe.toml",
        "patches/alpha/0001-new.patch",
        "requirements/farm.txt",
    ],
)
def test_it_is_not_written_after_an_edit(tmp_path: Path, name: str) -> None:
    assert _written(tmp_path / "same")
    assert not _written(tmp_path / "edited", name)


def _files(tmp_path: Path, engine: str | None) -> dict[str, list[int] | None]:
    """What a stamp depends on, of a farm whose machine has an empty directory on its path."""
    (tmp_path / "bin").mkdir()
    path = f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}"
    assert _written(tmp_path, None, engine, PATH=path)
    written = Stamp.read(tmp_path / "stamp.json")
    assert written is not None
    return dict(written.files)


def test_a_container_engine_that_appears_voids_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_stamp, "_DOCKER_SOCKET", tmp_path / "docker.sock")
    files = _files(tmp_path, None)
    # An edit after the run voids it too.
    assert str(tmp_path / "recipes/alpha/recipe.toml") in files
    assert {str(path): file_state(Path(path)) for path in files} == files
    for name in ("bin/podman", "bin/docker", "docker.sock"):
        assert files[str(tmp_path / name)] is None
        (tmp_path / name).touch()
        assert file_state(tmp_path / name) != files[str(tmp_path / name)]


def test_a_container_engine_does_not_matter_to_the_host_engine(tmp_path: Path) -> None:
    names = {Path(path).name for path in _files(tmp_path, "host")}
    assert not names & {"docker", "podman", "docker.sock"}
