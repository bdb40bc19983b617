"""`inv doctor`: its exit code, and what it writes."""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING

import pytest

from support.doctor import write_programs
from support.door import Door
from support.farm import write_farm
from wheelfarm.run.doctor.examine import CHECKS

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="builds with gcc")


@pytest.fixture
def farm(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Door:
    own = f"{sys.version_info.major}.{sys.version_info.minor}"
    index = tmp_path / "index"
    index.mkdir()
    settings = {"engine": "host", "pythons": [own], "index-url": index.as_uri()}
    recipes = {"alpha": {"compilers": ["c"]}}
    return Door(write_farm(tmp_path / "farm", recipes, settings=settings), capsys, monkeypatch)


def test_a_machine_that_can_build(farm: Door) -> None:
    done = farm.inv("doctor")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("builds can run here, ")
    names = [line.split()[0] for line in done.stdout.splitlines()[3:] if line]
    assert {"python", "engine", "compilers", "programs", "git", "sandbox", "disk", "index"} <= {*names}


def test_a_fault_ends_with_exit_code_1_and_is_json_too(farm: Door) -> None:
    done = farm.inv("doctor", "--json", WHEELFARM_INDEX_URL="file:///nowhere")
    assert done.returncode == 1
    data = json.loads(done.stdout)
    (fault,) = (each for each in data["checks"] if each["status"] == "fault")
    assert (data["faults"], fault["name"]) == (1, "index")
    assert fault["finding"] == "there is no directory /nowhere"
    assert "WHEELFARM_INDEX_URL" in fault["command"]


def test_verbose_shows_paths(farm: Door) -> None:
    assert sys.prefix not in farm.inv("doctor").stdout
    assert sys.prefix in farm.inv("doctor", "--verbose").stdout


def test_a_broken_recipe_hides_no_other_check(farm: Door) -> None:
    (farm.root / "recipes" / "alpha" / "recipe.toml").write_text("name =")
    done = farm.inv("doctor")
    assert done.returncode == 0
    assert "these have errors, and no check looks at them: alpha" in done.stdout
    assert "inv recipe.check all" in done.stdout


def test_an_error_of_a_check_is_its_result(farm: Door) -> None:
    done = farm.inv("doctor", "--platform", "musllinux_x86_64")
    assert done.returncode == 1
    assert "the host engine does not build for musllinux_x86_64 here" in done.stdout
    assert "index" in done.stdout


def test_containers_that_do_not_answer_have_one_command(farm: Door, tmp_path: Path) -> None:
    path = write_programs(tmp_path / "bin", {"docker": "echo 'Is the docker daemon running?'; exit 1"})
    variables = {"WHEELFARM_CONTAINER_ENGINE": "docker", "PATH": f"{path}{os.pathsep}{os.environ['PATH']}"}
    done = farm.inv("doctor", "--engine", "cibuildwheel", "--json", **variables)
    assert done.returncode == 1
    faults = [each for each in json.loads(done.stdout)["checks"] if each["status"] == "fault"]
    assert [(each["name"], each["command"]) for each in faults] == [
        ("engine", None),
        ("containers", "systemctl start docker"),
    ]


def test_every_check_has_its_name() -> None:
    assert [*CHECKS][:2] == ["python", "engine"]
    assert len({*CHECKS.values()}) == len(CHECKS)
