"""The rules of a schedule hold for any small graph, any needs, any budget, and whatever fails."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from support.schedules import Play
from wheelfarm.run.budget import Budget, Need
from wheelfarm.run.ready_queue import ReadyQueue, Task, simulate

NEEDS = st.builds(Need, cpus=st.integers(1, 5), memory=st.integers(0, 12), exclusive=st.booleans())
BUDGETS = st.builds(Budget, cpus=st.integers(1, 6), memory=st.none() | st.integers(1, 10))


@st.composite
def graphs(draw: st.DrawFn, needs: st.SearchStrategy[Need] = NEEDS) -> list[Task[int]]:
    return [
        Task(
            key=number,
            after=tuple(draw(st.sets(st.integers(0, number - 1), max_size=3))) if number else (),
            need=draw(needs),
            seconds=draw(st.integers(0, 9)),
        )
        for number in range(draw(st.integers(0, 14)))
    ]


def above(tasks: list[Task[int]], failed: set[int]) -> set[int]:
    """All that needs a failed one, through others too."""
    reached = set(failed)
    for task in tasks:
        if reached.intersection(task.after):
            reached.add(task.key)
    return reached


@settings(deadline=None, max_examples=200)
@given(graphs(), BUDGETS, st.sets(st.integers(0, 13), max_size=4), st.sets(st.integers(0, 13)))
def test_every_rule_holds_at_every_step(
    tasks: list[Task[int]], budget: Budget, failing: set[int], pausing: set[int]
) -> None:
    play = Play(tasks, budget, failing=failing, pausing=pausing)
    play.to_end()
    assert play.failed <= failing
    assert play.failed | set(play.blocked) == above(tasks, play.failed)
    for key, culprit in play.blocked.items():
        assert culprit in play.failed
        assert key in above(tasks, {culprit})


@settings(deadline=None)
@given(graphs(needs=st.just(Need())))
def test_one_cpu_takes_the_longest_remaining_path_first(tasks: list[Task[int]]) -> None:
    paths: dict[int, float] = {}
    for task in reversed(tasks):
        paths[task.key] = task.seconds + max(
            (paths[other.key] for other in tasks if task.key in other.after), default=0
        )
    ready_queue = ReadyQueue(tasks, Budget(cpus=1))
    done: set[int] = set()
    while not ready_queue.done:
        ready = [task.key for task in tasks if task.key not in done and done.issuperset(task.after)]
        (start,) = ready_queue.start()
        assert start.key == max(ready, key=lambda key: (paths[key], -key))
        ready_queue.finish(start.key)
        done.add(start.key)


@settings(deadline=None)
@given(graphs(), BUDGETS)
def test_a_simulation_keeps_to_graph_and_budget_and_is_the_same_twice(
    tasks: list[Task[int]], budget: Budget
) -> None:
    spans = simulate(tasks, budget)
    ends = {span.key: span.end for span in spans}
    assert sorted(ends) == [task.key for task in tasks]
    for span in spans:
        assert all(ends[needed] <= span.begin for needed in tasks[span.key].after)
        assert span.end - span.begin == tasks[span.key].seconds
    # List scheduling never idles all of the machine.
    assert max(ends.values(), default=0) <= sum(task.seconds for task in tasks)
    assert simulate(tasks, budget) == spans
