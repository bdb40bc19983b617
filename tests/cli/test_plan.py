"""The options of `inv plan`, and the stamp by which a large plan is not made again."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import pytest

from support.door import Door
from support.farm import write_farm
from wheelfarm.cli import run_stamp

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from support.door import Done

NUMPY: dict[str, dict[str, Any]] = {
    "numpy": {"cost": "8 min"},
    "scipy": {
        "cost": "20 min",
        "requires": {"host": ["numpy"], "run": ["numpy"]},
        "expect": {"numpy-api": "2.0"},
    },
    "pandas": {"cost": "10 min", "requires": {"host": ["numpy"], "run": ["numpy"]}},
    "report": {"requires": {"run": ["pandas"]}, "compilers": []},
}


@pytest.fixture
def farm(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Door:
    """A farm in which nothing is built."""
    root = write_farm(tmp_path / "farm", NUMPY, settings={"engine": "host", "jobs": 2})
    return Door(root, capsys, monkeypatch)


@pytest.fixture
def chain(
    built: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Door:
    """A farm whose chain is built, and where each plan is worth a stamp."""
    monkeypatch.setattr(run_stamp, "LARGE", 1)
    return Door(shutil.copytree(built, tmp_path / "chain", symlinks=True), capsys, monkeypatch)


def data(finished: Done) -> Any:
    assert finished.returncode == 0, finished.stderr
    return json.loads(finished.stdout)


class TestMachines:
    def test_a_plan_says_how_long_it_takes_on_several_and_how_many_are_enough(self, farm: Door) -> None:
        finished = farm.inv("plan", "all", "--machines", "16")
        assert finished.returncode == 0, finished.stderr
        first, second = finished.stdout.splitlines()[-2:]
        assert "on 16 machines like this one, each with one build at a time" in first
        assert second.startswith("more than 2 machines spare no time: the longest chain of builds takes ")

    def test_json_for_programs(self, farm: Door) -> None:
        answer = data(farm.inv("plan", "all", "--machines", "1", "--json"))
        assert len(answer["plan"]) == len(NUMPY)
        machines = answer["machines"]
        assert machines["seconds"] == pytest.approx(machines["work"])
        assert machines["longest-path"] < machines["work"]

    @pytest.mark.parametrize("number", ["0", "-1", "many", "1.5", "tcp://scheduler:8786", "100000"])
    def test_what_is_no_number_of_machines_is_an_error(self, farm: Door, number: str) -> None:
        finished = farm.inv("plan", "all", f"--machines={number}")
        assert (finished.returncode, finished.stdout) == (2, "")
        assert f"{number!r} is no number of machines" in finished.stderr
        assert "next: --machines 16" in finished.stderr


class TestAfter:
    def test_a_bump_causes_builds_and_gates(self, farm: Door) -> None:
        finished = farm.inv("plan", "all", "--after", "numpy==2.5.0", "--machines", "4")
        assert finished.returncode == 0, finished.stderr
        answer, time, enough, spared, _, header, *rows = finished.stdout.splitlines()
        assert answer == "3 builds, and 1 gate of what only runs with them"
        assert "on 4 machines" in time
        assert enough.startswith("more than 2 machines spare no time")
        assert spared == (
            "1 wheel of these would work without a build, as expect.numpy-api says: --trust-numpy-abi"
        )
        assert header.split() == ["package", "action", "times", "spared", "by"]
        assert [row.split() for row in rows] == [
            ["numpy", "build", "1"],
            ["pandas", "build", "1"],
            ["scipy", "build", "1", "numpy-api"],
            ["report", "gate", "1"],
        ]

    def test_json_for_programs(self, farm: Door) -> None:
        answer = data(farm.inv("plan", "all", "--after", "numpy==2.5.0", "--json"))
        names = {kind: [each.split()[0] for each in answer[kind]] for kind in ("builds", "gates", "spared")}
        assert names == {
            "builds": ["numpy", "pandas", "scipy"],
            "gates": ["report"],
            "spared": ["scipy"],
        }
        assert answer["machines"]["work"] > answer["machines-with-abi"]["work"] > 0

    @pytest.mark.parametrize(
        ("release", "why"),
        [
            ("nunpy==2.5.0", "nunpy is in no build of this plan"),
            ("numpy==1.0", "the recipe has numpy 1.0 already"),
            ("numpy==1.0.0", "the recipe has numpy 1.0 already"),
            ("numpy", "'numpy' names no version of numpy"),
            ("numpy>=2.5", "'numpy>=2.5' is not a release"),
            ("numpy==2.*", "'numpy==2.*' names no version of numpy"),
        ],
    )
    def test_what_is_no_other_release_is_an_error(self, farm: Door, release: str, why: str) -> None:
        finished = farm.inv("plan", "all", "--after", release)
        assert (finished.returncode, finished.stdout) == (2, "")
        assert why in finished.stderr


class TestStamp:
    def test_a_large_plan_is_not_made_again(self, chain: Door) -> None:
        first = chain.inv("plan", "all")
        (stamp,) = chain.root.glob(".wheelfarm/plans/*.json")
        assert chain.inv("plan", "all") == first
        document = json.loads(stamp.read_text())
        stamp.write_text(json.dumps(document | {"lines": ["from the stamp"]}))
        assert chain.inv("plan", "all").stdout == "from the stamp\n"

    def test_other_words_are_another_plan(self, chain: Door) -> None:
        for words in (["all"], ["tinytop"], ["all", "--json"], ["all", "--variant", "netlib"]):
            assert chain.inv("plan", *words).returncode == 0
        assert len([*chain.root.glob(".wheelfarm/plans/*.json")]) == 4

    @pytest.mark.parametrize(
        "change",
        [
            lambda root: (root / "recipes/tinybase/smoke.py").write_text("import tinybase  # changed\n"),
            lambda root: next(root.glob("wheelhouse/plain/wheels/*/tinytop*.whl")).unlink(),
            lambda root: next(root.glob("wheelhouse/plain/records/*.json")).unlink(),
        ],
        ids=["recipe", "wheel", "record"],
    )
    def test_a_change_makes_the_plan_anew(self, chain: Door, change: Callable[[Path], object]) -> None:
        before = chain.inv("plan", "all")
        change(chain.root)
        after = chain.inv("plan", "all")
        assert after.returncode == 0
        assert after.stdout != before.stdout

    def test_a_plan_is_shown_where_no_stamp_can_be_written(self, chain: Door) -> None:
        (chain.root / ".wheelfarm").mkdir(exist_ok=True)
        shutil.rmtree(chain.root / ".wheelfarm" / "plans", ignore_errors=True)
        (chain.root / ".wheelfarm" / "plans").write_text("no directory")
        assert chain.inv("plan", "all").returncode == 0
