"""Which build starts next: the budget of a run, the needs of its builds, the longest path first."""

from __future__ import annotations

from bisect import insort
from collections import Counter
from collections.abc import Hashable
from dataclasses import dataclass, field
from graphlib import TopologicalSorter
from heapq import heappop, heappush
from typing import TYPE_CHECKING, Final, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

K = TypeVar("K", bound=Hashable)

_SERIAL: Final = 0.05
"""The share of a build's work that one CPU does: numpy's Meson configures for 20 s of 8 minutes."""


@dataclass(frozen=True, kw_only=True)
class Need:
    """What one build needs while it runs.

    Args:
        cpus: CPUs without which it should not be started; it may be given more.
        memory: bytes at its peak.
        exclusive: whether nothing else may run at the same time.
    """

    cpus: int = 1
    memory: int = 0
    exclusive: bool = False


@dataclass(frozen=True, kw_only=True)
class Budget:
    """What all builds that run at the same time may use together.

    Args:
        cpus: CPUs.
        memory: bytes; None for as much as they like.
    """

    cpus: int
    memory: int | None = None

    def clamp(self, need: Need) -> Need:
        """The need as this budget can meet it; one that is exclusive is one for all CPUs.

        A build that wants more CPUs than there are takes longer, and that is all. One that wants more memory
        than there is runs alone, where it has the best chance; see `warning`.
        """
        alone = need.exclusive or (self.memory is not None and need.memory > self.memory)
        return Need(
            cpus=self.cpus if alone else min(need.cpus, self.cpus),
            memory=0 if self.memory is None else min(need.memory, self.memory),
            exclusive=alone,
        )

    def warning(self, need: Need) -> str | None:
        """The warning about a build with that need; None when there is nothing to warn of."""
        if self.memory is None or need.memory <= self.memory:
            return None
        wanted, given = need.memory / 1e9, self.memory / 1e9
        return f"needs {wanted:.1f} GB of memory, and {given:.1f} GB may be used: it runs alone, and may fail"


@dataclass(frozen=True)
class Duration:
    """How long a build is expected to take.

    Args:
        seconds: on any number of CPUs.
        work: further seconds on one CPU; fewer on several.
    """

    seconds: float = 0.0
    work: float = 0.0

    def on(self, cpus: float) -> float:
        """Seconds on some CPUs, by Amdahl's law."""
        return self.seconds + self.work * (_SERIAL + (1 - _SERIAL) / cpus)


@dataclass(frozen=True, kw_only=True)
class Task(Generic[K]):
    """One build to schedule.

    Args:
        key: identifies it.
        after: the keys of what must end before; those that are no tasks have ended.
        need: what it takes while it runs.
        duration: how long it is expected to take.
    """

    key: K
    after: tuple[K, ...] = ()
    need: Need = field(default_factory=Need)
    duration: Duration = field(default_factory=Duration)


class Schedule(Generic[K]):
    """What runs and what comes next.

    The most urgent task that fits starts: the one with the longest path of tasks that wait for it. The most
    urgent of all may be overtaken once for each CPU; then nothing else starts before it.

    Args:
        tasks: in the order that breaks ties.
        budget: what those that run may take together; a greater need is clamped to it.

    Raises:
        graphlib.CycleError: when tasks wait for each other.
    """

    def __init__(self, tasks: Sequence[Task[K]], budget: Budget) -> None:
        self._budget = budget
        self._needs = {task.key: budget.clamp(task.need) for task in tasks}
        after = {task.key: {key for key in task.after if key in self._needs} for task in tasks}
        self._dependents: dict[K, list[K]] = {key: [] for key in after}
        for key, needed in after.items():
            for each in needed:
                self._dependents[each].append(key)
        seconds = {task.key: task.duration.on(budget.cpus) for task in tasks}
        paths: dict[K, float] = {}
        for key in reversed([*TopologicalSorter(after).static_order()]):
            paths[key] = seconds[key] + max((paths[each] for each in self._dependents[key]), default=0)
        self._ranks = {key: (-paths[key], number) for number, key in enumerate(after)}
        self._sorter = TopologicalSorter(after)
        self._sorter.prepare()
        self._ready: list[K] = []
        self._running: dict[K, int] = {}
        """With their CPUs."""
        self._blocked: set[K] = set()
        self._overtaken: Counter[K] = Counter()
        self.resume(*self._sorter.get_ready())

    @property
    def done(self) -> bool:
        """Whether nothing runs and nothing can start."""
        return not self._running and not self._ready

    def start(self) -> Mapping[K, int]:
        """Start what can start now: tasks with their shares of the CPUs, the most urgent first."""
        shares: dict[K, int] = {}
        while (key := self._next()) is not None:
            self._ready.remove(key)
            self._running[key] = shares[key] = self._needs[key].cpus
        # The spare CPUs go one by one to whoever has least.
        for _ in range(self._free()[0] if shares else 0):
            least = min(shares, key=shares.__getitem__)
            shares[least] += 1
        self._running |= shares
        return shares

    def _next(self) -> K | None:
        cpus, memory = self._free()
        for key in self._ready if cpus else ():
            first, need = self._ready[0], self._needs[key]
            if need.cpus <= cpus and need.memory <= memory:
                self._overtaken[first] += key != first
                return key
            if self._overtaken[first] >= self._budget.cpus:
                return None
        return None

    def _free(self) -> tuple[int, int]:
        """CPUs, and bytes of memory."""
        memory = sum(self._needs[key].memory for key in self._running)
        return self._budget.cpus - sum(self._running.values()), (self._budget.memory or 0) - memory

    def finish(self, key: K) -> None:
        """A running task has ended; what waited for it alone is ready."""
        self.stop(key)
        self._sorter.done(key)
        self.resume(*self._sorter.get_ready())

    def fail(self, key: K) -> tuple[K, ...]:
        """A running task has failed; the tasks that are blocked by that, in order."""
        self.stop(key)
        blocked: set[K] = set()
        waiting = [key]
        while waiting:
            fresh = {each for each in self._dependents[waiting.pop()] if each not in self._blocked}
            self._blocked |= fresh
            blocked |= fresh
            waiting += fresh
        return tuple(each for each in self._needs if each in blocked)

    def stop(self, key: K) -> None:
        """A running task gives back what it took; `resume` makes it ready again."""
        del self._running[key]

    def resume(self, *keys: K) -> None:
        """Tasks are ready."""
        for key in keys:
            insort(self._ready, key, key=self._ranks.__getitem__)


def simulate(tasks: Sequence[Task[K]], budget: Budget) -> dict[K, tuple[float, float]]:
    """When each task begins, from the start of the run, and how long it takes, in seconds."""
    durations = {task.key: task.duration for task in tasks}
    schedule = Schedule(tasks, budget)
    spans: dict[K, tuple[float, float]] = {}
    running: list[tuple[float, int, K]] = []
    now = 0.0
    while not schedule.done:
        for key, share in schedule.start().items():
            spans[key] = now, durations[key].on(share)
            heappush(running, (sum(spans[key]), len(spans), key))
        now = running[0][0]
        while running and running[0][0] == now:
            schedule.finish(heappop(running)[2])
    return spans
