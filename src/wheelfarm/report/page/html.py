"""Renders the survey of a wheelhouse as one HTML page: no script, no network, the same bytes each time."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from wheelfarm.errors import counted
from wheelfarm.model import CacheUse
from wheelfarm.report.page.graph import HEIGHT, WIDTH, draw
from wheelfarm.report.text import duration, size
from wheelfarm.report.wheel import blas_text
from wheelfarm.run.stored_sizes import unpacked

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from jinja2 import Environment

    from wheelfarm.provenance.record import Record
    from wheelfarm.report.survey import Edge, Survey, SurveyedWheel, VariantSurvey

KINDS: Final[Mapping[str, str]] = {
    "extension": "extension modules",
    "library": "vendored libraries",
    "python": "Python",
    "tests": "tests",
    "data": "data",
    "header": "headers",
    "source": "sources",
    "typing": "typing",
    "metadata": "metadata",
}
"""The kinds in the order in which bars show them, and what a page calls them."""
_COLUMNS: Final = ("check", "expected", "found")


def render_page(survey: Survey) -> str:
    """The page of a survey: one document that needs no other, with every value escaped."""
    views = [_variant_view(variant) for variant in survey.variants]
    text = _environment().get_template("page.html.j2").render(survey=survey, views=views)
    return "\n".join(line.rstrip() for line in text.splitlines() if line.strip()) + "\n"


@cache
def _environment() -> Environment:
    # Heavy to import, and only this page needs it.
    from jinja2 import Environment, PackageLoader, StrictUndefined  # noqa: PLC0415

    environment = Environment(
        loader=PackageLoader("wheelfarm.report.page"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals |= {"KINDS": KINDS, "BOX": {"width": WIDTH, "height": HEIGHT}}
    functions = (change, cache_share, gate_table, history, kind_size, percent, wheel_blas)
    environment.globals |= {function.__name__: function for function in functions}
    environment.filters |= {"size": size, "duration": duration, "round_size": round_size, "count": counted}
    environment.filters |= {"moment": moment, "blas_text": blas_text}
    return environment


def _variant_view(variant: VariantSurvey) -> dict[str, Any]:
    """What the page shows of a variant beyond its survey."""
    wheels = variant.wheels
    return {
        "survey": variant,
        "totals": _totals(variant),
        "graphs": [_graph(target, variant) for target in sorted({wheel.target for wheel in wheels})],
        "bars": _bars(wheels),
        "largest": max((wheel.unpacked or 0 for wheel in wheels), default=0),
        "longest": max((wheel.seconds or 0 for wheel in wheels), default=0),
    }


def _totals(variant: VariantSurvey) -> dict[str, Any]:
    """A variant's sums; `ours` and `public` are those of the wheels whose public counterpart is known."""
    wheels = variant.wheels
    compared = [wheel for wheel in wheels if wheel.content is not None and wheel.public is not None]
    records = [wheel.record for wheel in wheels if wheel.record is not None]
    # One build may have made several wheels, and each record describes the whole of it.
    builds = {(record.recipe, record.target, record.started): record for record in records}.values()
    uses = [record.compiler_cache for record in builds if record.compiler_cache is not None]
    return {
        "packed": sum(wheel.file.size for wheel in wheels),
        "unpacked": sum(wheel.unpacked or 0 for wheel in wheels),
        "compared": len(compared),
        "ours": sum(wheel.unpacked or 0 for wheel in compared),
        "public": sum(wheel.public["size"]["unpacked"] for wheel in compared if wheel.public is not None),
        "seconds": sum(sum(record.times.values()) for record in builds),
        "cache": CacheUse(hits=sum(use.hits for use in uses), misses=sum(use.misses for use in uses)),
        "checks": sum(len(record.gate_results) for record in records),
        "unproved": len(wheels) - len(records),
        "problems": variant.problem_count,
    }


def _graph(target: str, variant: VariantSurvey) -> dict[str, Any]:
    """The wheels of one target, and the wheels that they were built on, listed or not."""
    own = {wheel.anchor: wheel for wheel in variant.wheels if wheel.target == target}
    unlisted: dict[str, Edge] = {}
    lines, links = [], []
    for edge in variant.edges:
        if edge.wheel in own:
            start = edge.upstream
            if start is None or start not in own:
                start = f"{edge.sha256} {edge.filename}"
                unlisted[start] = edge
            lines.append((start, edge.wheel))
            links.append((own[edge.wheel], edge))
    drawing = draw([*own, *unlisted], lines)
    return {"target": target, "drawing": drawing, "wheels": own, "unlisted": unlisted, "links": links}


