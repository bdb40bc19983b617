"""Texts about one wheel: its contents, a reproduction of it, its upstream suite."""

from __future__ import annotations

from collections import defaultdict
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final

from wheelfarm.errors import counted
from wheelfarm.report.difference import difference_lines
from wheelfarm.report.text import bar, duration, first_names, size, table_lines
from wheelfarm.wheels.comparison import common_name
from wheelfarm.wheels.rules import RULES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from wheelfarm.gate.suite import SuiteResult
    from wheelfarm.run.other_systems import SystemResult

_LARGEST: Final = 8
"""Files that are shown."""
_NAMES: Final = 3
"""Binaries that are named."""
_FORMATS: Final = {"elf": "ELF", "macho": "Mach-O", "pe": "PE"}


def inspection_lines(wheel: Mapping[str, Any], width: int | None = None) -> Iterator[str]:
    """A wheel: size, BLAS, tags and possible savings first, then its contents and its linkage."""
    sizes = wheel["size"]
    unpacked = sizes["unpacked"]
    head = {
        f"{wheel['name']} {wheel['version']}": f"{size(sizes['packed'])} packed, {size(unpacked)} unpacked, "
        + counted(sizes["members"], "file"),
        "BLAS": "; ".join(map(blas_text, wheel["blas"])) or "none",
        "tag": ", ".join(wheel["tags"]) + (f", build {wheel['build']}" if wheel["build"] else ""),
        "could be saved": _savings(wheel, unpacked),
    }
    yield from table_lines(("", " "), [*head.items()], width=width)
    kinds = {kind: (part["count"], part["size"]) for kind, part in wheel["kinds"].items()}
    yield from _shares("kind", kinds, unpacked, width)
    useless = {what: (part["files"], part["bytes"]) for what, part in _removable(wheel).items()}
    yield from _shares("could be left out", useless, unpacked, width)
    if wheel["largest"]:
        yield ""
        files = [
            (size(each["size"]), each["kind"], common_name(each["member"]))
            for each in wheel["largest"][:_LARGEST]
        ]
        yield from table_lines(
            ("size", "kind", "largest files"), files, right=("size",), whole=("size", "kind"), width=width
        )
    if wheel["findings"]:
        yield ""
        columns = ("examination", "", "files", "members")
        rows = [*_findings(wheel["findings"])]
        yield from table_lines(columns, rows, right=("files",), whole=columns[:3], width=width)
    details = [(name, text) for name, text in _details(wheel).items() if text]
    if details:
        yield ""
        yield from table_lines(("", " "), details, width=width)


def _findings(findings: Sequence[Mapping[str, str]]) -> Iterator[tuple[str, str, str, str]]:
    """A row for each rule: its name, whether the gate refuses it, and the members."""
    for rule, group in groupby(findings, itemgetter("rule")):
        found = list(group)
        members = [f"{each['member']} {each['detail']}".rstrip() for each in found]
        level = "error" if RULES[rule].error else "note"
        yield rule, level, str(len({each["member"] for each in found})), first_names(members, _NAMES)


def system_lines(
    result: SystemResult, remedies: Mapping[str, str], width: int | None = None
) -> Iterator[str]:
    """How a wheel fares on another system: the answer, what differs, and what was tried there."""
    differences = counted(len(result.findings), "difference")
    yield f"{result.title}: {differences if result.findings else 'nothing is missing'}"
    if result.findings:
        yield ""
        members = defaultdict[tuple[str, str], list[str]](list)
        for each in result.findings:
            members[each.rule, each.detail].append(each.member)
        rows = [
            (rule, detail, str(len(found)), first_names([*map(common_name, found)], _NAMES))
            for (rule, detail), found in members.items()
        ]
        columns = ("differs", "what", "files", "members")
        yield from table_lines(columns, rows, right=("files",), whole=("differs", "files"), width=width)
        yield ""
        yield from (f"{rule}: {remedies[rule]}" for rule in dict.fromkeys(rule for rule, _ in members))
    yield f"beside it: {', '.join(result.beside) or 'no other wheel'}"
    if result.missing:
        yield f"not compared, since the wheelhouse lacks it: {', '.join(result.missing)}"
    if result.tried:
        yield f"passed in {result.image}: {result.tried}"
    elif result.failure:
        yield f"failed in {result.image}: {result.failure}"
    else:
        yield f"not tried there: {result.not_tried}"


