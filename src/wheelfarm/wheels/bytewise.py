"""Where two byte strings begin to differ, and what is written there."""

from __future__ import annotations

from typing import Final

_CHUNK: Final = 1 << 16
_REACH: Final = 120
"""How far a text is followed in each direction, in bytes."""
_SHORTEST: Final = 6
"""Printable bytes from which on they are taken for a text."""


def first_difference(one: bytes, other: bytes) -> int:
    """The first offset at which they differ: the shorter one's length where that begins the longer one."""
    length = min(len(one), len(other))
    for start in range(0, length, _CHUNK):
        end = min(start + _CHUNK, length)
        if one[start:end] != other[start:end]:
            return next(at for at in range(start, end) if one[at] != other[at])
    return length


def text_around(data: bytes, at: int) -> str:
    """The printable text (ASCII) that an offset is in; empty where it is in none."""
    start = at
    while start > max(0, at - _REACH) and _printable(data[start - 1]):
        start -= 1
    end = at
    while end < min(len(data), at + _REACH) and _printable(data[end]):
        end += 1
    return data[start:end].decode("ascii") if end - start >= _SHORTEST else ""


def _printable(byte: int) -> bool:
    return 0x20 <= byte < 0x7F  # noqa: PLR2004 - ASCII, from the space to the tilde
