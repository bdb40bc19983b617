"""Durations and sizes for people."""

from __future__ import annotations

from typing import Final

_MINUTE: Final = 60


def duration(seconds: float) -> str:
    """A measured duration, such as 24 ms, 59.9 s, 12 min 35 s or 1 h 05 min."""
    if round(seconds, 1) < 1:
        return f"{1000 * seconds:.0f} ms"
    if round(seconds, 1) < _MINUTE:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), _MINUTE)
    return f"{minutes} min {rest:02} s" if minutes < _MINUTE else f"{minutes // 60} h {minutes % 60:02} min"


def about(seconds: float) -> str:
    """An estimated duration with few digits, such as 40 s, 14 min or 1 h 20 min."""
    tens = max(1, round(seconds / 10)) * 10
    if tens < _MINUTE:
        return f"{tens} s"
    minutes = max(1, round(seconds / _MINUTE))
    if minutes < _MINUTE:
        return f"{minutes} min"
    hours, rest = divmod(round(minutes / 10) * 10, _MINUTE)
    return f"{hours} h {rest} min" if rest else f"{hours} h"


def clock(seconds: float) -> str:
    """A duration as a clock shows it, such as 2:03 or 1:02:03."""
    minutes, rest = divmod(int(seconds), _MINUTE)
    hours, minutes = divmod(minutes, _MINUTE)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def size(count: int) -> str:
    """Bytes in powers of ten, such as 0, 812 B or 44.5 MB."""
    for unit, name in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if round(count / unit, 1) >= 1:
            return f"{count / unit:.1f} {name}"
    return f"{count} B" if count else "0"
