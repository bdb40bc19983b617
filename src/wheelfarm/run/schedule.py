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
    from collections.abc import Iterable, Mapping, Sequence

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
        machines: the kind of machines that it runs on.
    """

    cpus: int = 1
    memory: int = 0
    exclusive: bool = False
    machines: str = ""


@dataclass(frozen=True, kw_only=True)
class Budget:
    """What all builds that run at the same time may use together.

    Args:
        cpus: CPUs.
        memory: bytes; None for as much as they like.
        largest: CPUs that one build may have; None for all. It is that of the largest machine of several.
        kinds: the budget of each kind of machines, where there are several; other builds have this one.
    """

    cpus: int
    memory: int | None = None
    largest: int | None = None
    kinds: Mapping[str, Budget] = field(default_factory=dict)

    @property
    def most(self) -> int:
        """The CPUs that one build may have."""
        return self.cpus if self.largest is None else self.largest

    def clamp(self, need: Need) -> Need:
        """The need as this budget can meet it; one that is exclusive is one for all CPUs.

        A build that wants more CPUs than there are takes longer, and that is all. One that wants more memory
        than there is runs alone, where it has the best chance; see `warning`.
        """
        alone = need.exclusive or (self.memory is not None and need.memory > self.memory)
        if self.largest is not None:
            # A machine of its own is what an exclusive build of several machines gets.
            cpus = self.largest if need.exclusive else min(need.cpus, self.largest)
            return Need(cpus=cpus, memory=0 if self.memory is None else min(need.memory, self.memory))
        return Need(
            cpus=self.cpus if alone else min(need.cpus, self.cpus),
            memory=0 if self.memory is None else min(need.memory, self.memory),
            exclusive=alone,
        )

    def warning(self, need: Need) -> str | None:
        """The warning about a build with that need; None when there is nothing to warn of."""
        if self.memory is None or need.memory <= self.memory or self.largest is not None:
            # Of several machines, it is known at each build which one it fits.
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


class _Machines:
    """What is free of one budget, and the tasks that can start with it.

    Args:
        budget: what tasks that run may take together.
        needs: the need of each task by its number, as the budget can meet it.
    """

    def __init__(self, budget: Budget, needs: Sequence[Need]) -> None:
        self._budget = budget
        self._needs = needs
        self.ready: list[tuple[float, int]] = []
        """The ranks of what can start, the most urgent first."""
        self._running: dict[int, int] = {}
        """With their CPUs."""
        self._free_cpus, self._free_memory = budget.cpus, budget.memory or 0
        self._overtaken: Counter[int] = Counter()

    @property
    def done(self) -> bool:
        """Whether nothing runs and nothing can start."""
        return not self._running and not self.ready

    def start(self) -> Mapping[int, int]:
        """Start what can start now: tasks with their shares of the CPUs, the most urgent first."""
        shares: dict[int, int] = {}
        while (number := self._next()) is not None:
            shares[number] = self._needs[number].cpus
            self._free_cpus -= shares[number]
            self._free_memory -= self._needs[number].memory
        # The spare CPUs go one by one to whoever has least.
        while shares and self._free_cpus:
            least = min(shares, key=shares.__getitem__)
            if shares[least] >= self._budget.most:
                break
            shares[least] += 1
            self._free_cpus -= 1
        self._running |= shares
        return shares

    def _next(self) -> int | None:
        """Take the next task that fits."""
        for place, (_, number) in enumerate(self.ready if self._free_cpus else ()):
            first, need = self.ready[0][1], self._needs[number]
            if need.cpus <= self._free_cpus and need.memory <= self._free_memory:
                self._overtaken[first] += number != first
                del self.ready[place]
                return number
            if self._overtaken[first] >= self._budget.cpus:
                return None
        return None

    def stop(self, number: int) -> None:
        """A running task gives back what it took."""
        self._free_cpus += self._running.pop(number)
        self._free_memory += self._needs[number].memory


class Schedule(Generic[K]):
    """What runs and what comes next.

    The most urgent task that fits starts: the one with the longest path of tasks that wait for it. The most
    urgent of all may be overtaken once for each CPU; then nothing else starts before it. Where there are
    several kinds of machines, this holds for each kind.

    Args:
        tasks: in the order that breaks ties.
        budget: what those that run may take together; a greater need is clamped to it.

    Raises:
        graphlib.CycleError: when tasks wait for each other.
    """

    def __init__(self, tasks: Sequence[Task[K]], budget: Budget) -> None:
        # Tasks count by their numbers: a large plan has a million edges, and keys are slow to hash.
        self._keys = [task.key for task in tasks]
        self._numbers = {key: number for number, key in enumerate(self._keys)}
        budgets = {"": budget, **budget.kinds}
        kinds = [task.need.machines if task.need.machines in budget.kinds else "" for task in tasks]
        needs = [budgets[kind].clamp(task.need) for kind, task in zip(kinds, tasks, strict=True)]
        machines = {kind: _Machines(each, needs) for kind, each in budgets.items()}
        self._machines = [machines[kind] for kind in kinds]
        """Those of each task."""
        self._all_machines = tuple(machines.values())
        after = [{self._numbers[key] for key in task.after if key in self._numbers} for task in tasks]
        self._dependents: list[list[int]] = [[] for _ in tasks]
        for number, needed in enumerate(after):
            for each in needed:
                self._dependents[each].append(number)
        self._unfinished = [len(needed) for needed in after]
        """How many tasks each waits for."""
        paths = [task.duration.on(budgets[kind].most) for kind, task in zip(kinds, tasks, strict=True)]
        for number in reversed([*TopologicalSorter(dict(enumerate(after))).static_order()]):
            paths[number] += max((paths[each] for each in self._dependents[number]), default=0)
        self._ranks = [(-path, number) for number, path in enumerate(paths)]
        self._blocked: set[int] = set()
        self._resume(number for number, needed in enumerate(after) if not needed)

    @property
    def done(self) -> bool:
        """Whether nothing runs and nothing can start."""
        return all(machines.done for machines in self._all_machines)

    def start(self) -> Mapping[K, int]:
        """Start what can start now: tasks with their shares of the CPUs, the most urgent first."""
        return {
            self._keys[number]: share
            for machines in self._all_machines
            for number, share in machines.start().items()
        }

    def finish(self, key: K) -> None:
        """A running task has ended; what waited for it alone is ready."""
        self.stop(key)
        for number in self._dependents[self._numbers[key]]:
            self._unfinished[number] -= 1
            if not self._unfinished[number]:
                self._resume([number])

    def fail(self, key: K) -> tuple[K, ...]:
        """A running task has failed; the tasks that are blocked by that, in order."""
        self.stop(key)
        blocked: set[int] = set()
        waiting = [self._numbers[key]]
        while waiting:
            fresh = set(self._dependents[waiting.pop()]) - self._blocked
            self._blocked |= fresh
            blocked |= fresh
            waiting += fresh
        return tuple(self._keys[number] for number in sorted(blocked))

    def stop(self, key: K) -> None:
        """A running task gives back what it took; `resume` makes it ready again."""
        number = self._numbers[key]
        self._machines[number].stop(number)

    def resume(self, *keys: K) -> None:
        """Tasks are ready."""
        self._resume(self._numbers[key] for key in keys)

    def _resume(self, numbers: Iterable[int]) -> None:
        for number in numbers:
            insort(self._machines[number].ready, self._ranks[number])


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
