"""What of a budget is free at a moment, and for whom."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wheelfarm.schedule.budget import Budget, Need

Amount = tuple[int, int]
"""CPUs, and bytes of memory."""


class Capacity:
    """The CPUs and the memory of a budget, taken and given back; part of it may be kept for one need.

    While something is kept, others may take only what is left of the whole budget beside it: so what is kept
    becomes free at the latest when all that ran before has ended.
    """

    def __init__(self, budget: Budget) -> None:
        self._whole: Amount = (budget.cpus, budget.memory or 0)
        self._free = self._whole
        self._taken: dict[int, Amount] = {}
        self._kept: Need | None = None
        self._left = self._whole
        """What of the whole budget is left beside the kept need and what has started since."""
        self._beside: set[int] = set()
        """What has started since, whether or not it has ended."""

    @property
    def kept(self) -> Need | None:
        """The need that part of the budget is kept for."""
        return self._kept

    @property
    def spare(self) -> int:
        """The CPUs that those which have just started may have on top."""
        return self._free[0] if self._kept is None else min(self._free[0], self._left[0])

    def fits(self, need: Need) -> bool:
        """Whether a build with that need, clamped to the budget, can start now."""
        return _within(need, self._free) and (self._kept in {None, need} or _within(need, self._left))

    def keep(self, need: Need) -> None:
        """Keep what a need takes until a build with that need starts."""
        self._kept = need
        self._left = (self._whole[0] - need.cpus, self._whole[1] - need.memory)

    def take(self, number: int, need: Need) -> None:
        """Take what a build needs; it fits."""
        self._taken[number] = (0, 0)
        if self._kept == need:
            self._kept = None
            self._beside.clear()
        elif self._kept is not None:
            self._beside.add(number)
        self._add(number, need.cpus, need.memory)

    def widen(self, number: int, cpus: int) -> None:
        """Take more CPUs for a build; they are spare."""
        self._add(number, cpus, 0)

    def give_back(self, number: int) -> None:
        """Give back all that a build has taken."""
        cpus, memory = self._taken[number]
        self._add(number, -cpus, -memory)
        del self._taken[number]

    def _add(self, number: int, cpus: int, memory: int) -> None:
        taken = self._taken[number]
        self._taken[number] = (taken[0] + cpus, taken[1] + memory)
        self._free = (self._free[0] - cpus, self._free[1] - memory)
        if number in self._beside:
            self._left = (self._left[0] - cpus, self._left[1] - memory)


def _within(need: Need, amount: Amount) -> bool:
    return need.cpus <= amount[0] and need.memory <= amount[1]
