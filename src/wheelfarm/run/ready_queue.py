"""The order in which builds start, and the simulation of a run that takes as long as expected."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable
from dataclasses import dataclass, field
from heapq import heapify, heappop, heappush, heapreplace
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from wheelfarm.run.budget import Capacity, Need

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from wheelfarm.run.budget import Budget


Rank = tuple[int, int]
"""How urgent a build is, the least the most urgent, and its number in the plan, which breaks ties."""


class NeedHeaps:
    """Ready builds, a heap for each need: when the head of one does not fit, nothing in it does.

    So what a step costs grows with the number of different needs, of which a farm has a few, and not with
    the number of builds.

    Args:
        starvation_limit: how many less urgent builds may overtake the head of a heap.
    """

    def __init__(self, starvation_limit: int) -> None:
        self._starvation_limit = starvation_limit
        self._heaps: dict[Need, list[Rank]] = {}
        self._overtaken: Counter[Need] = Counter()

    def push(self, need: Need, rank: Rank) -> None:
        """A build is ready."""
        heappush(self._heaps.setdefault(need, []), rank)

    def pop(self, fits: Callable[[Need], bool]) -> tuple[Need, Rank] | None:
        """The most urgent build that fits; it overtakes the more urgent ones that do not."""
        passed: list[Need] = []
        for rank, need in self._heads():
            if fits(need):
                self._overtaken.update(passed)
                self._remove(need)
                return need, rank
            passed.append(need)
        return None

    def starved(self) -> Need | None:
        """The need of the most urgent build that may not be overtaken any more."""
        return next(
            (need for _, need in self._heads() if self._overtaken[need] >= self._starvation_limit), None
        )

    def _heads(self) -> list[tuple[Rank, Need]]:
        # No two ranks are the same, so that needs are never compared.
        return sorted((heap[0], need) for need, heap in self._heaps.items())

    def _remove(self, need: Need) -> None:
        """Drop the head of a heap; who comes after it has not been overtaken yet."""
        heappop(self._heaps[need])
        del self._overtaken[need]
        if not self._heaps[need]:
            del self._heaps[need]


K = TypeVar("K", bound=Hashable)
_TICKS: Final = 1000
"""Parts of a second in which paths are measured: sums of integers do not depend on their order."""


@dataclass(frozen=True, kw_only=True)
class Task(Generic[K]):
    """One thing to do.

    Args:
        key: what tells it from the others.
        after: what must be done before; keys that are no tasks count as done.
        need: what it takes while it runs.
        seconds: how long it is expected to take.
    """

    key: K
    after: tuple[K, ...] = ()
    need: Need = field(default_factory=Need)
    seconds: float = 0.0


@dataclass(frozen=True)
class Start(Generic[K]):
    """A task that is to be started now, with its share of the CPUs."""

    key: K
    share: int


class ReadyQueue(Generic[K]):
    """What is done, what runs, and what comes next; the module says by which rules.

    Args:
        tasks: each after all that it needs.
        budget: what those that run may take together; a greater need is clamped to it.

    Raises:
        ValueError: when a task stands before one that it needs.
    """

    def __init__(self, tasks: Sequence[Task[K]], budget: Budget) -> None:
        self._numbers = {task.key: number for number, task in enumerate(tasks)}
        self._keys = [task.key for task in tasks]
        self._needs = [budget.clamp(task.need) for task in tasks]
        self._waiters: list[list[int]] = [[] for _ in tasks]
        self._missing = [0 for _ in tasks]
        self._paths = [round(task.seconds * _TICKS) for task in tasks]
        self._open = set(range(len(tasks)))
        self._paused: set[int] = set()
        self._capacity = Capacity(budget)
        self._heaps_by_need = NeedHeaps(starvation_limit=budget.cpus)
        for number, task in reversed(list(enumerate(tasks))):
            self._join(number, task)
        for number in range(len(tasks)):
            self._enqueue_if_ready(number)

    def _join(self, number: int, task: Task[K]) -> None:
        """Tie a task to what it needs; the paths of all that wait for it are known by now."""
        for key in dict.fromkeys(task.after):
            needed = self._numbers.get(key)
            if needed is None:
                continue
            if needed >= number:
                raise ValueError(f"{task.key} stands before {key}, which it needs")
            self._waiters[needed].append(number)
            self._missing[number] += 1
        own = self._paths[number]
        self._paths[number] = own + max((self._paths[waiter] for waiter in self._waiters[number]), default=0)

    @property
    def done(self) -> bool:
        """Whether nothing runs and nothing is left to start."""
        return not self._open

    @property
    def reserved(self) -> Need | None:
        """The need for which part of the budget is reserved, since its build was overtaken too often."""
        return self._capacity.reserved

    def start(self) -> tuple[Start[K], ...]:
        """The tasks to start now, the most urgent first; from now on they run."""
        numbers: list[int] = []
        while (number := self._take_next()) is not None:
            numbers.append(number)
        shares = self._shares(numbers)
        return tuple(Start(self._keys[number], share) for number, share in shares.items())

    def _take_next(self) -> int | None:
        found = self._heaps_by_need.pop(self._capacity.fits)
        if found is None:
            return None
        need, (_, number) = found
        self._capacity.take(number, need)
        if self._capacity.reserved is None and (waiting := self._heaps_by_need.starved()) is not None:
            self._capacity.reserve(waiting)
        return number

    def _shares(self, numbers: list[int]) -> dict[int, int]:
        """Shares of those that start now: the spare CPUs go one by one to whoever has least."""
        if not numbers:
            return {}
        shares = [(self._needs[number].cpus, place) for place, number in enumerate(numbers)]
        heapify(shares)
        for _ in range(self._capacity.spare):
            share, place = shares[0]
            self._capacity.widen(numbers[place], 1)
            heapreplace(shares, (share + 1, place))
        return {numbers[place]: share for share, place in sorted(shares, key=lambda pair: pair[1])}

    def finish(self, key: K) -> None:
        """A running task is done; what waited for it alone is ready."""
        number = self._end(key)
        self._open.discard(number)
        for waiter in self._waiters[number]:
            self._missing[waiter] -= 1
            self._enqueue_if_ready(waiter)

    def fail(self, key: K) -> tuple[K, ...]:
        """A running task has failed; the tasks that are blocked by that, in order."""
        number = self._end(key)
        self._open.discard(number)
        blocked: set[int] = set()
        waiting = [number]
        while waiting:
            fresh = [waiter for waiter in self._waiters[waiting.pop()] if waiter in self._open]
            self._open.difference_update(fresh)
            blocked.update(fresh)
            waiting.extend(fresh)
        return tuple(self._keys[each] for each in sorted(blocked))

    def pause(self, key: K) -> None:
        """A running task stops and gives back what it took, to be ready again later."""
        self._paused.add(self._end(key))

    def resume(self, key: K) -> None:
        """A paused task is ready again."""
        number = self._numbers[key]
        self._paused.remove(number)
        self._enqueue_if_ready(number)

    def _end(self, key: K) -> int:
        number = self._numbers[key]
        self._capacity.give_back(number)
        return number

    def _enqueue_if_ready(self, number: int) -> None:
        if not self._missing[number]:
            self._heaps_by_need.push(self._needs[number], (-self._paths[number], number))


@dataclass(frozen=True, kw_only=True)
class Span(Generic[K]):
    """When a task would run, in seconds from the start of the run, and with which share of the CPUs."""

    key: K
    begin: float
    end: float
    share: int


def simulate(
    tasks: Sequence[Task[K]], budget: Budget, *, seconds: Callable[[Task[K], int], float] | None = None
) -> tuple[Span[K], ...]:
    """When each task would run, in the order of their starts.

    Args:
        tasks: each after all that it needs.
        budget: what those that run may take together.
        seconds: how long a task takes with a share of the CPUs; by default what is expected of it, whatever
            its share.
    """
    ready_queue = ReadyQueue(tasks, budget)
    by_key = {task.key: task for task in tasks}
    spans: list[Span[K]] = []
    running: list[tuple[float, int]] = []
    """When each span that has begun ends, and its place."""
    now = 0.0
    while not ready_queue.done:
        for start in ready_queue.start():
            task = by_key[start.key]
            end = now + (task.seconds if seconds is None else seconds(task, start.share))
            heappush(running, (end, len(spans)))
            spans.append(Span(key=start.key, begin=now, end=end, share=start.share))
        now = running[0][0]
        while running and running[0][0] == now:
            ready_queue.finish(spans[heappop(running)[1]].key)
    return tuple(spans)
