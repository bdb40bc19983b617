"""What is said of members that differ: sections of binaries, lines of texts, words of the archive."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence


_SHOWN: Final = 12
_SYMBOLS: Final = 4
_WIDE: Final = 110
"""Characters of an option that are shown."""


def difference_lines(found: Mapping[str, Any]) -> Iterator[str]:
    """The difference of two wheels as a table: the first column is the wheel before."""
    yield f"--- {found['before']}"
    yield f"+++ {found['after']}"
    if len(found) == 2:  # noqa: PLR2004 - the names alone
        yield "no difference"
        return
    for key, tell in _TOLD.items():
        if key in found:
            yield from tell(key, found[key])


def _sets_of(key: str, value: Mapping[str, Sequence[str]]) -> Iterator[str]:
    yield f"{key}:"
    yield from _sets(value, _SHOWN)


def _changes(key: str, value: Mapping[str, Mapping[str, int]]) -> Iterator[str]:
    yield f"{key}:"
    yield from (_change(name, each) for name, each in value.items())


def _binaries(_key: str, binaries: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    yield f"binaries that differ: {len(binaries)}"
    for name, facts in list(binaries.items())[:_SHOWN]:
        yield f"  {name}"
        for fact, value in facts.items():
            tell = _pair if "before" in value else _named
            yield from (f"    {line}" for line in tell(fact, value))
    yield from _more(binaries)


def _options(_key: str, options: Mapping[str, Mapping[str, str | None]]) -> Iterator[str]:
    yield "options, as the build records tell them:"
    for name, pair in options.items():
        yield f"  {name}"
        for sign, value in (("-", pair["before"]), ("+", pair["after"])):
            if value is not None:
                yield f"    {sign} {value[:_WIDE]}"


def _pair(key: str, value: Mapping[str, Any]) -> Iterator[str]:
    yield f"{key}: {_text(value['before'])} -> {_text(value['after'])}"


def _named(key: str, value: Mapping[str, Sequence[str]]) -> Iterator[str]:
    yield f"{key}: {len(value['only_before'])} only before, {len(value['only_after'])} only after"
    yield from _sets(value, _SYMBOLS)


def _sets(value: Mapping[str, Sequence[str]], shown: int) -> Iterator[str]:
    for sign, side in (("-", value["only_before"]), ("+", value["only_after"])):
        yield from (f"  {sign} {name}" for name in side[:shown])
        if len(side) > shown:
            yield f"  {sign} and {len(side) - shown} more"


def _change(name: str, value: Mapping[str, int], width: int = 24) -> str:
    before, after = value["before"], value["after"]
    share = f"{100 * (after - before) / before:+.1f} %" if before else "new"
    return f"  {name:{width}} {before:>13,} -> {after:>13,}  {share}"


def _members(_key: str, members: Mapping[str, Any]) -> Iterator[str]:
    for sign, key in (("-", "only_before"), ("+", "only_after")):
        each = members.get(key, [])
        if each:
            total = sum(member["size"] for member in each)
            yield f"files {key.replace('_', ' ')}: {len(each)}, {total:,} bytes"
            yield from (f"  {sign} {member['size']:>13,}  {member['member']}" for member in each[:_SHOWN])
            yield from _more(each)
    changed = members.get("changed", [])
    if changed:
        yield f"files of other content: {len(changed)}"
        yield from (_change(member["member"], member, 60) for member in changed[:_SHOWN])
        yield from _more(changed)


def _more(items: Sequence[object] | Mapping[str, object]) -> Iterator[str]:
    if len(items) > _SHOWN:
        yield f"  and {len(items) - _SHOWN} more"


def _text(value: object) -> str:
    return ", ".join(map(str, value)) or "none" if isinstance(value, list) else str(value)


_TOLD: Final[Mapping[str, Callable[[str, Any], Iterator[str]]]] = {
    "options": _options,
    **dict.fromkeys(("version", "requires_python", "tags", "blas"), _pair),
    **dict.fromkeys(("requires_dist", "externals"), _sets_of),
    **dict.fromkeys(("size", "kinds"), _changes),
    "members": _members,
    "binaries": _binaries,
    "inside": lambda _key, members: inside_lines(members),
    "archive": lambda _key, words: archive_lines(words),
}
"""How each part of a difference is told, in this order."""


_MEMBERS: Final = 12
_SECTIONS: Final = 8
"""Sections up to which all are shown."""
_TELLING: Final = 4
"""Those that are shown where more differ."""
_INSIDE_WIDE: Final = 110
"""Columns of a line that are shown."""


def inside_lines(members: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Where members of other content differ."""
    yield f"where they differ: {len(members)}"
    for member in members[:_MEMBERS]:
        yield f"  {member['member']}"
        yield from (f"    {line[:_INSIDE_WIDE]}" for line in _member(member))
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
