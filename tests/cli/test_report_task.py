"""inv report as one types it, in a farm whose chain was built."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from support.door import Door
from support.index import Index
from support.markup import Page
from support.wheels import make_wheel
from wheelfarm.recipes.settings import load

if TYPE_CHECKING:
    from support.door import Done


@pytest.fixture(scope="module")
def root(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the farm, in which pages may be written."""
    return Path(shutil.copytree(built, tmp_path_factory.mktemp("report") / "farm", symlinks=True))


@pytest.fixture
def farm(root: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Door:
    return Door(root, capsys, monkeypatch)


def written(finished: Done, file: Path) -> Page:
    assert finished.returncode == 0, finished.stderr
    assert f"{file}: 2 wheels" in finished.stderr
    assert finished.stdout == ""
    found = Page.read(file.read_text(encoding="utf-8"))
    assert found.faults == []
    return found


@pytest.mark.slow  # builds two packages
def test_the_page_of_a_chain_that_was_built(farm: Door) -> None:
    own = Index(farm.root.parent / "index")
    wheel = load(farm.root, environ={}).wheelhouse.rglob("tinytop-*.whl")
    tag = next(wheel).stem.removeprefix("tinytop-1.0-")
    own.add(make_wheel(farm.root.parent, "tinytop", "1.0", {"tinytop/tests/test_all.py": "x" * 500}, tag=tag))
    file = load(farm.root, environ={}).work / "report.html"
    page = written(farm.inv("report", WHEELFARM_INDEX_URL=own.url), file)
    # Digests show which wheel was built on which, and the record has the gate.
    assert "tinytop on tinybase" in page.words
    assert "extension modules" in page.words
    assert "smoke passed passed" in page.words
    assert "Public: tinytop-1.0-" in page.words
    assert "No public wheel to compare with: " in page.words
    first = file.read_bytes()
    written(farm.inv("report", WHEELFARM_INDEX_URL=own.url), file)
    assert file.read_bytes() == first


def test_without_the_public_wheels(farm: Door, tmp_path: Path) -> None:
    file = tmp_path / "new" / "page.html"
    page = written(farm.inv("report", "--no-public", "--output", str(file), "--variant", "plain"), file)
    assert "Public wheels are left out: --no-public" in page.words


def test_data_for_programs(farm: Door) -> None:
    file = load(farm.root, environ={}).work / "report.html"
    file.unlink(missing_ok=True)
    finished = farm.inv("report", "--json", "--offline", "--packages", "tinytop", "--limit", "1k")
    assert finished.returncode == 0, finished.stderr
    data = json.loads(finished.stdout)
    (variant,) = data["variants"]
    assert [each["name"] for each in variant["wheels"]] == ["tinybase", "tinytop"]
    assert (data["limit"], data["public"]) == (1000, "the farm is offline")
    assert [each["names"] for each in variant["sets"]] == [["tinybase", "tinytop"]]
    assert not file.exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--limit", "much"), "'much' is no size"),
        (("--variant", "plian"), "unknown variant 'plian'"),
        (("--no-public", "--output", "recipes"), "recipes is a directory"),
    ],
)
def test_bad_words(farm: Door, words: tuple[str, ...], said: str) -> None:
    finished = farm.inv("report", *words)
    assert finished.returncode != 0
    assert said in finished.stderr
    assert "Traceback" not in finished.stderr
