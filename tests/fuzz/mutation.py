"""Mutations of an input: damaged bytes, moved pieces, numbers at their limits, and difficult texts."""

from __future__ import annotations

import copy
import json
import re
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Iterator, Sequence

_TOKENS: Final = (
    *(b"", b"\0", b"\xff", b"\xef\xbb\xbf", b"\xed\xa0\x80", b"\xf4\x90", b"\xe2\x98\x83"),
    *(b"\r\n", b"\r", b"\x1b[31m", b"\x85", b"\xe2\x80\xa8"),
    *(b"'", b'"', b"\\", b"..", b"/", b"../", b"%00", b"{}", b"[]", b"null", b"true"),
    *(b"-", b"=", b",", b":", b"#"),
    *(b"0", b"-1", b"1.5", b"1e999", b"NaN", b"Infinity", b"-Infinity"),
    *(b"9" * 25, b"9" * 5000, b"1" + b"0" * 19),
    *(b"[" * 5000, b'{"a":' * 3000, b"(" * 3000, b"<div>" * 3000, b"a.b." * 2000),
    *(b"a" * 100_000, b"\n" * 3000),
    *(b"file:///etc/passwd", b"http://[", b"https://a:b@c:99999999/", b"nul.txt"),
)
_LIMITS: Final = (
    *(0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF),
    *(0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, (1 << 64) - 1),
)
_VALUES: Final[tuple[Any, ...]] = (None, True, 0, -1, 1.5, "", "x", [], [1], [[]], {}, {"a": 1}, {"": None})
_NUMBER: Final = re.compile(rb"\d+")
_WORD: Final = re.compile(rb"[\w.+-]+")


def _flip(data: bytearray, chance: random.Random) -> None:
    if data:
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)


def _set(data: bytearray, chance: random.Random) -> None:
    if data:
        data[chance.randrange(len(data))] = chance.choice((0, 1, 0x20, 0x7F, 0x80, 0xFF))


def _limit(data: bytearray, chance: random.Random) -> None:
    """A binary number at the limit of its size."""
    size = chance.choice((1, 2, 4, 8))
    value = chance.choice(_LIMITS) & ((1 << 8 * size) - 1)
    at = chance.randrange(max(1, len(data) - size + 1))
    data[at : at + size] = value.to_bytes(size, chance.choice(("little", "big")))


def _insert(data: bytearray, chance: random.Random) -> None:
    at = chance.randrange(len(data) + 1)
    data[at:at] = chance.choice(_TOKENS)


def _remove(data: bytearray, chance: random.Random) -> None:
    at = chance.randrange(len(data) + 1)
    del data[at : at + chance.choice((1, 2, 8, 64, 1024))]


def _repeat(data: bytearray, chance: random.Random) -> None:
    at = chance.randrange(len(data) + 1)
    piece = bytes(data[at : at + chance.choice((1, 8, 64, 512))])
    data[at:at] = piece * chance.choice((1, 2, 100))


def _cut(data: bytearray, chance: random.Random) -> None:
    del data[chance.randrange(len(data) + 1) :]


def _replace(pattern: re.Pattern[bytes]) -> Callable[[bytearray, random.Random], None]:
    def replace(data: bytearray, chance: random.Random) -> None:
        """A word or a number becomes another text."""
        found = list(pattern.finditer(data[:20_000]))
        if found:
            match = chance.choice(found)
            data[match.start() : match.end()] = chance.choice(_TOKENS)

    return replace


def _swap_lines(data: bytearray, chance: random.Random) -> None:
    lines = data.split(b"\n")
    one, other = chance.randrange(len(lines)), chance.randrange(len(lines))
    lines[one], lines[other] = lines[other], lines[one]
    data[:] = b"\n".join(lines)


def _slots(value: Any) -> Iterator[tuple[Any, Any]]:
    """Each place in a document: its list or dictionary, and its index or key."""
    places = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for place, inner in places:
        yield value, place
        yield from _slots(inner)


def _json_value(data: bytearray, chance: random.Random) -> None:
    """A value of a JSON document becomes one of another type, goes away or gets another name."""
    try:
        document = json.loads(data) if data.startswith((b"{", b"[")) else None
    except (ValueError, RecursionError):
        return
    slots = list(_slots(document)) if document else []
    if not slots:
        return
    holder, place = chance.choice(slots)
    if chance.random() < 0.8:
        holder[place] = copy.deepcopy(chance.choice(_VALUES))
    else:
        value = holder.pop(place)
        if isinstance(holder, dict) and chance.random() < 0.5:
            holder[str(chance.choice(_VALUES))] = value
    data[:] = json.dumps(document).encode()


_MUTATIONS: Final = (
    *(_flip, _set, _limit, _insert, _remove, _repeat, _cut, _swap_lines),
    *(_json_value, _json_value),
    *(_replace(_NUMBER), _replace(_WORD), _replace(_WORD)),
)


def mutate(seeds: Sequence[bytes], chance: random.Random, *, largest: int = 1 << 20) -> bytes:
    """A seed with a few mutations, perhaps with the end of another seed."""
    data = bytearray(chance.choice(seeds))
    if chance.random() < 0.1:
        other = chance.choice(seeds)
        data[chance.randrange(len(data) + 1) :] = other[chance.randrange(len(other) + 1) :]
    for _ in range(chance.choice((1, 1, 2, 4, 8))):
        chance.choice(_MUTATIONS)(data, chance)
    return bytes(data[:largest])
