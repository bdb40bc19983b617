"""`wheelfarm init`: a farm of one's own, from the files that wheelfarm brings along."""

from __future__ import annotations

import json
import re
import threading
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from support.archives import digest
from support.disks import small_disk
from support.door import Door
from wheelfarm import __version__
from wheelfarm.ci.workflow_file import read_pins
from wheelfarm.cli.task import farm_root
from wheelfarm.recipes.settings import load
from wheelfarm.run.new_farm import FIRST_RECIPE, FileState, common_files, is_pinned, lay_files, starting_files
from wheelfarm.system.shipped import shipped_farm

if TYPE_CHECKING:
    from collections.abc import Mapping

ROOT = Path(__file__).parents[2]


@pytest.fixture
def door(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Door:
    (tmp_path / "own").mkdir()
    return Door(tmp_path / "own", capsys, monkeypatch)


def contents(root: Path) -> dict[str, bytes]:
    paths = (path for path in root.rglob("*") if path.is_file())
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in paths}


def test_an_empty_directory_becomes_a_farm(door: Door) -> None:
    done = door.wheelfarm("init")
    assert (done.returncode, done.stdout.splitlines()[0]) == (0, "13 files written")
    assert {*contents(door.root)} == {
        *(".gitignore", "noxfile.py", "pyproject.toml", "tasks.py", "requirements/nox.txt"),
        *(f"recipes/{FIRST_RECIPE}/{name}" for name in ("recipe.toml", "build.lock", "smoke.py")),
        *("variants/openblas.lock", "docs/reference/recipe.schema.json"),
        *(f".github/workflows/{name}.yml" for name in ("farm", "build-wheel", "bump")),
    }
    assert farm_root(door.root / "recipes") == door.root
    checked = door.inv("recipe.check", "all")
    assert (checked.returncode, checked.stderr) == (0, "1 recipe OK\n")
    assert door.inv("ci.check").stderr == "current: farm.yml\n"
    listed = door.inv("plan", "all", "--engine", "host")
    assert (listed.returncode, FIRST_RECIPE in listed.stdout) == (0, True)


def test_a_dry_run_writes_nothing_and_says_what_it_would(door: Door) -> None:
    dry = json.loads(door.wheelfarm("init", "--dry-run", "--json").stdout)
    assert contents(door.root) == {}
    assert {each["state"] for each in dry} == {"would be written"}
    real = json.loads(door.wheelfarm("init", "--json").stdout)
    assert [each["path"] for each in real] == [each["path"] for each in dry]
    assert {each["path"] for each in real} == {*contents(door.root)}


def test_a_second_run_changes_nothing(door: Door) -> None:
    door.wheelfarm("init")
    before = contents(door.root)
    done = door.wheelfarm("init")
    assert done.stdout.startswith("0 files written\n")
    assert contents(door.root) == before


MINE: Mapping[str, bytes] = {
    "noxfile.py": b"mine",
    "tasks.py": b"mine",
    ".gitignore": b"mine",
    "requirements/nox.txt": b"mine",
    "variants/openblas.lock": b"mine",
    ".github/workflows/farm.yml": b"mine",
    f"recipes/{FIRST_RECIPE}/smoke.py": b"mine",
}


@pytest.mark.parametrize("options", [["--dry-run"], []])
def test_what_is_there_stays(door: Door, options: list[str]) -> None:
    for path, content in MINE.items():
        (door.root / path).parent.mkdir(parents=True, exist_ok=True)
        (door.root / path).write_bytes(content)
    done = door.wheelfarm("init", "--json", *options)
    states = {each["path"]: each["state"] for each in json.loads(done.stdout)}
    assert {path for path, state in states.items() if state == "stays"} == {*MINE}
    after = contents(door.root)
    assert {path: after[path] for path in MINE} == MINE
    notes = {each["path"]: each["note"] for each in json.loads(done.stdout)}
    assert "register(" in notes["noxfile.py"]


def test_another_projects_settings_are_refused_before_anything_is_written(door: Door) -> None:
    for text, said in (('[project]\nname = "x"\n', "another project's"), ("broken =", "cannot be read")):
        (door.root / "pyproject.toml").write_text(text)
        done = door.wheelfarm("init")
        assert done.returncode == 2
        assert said in done.stderr
        assert contents(door.root) == {"pyproject.toml": text.encode()}


def test_a_farm_that_lacks_files_gets_them_and_keeps_its_recipes(door: Door) -> None:
    (door.root / "pyproject.toml").write_text("[tool.wheelfarm]\n")
    done = door.wheelfarm("init")
    assert done.returncode == 0
    assert not (door.root / "recipes").exists()
    assert (door.root / "requirements" / "nox.txt").is_file()
    refused = door.wheelfarm("init", "--recipes", "numpy")
    assert (refused.returncode, "a farm already" in refused.stderr) == (2, True)


def test_recipes_of_wheelfarm_come_with_all_that_they_need(door: Door) -> None:
    done = door.wheelfarm("init", "--recipes", "scipy")
    assert done.returncode == 0
    assert {path.name for path in (door.root / "recipes").iterdir()} == {
        *("numpy", "scipy", "wheelfarm-openblas")
    }
    checked = door.inv("recipe.check", "all")
    assert (checked.returncode, checked.stderr) == (0, "3 recipes OK\n")
    for path in ("recipes/numpy/recipe.toml", "patches/scipy/0001-tell-where-the-tests-are.patch"):
        assert (door.root / path).read_bytes() == (ROOT / path).read_bytes()


