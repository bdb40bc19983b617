"""Reports of a search in the wheelhouse."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from wheelfarm.errors import counted
from wheelfarm.provenance.facts import FactKind
from wheelfarm.report.text import first_names, table_lines

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from wheelfarm.provenance.facts import Fact
    from wheelfarm.provenance.search_index import Match

_SHOWN: Final = 4
"""Facts and targets of a row."""


def match_lines(matches: Sequence[tuple[Match, str]], total: int, width: int | None = None) -> Iterator[str]:
    """How many wheels were found, then a row for each release and variant with what was found in it.

    Args:
        matches: the wheels, each with its state in the wheelhouse's index.
        total: how many wheels were searched.
        width: of the terminal.
    """
    yield f"{counted(len(matches), 'wheel')} of {total:,}"
    rows: dict[tuple[str, ...], list[str]] = {}
    for match, state in matches:
        wheel, found = match.wheel, first_names([*dict.fromkeys(map(_fact_text, _shown(match)))], _SHOWN)
        rows.setdefault((wheel.name, wheel.version, wheel.variant, state, found), []).append(wheel.target)
    head = ("package", "version", "variant", "state", "found", "targets")
    if rows:
        cells = [(*row, first_names([*dict.fromkeys(targets)], _SHOWN)) for row, targets in rows.items()]
        yield from table_lines(head, cells, whole=head[:4], width=width)


def _shown(match: Match) -> Iterator[Fact]:
    """The facts that were found, one for each component: that with the component's own name, if it is one."""
    by_component: dict[tuple[str, str], list[Fact]] = {}
    for fact in match.facts:
        by_component.setdefault((fact.kind, fact.ref or fact.name), []).append(fact)
    for facts in by_component.values():
        yield next((fact for fact in facts if f"/{fact.name}@" in fact.ref), facts[0])


def _fact_text(fact: Fact) -> str:
    match fact.kind:
        case FactKind.LINKS:
            return fact.name
        case FactKind.PATCH:
            return f"{fact.name} ({fact.version})" if fact.version else fact.name
    scheme = f" ({fact.scheme})" if fact.scheme not in {"", "pypi", "generic"} else ""
    return f"{fact.name} {fact.version or '(version unknown)'}{scheme}"


def match_data(matches: Sequence[tuple[Match, str]]) -> list[dict[str, Any]]:
    """The same for programs, a wheel each."""
    return [
        {
            "name": match.wheel.name,
            "version": match.wheel.version,
            "variant": match.wheel.variant,
            "target": match.wheel.target,
            "filename": match.wheel.filename,
            "sha256": match.wheel.sha256,
            "key": match.wheel.key,
            "state": state,
            "found": [_fact_data(fact) for fact in match.facts],
        }
        for match, state in matches
    ]


def _fact_data(fact: Fact) -> dict[str, Any]:
    data: dict[str, Any] = {"kind": fact.kind.value, "name": fact.name}
    match fact.kind:
        case FactKind.CONTAINS:
            return data | {"version": fact.version, "component": fact.ref}
        case FactKind.BUILT_WITH:
            return data | {"version": fact.version}
        case FactKind.PATCH:
            return data | {"resolves": fact.version.split()}
    return data
