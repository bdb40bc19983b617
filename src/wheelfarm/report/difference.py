"""Texts about the difference of two wheels: sections of binaries, lines of texts, facts of the archive."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from wheelfarm.report.quantity import size

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

_SHOWN: Final = 12
_SYMBOLS: Final = 4
_SECTIONS: Final = 8
"""Sections of a binary up to which all are shown."""
_WIDE: Final = 110
"""Characters of a line that are shown."""
_CONSTANT: Final = tuple(
    f"environment.{name}"
    for name in (
        *(
            "SOURCE_DATE_EPOCH",
            "PYTHONHASHSEED",
            "MAKEFLAGS",
            "CMAKE_BUILD_PARALLEL_LEVEL",
            "NPY_NUM_BUILD_JOBS",
        ),
        *("CC", "CXX", "PIP_", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "FTP_PROXY", "NO_PROXY"),
        *("http_proxy", "https_proxy", "all_proxy", "ftp_proxy", "no_proxy"),
    )
)
"""Options that the farm gives every build: beside a wheel without a record they say nothing."""


def difference_lines(found: Mapping[str, Any]) -> Iterator[str]:
    """The difference of two wheels; `-` and the first column are the wheel before."""
    yield f"--- {found['before']}"
    yield f"+++ {found['after']}"
    parts = {key: value for key, value in found.items() if key not in {"before", "after"}}
    if not parts:
        yield "no difference"
    for key, lines in _PARTS.items():
        if key in parts:
            yield from lines(key, parts[key])


def _changes(key: str, value: Mapping[str, Mapping[str, int]]) -> Iterator[str]:
    yield f"{key}:"
    yield from (_change(name, each, 24) for name, each in value.items())


def _lists(key: str, value: Mapping[str, Sequence[str]]) -> Iterator[str]:
    yield f"{key}:"
    yield from _sides(value, _SHOWN)


def _binaries(_key: str, binaries: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    yield f"binaries that differ: {len(binaries)}"
    for name, facts in list(binaries.items())[:_SHOWN]:
        yield f"  {name}"
        for fact, each in facts.items():
            lines = _pair(fact, each) if "before" in each else _names(fact, each)
            yield from (f"    {line}" for line in lines)
    yield from _more(binaries)


def _inside(_key: str, members: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Where members of other content differ."""
    yield f"where they differ: {len(members)}"
    for member in members[:_SHOWN]:
        yield f"  {member['member']}"
        yield from (f"    {line[:_WIDE]}" for line in _member(member))
    yield from _more(members)


def _options(_key: str, options: Mapping[str, Mapping[str, str | None]]) -> Iterator[str]:
    differing = {
        name: pair
        for name, pair in options.items()
        if None not in pair.values() or not name.startswith(_CONSTANT)
    }
    if differing:
        yield "options, from the build records:"
    for name, pair in differing.items():
        yield f"  {name}"
        for sign, value in (("-", pair["before"]), ("+", pair["after"])):
            if value is not None:
                yield f"    {sign} {value[:_WIDE]}"


def _pair(key: str, value: Mapping[str, Any]) -> Iterator[str]:
    yield f"{key}: {_text(value['before'])} -> {_text(value['after'])}"


def _names(key: str, value: Mapping[str, Sequence[str]]) -> Iterator[str]:
    yield f"{key}: {len(value['only_before'])} only before, {len(value['only_after'])} only after"
    yield from _sides(value, _SYMBOLS)


def _sides(value: Mapping[str, Sequence[str]], shown: int) -> Iterator[str]:
    for sign, side in (("-", value["only_before"]), ("+", value["only_after"])):
        yield from (f"  {sign} {name}" for name in side[:shown])
        if len(side) > shown:
            yield f"  {sign} and {len(side) - shown} more"


def _change(name: str, value: Mapping[str, int], width: int) -> str:
    before, after = value["before"], value["after"]
    share = f"{100 * (after - before) / before:+.1f} %" if before else "new"
    # Counts of files stand beside sizes.
    texts = (f"{n:,}" if name == "members" else size(n) for n in (before, after))
    left, right = (f"{text:>10}" for text in texts)
    return f"  {name:{width}} {left} -> {right}  {share}"


def _members(_key: str, members: Mapping[str, Any]) -> Iterator[str]:
    for sign, key in (("-", "only_before"), ("+", "only_after")):
        if each := members.get(key):
            total = sum(member["size"] for member in each)
            yield f"files {key.replace('_', ' ')}: {len(each)}, {size(total)}"
            yield from (
                f"  {sign} {size(member['size']):>10}  {member['member']}" for member in each[:_SHOWN]
            )
            yield from _more(each)
    if changed := members.get("changed"):
        yield f"files of other content: {len(changed)}"
        yield from (_change(member["member"], member, 60) for member in changed[:_SHOWN])
        yield from _more(changed)


def _archive(_key: str, facts: Mapping[str, Any]) -> Iterator[str]:
    """Facts of the archives that differ although the members have the same content."""
    for name, value in facts.items():
        match name:
            case "order":
                yield "archive: the members have another order"
            case "offset":
                yield f"archive: all members are the same; the file differs from byte {value:,} on"
            case _:
                first = value[0]
                more = f" and {len(value) - 1} more" if len(value) > 1 else ""
                yield f"archive: {name} of {first['member']}{more}: {first['before']} -> {first['after']}"


def _member(member: Mapping[str, Any]) -> Iterator[str]:
    """Where one member differs: its cause, its lines or its sections."""
    if "cause" in member:
        yield member["cause"]
    if "offset" in member:
        yield f"at byte {member['offset']:,}"
    yield from member.get("lines", ())
    sections = member.get("sections", ())
    if sections:
        yield f"{'section':22} {'before':>12} {'after':>12} {'differs at':>12}  usual cause"
    # Where many differ, all addresses have moved; sections with text say more.
    few = len(sections) <= _SECTIONS
    shown = sections if few else sorted(sections, key=lambda each: "text" not in each)[:_SYMBOLS]
    for section in shown:
        numbers = (section.get(key) for key in ("before", "after", "offset"))
        columns = " ".join(f"{'-' if number is None else f'{number:,}':>12}" for number in numbers)
        yield f"{section['section']:22} {columns}  {section.get('cause', '')}".rstrip()
        if text := section.get("text"):
            yield from (f"  - {text['before']}", f"  + {text['after']}")
    yield from _more(sections, len(shown))


def _more(items: Sequence[object] | Mapping[str, object], shown: int = _SHOWN) -> Iterator[str]:
    if len(items) > shown:
        yield f"  and {len(items) - shown} more"


def _text(value: object) -> str:
    return ", ".join(map(str, value)) or "none" if isinstance(value, list) else str(value)


_PARTS: Final[Mapping[str, Callable[[str, Any], Iterator[str]]]] = {
    "options": _options,
    **dict.fromkeys(("version", "requires_python", "tags", "blas"), _pair),
    **dict.fromkeys(("requires_dist", "externals"), _lists),
    **dict.fromkeys(("size", "kinds"), _changes),
    "members": _members,
    "binaries": _binaries,
    "inside": _inside,
    "archive": _archive,
}
"""The function for each part of a difference."""
