"""How much the farm accepts from outside: a total of bytes and a time, each a setting."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, kw_only=True)
class Limits:
    """The table `[tool.wheelfarm.limits]`; sizes are bytes, times seconds.

    A total holds for every kind of data: how much a byte may unpack to would depend on what the data is.
    """

    unpacked: int = 8_000_000_000
    members: int = 500_000
    unpack_time: float = 600
    download: int = 4_000_000_000
    download_time: float = 3600
    page: int = 32_000_000
    page_time: float = 300


DEFAULT_LIMITS: Final = Limits()


def raise_hint(field: str) -> str:
    """The words for a hint: how a limit is raised."""
    return f"raise `{field.replace('_', '-')}` in [tool.wheelfarm.limits]"
