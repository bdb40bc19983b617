"""wheel.search: which stored wheels contain, link, were built with or have a patch for something."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from invoke.exceptions import Exit

from wheelfarm.cli.task import Invocation, task
from wheelfarm.errors import UsageError
from wheelfarm.provenance.conditions import Condition
from wheelfarm.provenance.facts import FactKind
from wheelfarm.provenance.search_index import open_search_index
from wheelfarm.report.search import match_data, match_lines

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from wheelfarm.provenance.search_index import Match
    from wheelfarm.wheelhouse.wheelhouse import Wheelhouse

SEARCH_INDEX: Final = "search.sqlite"
"""The file in the work directory."""


@task(
    "json",
    contains="the distribution, or what was copied into the wheel, as 'openssl<3.2'; several: 'a<1; b'",
    links="a library that its binaries load, as libgomp",
    built_with="a distribution in the build environment, or a program, as 'cython==3.0.*'",
    patch="a vulnerability or word in the header of a patch, or a patch's file, as CVE-2026-1234",
    variant="one variant; all that the wheelhouse has by default",
)
def search(
    call: Invocation,
    *,
    contains: str = "",
    links: str = "",
    built_with: str = "",
    patch: str = "",
    variant: str | None = None,
) -> None:
    """List the stored wheels that meet all conditions; exit code 1 where none does."""
    conditions = _conditions(
        {
            FactKind.CONTAINS: contains,
            FactKind.LINKS: links,
            FactKind.BUILT_WITH: built_with,
            FactKind.PATCH: patch,
        }
    )
    farm, screen = call.farm, call.screen
    variants = chosen_variants(call, variant)
    with open_search_index(farm.settings.work / SEARCH_INDEX) as index:
        index.update(farm.wheelhouse, problems=call.problems, progress=screen.status)
        matches, total = index.search(conditions, variants), index.count(variants)
    found = _with_states(farm.wheelhouse, matches)
    call.show(match_data(found), match_lines(found, total, screen.width))
    # A wheel that cannot be read may be one of those that were wanted.
    call.problems.check()
    if not found:
        raise Exit(code=1)


def chosen_variants(call: Invocation, variant: str | None) -> list[str]:
    """The variant that is named, or all that the wheelhouse has."""
    variants = call.farm.wheelhouse.variants()
    if variant is None:
        return variants
    if variant not in variants:
        call.farm.settings.choose_variant(variant)
    return [variant]


def _conditions(texts: Mapping[FactKind, str]) -> list[Condition]:
    found = [Condition.parse(kind, part) for kind, text in texts.items() if text for part in text.split(";")]
    if not found:
        raise UsageError(
            "the search has no condition",
            hint="inv wheel.search --contains 'openssl<3.2'; also --links, --built-with, --patch",
        )
    return found


def _with_states(wheelhouse: Wheelhouse, matches: Sequence[Match]) -> list[tuple[Match, str]]:
    """Each wheel with its state in the index: current, yanked, or earlier where another is listed."""
    listed = {
        (variant, file.key): "current" if file.yanked is None else "yanked"
        for variant, name in dict.fromkeys((each.wheel.variant, each.wheel.name) for each in matches)
        for file in wheelhouse.listed(variant, name)
    }
    return [(each, listed.get((each.wheel.variant, each.wheel.key), "earlier")) for each in matches]
