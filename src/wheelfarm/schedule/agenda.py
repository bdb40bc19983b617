"""What of a plan is to be started now: pure, without threads, clocks or I/O.

The rules, in the order in which they count:

1. A build is ready when all that it needs is done. A failed one blocks all that need it, through others too.
2. Ready builds are looked at in the order of their longest remaining path, in expected seconds: their own and
   those of the longest chain of builds that wait for them. Ties go by the plan's order.
3. What fits into the free CPUs and memory starts; nothing that fits is kept waiting, so there are no rounds.
4. A build that does not fit may be overtaken by less urgent ones, once for each CPU of the budget. After that
   its need is kept for it: others start only if they would fit beside it, so it waits for nothing but what
   runs already. This way no large or exclusive build starves.
5. Builds that start at the same moment share all free CPUs: each has what it needs, and what is left goes to
   whoever has least, the more urgent first. With four CPUs, one ready build gets four and two get two each.
   A share does not change while its build runs. An exclusive build gets all.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field
from heapq import heapify, heapreplace
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from wheelfarm.schedule.budget import Need
from wheelfarm.schedule.capacity import Capacity
from wheelfarm.schedule.queue import Queue

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wheelfarm.schedule.budget import Budget

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


class Agenda(Generic[K]):
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
        self._queue = Queue(patience=budget.cpus)
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
    def kept(self) -> Need | None:
        """The need for which part of the budget is kept, since its build was overtaken too often."""
        return self._capacity.kept

    def start(self) -> tuple[Start[K], ...]:
        """The tasks to start now, the most urgent first; from now on they run."""
        numbers: list[int] = []
        while (number := self._take_next()) is not None:
            numbers.append(number)
        shares = self._shares(numbers)
        return tuple(Start(self._keys[number], share) for number, share in shares.items())

    def _take_next(self) -> int | None:
        found = self._queue.pop(self._capacity.fits)
        if found is None:
            return None
        need, (_, number) = found
        self._capacity.take(number, need)
        if self._capacity.kept is None and (waiting := self._queue.impatient()) is not None:
            self._capacity.keep(waiting)
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
            self._queue.push(self._needs[number], (-self._paths[number], number))
