"""The stamp of a finished run: it is valid while nothing changed."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from wheelfarm.cli.stamp import Stamp, environment_digest, file_state, output_digest

if TYPE_CHECKING:
    from collections.abc import Callable

ENVIRON = {"PATH": "/bin", "HOME": "/home", "WHEELFARM_JOBS": "2", "PIP_INDEX_URL": "x", "EDITOR": "vi"}
ASK = "podman\0version"
ANSWER = "4.3.1\n"


@pytest.fixture
def stamp(tmp_path: Path) -> Stamp:
    (tmp_path / "there").write_text("one")
    files = [tmp_path / "there", tmp_path / "not there"]
    return Stamp(
        files={str(file): file_state(file) for file in files},
        environment=environment_digest(ENVIRON),
        commands={ASK: output_digest(ANSWER)},
        lines=["nothing to do"],
    )


def _is_valid(stamp: Stamp, environ: dict[str, str] | None = None, answer: str = ANSWER) -> bool:
    commands: list[list[str]] = []

    def output(words: list[str]) -> str:
        commands.append(words)
        return answer

    valid = stamp.is_valid(ENVIRON if environ is None else environ, output)
    assert commands in ([], [["podman", "version"]])
    return valid


def test_a_stamp_is_valid_while_nothing_changed(stamp: Stamp) -> None:
    assert _is_valid(stamp)


def test_a_stamp_survives_its_file(stamp: Stamp, tmp_path: Path) -> None:
    file = tmp_path / "stamp.json"
    file.write_text(stamp.to_json(), encoding="utf-8")
    read = Stamp.read(file)
    assert read == stamp
    assert _is_valid(read)


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"files": {}}', "3", '"x"', "\xff"])
def test_what_is_no_stamp_is_none(tmp_path: Path, content: str) -> None:
    file = tmp_path / "stamp.json"
    assert Stamp.read(file) is None
    file.write_text(content, encoding="latin-1")
    assert Stamp.read(file) is None


def _touch(root: Path) -> None:
    os.utime(root / "there", (1, 1))


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
        _touch,
        _grow,
        _swap,
        lambda root: (root / "there").unlink(),
        lambda root: (root / "not there").touch(),
    ],
    ids=["time", "size", "inode", "gone", "come"],
)
def test_a_changed_file_breaks_it(stamp: Stamp, tmp_path: Path, change: Callable[[Path], object]) -> None:
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
def test_a_changed_variable_breaks_it(stamp: Stamp, changed: dict[str, str]) -> None:
    assert not _is_valid(stamp, ENVIRON | changed)


def test_a_variable_less_breaks_it(stamp: Stamp) -> None:
    assert not _is_valid(stamp, {name: text for name, text in ENVIRON.items() if name != "WHEELFARM_JOBS"})


def test_other_variables_do_not_matter(stamp: Stamp) -> None:
    assert _is_valid(stamp, dict(reversed((ENVIRON | {"EDITOR": "ed", "NEW": "x"}).items())))


@pytest.mark.parametrize("answer", ["", "4.3.2\n"])
def test_another_answer_breaks_it(stamp: Stamp, answer: str) -> None:
    assert not _is_valid(stamp, answer=answer)


def test_passwords_are_not_in_it(stamp: Stamp) -> None:
    environ = ENVIRON | {"PIP_INDEX_URL": "https://user:s3same@x.invalid/"}
    secret = replace(stamp, environment=environment_digest(environ))
    assert _is_valid(secret, environ)
    assert "s3same" not in secret.to_json()


def test_reading_it_needs_the_standard_library_alone() -> None:
    import wheelfarm.cli.stamp as module  # noqa: PLC0415

    imported = {line.split()[1].partition(".")[0] for line in _imports(Path(str(module.__file__)))}
    assert imported <= sys.stdlib_module_names


def _imports(file: Path) -> list[str]:
    lines = [line.strip() for line in file.read_text(encoding="utf-8").splitlines()]
    return [line for line in lines if line.startswith(("import ", "from ")) and " import" in f" {line}"]
