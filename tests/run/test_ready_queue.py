"""The ready_queue: what starts, with which share, and what a failure blocks."""

from __future__ import annotations

from functools import cache

import pytest

from support.schedules import Play, critical_path, layered, mixed, tangled
from wheelfarm.run.budget import Budget, Need
from wheelfarm.run.ready_queue import ReadyQueue, Start, Task, simulate

GB = 10**9
FOUR = Budget(cpus=4, memory=8 * GB)
ALONE = Need(exclusive=True)


def task(key: str, *after: str, seconds: float = 1, need: Need | None = None) -> Task[str]:
    return Task(key=key, after=after, seconds=seconds, need=need or Need())


def of(budget: Budget, *tasks: Task[str]) -> ReadyQueue[str]:
    return ReadyQueue(tasks, budget)


def started(ready_queue: ReadyQueue[str]) -> dict[str, int]:
    return {start.key: start.share for start in ready_queue.start()}


class TestShares:
    @pytest.mark.parametrize(
        ("needs", "shares"),
        [
            ([1], [4]),
            ([1, 1], [2, 2]),
            ([1, 1, 1], [2, 1, 1]),
            ([1, 1, 1, 1], [1, 1, 1, 1]),
            ([1, 1, 1, 1, 1], [1, 1, 1, 1]),
            ([3, 1], [3, 1]),
            ([1, 2], [2, 2]),
            ([9], [4]),
        ],
    )
    def test_those_that_start_together_share_what_is_free(self, needs: list[int], shares: list[int]) -> None:
        ready_queue = of(FOUR, *(task(str(n), need=Need(cpus=cpus)) for n, cpus in enumerate(needs)))
        assert list(started(ready_queue).values()) == shares

    def test_a_share_does_not_change_and_comes_back_whole(self) -> None:
        ready_queue = of(FOUR, task("a"), task("b"), task("c", "a"), task("d", "a"), task("e", "b", "c", "d"))
        assert started(ready_queue) == {"a": 2, "b": 2}
        assert started(ready_queue) == {}
        ready_queue.finish("a")
        assert started(ready_queue) == {"c": 1, "d": 1}
        ready_queue.finish("c")
        ready_queue.finish("d")
        assert started(ready_queue) == {}
        ready_queue.finish("b")
        assert ready_queue.start() == (Start("e", 4),)

    def test_an_exclusive_build_gets_all(self) -> None:
        ready_queue = of(FOUR, task("a", need=ALONE), task("b"))
        assert started(ready_queue) == {"a": 4}
        ready_queue.finish("a")
        assert started(ready_queue) == {"b": 4}


class TestOrder:
    def test_the_longest_remaining_path_goes_first(self) -> None:
        one = Budget(cpus=1)
        ready_queue = of(
            one, task("a", seconds=5), task("b", seconds=1), task("c", "b", seconds=5), task("d")
        )
        order = []
        while not ready_queue.done:
            (start,) = ready_queue.start()
            order.append(start.key)
            ready_queue.finish(start.key)
        assert order == ["b", "a", "c", "d"]

    def test_ties_go_by_the_order_of_the_plan(self) -> None:
        ready_queue = of(Budget(cpus=2), *(task(key) for key in "zyx"))
        assert list(started(ready_queue)) == ["z", "y"]

    def test_needs_outside_the_plan_are_there_already(self) -> None:
        assert started(of(FOUR, task("a", "elsewhere"))) == {"a": 4}

    def test_a_need_that_is_said_twice_counts_once(self) -> None:
        ready_queue = of(FOUR, task("a"), task("b", "a", "a"))
        ready_queue.start()
        ready_queue.finish("a")
        assert started(ready_queue) == {"b": 4}

    @pytest.mark.parametrize("after", ["a", "b"])
    def test_a_task_before_what_it_needs_is_a_mistake(self, after: str) -> None:
        with pytest.raises(ValueError, match="a stands before"):
            of(FOUR, task("a", after), task("b"))

    def test_nothing_to_do_is_done(self) -> None:
        assert of(FOUR).done


