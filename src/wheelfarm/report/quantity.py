"""Times and sizes as people say them."""

from __future__ import annotations

from typing import Final

_MINUTE: Final = 60
_HOUR: Final = 3600


def duration(seconds: float) -> str:
    """A time that was measured, such as 59.9 s, 12 min 35 s or 1 h 05 min."""
    if round(seconds, 1) < _MINUTE:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), _MINUTE)
    if minutes < _MINUTE:
        return f"{minutes} min {rest:02} s"
    return f"{minutes // _MINUTE} h {minutes % _MINUTE:02} min"


def about(seconds: float) -> str:
    """A time that is guessed: no more digits than one can stand for, such as 40 s, 14 min or 1 h 20 min."""
    tens = max(1, round(seconds / 10)) * 10
    if tens < _MINUTE:
        return f"{tens} s"
    minutes = max(1, round(seconds / _MINUTE))
    if minutes < _MINUTE:
        return f"{minutes} min"
    minutes = round(minutes / 10) * 10
    hours, rest = divmod(minutes, _MINUTE)
    return f"{hours} h {rest} min" if rest else f"{hours} h"


def clock(seconds: float) -> str:
    """A time as a clock shows it, such as 2:03 or 1:02:03."""
    minutes, rest = divmod(int(seconds), _MINUTE)
    hours, minutes = divmod(minutes, _MINUTE)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def brief(seconds: float) -> str:
    """A time that was measured, however short, such as 24 ms or 12 min 35 s."""
    return f"{1000 * seconds:.0f} ms" if round(seconds, 1) < 1 else duration(seconds)


def weight(count: int) -> str:
    """Bytes where large and small ones stand in one table, in powers of ten, such as 0, 812 B or 44.5 MB."""
    for unit, name in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if round(count / unit, 1) >= 1:
            return f"{count / unit:.1f} {name}"
    return f"{count} B" if count else "0"


def size(count: int) -> str:
    """Bytes as people say them, in powers of ten."""
    return f"{count / 1e6:.1f} MB" if count >= 1e5 else f"{count / 1e3:.1f} kB"  # noqa: PLR2004
