"""The patch tasks as one types them: answers, errors and exit codes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from support.door import Door
from support.patched import SOURCE, File, PatchedFarm, edited

if TYPE_CHECKING:
    from pathlib import Path

TITLE = ("--title=Change ten", "--why=a test needs it", "--upstream=none, a test")


@pytest.fixture
def farm(tmp_path: Path) -> PatchedFarm:
    """A farm without patches."""
    return PatchedFarm.create(tmp_path / "work")


@pytest.fixture
def door(farm: PatchedFarm, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Door:
    """Its tasks."""
    return Door(farm.root, capsys, monkeypatch)


def test_the_whole_loop(farm: PatchedFarm, door: Door) -> None:
    dry = door.inv("patch.start", "sample", "--dry-run")
    assert (dry.stdout, farm.tree.exists()) == (f"would make {farm.tree}\n", False)
    started = json.loads(door.inv("patch.start", "sample", "--json").stdout)
    assert (started["tree"], started["files"]) == (str(farm.tree), {})
    (farm.tree / "a.txt").write_bytes(edited(10, "ten"))
    dirty = door.inv("patch.save", "sample")
    assert dirty.returncode == 30
    assert "  why:  M a.txt\n" in dirty.stderr
    saved = door.inv("patch.save", "sample", *TITLE)
    assert (saved.returncode, saved.stdout.splitlines()) == (
        0,
        [
            "1 patch of sample 1.0",
            "  patches/sample/0001-change-ten.patch: new",
            "  recipes/sample/recipe.toml: changed",
        ],
    )
    assert door.inv("patch.save", "sample").stdout == "nothing changed: 1 patch of sample 1.0\n"
    assert json.loads(door.inv("patch.save", "sample", "--json").stdout)["written"] == {}
    assert door.inv("patch.check", "sample").stdout == "sample 1.0: 1 patch applies\n"
    (checked,) = json.loads(door.inv("patch.check", "all", "--json").stdout)
    assert checked["patches"] == ["0001-change-ten.patch"]
    farm.release("2.0", {**SOURCE, "a.txt": File(edited(10, "zehn"))})
    conflict = door.inv("patch.rebase", "sample", "--onto=2.0")
    assert conflict.returncode == 30
    assert "0001-change-ten.patch conflicts with the new source" in conflict.stderr
    (farm.tree / "a.txt").write_bytes(edited(10, "ten of 2.0"))
    farm.git.git("add", "a.txt")
    moved = door.inv("patch.rebase", "sample", "--continue")
    assert moved.stdout.splitlines()[1:] == ["  Change ten", "next: inv patch.save sample"]
    dry = door.inv("patch.save", "sample", "--dry-run")
    assert "1 patch of sample 2.0, not written" in dry.stdout
    assert b"ten of 2.0" not in farm.files["0001-change-ten.patch"]
    assert "next: inv recipe.lock sample" in door.inv("patch.save", "sample").stdout
    assert door.inv("patch.check", "sample").stdout == "sample 2.0: 1 patch applies\n"


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        (["patch.start", "sampel"], 2, "did you mean 'sample'?"),
        (["patch.start"], 2, "inv patch.start scipy"),
        (["patch.save", "sample"], 30, "there is no patch tree of sample"),
        (["patch.save", "sample", "--title=x"], 2, "--why is missing"),
        (["patch.save", "sample", "--dry-run", *TITLE], 2, "a dry run does not"),
        (["patch.rebase", "sample"], 2, "a rebase needs a version"),
        (["patch.rebase", "sample", "--onto=2", "--skip"], 2, "a rebase needs a version"),
        (["patch.rebase", "sample", "--abort", "--skip"], 2, "--skip and --abort exclude each other"),
        (["patch.rebase", "sample", "--abort"], 30, "there is no patch tree of sample"),
        (["patch.rebase", "sample", "--onto=2"], 30, "sample has no patches"),
    ],
)
def test_what_is_wrong_is_said(words: list[str], code: int, text: str, door: Door) -> None:
    finished = door.inv(*words)
    assert (finished.returncode, finished.stdout) == (code, "")
    assert text in finished.stderr


def test_a_recipe_without_patches(door: Door) -> None:
    assert door.inv("patch.check", "all").stdout == "sample 1.0: no patches\n"


def test_a_patch_that_does_not_apply(farm: PatchedFarm, door: Door) -> None:
    farm.start()
    farm.commit("Change ten", {"a.txt": File(edited(10, "ten"))})
    farm.save()
    path = farm.root / "patches/sample/0001-change-ten.patch"
    path.write_bytes(path.read_bytes().replace(b"-line 10", b"-line ten"))
    finished = door.inv("patch.check", "all")
    assert finished.returncode == 30
    assert "0001-change-ten.patch does not apply" in finished.stderr
    assert "next: refresh it: inv patch.rebase sample --base=VERSION --onto=VERSION" in finished.stderr
