"""Turns times into ratios, their geometric means, tables for people and JSON."""

from __future__ import annotations

import statistics
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

from wheelfarm.report.text import size, table_lines
from wheelfarm.wheels.contents import Kind

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from timing import Measured

LINEAR_ALGEBRA, IMPORT = "linear algebra", "import"
ALL, ELSE = "all", "everything else"
KINDS: Final = {
    "libraries": (Kind.LIBRARY,),
    "extensions": (Kind.EXTENSION,),
    "Python": (Kind.PYTHON,),
    "tests": (Kind.TESTS,),
    "headers, sources, .pyi": (Kind.HEADER, Kind.SOURCE, Kind.TYPING),
    "data": (Kind.DATA, Kind.METADATA),
}
MEANING: Final = (
    "Speed of each side / speed of {0}: above 1 is faster. Medians of pairs that were timed in turn; "
    "the range holds half of the pairs."
)


@dataclass(frozen=True, kw_only=True)
class Ratio:
    """The speed of one side at one operation, relative to the first side."""

    operation: str
    group: str
    side: str
    threads: int
    ratio: float | None
    """The median; None where there is an error."""
    low: float | None = None
    high: float | None = None
    """The quartiles."""
    seconds: float | None = None
    first_seconds: float | None = None
    """Medians."""
    error: str = ""


def ratios(measured: Iterable[Measured], sides: Sequence[str]) -> list[Ratio]:
    """The ratios of all sides but the first; an error of the first is one of each."""
    found = []
    first, *others = sides
    for of in measured:
        package, _, what = of.name.partition(".")
        group = IMPORT if what == IMPORT else LINEAR_ALGEBRA if of.linear_algebra else package
        for side in others:
            error = of.errors.get(side, "") or (f"{first}: {of.errors[first]}" if first in of.errors else "")
            pairs = list(zip(of.seconds.get(first, ()), of.seconds.get(side, ()), strict=False))
            values: dict[str, Any] = {"ratio": None, "error": error or ("" if pairs else "not timed")}
            if pairs and not error:
                each = [one / other for one, other in pairs]
                low, _, high = (
                    statistics.quantiles(each, n=4, method="inclusive") if len(each) > 1 else each * 3
                )
                values |= {
                    "ratio": statistics.median(each),
                    "low": low,
                    "high": high,
                    "seconds": statistics.median(of.seconds[side]),
                    "first_seconds": statistics.median(of.seconds[first]),
                }
            found.append(Ratio(operation=of.name, group=group, side=side, threads=of.threads, **values))
    return found


def means(found: Iterable[Ratio]) -> dict[str, float]:
    """The geometric mean by group; imports count for themselves only."""
    groups: dict[str, list[float]] = {ALL: [], LINEAR_ALGEBRA: [], ELSE: []}
    for each in found:
        if each.ratio is not None:
            wider = {IMPORT: (), LINEAR_ALGEBRA: (ALL,)}.get(each.group, (ALL, ELSE))
            for group in (each.group, *wider):
                groups.setdefault(group, []).append(each.ratio)
    return {group: statistics.geometric_mean(values) for group, values in groups.items() if values}


def means_of_document(data: Mapping[str, Any], side: str, threads: int) -> dict[str, float]:
    """The geometric means of a side with so many threads."""
    found = (each for each in data["summary"] if (each["side"], each["threads"]) == (side, threads))
    means_found: dict[str, float] = next(found, {"geometric-means": {}})["geometric-means"]
    return means_found


