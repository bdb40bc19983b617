"""Wheels between machines: nothing is lost, and no change goes unnoticed."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from support.store import VARIANT
from wheelfarm.errors import HashError, WheelhouseError
from wheelfarm.system.files import sha256_of_file
from wheelfarm.wheelhouse.artifacts import MANIFEST, export_artifact, find_artifacts, import_artifact
from wheelfarm.wheelhouse.wheelhouse import Wheelhouse

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from support.surveyed import Stock
    from wheelfarm.wheelhouse.artifacts import Artifact


@pytest.fixture
def artifact(three: Stock, tmp_path: Path) -> Artifact:
    """Two wheels of a wheelhouse."""
    keys = [three.wheels[name].key for name in ("base", "middle")]
    return export_artifact(three.wheelhouse, VARIANT, keys, tmp_path / "artifact", "chain-linux")


def test_an_artifact_becomes_the_same_wheels_elsewhere(
    artifact: Artifact, three: Stock, tmp_path: Path
) -> None:
    there = Wheelhouse(tmp_path / "there")
    (found,) = find_artifacts(tmp_path)
    assert found == artifact
    names = sorted(["base", "middle"], key=lambda name: three.wheels[name].key)
    assert [wheel.name for wheel in import_artifact(there, found)] == names
    for name in names:
        ours = three.wheels[name]
        theirs = there.find(VARIANT, ours.key, verify=True)
        assert theirs is not None
        assert theirs.path.read_bytes() == ours.path.read_bytes()
        assert there.record(VARIANT, ours.key) == three.wheelhouse.record(VARIANT, ours.key)
        assert there.current(VARIANT, ours.name) == (theirs,)
    # A second import changes nothing.
    assert len(import_artifact(there, found)) == 2


def test_the_same_wheels_make_the_same_manifest(artifact: Artifact, three: Stock, tmp_path: Path) -> None:
    keys = [three.wheels[name].key for name in ("middle", "base")]
    second = export_artifact(three.wheelhouse, VARIANT, keys, tmp_path / "second", "chain-linux")
    texts = {(each.directory / MANIFEST).read_bytes() for each in (artifact, second)}
    assert len(texts) == 1


def test_a_missing_directory_has_no_artifacts(tmp_path: Path) -> None:
    assert list(find_artifacts(tmp_path / "nowhere")) == []


def _file(artifact: Artifact, ending: str) -> Path:
    return artifact.directory / next(name for name in sorted(artifact.files) if name.endswith(ending))


@pytest.mark.parametrize(
    ("harm", "why"),
    [
        (lambda it: _file(it, ".whl").write_bytes(b"other"), "the manifest says"),
        (lambda it: _file(it, ".json").write_bytes(b"{}"), "the manifest says"),
        (lambda it: _file(it, ".whl").unlink(), "it is missing"),
        (lambda it: (it.directory / "extra.whl").write_bytes(b""), "does not list it"),
        (lambda it: (it.directory / VARIANT / "records/x.json").write_bytes(b""), "does not list it"),
    ],
)
def test_a_changed_artifact_is_an_error(
    artifact: Artifact, tmp_path: Path, harm: Callable[[Artifact], object], why: str
) -> None:
    harm(artifact)
    with pytest.raises(HashError, match="changed after its job uploaded it") as caught:
        import_artifact(Wheelhouse(tmp_path / "there"), artifact)
    assert why in (caught.value.why or "")
    assert not (tmp_path / "there").exists()


def test_a_record_of_other_bytes_is_an_error(artifact: Artifact, three: Stock, tmp_path: Path) -> None:
    """The store checks too: a manifest may fit and the record be wrong."""
    record = _file(artifact, f"{three.wheels['base'].key}.json")
    text = record.read_text("utf-8").replace(three.wheels["base"].sha256, three.wheels["middle"].sha256)
    record.write_text(text, encoding="utf-8")
    files = {**artifact.files, record.relative_to(artifact.directory).as_posix(): sha256_of_file(record)}
    with pytest.raises(WheelhouseError):
        import_artifact(Wheelhouse(tmp_path / "there"), replace(artifact, files=files))


@pytest.mark.parametrize("text", ["", "[]", '{"files": {"a": "b"}, "name": "x"}', '{"name": "x"}'])
def test_a_damaged_manifest_is_an_error(tmp_path: Path, text: str) -> None:
    (tmp_path / MANIFEST).write_text(text, encoding="utf-8")
    with pytest.raises(WheelhouseError, match="the manifest of an artifact is damaged"):
        list(find_artifacts(tmp_path))
