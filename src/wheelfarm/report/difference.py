"""Prints the difference of two wheels: facts, sizes, and each member that differs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from wheelfarm.errors import counted
from wheelfarm.report.text import first_names, size, table_lines

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_SHOWN: Final = 12
"""Members, and names of a list, that are shown."""
_SECTIONS: Final = 8
"""Sections of a binary up to which all are shown."""
_FEW: Final = 4
"""Sections of a binary, and symbols, that are shown where there are many."""
_SIGNS: Final = (("-", "before"), ("+", "after"))
_WIDE: Final = 110
"""Characters of a line that are shown."""
_CONSTANT: Final = tuple(
    f"environment.{name}"
    for name in (
        *("SOURCE_DATE_EPOCH", "PYTHONHASHSEED", "MAKEFLAGS", "CMAKE_BUILD_PARALLEL_LEVEL", "CC", "CXX"),
        *("NPY_NUM_BUILD_JOBS", "PIP_", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "FTP_PROXY", "NO_PROXY"),
        *("http_proxy", "https_proxy", "all_proxy", "ftp_proxy", "no_proxy"),
    )
)
"""Options that the farm gives every build: beside a wheel without a record they say nothing."""


def difference_lines(found: Mapping[str, Any], width: int | None = None) -> Iterator[str]:
    """How many members differ, the facts and sizes that do, then the place in each member."""
    members = found.get("members", ())
    yield _summary(members, same=not found.keys() - {"before", "after"})
    yield f"--- {found['before']}"
    yield f"+++ {found['after']}"
    facts = {**_chosen_options(found.get("options", {})), **found.get("facts", {})}
    yield from _table("", {name: [*map(_text, pair.values())] for name, pair in facts.items()}, width)
    sizes = {
        name: [*map(str, pair.values()), ""] if name == "files" else _size_cells(pair)
        for name, pair in found.get("sizes", {}).items()
    }
    yield from _table("size", sizes, width)
    largest = sorted(
        members, key=lambda each: (-max(each["before"] or 0, each["after"] or 0), each["member"])
    )
    cells = {each["member"]: _size_cells(each) for each in largest[:_SHOWN]}
    yield from _table("member", cells, width)
    yield from _more(members)
    places = [(each["member"], [*_member_lines(each)]) for each in members]
    differing = [(name, lines) for name, lines in places if lines]
    if differing:
        yield ""
        yield f"where they differ: {len(differing)}"
    for name, lines in differing[:_SHOWN]:
        yield f"  {name}"
        yield from (f"    {line[:_WIDE]}" for line in lines)
    yield from _more(differing)
    yield from _archive_lines(found.get("archive", {}))


def _summary(members: Sequence[Mapping[str, Any]], *, same: bool) -> str:
    if same:
        return "no difference"
    gone, new = (sum(each[side] is None for each in members) for side in ("after", "before"))
    differ = counted(len(members) - gone - new, "member differs", "members differ")
    return f"{differ}, {gone} only before, {new} only after"


def _chosen_options(options: Mapping[str, Mapping[str, str | None]]) -> dict[str, Mapping[str, str | None]]:
    return {
        f"option {name}": pair
        for name, pair in options.items()
        if None not in pair.values() or not name.startswith(_CONSTANT)
    }


def _table(title: str, rows: Mapping[str, Sequence[str]], width: int | None) -> Iterator[str]:
    """A table of names, values before, values after, and for sizes the change; nothing without rows."""
    if rows:
        numbers = ("before", "after", "change") if title else ()
        columns = (title, *(numbers or ("before", "after")))
        yield ""
        cells = [(name, *values) for name, values in rows.items()]
        yield from table_lines(columns, cells, right=numbers, whole=numbers, width=width)


def _size_cells(pair: Mapping[str, Any]) -> list[str]:
    before, after = pair["before"], pair["after"]
    cells = ["-" if value is None else size(value) for value in (before, after)]
    if not before or after is None or before == after:
        return [*cells, ""]
    percent = f"{100 * (after - before) / before:+.1f} %"
    return [*cells, f"{after - before:+,} B" if percent[1:] == "0.0 %" else percent]


def _text(value: object, shown: int = _SHOWN) -> str:
    if isinstance(value, list):
        return first_names([*map(str, value)], shown)
    return "" if value is None else str(value)


def _member_lines(member: Mapping[str, Any]) -> Iterator[str]:
    """Where one member differs: its cause, the facts of a binary, its lines or its sections."""
    if "cause" in member:
        yield member["cause"]
    for name, pair in member.get("facts", {}).items():
        if isinstance(pair["before"], list):
            yield f"{name}: {len(pair['before'])} only before, {len(pair['after'])} only after"
            yield from (f"  {sign} {_text(pair[side], _FEW)}" for sign, side in _SIGNS if pair[side])
        else:
            yield f"{name}: {pair['before']} -> {pair['after']}"
    if "offset" in member:
        yield f"at byte {member['offset']:,}"
    yield from member.get("lines", ())
    if sections := member.get("sections"):
        yield from _section_lines(sections)


def _section_lines(sections: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    # Where many differ, all addresses have moved; sections with text say more.
    few = len(sections) <= _SECTIONS
    shown = sections if few else sorted(sections, key=lambda each: "text" not in each)[:_FEW]
    for each in shown:
        before, after = ("none" if each[side] is None else f"{each[side]:,}" for side in ("before", "after"))
        sizes = f"{before} B" if before == after else f"{before} -> {after} B"
        offset = f", differ at {each['offset']:,}" if "offset" in each else ""
        cause = f": {each['cause']}" if "cause" in each else ""
        yield f"{each['section']}  {sizes}{offset}{cause}"
        if "text" in each:
            yield from (f"  {sign} {each['text'][side]}" for sign, side in _SIGNS)
    yield from _more(sections, len(shown))


def _archive_lines(facts: Mapping[str, Any]) -> Iterator[str]:
    """Facts of the archives that differ although the members have the same content."""
    for name, value in facts.items():
        if name == "order":
            yield "archive: the members have another order"
        elif name == "offset":
            yield f"archive: all members are the same; the file differs from byte {value:,} on"
        else:
            first = value[0]
            more = f" and {len(value) - 1} more" if len(value) > 1 else ""
            yield f"archive: {name} of {first['member']}{more}: {first['before']} -> {first['after']}"


def _more(items: Sequence[object], shown: int = _SHOWN) -> Iterator[str]:
    if len(items) > shown:
        yield f"  and {len(items) - shown} more"
