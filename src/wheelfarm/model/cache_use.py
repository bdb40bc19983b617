"""What a build's compiles came to in the compiler cache."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Final, Self

if TYPE_CHECKING:
    from collections.abc import Mapping

_MOST_MISSED: Final = 5


@dataclass(frozen=True, kw_only=True)
class CacheUse:
    """Hits and misses of one build."""

    hits: Annotated[int, "compiles that the cache spared"]
    misses: Annotated[int, "compiles that had to be done"]
    missed: Annotated[tuple[str, ...], "the first sources that had to be compiled"] = ()

    @classmethod
    def of(cls, testimony: Mapping[str, Any] | None) -> Self | None:
        """From what the witness counted; None where no cache was used."""
        if testimony is None:
            return None
        missed = tuple(map(str, testimony["missed"][:_MOST_MISSED]))
        return cls(hits=int(testimony["hits"]), misses=int(testimony["misses"]), missed=missed)

    @property
    def compiles(self) -> int:
        """How many compiles asked the cache."""
        return self.hits + self.misses

    def rate(self) -> float:
        """The share of these compiles that was spared, from 0 to 1."""
        return self.hits / self.compiles if self.compiles else 1.0
