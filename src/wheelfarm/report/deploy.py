"""What a layer takes, as a table for people."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from wheelfarm.report.text import size, table_lines

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_KINDS: Final = ("extension", "library", "python")


def layer_lines(data: Mapping[str, Any], width: int | None) -> Iterator[str]:
    """The answer of `deploy.layer`: what takes the space, and what was left out."""
    file = data.get("file")
    head = f"{file}: {size(data['zipped'])}, " if file else "would have "
    yield f"{head}{size(data['unpacked'])} unpacked, of {size(data['limit'])}, for {data['system']}"
    rows = []
    for name, kinds in sorted(data["sizes"].items(), key=lambda item: -sum(item[1].values())):
        rest = sum(count for kind, count in kinds.items() if kind not in _KINDS)
        counts = [*(kinds.get(kind, 0) for kind in _KINDS), rest, sum(kinds.values())]
        rows.append((name, *map(size, counts)))
    header = ("package", *_KINDS, "other", "all")
    yield from table_lines(header, rows, right=header[1:], width=width)
    left_out = sum(data["left-out"].values())
    yield f"left out: {size(left_out)} of tests, headers, type stubs and static libraries"
    if data["linked"]:
        yield f"links to libraries that are there already: {size(data['linked'])}"
    if data["bytecode"]:
        yield f"bytecode: {size(data['bytecode'])}"
    if "tested" in data:
        yield f"imported and tested from the ZIP file: {', '.join(data['tested'])}"
