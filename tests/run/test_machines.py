"""How long a plan takes on several machines, and how many are enough."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wheelfarm.run.machines import estimate_machines
from wheelfarm.run.schedule import Duration, Task

if TYPE_CHECKING:
    from collections.abc import Sequence


def task(key: str, *after: str, seconds: float = 60) -> Task[Any]:
    return Task(key=key, after=after, duration=Duration(seconds))


FORK = [task("base", seconds=100), *(task(f"top{n}", "base", seconds=10) for n in range(8))]


def test_a_fork_needs_a_machine_for_each_of_its_ends() -> None:
    found = estimate_machines(FORK, jobs=2, machines=4)
    assert (found.seconds, found.longest_path, found.work) == (120, 110, 180)
    assert found.enough == 8


def test_machines_that_spare_less_than_a_hundredth_do_not_count() -> None:
    for seconds, enough in ((4, 1), (40, 2)):
        tasks = [task("long", seconds=1000), task("a", seconds=seconds), task("b", seconds=seconds)]
        assert estimate_machines(tasks, jobs=1, machines=1).enough == enough


def test_a_build_has_all_processors_of_its_machine() -> None:
    work = Task[Any](key="a", duration=Duration(10, 100))
    assert estimate_machines([work], jobs=4, machines=3).seconds == pytest.approx(work.duration.on(4))


@pytest.mark.parametrize("tasks", [[], [task("stored", seconds=0)]])
def test_nothing_to_do_takes_one_machine_and_no_time(tasks: Sequence[Task[Any]]) -> None:
    found = estimate_machines(tasks, jobs=1, machines=16)
    assert (found.seconds, found.longest_path, found.enough) == (0, 0, 1)


@st.composite
def graphs(draw: st.DrawFn) -> list[Task[Any]]:
    return [
        Task(
            key=number,
            after=tuple(draw(st.sets(st.integers(0, number - 1), max_size=3))) if number else (),
            duration=Duration(draw(st.integers(0, 9))),
        )
        for number in range(draw(st.integers(0, 14)))
    ]


@given(graphs(), st.integers(1, 5))
def test_the_time_is_between_the_longest_path_and_all_work(tasks: list[Task[Any]], machines: int) -> None:
    found = estimate_machines(tasks, jobs=1, machines=machines)
    assert max(found.longest_path, found.work / machines) <= found.seconds <= found.work
    enough = estimate_machines(tasks, jobs=1, machines=found.enough)
    assert enough.seconds <= found.longest_path * 1.01