def _shares(title: str, parts: Mapping[str, tuple[int, int]], whole: int, width: int | None) -> Iterator[str]:
    """A table of parts by size, with bars; nothing without parts."""
    ordered = sorted(parts.items(), key=lambda item: -item[1][1])
    rows = [
        (name, str(count), size(part), _percent(part, whole), bar(part / whole) if whole else "")
        for name, (count, part) in ordered
        if count
    ]
    if rows:
        columns = (title, "files", "size", "share", "")
        yield ""
        yield from table_lines(columns, rows, right=columns[1:4], whole=columns, width=width)


def blas_text(blas: Mapping[str, Any]) -> str:
    """A BLAS library, such as `openblas, lp64, OpenBLAS 0.3.30`."""
    return ", ".join(str(blas[key]) for key in ("provider", "interface", "build") if blas.get(key))


def _removable(wheel: Mapping[str, Any]) -> dict[str, Mapping[str, int]]:
    """Files that could be left out as a whole: of a binary that is not stripped, only the symbols could."""
    return {what: part for what, part in wheel["removable"].items() if not what.startswith("not stripped")}


def _savings(wheel: Mapping[str, Any], unpacked: int) -> str:
    total = min(unpacked, sum(part["bytes"] for part in _removable(wheel).values()))
    linkage = wheel["linkage"]
    unstripped = len({*linkage["unstripped"], *linkage["with_debug"]})
    savings = [f"up to {size(total)}, {_percent(total, unpacked)}"] if total else []
    if unstripped:
        savings.append(f"the symbols of {counted(unstripped, 'binary', 'binaries')}")
    return "; ".join(savings) or "nothing known"


def _percent(part: float, whole: float) -> str:
    return f"{100 * part / whole:.0f} %" if whole else ""


def _details(wheel: Mapping[str, Any]) -> dict[str, str]:
    """Facts by name; an empty text is not shown."""
    linkage = wheel["linkage"]
    formats = ", ".join(f"{count} {_FORMATS[name]}" for name, count in linkage["formats"].items())
    return {
        "packages": ", ".join(wheel["packages"]),
        "Python": wheel["requires_python"] or "",
        "requires": "; ".join(wheel["requires_dist"]),
        "binaries": f"{formats} for {', '.join(linkage['machines'])}" if linkage["binaries"] else "",
        "newest glibc symbol": linkage["glibc"],
        "newest libstdc++ symbol": linkage["libstdcxx"],
        "macOS": f"{linkage['macos']} or newer" if linkage["macos"] else "",
        "not stripped": _names(linkage["unstripped"]),
        "debug information": _names(linkage["with_debug"]),
        "instruction set": _levels(**wheel.get("instruction_set", {})),
        "rpaths": ", ".join(linkage["rpaths"]),
        "hardening": _hardening(linkage),
        "system libraries": ", ".join(wheel["externals"]),
        "vendored": "; ".join(map(_component, _scope(wheel, "required"))),
        "built with": ", ".join(map(_component, _scope(wheel, "excluded"))),
    }


def _levels(required: str = "", highest: str = "") -> str:
    return required if required == highest else f"{required}; up to {highest} behind a dispatch"


def _hardening(linkage: Mapping[str, Any]) -> str:
    """What protects all binaries, or how many of them."""
    total = linkage["binaries"]
    return ", ".join(
        name if count == total else f"{name} in {count}" for name, count in linkage["hardening"].items()
    )


def _scope(wheel: Mapping[str, Any], scope: str) -> list[Mapping[str, str]]:
    """The components of a scope in the SBOM; the wheel's own has none."""
    return [each for each in wheel.get("sbom", ()) if each.get("scope") == scope]


def _component(component: Mapping[str, str]) -> str:
    """Name and version, then license and files where they are known."""
    texts = (component.get("license"), component.get("files"))
    return ", ".join([f"{component['name']} {component.get('version', '')}".rstrip(), *filter(None, texts)])


def _names(members: Sequence[str]) -> str:
    """The first of some members: `--json` has all."""
    return first_names([*map(common_name, members)], _NAMES)


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
        "known failures that passed": len(verdict.known_passed),
        "expected to fail by upstream": verdict.upstream,
        "skipped": verdict.skipped,
    }
    numbers = ", ".join(f"{count:,} {what}" for what, count in counts.items())
    yield f"{numbers}, in {duration(verdict.seconds)}"
    yield from (f"known failure no longer fails, remove it: {test}" for test in verdict.known_passed)
    yield from (f"known failure is no test of the suite, remove it: {test}" for test in verdict.unmatched)
