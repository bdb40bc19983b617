"""The builds that wait for nothing but room, the most urgent first."""

from __future__ import annotations

from collections import Counter
from heapq import heappop, heappush
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from wheelfarm.schedule.budget import Need

Rank = tuple[int, int]
"""How urgent a build is, the least the most urgent, and its number in the plan, which breaks ties."""


class Queue:
    """Ready builds, a heap for each need: when the head of one does not fit, nothing in it does.

    So what a step costs grows with the number of different needs, of which a farm has a few, and not with
    the number of builds.

    Args:
        patience: how many less urgent builds may overtake the head of a heap.
    """

    def __init__(self, patience: int) -> None:
        self._patience = patience
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

    def impatient(self) -> Need | None:
        """The need of the most urgent build that may not be overtaken any more."""
        return next((need for _, need in self._heads() if self._overtaken[need] >= self._patience), None)

    def _heads(self) -> list[tuple[Rank, Need]]:
        # No two ranks are the same, so that needs are never compared.
        return sorted((heap[0], need) for need, heap in self._heaps.items())

    def _remove(self, need: Need) -> None:
        """Drop the head of a heap; who comes after it has not been overtaken yet."""
        heappop(self._heaps[need])
        del self._overtaken[need]
        if not self._heaps[need]:
            del self._heaps[need]
