"""What is said of members that differ: sections of binaries, lines of texts, words of the archive."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_MEMBERS: Final = 12
_SECTIONS: Final = 8
"""Sections up to which all are shown."""
_TELLING: Final = 4
"""Those that are shown where more differ."""
_WIDE: Final = 110
"""Columns of a line that are shown."""


def inside_lines(members: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Where members of other content differ."""
    yield f"where they differ: {len(members)}"
    for member in members[:_MEMBERS]:
        yield f"  {member['member']}"
        yield from (f"    {line[:_WIDE]}" for line in _member(member))
    yield from _rest(members, _MEMBERS)


def archive_lines(words: Mapping[str, Any]) -> Iterator[str]:
    """What the archives say otherwise of members of the same content."""
    for word, value in words.items():
        if word == "order":
            yield "archive: the members stand in another order"
        elif word == "offset":
            yield f"archive: all members are the same; the file differs from byte {value:,} on"
        else:
            yield _word(word, value)


def _word(word: str, pairs: Sequence[Mapping[str, Any]]) -> str:
    first = pairs[0]
    more = f" and {len(pairs) - 1} more" if len(pairs) > 1 else ""
    return f"archive: {word} of {first['member']}{more}: {first['before']} -> {first['after']}"


def _member(member: Mapping[str, Any]) -> Iterator[str]:
    if "cause" in member:
        yield member["cause"]
    if "offset" in member:
        yield f"at byte {member['offset']:,}"
    yield from member.get("lines", ())
    sections = member.get("sections", ())
    if sections:
        yield f"{'section':22} {'before':>12} {'after':>12} {'differs at':>12}  usual cause"
    # Where much differs, all has moved; what is written somewhere tells more than addresses do.
    few = len(sections) <= _SECTIONS
    shown = sections if few else sorted(sections, key=lambda each: "text" not in each)[:_TELLING]
    for section in shown:
        sizes = (_number(section.get(key)) for key in ("before", "after", "offset"))
        columns = " ".join(f"{size:>12}" for size in sizes)
        yield f"{section['section']:22} {columns}  {section.get('cause', '')}".rstrip()
        text = section.get("text")
        if text:
            yield f"  - {text['before']}"
            yield f"  + {text['after']}"
    yield from _rest(sections, len(shown))


def _number(value: int | None) -> str:
    return "-" if value is None else f"{value:,}"


def _rest(items: Sequence[object], shown: int) -> Iterator[str]:
    if len(items) > shown:
        yield f"  and {len(items) - shown} more"
