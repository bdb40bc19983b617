"""Graphs of tasks, and a play of an ready_queue that checks each rule by itself, step by step."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, field
from heapq import heappop, heappush
from typing import TYPE_CHECKING

from wheelfarm.run.budget import Budget, Need
from wheelfarm.run.ready_queue import ReadyQueue, Task

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    Needs = Callable[[random.Random], Need]


def small(_chance: random.Random) -> Need:
    """The need of most builds."""
    return Need()


def mixed(chance: random.Random) -> Need:
    """Needs as various as those of a farm, and more."""
    return Need(
        cpus=chance.choice((1, 1, 1, 2, 4)),
        memory=chance.choice((0, 1, 2, 6)) * 10**9,
        exclusive=chance.random() < 0.002,
    )


def layered(count: int, width: int, seed: int, needs: Needs = small) -> list[Task[int]]:
    """Layers of equal width; each task needs one to three of the layer before."""
    chance = random.Random(seed)  # noqa: S311 - not for secrets
    tasks = []
    for number in range(count):
        begin = (number // width - 1) * width
        after = {chance.randrange(begin, begin + width) for _ in range(chance.randint(1, 3))}
        tasks.append(_task(number, after if begin >= 0 else (), chance, needs))
    return tasks


def tangled(count: int, seed: int, needs: Needs = small) -> list[Task[int]]:
    """Each task needs up to four of all before it."""
    chance = random.Random(seed)  # noqa: S311 - not for secrets
    tasks = []
    for number in range(count):
        after = {chance.randrange(number) for _ in range(chance.randint(0, min(number, 4)))}
        tasks.append(_task(number, after, chance, needs))
    return tasks


def _task(number: int, after: Collection[int], chance: random.Random, needs: Needs) -> Task[int]:
    return Task(key=number, after=tuple(after), need=needs(chance), seconds=chance.randint(1, 600))


def critical_path(tasks: Sequence[Task[int]]) -> float:
    """Seconds of the longest chain."""
    ends: dict[int, float] = {}
    for task in tasks:
        ends[task.key] = task.seconds + max((ends[key] for key in task.after), default=0)
    return max(ends.values(), default=0)


@dataclass
class Play:
    """An ready_queue played to its end, with time as a number; every rule is asserted from outside.

    Args:
        tasks: what is to be done.
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
    running: dict[int, int] = field(default_factory=dict)
    """With their shares."""
    shares: dict[int, int] = field(default_factory=dict)
    now: float = 0.0
    reserved: int = 0
    """How often CPUs and memory were reserved for a build."""

    def __post_init__(self) -> None:
        self.ready_queue = ReadyQueue(self.tasks, self.budget)
        self.needs = {task.key: self.budget.clamp(task.need) for task in self.tasks}
        self.after = {task.key: set(task.after) for task in self.tasks}
        self.before: dict[int, set[int]] = {task.key: set() for task in self.tasks}
        for task in self.tasks:
            for key in task.after:
                self.before[key].add(task.key)
        self.ready: dict[Need, set[int]] = {}
        self.waited_for: set[int] | None = None
        """What ran when the reservation began: all that the reserved build may wait for."""
        for task in self.tasks:
            self._note_ready(task.key)

    def _note_ready(self, key: int) -> None:
        if self.after[key] <= self.done:
            self.ready.setdefault(self.needs[key], set()).add(key)

    def to_end(self) -> float:
        """Play; the time at which all was over."""
        events: list[tuple[float, int, str]] = []
        seconds = {task.key: task.seconds for task in self.tasks}
        paused: Counter[int] = Counter()
        while not self.ready_queue.done:
            for key in self._start():
                heappush(events, (self.now + seconds[key], key, "end"))
            self.now, key, what = heappop(events)
            if what == "resume":
                self.ready_queue.resume(key)
                self._note_ready(key)
            elif key in self.pausing and not paused[key]:
                paused[key] += 1
                del self.running[key]
                self.ready_queue.pause(key)
                heappush(events, (self.now + 10, key, "resume"))
            else:
                self._end(key)
        assert not self.running
        assert {*self.done, *self.failed, *self.blocked} == set(self.needs)
        return self.now

    def _end(self, key: int) -> None:
        del self.running[key]
        if key not in self.failing:
            self.done.add(key)
            self.ready_queue.finish(key)
            for waiter in self.before[key]:
                self._note_ready(waiter)
            return
        self.failed.add(key)
        for blocked in self.ready_queue.fail(key):
            assert blocked not in self.blocked, "blocked twice"
            self.blocked[blocked] = key

    def _start(self) -> list[int]:
        reserved_before = self.ready_queue.reserved
        started = self.ready_queue.start()
        for start in started:
            need = self.needs[start.key]
            self.ready.get(need, set()).remove(start.key)  # so all that it needs is done
            assert start.share >= need.cpus
            self.running[start.key] = self.shares[start.key] = start.share
        self._check_budget()
        reserved_needs = {self.needs[start.key] for start in started}
        self._check_reserved(reserved_before, lifted=reserved_before in reserved_needs)
        self._check_nothing_idle(started=bool(started))
        return [start.key for start in started]

    def _check_budget(self) -> None:
        assert sum(self.running.values()) <= self.budget.cpus
        if self.budget.memory is not None:
            assert sum(self.needs[key].memory for key in self.running) <= self.budget.memory
        if any(self.needs[key].exclusive for key in self.running):
            assert list(self.running.values()) == [self.budget.cpus]

    def _check_reserved(self, before: Need | None, *, lifted: bool) -> None:
        """A reservation lasts until its build starts, when all that ran before has ended."""
        reserved = self.ready_queue.reserved
        if before is not None and not lifted:
            assert reserved == before
            assert self.waited_for is not None
            self.waited_for &= set(self.running)
            assert self.waited_for, "it waits for something that was started after it had to wait"
        else:
            self.waited_for = None if reserved is None else set(self.running)
            self.reserved += reserved is not None

    def _check_nothing_idle(self, *, started: bool) -> None:
        reserved = self.ready_queue.reserved
        cpus = self.budget.cpus - sum(self.running.values())
        memory = (self.budget.memory or 0) - sum(self.needs[key].memory for key in self.running)
        if reserved is not None:
            return
        for need, keys in self.ready.items():
            assert not keys or need.cpus > cpus or need.memory > memory, "it would fit"
        if started:
            assert cpus == 0, "those that start share all that is free"
