"""Needs and budgets: a wrong value is an error, and a need above the budget is cut to it."""

from __future__ import annotations

from typing import Any

import pytest

from wheelfarm.errors import UsageError
from wheelfarm.run.budget import Budget, Need

GB = 10**9


@pytest.mark.parametrize(
    ("kind", "fields", "what"),
    [
        (Budget, {"cpus": 0}, "0 CPUs are too few for a run"),
        (Budget, {"cpus": -2}, "-2 CPUs are too few for a run"),
        (Budget, {"cpus": 1, "memory": 0}, "0 bytes of memory are too few for a run"),
        (Budget, {"cpus": 1, "memory": -1}, "-1 bytes of memory are too few for a run"),
        (Need, {"cpus": 0}, "0 CPUs are too few for a build"),
        (Need, {"memory": -1}, "-1 bytes of memory are too few for a build"),
    ],
)
def test_what_cannot_be(kind: type, fields: dict[str, Any], what: str) -> None:
    with pytest.raises(UsageError) as caught:
        kind(**fields)
    assert caught.value.what == what
    assert caught.value.why
    assert caught.value.hint


@pytest.mark.parametrize(
    ("need", "clamped"),
    [
        (Need(), Need()),
        (Need(cpus=3, memory=4 * GB), Need(cpus=3, memory=4 * GB)),
        (Need(cpus=16), Need(cpus=4)),
        (Need(exclusive=True), Need(cpus=4, exclusive=True)),
        (Need(memory=8 * GB), Need(memory=8 * GB)),
        (Need(memory=9 * GB), Need(cpus=4, memory=8 * GB, exclusive=True)),
        # Memory is counted in 256 steps.
        (Need(memory=1), Need(memory=8 * GB // 256)),
        (Need(memory=8 * GB // 256), Need(memory=8 * GB // 256)),
        (Need(memory=8 * GB // 256 + 1), Need(memory=8 * GB // 128)),
    ],
)
def test_needs_are_clamped_to_the_budget(need: Need, clamped: Need) -> None:
    assert Budget(cpus=4, memory=8 * GB).clamp(need) == clamped


def test_steps_do_not_exceed_the_budget() -> None:
    assert Budget(cpus=1, memory=1000).clamp(Need(memory=1000)).memory == 1000
    assert Budget(cpus=1, memory=3).clamp(Need(memory=2)).memory == 2


def test_without_a_budget_memory_does_not_count() -> None:
    assert Budget(cpus=4).clamp(Need(memory=900 * GB)) == Need()


def test_only_more_memory_than_there_is_deserves_a_warning() -> None:
    budget = Budget(cpus=4, memory=8 * GB)
    assert budget.warning(Need(cpus=16, memory=8 * GB)) is None
    assert Budget(cpus=4).warning(Need(memory=900 * GB)) is None
    assert budget.warning(Need(memory=12 * GB)) == (
        "needs 12.0 GB of memory, and 8.0 GB may be used: it runs alone, and may fail"
    )
