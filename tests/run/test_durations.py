"""Durations of earlier runs: good to have, and never an error."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from support.farm import builds_of, make_farm
from wheelfarm.model import EngineName
from wheelfarm.run.durations import Durations, Measured, estimate
from wheelfarm.run.outcome import Outcome, State

if TYPE_CHECKING:
    from pathlib import Path

    from wheelfarm.plan.build import Build

KEY = "alpha/plain/cp311-manylinux_x86_64/host"


@pytest.fixture
def alpha(tmp_path: Path) -> Build:
    return builds_of(make_farm(tmp_path / "farm"))["alpha"]


def outcome(build: Build, state: State = State.BUILT, seconds: float = 90.5) -> Outcome:
    return Outcome(build=build, state=state, why="", seconds=seconds)


def test_what_was_measured_comes_back(alpha: Build, tmp_path: Path) -> None:
    path = tmp_path / "work" / "durations.json"
    assert Durations().with_outcomes([outcome(alpha)]).write(path) is None
    durations, warning = Durations.read(path)
    assert warning is None
    assert durations.of(alpha) == Measured(seconds=90.5)
    assert durations.seconds(alpha, 10**6) == 90.5
    assert json.loads(path.read_bytes()) == {KEY: {"seconds": 90.5}}


def test_another_engine_takes_another_time(alpha: Build) -> None:
    durations = Durations().with_outcomes([outcome(alpha)])
    elsewhere = replace(alpha, engine=EngineName.CIBUILDWHEEL)
    assert durations.of(elsewhere) is None
    assert durations.seconds(elsewhere, 10**6) == estimate(10**6)
    assert durations.seconds(elsewhere) == estimate(None)


def test_the_last_time_counts_and_only_whole_builds_do(alpha: Build) -> None:
    durations = Durations({KEY: Measured(seconds=1), "other": Measured(seconds=2)})
    others = [state for state in State if state is not State.BUILT]
    assert durations.with_outcomes(outcome(alpha, state) for state in others) == durations
    later = durations.with_outcomes([outcome(alpha)])
    assert later.seconds(alpha) == 90.5
    assert later.measured["other"].seconds == 2


def test_no_file_is_no_news(tmp_path: Path) -> None:
    assert Durations.read(tmp_path / "durations.json") == (Durations(), None)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b"[]",
        b"null",
        b'{"a": 1}',
        b'{"a": []}',
        b'{"a": {}}',
        b'{"a": {"seconds": "1"}}',
        b'{"a": {"seconds": -1}}',
        b'{"a": {"seconds": NaN}}',
        b'{"a": {"seconds": Infinity}}',
        b'{"a": {"seconds": 1' + b"0" * 400 + b"}}",
        b'{"a": {"seconds": 1' + b"0" * 9000 + b"}}",
        b"[" * 200_000,
    ],
    ids=range(15),
)
def test_a_damaged_file_is_told_and_counts_as_none(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "durations.json"
    path.write_bytes(content)
    durations, warning = Durations.read(path)
    assert durations == Durations()
    assert warning is not None
    assert warning.startswith(f"{path} is not used: ")
    assert "\n" not in warning
    assert len(warning) < len(str(path)) + 150


def test_what_is_no_file_is_told(tmp_path: Path) -> None:
    assert "is not used: IsADirectoryError" in str(Durations.read(tmp_path)[1])
    warning = Durations().write(tmp_path / "file" / "durations.json")
    assert warning is None
    blocked = tmp_path / "file" / "durations.json" / "durations.json"
    assert str(Durations().write(blocked)).startswith(f"{blocked} is not written: something else stands")


def test_estimates_grow_with_the_source() -> None:
    assert 0 < estimate(0) < estimate(10**6) < estimate(20 * 10**6)
    assert estimate(0) < estimate(None) < estimate(20 * 10**6)