def test_an_unknown_recipe_writes_nothing(door: Door) -> None:
    done = door.wheelfarm("init", "--recipes", "nunpy")
    assert (done.returncode, "did you mean 'numpy'?" in done.stderr) == (2, True)
    assert contents(door.root) == {}


@pytest.mark.parametrize("names", [[], ["numpy"]])
def test_variants_and_defaults_are_those_of_wheelfarm(tmp_path: Path, names: list[str]) -> None:
    lay_files(tmp_path, starting_files(names), dry_run=False)
    new, ours = load(tmp_path, environ={}), load(ROOT, environ={})
    assert {*new.variants} == ({*ours.variants} if names else {"openblas"})
    assert all(new.variants[name] == ours.variants[name] for name in new.variants)
    assert new.defaults.platforms == ours.defaults.platforms
    assert new.defaults.expect == ours.defaults.expect
    assert {*new.defaults.variants} == ({*ours.defaults.variants} if names else set())


def test_the_files_of_wheelfarm_are_in_its_wheel() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    included = project["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]
    assert shipped_farm() == ROOT
    assert all((ROOT / path).exists() for path in included)
    assert all(target == f"wheelfarm/farm/{path}" for path, target in included.items())
    needed = {"pyproject.toml", "recipes", "patches", "variants"}
    needed |= {f".github/workflows/{name}.yml" for name in ("build-wheel", "bump")}
    assert {*included} == needed | {f"requirements/{name}.txt" for name in ("ci", "dask", "farm", "publish")}


def test_ci_installs_nox_and_all_that_wheelfarm_needs_by_hash() -> None:
    ci, farm, nox = (
        {*re.findall(r"^([a-z0-9-]+)(?:\[\w+\])?==", text, re.MULTILINE)}
        for text in ((ROOT / f"requirements/{name}.txt").read_text() for name in ("ci", "farm", "nox"))
    )
    assert ci == farm | nox
    requirements = common_files(None)["requirements/nox.txt"].decode()
    assert not is_pinned(requirements)
    assert f"# wheelfarm=={__version__} --hash=sha256:" in requirements


def test_a_named_wheel_is_pinned_by_its_digest(door: Door, tmp_path: Path) -> None:
    wheel = tmp_path / f"wheelfarm-{__version__}-py3-none-any.whl"
    wheel.write_bytes(b"the wheel")
    done = door.wheelfarm("init", "--wheel", str(wheel))
    text = (door.root / "requirements" / "nox.txt").read_text()
    assert done.returncode == 0
    assert is_pinned(text)
    assert text.endswith(f"wheelfarm=={__version__} \\\n    --hash=sha256:{digest(b'the wheel')}\n")
    other = tmp_path / "other-1.0-py3-none-any.whl"
    other.write_bytes(b"")
    for path, said in ((other, "is not the wheel of this"), (tmp_path / "none.whl", "there is no file")):
        assert said in door.wheelfarm("init", "--wheel", str(path)).stderr


def test_without_the_lock_of_jobs_ci_check_fails(door: Door) -> None:
    door.wheelfarm("init")
    (door.root / "requirements" / "nox.txt").unlink()
    done = door.inv("ci.check")
    assert done.returncode == 14
    assert "the workflow installs a file that is missing" in done.stderr
    assert "wheelfarm init" in done.stderr


def test_rendering_writes_the_workflow_that_is_called_and_replaces_none(door: Door) -> None:
    door.wheelfarm("init")
    called = door.root / ".github" / "workflows" / "build-wheel.yml"
    called.unlink()
    assert "inv ci.render writes it" in door.inv("ci.check").stderr
    assert door.inv("ci.render").returncode == 0
    assert called.read_bytes() == (ROOT / ".github/workflows/build-wheel.yml").read_bytes()
    called.write_text("mine")
    door.inv("ci.render")
    assert called.read_text() == "mine"


def test_the_workflow_of_a_new_farm_pins_its_actions(door: Door) -> None:
    door.wheelfarm("init")
    workflows = (door.root / ".github" / "workflows").glob("*.yml")
    assert read_pins({path.name: path.read_text(encoding="utf-8") for path in workflows})


def test_outside_of_a_farm_the_error_names_init(door: Door) -> None:
    done = door.inv("plan", "all")
    assert (done.returncode, "wheelfarm init starts one here" in done.stderr) == (2, True)


def test_a_full_disk_leaves_whole_files_and_the_next_run_goes_on(door: Door, tmp_path: Path) -> None:
    files = common_files(None) | starting_files([])
    with small_disk(tmp_path / "disk", "size=600k") as disk:
        (disk / "ballast").write_bytes(bytes(500_000))
        full = replace(door, root=disk).wheelfarm("init")
        assert (full.returncode, "disk is full" in full.stderr) == (70, True)
        assert not (disk / "pyproject.toml").exists()
        (disk / "ballast").unlink()
        written = contents(disk)
        assert written
        assert written == {path: files.get(path, text) for path, text in written.items()}
        assert replace(door, root=disk).wheelfarm("init").returncode == 0
        assert {**contents(disk), **files} == contents(disk)


def test_two_that_start_one_farm_at_once_write_whole_files(tmp_path: Path) -> None:
    files = starting_files([])
    laid: list[FileState] = []

    def start() -> None:
        laid.extend(each.state for each in lay_files(tmp_path, files, dry_run=False))

    threads = [threading.Thread(target=start) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert contents(tmp_path) == files
    assert laid.count(FileState.WRITTEN) == len(files)
    assert laid.count(FileState.SAME) == 3 * len(files)
