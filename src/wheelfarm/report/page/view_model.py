"""What a page shows of a survey, in the order in which it shows it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from wheelfarm.model import CacheUse
from wheelfarm.report.page.bars import Pair, pairs
from wheelfarm.report.page.graph import drawing

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from wheelfarm.provenance.record import Record
    from wheelfarm.report.page.graph import Drawing
    from wheelfarm.report.survey import Edge, Survey, VariantSurvey, WheelFindings


@dataclass(frozen=True, kw_only=True)
class Totals:
    """A variant's sums; None where nothing is known."""

    packed: int
    unpacked: int
    compared: int
    """Wheels whose public counterpart is known: the two sums below are theirs alone."""
    ours: int
    public: int
    seconds: float
    cache: CacheUse
    checks: int
    unproved: int
    """Wheels whose record, and so whose gate, nobody can read."""
    troubles: int


@dataclass(frozen=True, kw_only=True)
class Node:
    """A box of the graph: a wheel that the index lists, or one that it no longer does."""

    finding: WheelFindings | None
    edge: Edge | None


@dataclass(frozen=True, kw_only=True)
class Graph:
    """The wheels of one target, and which was built on which."""

    target: str
    drawing: Drawing
    nodes: Mapping[str, Node]
    """By the name that the drawing has for it."""
    links: tuple[tuple[WheelFindings, Edge], ...]
    """The same in words: a wheel, and what it was built on."""


@dataclass(frozen=True, kw_only=True)
class Scene:
    """One variant's part of a page."""

    survey: VariantSurvey
    totals: Totals
    graphs: tuple[Graph, ...]
    pairs: tuple[Pair, ...]
    largest: int
    """Bytes, unpacked, of the largest wheel."""
    longest: float
    """Seconds of the longest build."""


def scenes(survey: Survey) -> tuple[Scene, ...]:
    """The parts of a page, variant by variant."""
    return tuple(_scene(variant) for variant in survey.variants)


def _scene(variant: VariantSurvey) -> Scene:
    findings = variant.findings
    targets = sorted({finding.target for finding in findings})
    return Scene(
        survey=variant,
        totals=_totals(variant),
        graphs=tuple(_graph(target, findings, variant.edges) for target in targets),
        pairs=pairs(findings),
        largest=max((finding.unpacked or 0 for finding in findings), default=0),
        longest=max((finding.seconds or 0 for finding in findings), default=0),
    )


def _totals(variant: VariantSurvey) -> Totals:
    findings = variant.findings
    both = [
        (finding.content.unpacked, finding.public.content.unpacked)
        for finding in findings
        if finding.content is not None and finding.public.content is not None
    ]
    records = [finding.record for finding in findings if finding.record is not None]
    # One build may have made several wheels, and each record tells the whole of it.
    builds = {(record.recipe, record.target, record.started): record for record in records}.values()
    uses = [record.compiler_cache for record in builds if record.compiler_cache is not None]
    return Totals(
        packed=sum(finding.size for finding in findings),
        unpacked=sum(finding.unpacked or 0 for finding in findings),
        compared=len(both),
        ours=sum(ours for ours, _ in both),
        public=sum(public for _, public in both),
        seconds=sum(sum(record.times.values()) for record in builds),
        cache=CacheUse(hits=sum(use.hits for use in uses), misses=sum(use.misses for use in uses)),
        checks=sum(len(record.gate_results) for record in records),
        unproved=len(findings) - len(records),
        troubles=variant.troubles,
    )


def _graph(target: str, findings: Sequence[WheelFindings], edges: Iterable[Edge]) -> Graph:
    own = {finding.anchor: finding for finding in findings if finding.target == target}
    nodes = {anchor: Node(finding=finding, edge=None) for anchor, finding in own.items()}
    lines, links = [], []
    for edge in edges:
        if edge.wheel not in own:
            continue
        upstream = edge.upstream if edge.upstream in own else f"{edge.sha256} {edge.filename}"
        if upstream not in own:
            nodes.setdefault(upstream, Node(finding=None, edge=edge))
        lines.append((upstream, edge.wheel))
        links.append((own[edge.wheel], edge))
    return Graph(
        target=target,
        drawing=drawing(list(nodes), lines),
        nodes=nodes,
        links=tuple(links),
    )


@dataclass(frozen=True, kw_only=True)
class Verdicts:
    """A gate's results as a table, whatever else than the three known columns they have."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def verdicts(record: Record) -> Verdicts:
    """The results of a record's gate; one that is no table is a row with what it is."""
    results = [each if isinstance(each, Mapping) else {"check": each} for each in record.gate_results]
    known = ("check", "expected", "found")
    others = sorted({str(key) for each in results for key in each} - set(known))
    columns = (*known, *others)
    return Verdicts(
        columns=columns, rows=tuple(tuple(str(each.get(key, "")) for key in columns) for each in results)
    )


def library_source(blas: str) -> str:
    """Provider and interface of a BLAS, without its build."""
    return ", ".join(blas.split(", ")[:2])


def blas_of(finding: WheelFindings) -> str:
    """Provider and interface, as found in the wheel, or else as the gate found them."""
    if finding.content is not None:
        return "; ".join(map(library_source, finding.content.blas)) or "none"
    results = finding.record.gate_results if finding.record is not None else ()
    found = {each.get("check"): each.get("found") for each in results if isinstance(each, Mapping)}
    return ", ".join(str(found[key]) for key in ("blas", "interface") if found.get(key))
