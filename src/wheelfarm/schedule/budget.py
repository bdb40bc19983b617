"""What a build needs of a machine, and what of a machine a run may use."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from wheelfarm.errors import UsageError

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
