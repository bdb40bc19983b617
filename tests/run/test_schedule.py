"""The schedule: needs and budgets, what starts with which share, and what a failure blocks."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, field
from graphlib import CycleError
from heapq import heappop, heappush
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wheelfarm.run.schedule import Budget, Duration, Need, Schedule, Task, simulate

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

GB = 10**9
FOUR = Budget(cpus=4, memory=8 * GB)
ALONE = Need(exclusive=True)


def task(key: str, *after: str, seconds: float = 1, need: Need | None = None) -> Task[str]:
    return Task(key=key, after=after, duration=Duration(seconds), need=need or Need())


def of(budget: Budget, *tasks: Task[str]) -> Schedule[str]:
    return Schedule(tasks, budget)


class TestBudget:
    @pytest.mark.parametrize(
        ("need", "clamped"),
        [
            (Need(), Need()),
            (Need(cpus=3, memory=4 * GB), Need(cpus=3, memory=4 * GB)),
            (Need(cpus=16), Need(cpus=4)),
            (Need(exclusive=True), Need(cpus=4, exclusive=True)),
            (Need(memory=8 * GB), Need(memory=8 * GB)),
            (Need(memory=9 * GB), Need(cpus=4, memory=8 * GB, exclusive=True)),
        ],
    )
    def test_needs_are_clamped_to_the_budget(self, need: Need, clamped: Need) -> None:
        assert FOUR.clamp(need) == clamped

    def test_without_a_budget_memory_does_not_count(self) -> None:
        assert Budget(cpus=4).clamp(Need(memory=900 * GB)) == Need()

    def test_only_more_memory_than_there_is_deserves_a_warning(self) -> None:
        assert FOUR.warning(Need(cpus=16, memory=8 * GB)) is None
        assert Budget(cpus=4).warning(Need(memory=900 * GB)) is None
        assert FOUR.warning(Need(memory=12 * GB)) == (
            "needs 12.0 GB of memory, and 8.0 GB may be used: it runs alone, and may fail"
        )


class TestSeveralMachines:
    """A budget of eight CPUs on machines of two."""

    BUDGET = Budget(cpus=8, memory=32 * GB, largest=2)

    def test_no_build_gets_more_than_a_machine_has(self) -> None:
        tasks = of(self.BUDGET, *(task(key, need=Need(cpus=cpus)) for key, cpus in (("a", 1), ("b", 6))))
        assert dict(tasks.start()) == {"b": 2, "a": 2}

    def test_an_exclusive_build_has_a_machine_and_others_go_on(self) -> None:
        tasks = of(self.BUDGET, task("a", need=ALONE), task("b", need=Need(memory=64 * GB)))
        assert dict(tasks.start()) == {"a": 2, "b": 2}

    def test_a_long_path_counts_a_machine_not_all_of_them(self) -> None:
        path = Duration(work=8)
        assert simulate([Task(key="a", duration=path)], self.BUDGET)["a"][1] == path.on(2)


class TestKindsOfMachines:
    """Four CPUs of one kind, and two of another."""

    BUDGET = Budget(
        cpus=6, largest=4, kinds={"big": Budget(cpus=4, largest=4), "small": Budget(cpus=2, largest=1)}
    )

    def test_each_kind_has_a_budget_of_its_own(self) -> None:
        many = (task(f"b{number}", seconds=9, need=Need(machines="big")) for number in range(9))
        tasks = of(self.BUDGET, *many, *(task(key, need=Need(machines="small")) for key in "xyz"))
        # The urgent builds of one kind do not keep the machines of the other from work.
        assert set(tasks.start()) == {"b0", "b1", "b2", "b3", "x", "y"}

    def test_a_build_gets_what_a_machine_of_its_kind_has(self) -> None:
        needs = {"a": Need(cpus=8, machines="big"), "b": Need(cpus=8, machines="small")}
        tasks = of(self.BUDGET, *(task(key, need=need) for key, need in needs.items()))
        assert dict(tasks.start()) == {"a": 4, "b": 1}

    def test_a_kind_that_has_no_machines_is_tried_with_all(self) -> None:
        tasks = of(self.BUDGET, task("a", need=Need(machines="none")))
        assert dict(tasks.start()) == {"a": 4}

    def test_builds_of_two_kinds_wait_for_each_other(self) -> None:
        tasks = of(
            self.BUDGET,
            task("pure", need=Need(machines="big")),
            task("a", "pure", need=Need(machines="small")),
        )
        assert list(tasks.start()) == ["pure"]
        tasks.finish("pure")
        assert list(tasks.start()) == ["a"]
        assert tasks.fail("a") == ()
        assert tasks.done


class TestShares:
    @pytest.mark.parametrize(
        ("needs", "shares"),
        [
            ([1], [4]),
            ([1, 1], [2, 2]),
            ([1, 1, 1], [2, 1, 1]),
            ([1, 1, 1, 1, 1], [1, 1, 1, 1]),
            ([3, 1], [3, 1]),
            ([1, 2], [2, 2]),
            ([9], [4]),
        ],
    )
    def test_those_that_start_together_share_what_is_free(self, needs: list[int], shares: list[int]) -> None:
        schedule = of(FOUR, *(task(str(n), need=Need(cpus=cpus)) for n, cpus in enumerate(needs)))
        assert list(schedule.start().values()) == shares

    def test_a_share_does_not_change_and_comes_back_whole(self) -> None:
        schedule = of(FOUR, task("a"), task("b"), task("c", "a"), task("d", "a"), task("e", "b", "c", "d"))
        assert schedule.start() == {"a": 2, "b": 2}
        assert schedule.start() == {}
        schedule.finish("a")
        assert schedule.start() == {"c": 1, "d": 1}
        schedule.finish("c")
        schedule.finish("d")
        assert schedule.start() == {}
        schedule.finish("b")
        assert schedule.start() == {"e": 4}

    @pytest.mark.parametrize("need", [ALONE, Need(memory=9 * GB)], ids=["exclusive", "too much memory"])
    def test_some_builds_run_alone(self, need: Need) -> None:
        schedule = of(FOUR, task("a", need=need), task("b"))
        assert schedule.start() == {"a": 4}
        schedule.finish("a")
        assert schedule.start() == {"b": 4}


class TestOrder:
    def test_the_longest_remaining_path_goes_first(self) -> None:
        tasks = [task("a", seconds=5), task("b", seconds=1), task("c", "b", seconds=5), task("d")]
        spans = simulate(tasks, Budget(cpus=1))
        assert spans == {"b": (0, 1), "a": (1, 5), "c": (6, 5), "d": (11, 1)}

    def test_ties_go_by_the_order_of_the_plan(self) -> None:
        assert list(of(Budget(cpus=2), *(task(key) for key in "zyx")).start()) == ["z", "y"]

    def test_needs_outside_the_plan_are_there_already(self) -> None:
        assert of(FOUR, task("a", "elsewhere")).start() == {"a": 4}

    def test_a_circle_is_an_error(self) -> None:
        with pytest.raises(CycleError):
            of(FOUR, task("a", "b"), task("b", "a"))

    def test_nothing_to_do_is_done(self) -> None:
        assert of(FOUR).done
        assert simulate([], FOUR) == {}


class TestMemory:
    def test_is_not_exceeded(self) -> None:
        schedule = of(FOUR, *(task(key, need=Need(memory=3 * GB)) for key in "abc"))
        assert schedule.start() == {"a": 2, "b": 2}
        schedule.finish("a")
        assert schedule.start() == {"c": 2}

    def test_a_build_that_does_not_fit_is_overtaken(self) -> None:
        big = Need(memory=6 * GB)
        schedule = of(FOUR, task("a", need=big, seconds=9), task("b", need=big, seconds=8), task("c"))
        assert schedule.start() == {"a": 2, "c": 2}

    def test_does_not_matter_without_a_budget(self) -> None:
        schedule = of(Budget(cpus=2), *(task(key, need=Need(memory=900 * GB)) for key in "ab"))
        assert schedule.start() == {"a": 1, "b": 1}


def test_a_build_is_overtaken_once_for_each_cpu() -> None:
    smalls = [task(f"s{n}") for n in range(9)]
    bigs = [task("b1", need=ALONE, seconds=50), task("b2", need=ALONE, seconds=40)]
    schedule = of(FOUR, task("long", seconds=99), *bigs, *smalls)
    assert schedule.start() == {"long": 1, "s0": 1, "s1": 1, "s2": 1}
    for name in ("s0", "s1", "s2"):
        schedule.finish(name)
    assert schedule.start() == {"s3": 3}
    schedule.finish("s3")
    assert schedule.start() == {}
    schedule.finish("long")
    assert schedule.start() == {"b1": 4}
    schedule.finish("b1")
    assert schedule.start() == {"b2": 4}


class TestEnds:
    CHAIN = (task("a"), task("x"), task("b", "a"), task("c", "b"), task("d", "c", "x"), task("y", "x"))

    def test_a_failure_blocks_its_dependents_once(self) -> None:
        schedule = of(FOUR, *self.CHAIN)
        schedule.start()
        assert schedule.fail("a") == ("b", "c", "d")
        assert schedule.fail("x") == ("y",)
        assert schedule.done

    def test_others_go_on(self) -> None:
        schedule = of(FOUR, *self.CHAIN)
        schedule.start()
        schedule.fail("a")
        schedule.finish("x")
        assert schedule.start() == {"y": 4}
        schedule.finish("y")
        assert schedule.done

    def test_a_stopped_task_gives_back_its_share(self) -> None:
        schedule = of(Budget(cpus=1), task("a", seconds=9), task("b"), task("c", "a"))
        assert schedule.start() == {"a": 1}
        schedule.stop("a")
        assert schedule.start() == {"b": 1}
        schedule.finish("b")
        assert schedule.start() == {}
        schedule.resume("a")
        assert schedule.start() == {"a": 1}

    @pytest.mark.parametrize("end", ["finish", "fail", "stop"])
    def test_only_a_running_task_can_end(self, end: str) -> None:
        with pytest.raises(KeyError):
            getattr(of(FOUR, *self.CHAIN), end)("a")


@dataclass
class Play:
    """A schedule played to its end; each rule is asserted from outside, step by step.

    Args:
        tasks: each after all that it needs.
        budget: what may be taken.
        failing: those that fail.
        pausing: those whose first attempt fails and that are begun again, ten seconds later.
    """

    tasks: Sequence[Task[int]]
    budget: Budget
    failing: Collection[int] = ()
    pausing: Collection[int] = ()
    done: set[int] = field(default_factory=set)
    failed: set[int] = field(default_factory=set)
    blocked: dict[int, int] = field(default_factory=dict)
    ready: set[int] = field(default_factory=set)
    running: dict[int, int] = field(default_factory=dict)
    overtaken: Counter[int] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.schedule = Schedule(self.tasks, self.budget)
        self.needs = {task.key: self.budget.clamp(task.need) for task in self.tasks}
        self.paths: dict[int, float] = {}
        for task in reversed(self.tasks):
            above = [self.paths[each.key] for each in self.tasks if task.key in each.after]
            self.paths[task.key] = task.duration.seconds + max(above, default=0)
        self.ready = {task.key for task in self.tasks if not task.after}

    def to_end(self) -> None:
        events: list[tuple[float, int, str]] = []
        seconds = {task.key: task.duration.seconds for task in self.tasks}
        now, paused = 0.0, set[int]()
        while events or not self.schedule.done:
            for key in self.start():
                heappush(events, (now + seconds[key], key, "end"))
            now, key, what = heappop(events)
            if what == "resume":
                self.schedule.resume(key)
                self.ready.add(key)
            elif key in self.pausing and key not in paused:
                paused.add(key)
                del self.running[key]
                self.schedule.stop(key)
                heappush(events, (now + 10, key, "resume"))
            else:
                self.end(key)
        assert not self.running
        assert {*self.done, *self.failed, *self.blocked} == set(self.needs)

    def end(self, key: int) -> None:
        del self.running[key]
        if key in self.failing:
            self.failed.add(key)
            for blocked in self.schedule.fail(key):
                assert blocked not in self.blocked, "blocked twice"
                self.blocked[blocked] = key
            return
        self.done.add(key)
        self.schedule.finish(key)
        self.ready |= {
            task.key for task in self.tasks if key in task.after and self.done.issuperset(task.after)
        }

    def start(self) -> list[int]:
        started = self.schedule.start()
        for key, share in started.items():
            assert key in self.ready, "all that it needs is done"
            first = min(self.ready, key=lambda each: (-self.paths[each], each))
            assert key == first or self.overtaken[first] < self.budget.cpus, "overtaken too often"
            self.overtaken[first] += key != first
            self.ready.remove(key)
            assert share >= self.needs[key].cpus
        self.running |= started
        cpus = self.budget.cpus - sum(self.running.values())
        memory = (self.budget.memory or 0) - sum(self.needs[key].memory for key in self.running)
        assert cpus >= 0
        assert memory >= 0
        if any(self.needs[key].exclusive for key in self.running):
            assert list(self.running.values()) == [self.budget.cpus]
        if started:
            assert cpus == 0, "those that start share all that is free"
        first = min(self.ready, key=lambda each: (-self.paths[each], each), default=-1)
        for key in self.ready if self.overtaken[first] < self.budget.cpus else {first} - {-1}:
            assert self.needs[key].cpus > cpus or self.needs[key].memory > memory, "it would fit"
        return list(started)


NEEDS = st.builds(Need, cpus=st.integers(1, 5), memory=st.integers(0, 12), exclusive=st.booleans())
BUDGETS = st.builds(Budget, cpus=st.integers(1, 6), memory=st.none() | st.integers(1, 10))


@st.composite
def graphs(draw: st.DrawFn) -> list[Task[int]]:
    return [
        Task(
            key=number,
            after=tuple(draw(st.sets(st.integers(0, number - 1), max_size=3))) if number else (),
            need=draw(NEEDS),
            duration=Duration(draw(st.integers(0, 9))),
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


@settings(max_examples=200)
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


@given(graphs(), BUDGETS)
def test_a_simulation_follows_graph_and_budget(tasks: list[Task[int]], budget: Budget) -> None:
    spans = simulate(tasks, budget)
    assert sorted(spans) == [task.key for task in tasks]
    for task in tasks:
        begin, seconds = spans[task.key]
        assert all(sum(spans[needed]) <= begin for needed in task.after)
        assert seconds == task.duration.seconds
    # Something runs at any time.
    assert max(map(sum, spans.values()), default=0) <= sum(task.duration.seconds for task in tasks)
    assert simulate(tasks, budget) == spans


@pytest.mark.parametrize("cpus", [2, 16])
def test_a_farm_of_many_builds_takes_little_more_than_it_must(cpus: int) -> None:
    chance = random.Random(1)  # noqa: S311 - not for secrets
    tasks = [
        Task(
            key=number,
            after=tuple({chance.randrange(number) for _ in range(min(number, 3))}),
            duration=Duration(chance.randint(1, 600)),
        )
        for number in range(3000)
    ]
    ends: dict[int, float] = {}
    for each in tasks:
        ends[each.key] = each.duration.seconds + max((ends[key] for key in each.after), default=0)
    least = max(*ends.values(), sum(each.duration.seconds for each in tasks) / cpus)
    assert least <= max(map(sum, simulate(tasks, Budget(cpus=cpus)).values())) <= 1.1 * least


class TestDurations:
    def test_a_share_of_the_cpus_makes_work_longer(self) -> None:
        work = Duration(10, 400)
        spans = simulate([Task(key=key, duration=work) for key in "ab"], FOUR)
        assert spans == {key: (0, work.on(2)) for key in "ab"}
        assert simulate([Task(key="a", duration=work)], FOUR) == {"a": (0, work.on(4))}

    @given(st.floats(0, 1e5), st.floats(0, 1e5), st.integers(1, 64))
    def test_more_cpus_never_slow_a_build_and_never_spare_all(
        self, seconds: float, work: float, cpus: int
    ) -> None:
        duration = Duration(seconds, work)
        assert duration.on(1) == pytest.approx(seconds + work)
        assert seconds + work / cpus <= duration.on(cpus) * (1 + 1e-9)
        assert duration.on(cpus + 1) <= duration.on(cpus)