class TestMemory:
    def test_is_not_exceeded(self) -> None:
        ready_queue = of(FOUR, *(task(key, need=Need(memory=3 * GB)) for key in "abc"))
        assert started(ready_queue) == {"a": 2, "b": 2}
        ready_queue.finish("a")
        assert started(ready_queue) == {"c": 2}

    def test_what_does_not_fit_is_overtaken(self) -> None:
        big = Need(memory=6 * GB)
        ready_queue = of(FOUR, task("a", need=big, seconds=9), task("b", need=big, seconds=8), task("c"))
        assert started(ready_queue) == {"a": 2, "c": 2}

    def test_more_than_there_is_runs_alone(self) -> None:
        ready_queue = of(FOUR, task("a", need=Need(memory=9 * GB)), task("b"))
        assert started(ready_queue) == {"a": 4}

    def test_does_not_matter_without_a_budget(self) -> None:
        ready_queue = of(Budget(cpus=2), *(task(key, need=Need(memory=900 * GB)) for key in "ab"))
        assert started(ready_queue) == {"a": 1, "b": 1}


class TestStarvationGuard:
    def test_a_build_is_overtaken_once_for_each_cpu(self) -> None:
        tasks = [task("long", seconds=99), task("big", need=ALONE, seconds=50)]
        ready_queue = of(FOUR, *tasks, *(task(f"s{n}") for n in range(9)))
        assert started(ready_queue) == {"long": 1, "s0": 1, "s1": 1, "s2": 1}
        for name in ("s0", "s1", "s2"):
            ready_queue.finish(name)
        assert started(ready_queue) == {"s3": 1}
        assert ready_queue.reserved is not None
        ready_queue.finish("s3")
        assert started(ready_queue) == {}
        ready_queue.finish("long")
        assert started(ready_queue) == {"big": 4}
        assert ready_queue.reserved is None

    def test_memory_is_reserved_and_cpus_are_used(self) -> None:
        hungry, modest = Need(memory=6 * GB), Need(memory=3 * GB)
        tasks = [task("long", need=hungry, seconds=99), task("big", need=hungry, seconds=50)]
        tasks += [task(f"s{n}", seconds=1) for n in range(9)] + [task("m", need=modest, seconds=0.1)]
        ready_queue = of(FOUR, *tasks)
        assert started(ready_queue) == {"long": 1, "s0": 1, "s1": 1, "s2": 1}
        ready_queue.finish("s0")
        assert started(ready_queue) == {"s3": 1}
        assert ready_queue.reserved is not None  # s0 to s3 have overtaken it
        ready_queue.finish("s1")
        ready_queue.finish("s2")
        # It takes a CPU and 6 GB, which leaves three CPUs and 2 GB.
        assert started(ready_queue) == {"s4": 1, "s5": 1}
        ready_queue.finish("long")
        assert started(ready_queue) == {"big": 1}

    def test_after_one_big_build_the_next_has_the_same_patience(self) -> None:
        bigs = [task("b1", need=ALONE, seconds=50), task("b2", need=ALONE, seconds=40)]
        smalls = [task("again", "b1", seconds=45), *(task(f"s{n}") for n in range(9))]
        ready_queue = of(Budget(cpus=2), task("long", seconds=99), *bigs, *smalls)
        assert started(ready_queue) == {"long": 1, "s0": 1}
        ready_queue.finish("s0")
        assert started(ready_queue) == {"s1": 1}
        ready_queue.finish("s1")
        assert started(ready_queue) == {}
        ready_queue.finish("long")
        assert started(ready_queue) == {"b1": 2}
        ready_queue.finish("b1")
        # It was overtaken as often as the first, but only as one that stood behind it.
        assert started(ready_queue) == {"again": 1, "s2": 1}
        assert ready_queue.reserved is None
        ready_queue.finish("s2")
        assert started(ready_queue) == {"s3": 1}
        ready_queue.finish("s3")
        assert started(ready_queue) == {}
        ready_queue.finish("again")
        assert started(ready_queue) == {"b2": 2}


