"""Writing the page: templates that escape every value, filled with a scene."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from wheelfarm.report.page.bars import KINDS, share
from wheelfarm.report.page.graph import HEIGHT, WIDTH
from wheelfarm.report.page.view_model import blas_of, library_source, scenes, verdicts
from wheelfarm.report.quantity import duration, size

if TYPE_CHECKING:
    from jinja2 import Environment

    from wheelfarm.model import CacheUse
    from wheelfarm.report.survey import Survey


def html(survey: Survey) -> str:
    """The page of a survey: one document that needs no other, with every value escaped."""
    text = _environment().get_template("page.html.j2").render(survey=survey, scenes=scenes(survey))
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
    environment.globals |= {
        "KINDS": KINDS,
        "BOX": {"width": WIDTH, "height": HEIGHT},
        "blas_of": blas_of,
        "verdicts": verdicts,
        "library_source": library_source,
        "share": share,
    }
    environment.filters |= {
        "size": size,
        "duration": duration,
        "change": change,
        "spared": spared,
        "moment": moment,
        "count": count,
        "round_size": round_size,
    }
    return environment


def change(ours: float, theirs: float) -> str:
    """How much larger or smaller, in per cent with a sign."""
    if not theirs:
        return "" if not ours else "new"
    per_cent = round(100 * (ours - theirs) / theirs)
    sign = "+" if per_cent > 0 else "\N{MINUS SIGN}" if per_cent < 0 else "±"
    return f"{sign}{abs(per_cent)}\N{NO-BREAK SPACE}%"


def round_size(count: int) -> str:
    """A size that somebody chose, such as 250 MB."""
    return size(count).replace(".0 ", " ")


def spared(use: CacheUse | None) -> str:
    """What the compiler cache spared."""
    if use is None:
        return "not used"
    if not use.compiles:
        return "\N{EN DASH}"
    return f"{100 * use.rate():.0f}\N{NO-BREAK SPACE}%"


def moment(text: str) -> str:
    """An ISO 8601 moment in UTC, without what nobody reads."""
    return text.replace("T", " ").removesuffix("Z").rpartition(":")[0]


def count(number: int, one: str, many: str | None = None) -> str:
    """A number with its noun."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"
