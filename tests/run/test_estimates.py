"""How long builds will take, and what they need."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

import pytest

from support.farm import builds_of, make_farm, plan_of
from support.raised import only
from wheelfarm.errors import SettingsError
from wheelfarm.recipes.farm_settings import size_of
from wheelfarm.run.budget import Need
from wheelfarm.run.estimates import Outlook, need
from wheelfarm.run.outcome import Outcome, State
from wheelfarm.wheelhouse.wheelhouse import Wheelhouse

if TYPE_CHECKING:
    from pathlib import Path

    from wheelfarm.plan.build import Build


def outcome(build: Build, **changes: Any) -> Outcome:
    return Outcome(**{"build": build, "state": State.BUILT, "why": "", "seconds": 12.0, **changes})


def test_what_a_recipe_says_it_needs(tmp_path: Path) -> None:
    said = {"cpus": 3, "memory": "1.5G", "exclusive": True}
    farm = make_farm(tmp_path, {"alpha": said, "beta": {}})
    builds = builds_of(farm)
    assert need(builds["alpha"]) == Need(cpus=3, memory=1_500_000_000, exclusive=True)
    assert need(builds["beta"]) == Need()


@pytest.mark.parametrize(
    ("text", "size"), [("1k", 1000), ("0.5M", 500_000), ("12G", 12 * 10**9), ("007T", 7 * 10**12)]
)
def test_sizes(tmp_path: Path, text: str, size: int) -> None:
    assert size_of(text) == size
    assert make_farm(tmp_path, settings={"memory": text}).memory == size


@pytest.mark.parametrize("text", ["0G", "0.0k", "00M", "5", "-1G", "1e3G", "1g", "1 G", "9999999999G", ""])
def test_sizes_that_are_none(tmp_path: Path, text: str) -> None:
    """Nothing at all would be read as nothing said."""
    only(lambda: make_farm(tmp_path, settings={"memory": text}), SettingsError)


class TestRemembering:
    def test_only_what_was_built_whole_tells(self, tmp_path: Path) -> None:
        farm = make_farm(tmp_path, {"alpha": {}, "beta": {}, "gamma": {}})
        builds = builds_of(farm)
        lines: list[str] = []
        outlook = Outlook(farm, lines.append)
        outlook.remember(
            [
                outcome(builds["alpha"]),
                outcome(builds["beta"], kept_build=True),
                outcome(builds["gamma"], state=State.CACHED),
            ]
        )
        assert [key.split("/")[0] for key in json.loads((farm.work / "durations.json").read_text())] == [
            "alpha"
        ]
        seconds = outlook.seconds(plan_of(farm))
        assert seconds[builds["alpha"].id] == 12.0
        assert seconds[builds["beta"].id] == 60.0
        assert lines == []

    def test_nothing_is_written_of_nothing(self, tmp_path: Path) -> None:
        farm = make_farm(tmp_path)
        Outlook(farm, print).remember([])
        assert not farm.work.exists()

    def test_a_place_that_cannot_be_written_is_told(self, tmp_path: Path) -> None:
        farm = make_farm(tmp_path)
        farm.work.write_text("")
        lines: list[str] = []
        Outlook(farm, lines.append).remember([outcome(builds_of(farm)["alpha"])])
        (line,) = lines
        assert "is not written" in line

    def test_a_damaged_file_is_told(self, tmp_path: Path) -> None:
        farm = make_farm(tmp_path)
        farm.work.mkdir()
        (farm.work / "durations.json").write_text("[")
        lines: list[str] = []
        plan = plan_of(farm)
        assert set(Outlook(farm, lines.append).seconds(plan).values()) == {60.0}
        (line,) = lines
        assert "is not used" in line


@pytest.mark.parametrize("place", ["cache", "wheelhouse"])
def test_what_is_in_the_way_is_no_matter_for_it(tmp_path: Path, place: str) -> None:
    """Whoever needs the place says so, for the build that needs it."""
    farm = make_farm(tmp_path)
    getattr(farm, place).write_text("")
    plan = plan_of(farm)
    expected = Outlook(farm, print).expected(plan, Wheelhouse(farm.wheelhouse))
    assert set(expected.values()) == {60.0}


def test_a_first_build_is_guessed_by_its_source(tmp_path: Path) -> None:
    content = b"x" * 1000
    sha256 = hashlib.sha256(content).hexdigest()
    farm = make_farm(tmp_path, {"alpha": {"source": {"sha256": sha256}}})
    place = farm.cache / "sha256" / sha256[:2] / sha256 / "alpha-1.0.tar.gz"
    place.parent.mkdir(parents=True)
    place.write_bytes(content)
    (seconds,) = Outlook(farm, print).seconds(plan_of(farm)).values()
    assert seconds == pytest.approx(10.02)
