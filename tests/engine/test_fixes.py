"""A missing header of a system package: the failure proposes the package, and apt of the image brings it."""

from __future__ import annotations

import json
import tomllib
from typing import TYPE_CHECKING, Final

import pytest

from support.door import Door
from support.failing import failing_farm, failing_index, header_project

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.engine

PACKAGES: Final = {"apt": ["libxxhash-dev"], "dnf": ["xxhash-devel"]}


def test_the_proposed_packages_mend_the_build(
    container: dict[str, str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    index = failing_index(tmp_path / "index", {"syslib": header_project()})
    door = Door(failing_farm(tmp_path / "farm", index, "syslib"), capsys, monkeypatch)
    assert door.inv("recipe.lock", "syslib", **container).returncode == 0
    done = door.inv("chain", "syslib", "--engine", "cibuildwheel", "--fix", "--json", **container)
    assert done.returncode == 0, done.stderr
    assert "why: the header xxhash.h is missing" in done.stderr
    assert "# with Homebrew: brew install xxhash" in done.stderr
    (fix,) = json.loads(done.stdout)["fixes"]
    assert (fix["values"], fix["locks"]) == ({"system-packages": PACKAGES}, [])
    recipe = tomllib.loads((door / "recipes/syslib/recipe.toml").read_text(encoding="utf-8"))
    assert recipe["system-packages"] == PACKAGES