class TestEnds:
    CHAIN = (task("a"), task("b", "a"), task("c", "b"), task("d", "c", "x"), task("x"), task("y", "x"))

    def chain(self) -> ReadyQueue[str]:
        order = {each.key: each for each in self.CHAIN}
        return of(FOUR, *(order[key] for key in "axbcdy"))

    def test_a_failure_blocks_what_needs_it_through_others_too(self) -> None:
        ready_queue = self.chain()
        ready_queue.start()
        assert ready_queue.fail("a") == ("b", "c", "d")
        ready_queue.finish("x")
        assert started(ready_queue) == {"y": 4}
        ready_queue.finish("y")
        assert ready_queue.done

    def test_what_is_blocked_already_is_not_blocked_again(self) -> None:
        ready_queue = self.chain()
        ready_queue.start()
        assert ready_queue.fail("a") == ("b", "c", "d")
        assert ready_queue.fail("x") == ("y",)
        assert ready_queue.done

    def test_a_paused_task_gives_back_what_it_took(self) -> None:
        ready_queue = of(Budget(cpus=1), task("a", seconds=9), task("b"), task("c", "a"))
        assert started(ready_queue) == {"a": 1}
        ready_queue.pause("a")
        assert started(ready_queue) == {"b": 1}
        ready_queue.finish("b")
        assert started(ready_queue) == {}
        assert not ready_queue.done
        ready_queue.resume("a")
        assert started(ready_queue) == {"a": 1}

    @pytest.mark.parametrize("what", ["finish", "fail", "pause", "resume"])
    def test_only_what_runs_can_end_and_only_what_is_paused_goes_on(self, what: str) -> None:
        ready_queue = self.chain()
        with pytest.raises(KeyError):
            getattr(ready_queue, what)("a")
        assert started(ready_queue) == {"a": 2, "x": 2}


@cache
def graph_of(shape: str) -> list[Task[int]]:
    match shape:
        case "layered":
            return layered(10_000, 100, 1)
        case "wide":
            return layered(10_000, 500, 2)
        case _:
            return tangled(10_000, 3)


class TestManyBuilds:
    @pytest.mark.parametrize("shape", ["layered", "wide", "tangled"])
    @pytest.mark.parametrize("cpus", [2, 16])
    def test_the_run_takes_little_more_than_it_must(self, shape: str, cpus: int) -> None:
        tasks = graph_of(shape)
        spans = simulate(tasks, Budget(cpus=cpus))
        least = max(critical_path(tasks), sum(task.seconds for task in tasks) / cpus)
        assert least <= max(span.end for span in spans) <= 1.1 * least

    @pytest.mark.parametrize("shape", ["layered", "wide", "tangled"])
    def test_nor_when_a_greater_share_makes_a_build_faster(self, shape: str) -> None:
        tasks = graph_of(shape)
        spans = simulate(tasks, Budget(cpus=16), seconds=lambda task, share: task.seconds / share)
        least = sum(task.seconds for task in tasks) / 16
        assert max(span.end for span in spans) <= 1.1 * least

    @pytest.mark.parametrize(
        "tasks", [layered(5_000, 100, 4, mixed), tangled(10_000, 5, mixed)], ids=["layered", "tangled"]
    )
    def test_no_rule_is_broken(self, tasks: list[Task[int]]) -> None:
        play = Play(
            tasks,
            Budget(cpus=16, memory=32 * GB),
            failing=range(9 * len(tasks) // 10, len(tasks), 97),
            pausing=range(0, len(tasks), 89),
        )
        play.to_end()
        assert len(play.done) > 0.8 * len(tasks)
        assert play.blocked
        assert play.reserved > 100

    def test_needs_that_all_differ_cost_no_more(self) -> None:
        tasks = [Task(key=n, need=Need(memory=n * 1_234_567), seconds=1) for n in range(3000)]
        spans = simulate(tasks, Budget(cpus=8, memory=16 * GB))
        assert len(spans) == 3000


def test_a_simulation_tells_when_each_would_run() -> None:
    tasks = [task("a", seconds=3), task("b", seconds=2), task("c", "a", seconds=1)]
    spans = {span.key: (span.begin, span.end, span.share) for span in simulate(tasks, Budget(cpus=2))}
    assert spans == {"a": (0, 3, 1), "b": (0, 2, 1), "c": (3, 4, 2)}


def test_a_play_sees_what_is_wrong() -> None:
    """The checks of the play itself, against an ready_queue that breaks the rules."""
    tasks = [Task(key=n, seconds=1) for n in range(3)]
    play = Play(tasks, Budget(cpus=2))
    play.ready_queue = ReadyQueue(tasks, Budget(cpus=3))
    with pytest.raises(AssertionError):
        play.to_end()
    play = Play(tasks, Budget(cpus=2))
    play.ready_queue = ReadyQueue(tasks, Budget(cpus=1))
    with pytest.raises(AssertionError, match="would fit"):
        play.to_end()
