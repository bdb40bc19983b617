"""What a layer or an image takes, as a table for people."""

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
    yield from _content_lines(data, width)
    if "tested" in data:
        yield f"imported and tested from the ZIP file: {', '.join(data['tested'])}"


def image_lines(data: Mapping[str, Any], width: int | None) -> Iterator[str]:
    """The answer of `deploy.image`: its size beside that of its base, and what takes the space."""
    base = data.get("base-size")
    whole = data.get("size", data["unpacked"] + (base or 0))
    allowed = f", of {size(data['limit'])}" if data["limit"] else ""
    head = f"{data['image']}:" if "image" in data else "would have"
    yield f"{head} {size(whole)} unpacked{allowed}"
    rows = [("layer", "size"), (f"base: {data['base']}", size(base) if base else "not known")]
    rows.append(("packages", size(whole - (base or 0))))
    if public := data.get("public"):
        rows.append(("packages, as pip installs the public wheels", size(public["size"] - base)))
    yield from table_lines(rows[0], rows[1:], right=("size",), width=width)
    yield from _content_lines(data, width)
    if public:
        kinds = dict(sorted(public["kinds"].items(), key=lambda item: -item[1]))
        kinds["bytecode and the like"] = public["size"] - base - sum(kinds.values())
        parts = ", ".join(f"{kind} {size(count)}" for kind, count in kinds.items())
        yield f"the public wheels have: {parts}"
    if "image" in data:
        yield f"imported and tested in the image: {', '.join(data['tested'])}"
        yield f"digest: {data['digest'] or data['id']}"
    if "context" in data:
        yield f"build context: {data['context']}"
    if "context" in data and "image" not in data:
        yield "neither podman nor docker answers here: neither the base was examined nor the image built"
        yield f"next: {data['command']}"


def _content_lines(data: Mapping[str, Any], width: int | None) -> Iterator[str]:
    rows = []
    for name, kinds in sorted(data["sizes"].items(), key=lambda item: -sum(item[1].values())):
        rest = sum(count for kind, count in kinds.items() if kind not in _KINDS)
        counts = [*(kinds.get(kind, 0) for kind in _KINDS), rest, sum(kinds.values())]
        rows.append((name, *map(size, counts)))
    header = ("package", *_KINDS, "other", "all")
    yield from table_lines(header, rows, right=header[1:], width=width)
    left_out = sum(data["left-out"].values())
    yield f"left out: {size(left_out)} of tests, headers, sources, type stubs, comments and static libraries"
    if data["linked"]:
        yield f"links to libraries that are there already: {size(data['linked'])}"
    if data["bytecode"]:
        yield f"bytecode: {size(data['bytecode'])}"