def _bars(wheels: Sequence[SurveyedWheel]) -> list[tuple[SurveyedWheel, list[dict[str, Any]]]]:
    """The wheels whose content is known, the largest first, with bars for ours and the public one."""
    known = sorted(
        (wheel for wheel in wheels if wheel.content is not None), key=lambda wheel: -(wheel.unpacked or 0)
    )
    pairs = [(wheel, [each for each in (wheel.content, wheel.public) if each is not None]) for wheel in known]
    scale = max((each["size"]["unpacked"] for _, contents in pairs for each in contents), default=0)
    return [(wheel, [_bar(content, scale) for content in contents]) for wheel, contents in pairs]


def _bar(content: Mapping[str, Any], scale: int) -> dict[str, Any]:
    sizes = {kind: kind_size(content, kind) for kind in KINDS}
    shown = {kind: each for kind, each in sizes.items() if each}
    return {
        "pieces": {kind: percent(each, scale) for kind, each in shown.items()},
        "unpacked": content["size"]["unpacked"],
        "label": ", ".join(f"{KINDS[kind]} {size(each)}" for kind, each in shown.items()),
    }


def kind_size(content: Mapping[str, Any], kind: str) -> int:
    """Bytes of one kind."""
    return int(content["kinds"].get(kind, {"size": 0})["size"])


def percent(value: float, whole: float) -> str:
    """A share as CSS writes it, such as 12.34%; nothing of nothing is nothing."""
    return f"{100 * value / whole:.3f}".rstrip("0").rstrip(".") + "%" if whole else "0%"


def change(ours: float, theirs: float) -> str:
    """How much larger or smaller, in per cent with a sign."""
    if not theirs:
        return "" if not ours else "new"
    per_cent = round(100 * (ours - theirs) / theirs)
    sign = "+" if per_cent > 0 else "\N{MINUS SIGN}" if per_cent < 0 else "±"
    return f"{sign}{abs(per_cent)}\N{NO-BREAK SPACE}%"


def history(wheel: SurveyedWheel) -> list[dict[str, Any]]:
    """All builds of a wheel that have a record, newest first, each with its change since the one before."""
    records = [*([wheel.record] if wheel.record else []), *wheel.past]
    records.sort(key=lambda each: (each.finished, each.key), reverse=True)
    sizes = [{"packed": each.wheel.size, "unpacked": unpacked(each)} for each in records]
    largest = max((each["unpacked"] for each in sizes), default=0)
    rows: list[dict[str, Any]] = []
    for record, own, before in zip(records, sizes, [*sizes[1:], {}], strict=True):
        changes = {f"{key}_change": exact_change(own[key], before.get(key, 0)) for key in own}
        rows.append({"record": record, "largest": largest, **own, **changes})
    return rows


def exact_change(after: int, before: int) -> str:
    """The change of a size to a tenth of a per cent; empty for none, and where nothing was before."""
    return f"{after / before - 1:+.1%}".replace("-", "\N{MINUS SIGN}") if before and after != before else ""


def round_size(count: int) -> str:
    """A size that somebody chose, such as 250 MB."""
    return size(count).replace(".0 ", " ")


def cache_share(use: CacheUse | None) -> str:
    """The share of compiles that the compiler cache answered."""
    if use is None:
        return "not used"
    return f"{100 * use.rate():.0f}\N{NO-BREAK SPACE}%" if use.compiles else "\N{EN DASH}"


def moment(time: datetime) -> str:
    """A moment in UTC, to the minute."""
    return f"{time:%Y-%m-%d %H:%M}"


def wheel_blas(wheel: SurveyedWheel) -> str:
    """Provider and interface, as found in the wheel, or else as the gate found them."""
    if wheel.content is not None:
        return "; ".join(blas_text({**each, "build": ""}) for each in wheel.content["blas"]) or "none"
    results = wheel.record.gate_results if wheel.record is not None else ()
    found = {each.get("check"): each.get("found") for each in results if isinstance(each, Mapping)}
    return ", ".join(str(found[key]) for key in ("blas", "interface") if found.get(key))


def gate_table(record: Record) -> dict[str, list[Any]]:
    """Columns and rows of a record's gate results; one that is no table is a row with what it is."""
    results = [each if isinstance(each, Mapping) else {"check": each} for each in record.gate_results]
    others = sorted({str(key) for each in results for key in each} - set(_COLUMNS))
    columns = [*_COLUMNS, *others]
    return {"columns": columns, "rows": [[str(each.get(key, "")) for key in columns] for each in results]}
