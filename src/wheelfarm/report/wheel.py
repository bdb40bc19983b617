"""Texts about one wheel: its contents, a reproduction of it, its upstream suite."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wheelfarm.report.difference import difference_lines
from wheelfarm.report.quantity import duration, size
from wheelfarm.report.table import bar, table_lines

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from wheelfarm.gate.suite import SuiteResult

_LARGEST = 8
"""Files that are shown."""


def inspection_lines(wheel: Mapping[str, Any], width: int | None = None) -> Iterator[str]:
    """A wheel: size, BLAS, tags and possible savings first, then its contents and its linkage."""
    sizes, removable = wheel["size"], wheel["removable"]
    unpacked = sizes["unpacked"]
    head = {
        f"{wheel['name']} {wheel['version']}": f"{size(sizes['packed'])} packed, {size(unpacked)} unpacked, "
        f"{sizes['members']} files",
        "BLAS": "; ".join(map(_blas, wheel["blas"])) or "none",
        "tag": ", ".join(wheel["tags"]) + (f", build {wheel['build']}" if wheel["build"] else ""),
        "could be saved": _savings(removable, unpacked),
    }
    yield from table_lines(("", " "), [*head.items()], width=width)
    kinds = sorted(wheel["kinds"].items(), key=lambda item: -item[1]["size"])
    rows = [
        (kind, str(part["count"]), size(part["size"]), _percent(part["size"], unpacked), _bar(part, unpacked))
        for kind, part in kinds
        if part.get("count")
    ]
    yield ""
    columns = ("kind", "files", "size", "share", "")
    yield from table_lines(columns, rows, right=columns[1:4], whole=columns, width=width)
    if wheel["largest"]:
        yield ""
        files = [(size(each["size"]), each["kind"], each["member"]) for each in wheel["largest"][:_LARGEST]]
        yield from table_lines(
            ("size", "kind", "largest files"), files, right=("size",), whole=("size", "kind"), width=width
        )
    details = [(name, text) for name, text in _details(wheel).items() if text]
    if details:
        yield ""
        yield from table_lines(("", " "), details, width=width)


def _blas(blas: Mapping[str, Any]) -> str:
    return ", ".join(str(blas[key]) for key in ("provider", "interface", "build") if blas.get(key))


def _savings(removable: Mapping[str, Mapping[str, int]], unpacked: int) -> str:
    parts = [f"{what} {size(each['bytes'])}" for what, each in removable.items()]
    total = min(unpacked, sum(each["bytes"] for each in removable.values()))
    return (
        f"up to {size(total)}, {_percent(total, unpacked)}: {', '.join(parts)}" if parts else "nothing known"
    )


def _percent(part: float, whole: float) -> str:
    return f"{100 * part / whole:.0f} %" if whole else ""


def _bar(part: Mapping[str, int], unpacked: int) -> str:
    return bar(part["size"] / unpacked) if unpacked else ""


def _details(wheel: Mapping[str, Any]) -> dict[str, str]:
    """Facts by name; an empty text is not shown."""
    linkage = wheel["linkage"]
    formats = ", ".join(f"{count} {name}" for name, count in linkage["formats"].items())
    machines = ", ".join(linkage["machines"])
    return {
        "packages": ", ".join(wheel["packages"]),
        "Python": wheel["requires_python"] or "",
        "requires": "; ".join(wheel["requires_dist"]),
        "binaries": f"{formats} for {machines}" if linkage["binaries"] else "",
        "newest glibc symbol": linkage["glibc"],
        "macOS": f"{linkage['macos']} or newer" if linkage["macos"] else "",
        "not stripped": ", ".join(linkage["unstripped"]),
        "debug information": ", ".join(linkage["with_debug"]),
        "rpaths": ", ".join(linkage["rpaths"]),
        "system libraries": _text(wheel["externals"]),
        "SBOM": _text(wheel.get("sbom", ())),
    }


def _text(value: object) -> str:
    match value:
        case dict():
            return "; ".join(f"{key}: {_text(each)}" for key, each in value.items())
        case list() | tuple():
            return ", ".join(map(_text, value))
        case _:
            return str(value)


def preparation_lines(preparation: Mapping[str, Any]) -> Iterator[str]:
    """The inputs of a reproduction, and where it runs."""
    yield f"{preparation['id']}: {', '.join(preparation['wheels'])}"
    for key in ("key", "engine", "directory", "source", "patches", "requirements", "upstream"):
        yield f"  {key:13} {_text(preparation[key]) or 'none'}"


def reproduction_lines(result: Mapping[str, Any]) -> Iterator[str]:
    """Whether a reproduction has the same bytes, and else the differences of inputs and contents."""
    if result["identical"]:
        yield f"identical: {result['id']}: {result['wheel']}"
        yield f"  sha256 {result['before']}, twice"
        return
    yield f"other bytes: {result['id']}: {result['wheel']}"
    yield f"  sha256 {result['before']} then, {result['after']} now"
    for name, pair in result["inputs"].items():
        before, after = ("none" if pair[side] is None else pair[side] for side in ("before", "after"))
        yield f"  input {name}: {before} -> {after}"
    yield from difference_lines(result["difference"])


def suite_lines(verdict: SuiteResult) -> Iterator[str]:
    """The counts of an upstream suite, then the known failures that are to be removed from the list."""
    counts = {
        "passed": verdict.passed,
        "failed": len(verdict.failed),
        "known failures": verdict.expected,
        "known failures that passed": len(verdict.mended),
        "expected to fail by upstream": verdict.upstream,
        "skipped": verdict.skipped,
    }
    numbers = ", ".join(f"{count:,} {what}" for what, count in counts.items())
    yield f"{numbers}, in {duration(verdict.seconds)}"
    yield from (f"known failure no longer fails, remove it: {test}" for test in verdict.mended)
    yield from (f"known failure is no test of the suite, remove it: {test}" for test in verdict.unmatched)
