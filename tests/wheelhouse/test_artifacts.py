"""Parts of a wheelhouse on their way to another machine: nothing is lost, and nothing is changed unseen."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import pytest

from support.store import VARIANT
from wheelfarm.errors import HashError, WheelhouseError
from wheelfarm.wheelhouse.artifacts import export_artifact, find_artifacts, import_artifact, verify_artifact
from wheelfarm.wheelhouse.wheelhouse import Wheelhouse

if TYPE_CHECKING:
    from pathlib import Path

    from support.surveyed import Stock
    from wheelfarm.wheelhouse.artifacts import Artifact


@pytest.fixture
def part(three: Stock, tmp_path: Path) -> Artifact:
    """Two wheels, cut out of a wheelhouse."""
    keys = [three.wheels[name].key for name in ("base", "middle")]
    return export_artifact(three.wheelhouse, VARIANT, keys, tmp_path / "part", "chain-linux")


def test_a_part_becomes_the_same_wheels_elsewhere(part: Artifact, three: Stock, tmp_path: Path) -> None:
    there = Wheelhouse(tmp_path / "there")
    (found,) = find_artifacts(tmp_path)
    verify_artifact(found, part.sha256)
    assert [wheel.name for wheel in import_artifact(there, found)] == sorted(
        ["base", "middle"], key=lambda n: three.wheels[n].key
    )
    for name in ("base", "middle"):
        ours = three.wheels[name]
        theirs = there.find(VARIANT, ours.key, verify=True)
        assert theirs is not None
        assert theirs.path.read_bytes() == ours.path.read_bytes()
        assert there.record(VARIANT, ours.key) == three.wheelhouse.record(VARIANT, ours.key)
        assert there.current(VARIANT, ours.name) == (theirs,)
    # A second time nothing is new.
    assert len(import_artifact(there, found)) == 2


def test_the_same_wheels_make_the_same_part(part: Artifact, three: Stock, tmp_path: Path) -> None:
    keys = [three.wheels[name].key for name in ("middle", "base")]
    assert (
        export_artifact(three.wheelhouse, VARIANT, keys, tmp_path / "again", "chain-linux").sha256
        == part.sha256
    )


def test_nothing_is_here(tmp_path: Path) -> None:
    assert list(find_artifacts(tmp_path / "nowhere")) == []


def _file(part: Artifact, ending: str) -> Path:
    return part.directory / next(name for name in sorted(part.files) if name.endswith(ending))


@pytest.mark.parametrize(
    ("harm", "why"),
    [
        (lambda part: _file(part, ".whl").write_bytes(b"other"), "its list says"),
        (lambda part: _file(part, ".json").write_bytes(b"{}"), "its list says"),
        (lambda part: _file(part, ".whl").unlink(), "it is missing"),
        (lambda part: (part.directory / "extra.whl").write_bytes(b""), "its list does not have it"),
        (lambda part: (part.directory / VARIANT / "records/x.json").write_bytes(b""), "does not have it"),
    ],
)
def test_what_was_changed_on_its_way(part: Artifact, harm: object, why: str) -> None:
    assert callable(harm)
    harm(part)
    with pytest.raises(HashError, match="was changed on its way") as caught:
        verify_artifact(part, part.sha256)
    assert why in (caught.value.why or "")


def test_a_list_that_was_made_to_fit(part: Artifact, tmp_path: Path) -> None:
    """Whoever changes a wheel and its list too has another list than the job has told."""
    wheel = _file(part, ".whl")
    wheel.write_bytes(b"other")
    document = json.loads((part.directory / "part.json").read_text("utf-8"))
    document["files"] = dict.fromkeys(document["files"], "0" * 64)
    (part.directory / "part.json").write_text(json.dumps(document), encoding="utf-8")
    (found,) = find_artifacts(tmp_path)
    with pytest.raises(HashError, match="is not the one that its job made"):
        verify_artifact(found, part.sha256)


def test_a_record_of_other_bytes(part: Artifact, three: Stock, tmp_path: Path) -> None:
    """The store looks again: a part may be checked and be wrong from the start."""
    record, other = _file(part, f"{three.wheels['base'].key}.json"), _file(part, ".whl")
    text = record.read_text("utf-8").replace(three.wheels["base"].sha256, three.wheels["middle"].sha256)
    record.write_text(text, encoding="utf-8")
    shutil.copytree(part.directory, tmp_path / "copy")
    with pytest.raises(WheelhouseError):
        import_artifact(Wheelhouse(tmp_path / "there"), part)
    assert other.is_file()


@pytest.mark.parametrize("text", ["", "[]", '{"files": {"a": "b"}, "part": "x"}', '{"part": "x"}'])
def test_a_list_that_is_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "part.json").write_text(text, encoding="utf-8")
    with pytest.raises(WheelhouseError, match="the list of a part is damaged"):
        list(find_artifacts(tmp_path))
