"""Which errors may pass by themselves, and when to try again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from wheelfarm.errors import FarmError


def _never(_error: FarmError) -> bool:
    return False


@dataclass(frozen=True, kw_only=True)
class Retry:
    """When a failed build is begun again.

    Args:
        passing: whether an error may be gone at the next attempt; none may by default.
        attempts: how often a build is begun at most.
        pause: seconds before the second attempt; each further pause is twice as long.
        longest: seconds that no pause exceeds.
    """

    passing: Callable[[FarmError], bool] = _never
    attempts: int = 3
    pause: float = 5.0
    longest: float = 300.0

    def after(self, error: FarmError | None, attempt: int) -> float | None:
        """Seconds until the next attempt, after one (the first is 1) ended so; None for no other."""
        if error is None or attempt >= self.attempts or not self.passing(error):
            return None
        return min(self.longest, self.pause * 2.0 ** (attempt - 1))