def distinct_sides(data: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The sides without those that have the wheels of the first one once more."""
    return [side for side in data["sides"] if side["label"] not in data["against-itself"]]


def noise(found: Sequence[Ratio]) -> dict[str, float]:
    """How far equal wheels seem to differ: the mean, and percent that a share of them is within."""
    off = sorted(100 * abs(each.ratio - 1) for each in found if each.ratio is not None)
    if not off:
        return {}
    at = {f"{share} %": off[min(len(off) - 1, len(off) * share // 100)] for share in (50, 90, 100)}
    return {"mean": means(found).get(ALL, 1.0), **at}


def sizes_by_kind(sizes: Mapping[str, Mapping[str, int]]) -> dict[str, int]:
    """Bytes by the kinds that the table has."""
    return {
        label: sum(kinds.get(str(kind), 0) for kinds in sizes.values() for kind in wanted)
        for label, wanted in KINDS.items()
    }


def document(found: Sequence[Ratio], sides: Sequence[Mapping[str, Any]], **facts: object) -> dict[str, Any]:
    """Everything, as JSON."""
    groups = sorted({(each.side, each.threads) for each in found})
    summary = [
        {"side": side, "threads": threads, "geometric-means": means(part), "noise": noise(part)}
        for side, threads in groups
        if (part := [each for each in found if (each.side, each.threads) == (side, threads)])
    ]
    for each in summary:
        if each["side"] not in facts["against-itself"]:  # type: ignore[operator]
            del each["noise"]
    return {**facts, "sides": sides, "summary": summary, "operations": [asdict(each) for each in found]}


def lines(data: Mapping[str, Any]) -> Iterator[str]:
    """What people read: machine, code, means, sizes, and each operation, the slowest first."""
    first = data["sides"][0]["label"]
    yield f"{data['processor']}, {data['cpus']} processors, Python {data['python']}, {data['date']}"
    yield from (f"not set for the benchmark, though set here: {each}" for each in data["unset"])
    for side in data["sides"]:
        versions = ", ".join(f"{name} {version}" for name, version in side["versions"].items())
        yield f"{side['label']}: {versions}"
        yield from (f"  {text}" for text in _code(side))
    yield from ("", MEANING.format(first), "", "Geometric means (packages: without linear algebra)")
    yield from _means(data["summary"])
    for each in data["summary"]:
        if noise := each.get("noise"):
            within = ", ".join(f"{share} within {noise[share]:.1f} %" for share in ("50 %", "90 %", "100 %"))
            yield f"noise, threads {each['threads']}: mean {noise['mean']:.3f}; of the operations, {within}"
    yield from ("", "Installed sizes, without bytecode", *_sizes(distinct_sides(data)))
    for threads in data["threads"]:
        yield from ("", f"Operations, threads {threads}, the slowest first")
        yield from _operations([each for each in data["operations"] if each["threads"] == threads], first)
    for each in data["operations"]:
        if each["error"]:
            yield f"error: {each['side']}, threads {each['threads']}: {each['operation']}: {each['error']}"


def _code(side: Mapping[str, Any]) -> Iterator[str]:
    """Which libraries and kernels ran; once for all numbers of threads where they are the same."""
    texts: dict[str, list[str]] = {}
    for threads, code in side["code"].items():
        pools = []
        for each in sorted(code["pools"], key=lambda each: each["file"]):
            number = each["num_threads"]
            words = (
                *(each["internal_api"], each.get("version"), each.get("architecture"), f"({each['file']})"),
                "" if str(number) == threads else f"with {number} in place of {threads} threads",
            )
            pools.append(" ".join(filter(None, words)))
        libraries = "; ".join(pools) or f"BLAS {code['blas'] or 'unknown'}"
        text = f"{libraries}; numpy's code for {', '.join(code['simd']) or 'its baseline'}"
        texts.setdefault(text, []).append(threads)
    yield from (f"threads {', '.join(threads)}: {text}" for text, threads in texts.items())


def _means(summary: Sequence[Mapping[str, Any]]) -> list[str]:
    names = list(dict.fromkeys(name for each in summary for name in each["geometric-means"]))
    rows = [
        (
            each["side"],
            str(each["threads"]),
            *(_number(each["geometric-means"].get(name)) for name in names),
        )
        for each in summary
    ]
    header = ("side", "threads", *names)
    return table_lines(header, rows, right=header[1:])


def _sizes(sides: Sequence[Mapping[str, Any]]) -> list[str]:
    rows = []
    for side in sides:
        every = side["sizes"]
        parts = sorted(every.items(), key=lambda item: -sum(item[1].values()))
        for name, kinds in ((side["label"], None), *parts):
            counted = sizes_by_kind(every if kinds is None else {name: kinds})
            label = name if kinds is None else f"  {name}"
            rows.append((label, size(sum(counted.values())), *map(size, counted.values())))
    header = ("", "all", *KINDS)
    return table_lines(header, rows, right=header[1:])


def _operations(found: Sequence[Mapping[str, Any]], first: str) -> list[str]:
    """A line for each operation, with the ratio of each side; ordered by the least."""
    sides = list(dict.fromkeys(each["side"] for each in found))
    by_name: dict[str, dict[str, Mapping[str, Any]]] = {}
    for each in found:
        by_name.setdefault(each["operation"], {})[each["side"]] = each
    ordered = sorted(by_name.items(), key=lambda item: min(_rank(each["ratio"]) for each in item[1].values()))
    rows = []
    for name, by_side in ordered:
        own = next(iter(by_side.values()))
        time = next((each["first_seconds"] for each in by_side.values() if each["first_seconds"]), None)
        mark = "linear algebra" if own["group"] == LINEAR_ALGEBRA else ""
        cells = [_range(by_side[side]) for side in sides]
        rows.append((name, mark, f"{1000 * time:.2f} ms" if time else "", *cells))
    header = ("operation", " ", first, *sides)
    return table_lines(header, rows, right=header[2:]) if rows else []


def _rank(ratio: float | None) -> float:
    return 0.0 if ratio is None else ratio


def _number(ratio: float | None) -> str:
    return "" if ratio is None else f"{ratio:.2f}"


def _range(of: Mapping[str, Any]) -> str:
    return "error" if of["ratio"] is None else f"{of['ratio']:.2f} ({of['low']:.2f}-{of['high']:.2f})"
