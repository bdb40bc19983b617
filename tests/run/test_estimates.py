"""How long builds take, and what they need."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from support.farm import builds_of, make_farm, plan_of
from support.raised import only
from wheelfarm.errors import SettingsError
from wheelfarm.model import CacheUse, EngineName
from wheelfarm.recipes.strict import size_of
from wheelfarm.run import estimates
from wheelfarm.run.estimates import DurationEstimates, estimate, free_share, machine_speed, need
from wheelfarm.run.outcome import Outcome, State
from wheelfarm.run.schedule import Duration, Need
from wheelfarm.wheelhouse.wheelhouse import Wheelhouse

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from wheelfarm.plan.build import Build, BuildId
    from wheelfarm.recipes.settings import Settings


UNKNOWN = Duration(10, 100)


@pytest.fixture(autouse=True)
def _reference_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """The reference machine, which nothing else uses."""
    monkeypatch.setattr(estimates, "machine_speed", lambda _jobs: 1.0)
    monkeypatch.setattr(estimates, "free_share", lambda _jobs: 1.0)


def outcome(build: Build, **changes: Any) -> Outcome:
    return Outcome(**{"build": build, "state": State.BUILT, "why": "", "seconds": 12.0, **changes})


def expected(farm: Settings) -> Mapping[BuildId, Duration]:
    return DurationEstimates(farm).expected(plan_of(farm), Wheelhouse(farm.wheelhouse))


def test_a_recipe_says_what_a_build_needs(tmp_path: Path) -> None:
    farm = make_farm(tmp_path, {"alpha": {"cpus": 3, "memory": "1.5G", "exclusive": True}, "beta": {}})
    builds = builds_of(farm)
    machines = "host linux-x86_64"
    wanted = Need(cpus=3, memory=1_500_000_000, exclusive=True, machines=machines)
    assert need(builds["alpha"]) == wanted
    assert need(builds["beta"]) == Need(machines=machines)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("1k", 1000),
        ("0.5M", 500_000),
        ("12G", 12 * 10**9),
        ("007T", 7 * 10**12),
        ("250MB", 250_000_000),
        ("1.5 GB", 1_500_000_000),
    ],
)
def test_sizes(tmp_path: Path, text: str, size: int) -> None:
    assert size_of(text) == size
    assert make_farm(tmp_path, settings={"memory": text}).memory == size


@pytest.mark.parametrize(
    "text", ["0G", "0.0k", "00M", "5", "-1G", "1e3G", "1g", "1 GiB", "1  G", "9999999999G", ""]
)
def test_a_bad_size_is_an_error(tmp_path: Path, text: str) -> None:
    only(lambda: make_farm(tmp_path, settings={"memory": text}), SettingsError)


class TestHistory:
    def test_only_whole_builds_are_remembered(self, tmp_path: Path) -> None:
        farm = make_farm(tmp_path, {"alpha": {}, "beta": {}, "gamma": {}})
        builds = builds_of(farm)
        DurationEstimates(farm).remember(
            [
                outcome(builds["alpha"], cache_use=CacheUse(hits=1, misses=9)),
                outcome(builds["beta"], build_cache=True),
                outcome(builds["gamma"], state=State.CACHED),
                outcome(builds["gamma"], cache_use=CacheUse(hits=2, misses=8)),
            ]
        )
        assert json.loads((farm.work / "durations.json").read_bytes()) == {
            "alpha/plain/cp311-manylinux_x86_64/host": {"seconds": 12.0}
        }
        durations = expected(farm)
        assert (durations[builds["alpha"].id], durations[builds["beta"].id]) == (Duration(12), UNKNOWN)

    def test_the_last_run_counts_and_other_builds_stay(self, tmp_path: Path) -> None:
        farm = make_farm(tmp_path, {"alpha": {}, "beta": {}})
        builds, known = builds_of(farm), DurationEstimates(farm)
        known.remember([outcome(builds["alpha"]), outcome(builds["beta"])])
        known.remember([outcome(builds["alpha"], seconds=90.5)])
        assert list(expected(farm).values()) == [Duration(90.5), Duration(12)]

    def test_another_engine_has_a_duration_of_its_own(self, tmp_path: Path) -> None:
        farm = make_farm(tmp_path)
        (alpha,) = builds_of(farm).values()
        DurationEstimates(farm).remember([outcome(replace(alpha, engine=EngineName.CIBUILDWHEEL))])
        assert expected(farm)[alpha.id] == UNKNOWN

    def test_nothing_built_writes_nothing(self, tmp_path: Path) -> None:
        farm = make_farm(tmp_path)
        DurationEstimates(farm).remember([])
        assert not farm.work.exists()

    def test_a_file_that_cannot_be_written_is_a_warning(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        farm = make_farm(tmp_path)
        farm.work.write_text("")
        DurationEstimates(farm).remember([outcome(builds_of(farm)["alpha"])])
        assert "durations.json is not written: " in caplog.messages[-1]

    @pytest.mark.parametrize(
        "content",
        [
            *(b"", b"{", b"\xff\xfe", b"[]", b"null", b'{"a": 1}', b'{"a": []}', b'{"a": {}}'),
            *(
                b'{"a": {"seconds": %s}}' % each
                for each in (b'"1"', b"-1", b"NaN", b"Infinity", b"1" + b"0" * 400)
            ),
            b"[" * 200_000,
        ],
        ids=range(14),
    )
    def test_a_damaged_file_is_a_warning(
        self, content: bytes, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        farm = make_farm(tmp_path)
        farm.work.mkdir()
        (farm.work / "durations.json").write_bytes(content)
        assert set(expected(farm).values()) == {UNKNOWN}
        (message,) = caplog.messages
        assert "durations.json is not used: " in message
        assert "\n" not in message
        assert len(message) < len(str(farm.work)) + 150


@pytest.mark.parametrize("place", ["cache", "wheelhouse"])
def test_a_file_in_place_of_a_directory_does_not_matter(tmp_path: Path, place: str) -> None:
    """The build that needs the directory raises the error."""
    farm = make_farm(tmp_path)
    getattr(farm, place).write_text("")
    assert set(expected(farm).values()) == {UNKNOWN}


class TestFirstBuild:
    def test_the_source_s_size_counts_where_the_recipe_states_no_cost(self, tmp_path: Path) -> None:
        content = b"x" * 1000
        sha256 = hashlib.sha256(content).hexdigest()
        farm = make_farm(tmp_path, {"alpha": {"source": {"sha256": sha256}}})
        path = farm.cache / "sha256" / sha256[:2] / sha256 / "alpha-1.0.tar.gz"
        path.parent.mkdir(parents=True)
        path.write_bytes(content)
        (duration,) = expected(farm).values()
        assert duration.on(1) == pytest.approx(10.04)

    def test_the_recipe_s_cost_is_scaled_to_the_machine(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        farm = make_farm(tmp_path, {"alpha": {"cost": "8 min"}})
        assert list(expected(farm).values()) == [Duration(10, 480)]
        monkeypatch.setattr(estimates, "machine_speed", lambda _jobs: 0.5)
        assert list(expected(farm).values()) == [Duration(10, 960)]

    def test_estimates_grow_with_the_cost(self) -> None:
        assert 0 < estimate(0, 1).on(1) < estimate(None, 1).on(1) < estimate(1000, 1).on(1)


@pytest.mark.parametrize("directories", [("/usr/bin", "/bin"), ("/nowhere",)])
def test_the_speed_of_this_machine_is_measured_once(
    directories: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a compiler where there is one, or else by sorting."""
    monkeypatch.setattr("wheelfarm.system.environment._SYSTEM_PATH", directories)
    machine_speed.cache_clear()
    speed = machine_speed(2)
    assert 0.02 < speed < 20
    assert machine_speed(2) == speed


@pytest.mark.parametrize(("load", "share"), [(0, 1), (4, 1), (6, 0.8), (12, 0.5), (100, 0.5)])
def test_other_programs_take_half_of_the_processors_at_most(
    load: float, share: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.getloadavg", lambda: (load, 0, 0))
    monkeypatch.setattr("os.cpu_count", lambda: 8)
    assert free_share(4) == share
