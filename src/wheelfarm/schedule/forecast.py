"""How a run would go if everything took as long as expected: the agenda's rules, without running anything."""

from __future__ import annotations

from dataclasses import dataclass
from heapq import heappop, heappush
from typing import TYPE_CHECKING, Generic

from wheelfarm.schedule.agenda import Agenda, K

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from wheelfarm.schedule.agenda import Task
    from wheelfarm.schedule.budget import Budget


@dataclass(frozen=True, kw_only=True)
class Span(Generic[K]):
    """When a task would run, in seconds from the start of the run, and with which share of the CPUs."""

    key: K
    begin: float
    end: float
    share: int


def forecast(
    tasks: Sequence[Task[K]], budget: Budget, *, seconds: Callable[[Task[K], int], float] | None = None
) -> tuple[Span[K], ...]:
    """When each task would run, in the order of their starts.

    Args:
        tasks: each after all that it needs.
        budget: what those that run may take together.
        seconds: how long a task takes with a share of the CPUs; by default what is expected of it, whatever
            its share.
    """
    agenda = Agenda(tasks, budget)
    by_key = {task.key: task for task in tasks}
    spans: list[Span[K]] = []
    running: list[tuple[float, int]] = []
    """When each span that has begun ends, and its place."""
    now = 0.0
    while not agenda.done:
        for start in agenda.start():
            task = by_key[start.key]
            end = now + (task.seconds if seconds is None else seconds(task, start.share))
            heappush(running, (end, len(spans)))
            spans.append(Span(key=start.key, begin=now, end=end, share=start.share))
        now = running[0][0]
        while running and running[0][0] == now:
            agenda.finish(spans[heappop(running)[1]].key)
    return tuple(spans)
