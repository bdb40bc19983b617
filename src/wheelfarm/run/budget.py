"""What a build needs of a machine, and what of a machine a run may use."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from wheelfarm.errors import UsageError

Amount = tuple[int, int]
"""CPUs, and bytes of memory."""


class Capacity:
    """The CPUs and the memory of a budget, used and given back; part of it may be reserved for one need.

    While something is reserved, others may use only what is left of the whole budget: so the reserved part
    becomes free at the latest when all that ran before has ended.
    """

    def __init__(self, budget: Budget) -> None:
        self._whole: Amount = (budget.cpus, budget.memory or 0)
        self._free = self._whole
        self._used: dict[int, Amount] = {}
        self._reserved: Need | None = None
        self._left = self._whole
        """What of the whole budget is left beside the reserved need and what has started since."""
        self._beside: set[int] = set()
        """What has started since, whether or not it has ended."""

    @property
    def reserved(self) -> Need | None:
        """The need that part of the budget is reserved for."""
        return self._reserved

    @property
    def spare(self) -> int:
        """The CPUs that those which have just started may have on top."""
        return self._free[0] if self._reserved is None else min(self._free[0], self._left[0])

    def fits(self, need: Need) -> bool:
        """Whether a build with that need, clamped to the budget, can start now."""
        return _within(need, self._free) and (self._reserved in {None, need} or _within(need, self._left))

    def reserve(self, need: Need) -> None:
        """Keep what a need takes until a build with that need starts."""
        self._reserved = need
        self._left = (self._whole[0] - need.cpus, self._whole[1] - need.memory)

    def take(self, number: int, need: Need) -> None:
        """Take what a build needs; it fits."""
        self._used[number] = (0, 0)
        if self._reserved == need:
            self._reserved = None
            self._beside.clear()
        elif self._reserved is not None:
            self._beside.add(number)
        self._add(number, need.cpus, need.memory)

    def widen(self, number: int, cpus: int) -> None:
        """Take more CPUs for a build; they are spare."""
        self._add(number, cpus, 0)

    def give_back(self, number: int) -> None:
        """Give back all that a build has used."""
        cpus, memory = self._used[number]
        self._add(number, -cpus, -memory)
        del self._used[number]

    def _add(self, number: int, cpus: int, memory: int) -> None:
        used = self._used[number]
        self._used[number] = (used[0] + cpus, used[1] + memory)
        self._free = (self._free[0] - cpus, self._free[1] - memory)
        if number in self._beside:
            self._left = (self._left[0] - cpus, self._left[1] - memory)


def _within(need: Need, amount: Amount) -> bool:
    return need.cpus <= amount[0] and need.memory <= amount[1]


_STEPS: Final = 256
"""Steps of a budget's memory."""


def _stepped(memory: int, whole: int) -> int:
    step = max(1, whole // _STEPS)
    return -(-memory // step) * step


def _check(cpus: int, memory: int | None, least_memory: int, of: str, hint: str) -> None:
    if cpus < 1:
        raise UsageError(f"{cpus} CPUs are too few for {of}", why="a build runs on one at least", hint=hint)
    if memory is not None and memory < least_memory:
        raise UsageError(
            f"{memory} bytes of memory are too few for {of}", why=f"{least_memory} is the least", hint=hint
        )


@dataclass(frozen=True, kw_only=True)
class Need:
    """What one build needs while it runs.

    Args:
        cpus: CPUs without which it should not be started; it may be given more.
        memory: bytes that it holds at its peak.
        exclusive: whether nothing else may run at the same time.

    Raises:
        UsageError: for fewer than one CPU, or less than no memory.
    """

    cpus: int = 1
    memory: int = 0
    exclusive: bool = False

    def __post_init__(self) -> None:
        _check(self.cpus, self.memory, 0, "a build", "correct what the recipe says it needs")


@dataclass(frozen=True, kw_only=True)
class Budget:
    """What all builds that run at the same time may use together.

    Args:
        cpus: CPUs.
        memory: bytes; None for as much as they like.

    Raises:
        UsageError: for fewer than one CPU, or no memory.
    """

    cpus: int
    memory: int | None = None

    def __post_init__(self) -> None:
        _check(self.cpus, self.memory, 1, "a run", "give it more, or leave it out for all that is here")

    def clamp(self, need: Need) -> Need:
        """The need as this budget can meet it; one that is exclusive is one for all CPUs.

        A build that wants more CPUs than there are gets all of them: it takes longer, and that is all. One
        that wants more memory than there is runs alone, where it has the best chance; see `warning`.

        Memory is counted in steps, upwards: needs that differ by little are the same, and wait in one queue.
        """
        alone = need.exclusive or (self.memory is not None and need.memory > self.memory)
        return Need(
            cpus=self.cpus if alone else min(need.cpus, self.cpus),
            memory=0 if self.memory is None else min(_stepped(need.memory, self.memory), self.memory),
            exclusive=alone,
        )

    def warning(self, need: Need) -> str | None:
        """What should be said of a build with that need; None when there is nothing to say."""
        if self.memory is None or need.memory <= self.memory:
            return None
        wanted, given = need.memory / 1e9, self.memory / 1e9
        return f"needs {wanted:.1f} GB of memory, and {given:.1f} GB may be used: it runs alone, and may fail"
