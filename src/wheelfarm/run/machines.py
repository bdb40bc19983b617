"""How long a plan takes on several machines, and from how many on more of them do not help."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from wheelfarm.run.schedule import Budget, Duration, Task, simulate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wheelfarm.plan.build import BuildId

_HELPS: Final = 0.01
"""The share of a plan's time that machines have to spare to count as a help."""


@dataclass(frozen=True, kw_only=True)
class MachineEstimate:
    """How long a plan takes on machines that each run one build at a time."""

    machines: int
    seconds: float
    longest_path: float
    """Seconds of the builds that wait for each other; no number of machines makes a plan shorter."""
    work: float
    """Seconds of all builds, one after another."""
    enough: int
    """The number of machines from which on more of them spare less than a hundredth of the time."""


def estimate_machines(tasks: Sequence[Task[BuildId]], *, jobs: int, machines: int) -> MachineEstimate:
    """Simulate a plan on machines of the same speed.

    Args:
        tasks: the builds of the plan.
        jobs: processors of each machine; a build has all of them.
        machines: how many there are.
    """
    alone = [
        Task(key=task.key, after=task.after, duration=Duration(task.duration.on(jobs))) for task in tasks
    ]

    def seconds(count: int) -> float:
        spans = simulate(alone, Budget(cpus=count, largest=1))
        return max(map(sum, spans.values()), default=0.0)

    work = sum(task.duration.seconds for task in alone)
    longest_path = seconds(max(1, len(alone)))
    longest = longest_path * (1 + _HELPS)
    # Fewer cannot do the work in that time, whatever the order.
    low = high = max(1, int(work / longest)) if longest else 1
    while seconds(high) > longest:
        low, high = high + 1, 2 * high
    counts = range(low, high + 1)
    enough = counts[bisect_left(counts, x=True, key=lambda count: seconds(count) <= longest)]
    return MachineEstimate(
        machines=machines, seconds=seconds(machines), longest_path=longest_path, work=work, enough=enough
    )
