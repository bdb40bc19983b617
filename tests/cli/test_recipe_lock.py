"""inv recipe.lock as one types it: the least age of what is locked."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.door import Door
from support.farm import make_farm
from support.index import Index
from support.wheels import make_wheel

if TYPE_CHECKING:
    from pathlib import Path

OLD = "2026-01-01T00:00:00Z"


@pytest.fixture
def index(tmp_path: Path) -> Index:
    """An index with leaf and what it requires, without dates."""
    index, made = Index(tmp_path / "index"), tmp_path / "made"
    made.mkdir()
    index.add(make_wheel(made, "leaf", "1.0", {}, requires=["tool"]), make_wheel(made, "tool", "1.0", {}))
    return index


@pytest.fixture
def farm(
    tmp_path: Path, index: Index, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Door:
    """A farm that takes over leaf, and states an age."""
    source = {"kind": "wheel", "sha256": index.sha256("leaf-1.0-py3-none-any.whl")}
    settings = {"index-url": index.url, "min-age": 7}
    make_farm(tmp_path / "farm", {"leaf": {"source": source, "compilers": []}}, settings=settings)
    return Door(tmp_path / "farm", capsys, monkeypatch)


def test_the_age_of_the_farm_holds_unless_the_option_says_another_one(farm: Door, index: Index) -> None:
    lock = farm / "recipes/leaf/test.lock"
    before = (farm / "recipes/leaf/build.lock").read_bytes()
    done = farm.inv("recipe.lock", "leaf")
    assert done.returncode == 13
    assert f"--min-age is 7, and {index.url}leaf/ has no upload-time (PEP 700)" in done.stderr
    assert "check no ages by --min-age 0" in done.stderr
    assert (lock.exists(), (farm / "recipes/leaf/build.lock").read_bytes()) == (False, before)
    assert farm.inv("recipe.lock", "leaf", "--min-age", "0").returncode == 0
    assert "min-age" not in lock.read_text()
    index.date(dict.fromkeys(("leaf-1.0-py3-none-any.whl", "tool-1.0-py3-none-any.whl"), OLD))
    done = farm.inv("recipe.lock", "leaf", "--json")
    assert done.returncode == 0, done.stderr
    assert "# min-age = 7\n" in lock.read_text()
    assert farm.inv("recipe.check", "leaf").returncode == 0
    assert "is 30000" in farm.inv("recipe.lock", "leaf", "--min-age", "30000").stderr


@pytest.mark.parametrize("text", ["soon", "-1", "1.5", "", "99999", "7 days", "\u0667"])
def test_what_is_no_number_of_days_is_an_error(farm: Door, text: str) -> None:
    done = farm.inv("recipe.lock", "leaf", f"--min-age={text}")
    assert done.returncode == 2
    assert f"--min-age: {text!r} is not a number of days" in done.stderr


def test_a_bad_age_in_the_settings_is_an_error(farm: Door) -> None:
    project = farm / "pyproject.toml"
    project.write_text(project.read_text().replace("min-age = 7", "min-age = -1"))
    done = farm.inv("recipe.lock", "leaf")
    assert done.returncode == 10
    assert "pyproject.toml: tool.wheelfarm: min-age" in done.stderr
