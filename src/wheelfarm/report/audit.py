"""Reports of an audit for known vulnerabilities."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from wheelfarm.errors import counted
from wheelfarm.report.text import first_names, table_lines

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wheelfarm.provenance.audit import Audit

_SHOWN: Final = 3
"""Wheels and components of a row."""


def audit_lines(audit: Audit, width: int | None = None) -> Iterator[str]:
    """How many vulnerabilities are open, a row for each and component, and what no database knows."""
    vulnerable = {each.wheel.id for each in audit.open}
    yield (
        f"{counted(len({each.name for each in audit.open}), 'vulnerability', 'vulnerabilities')} in "
        f"{len(vulnerable):,} of {counted(audit.wheels, 'wheel')}; "
        f"{counted(len({each.name for each in audit.findings if each.patches}), 'other')} resolved by patches"
    )
    rows: dict[tuple[str, ...], list[str]] = {}
    for each in audit.findings:
        state = f"resolved: {', '.join(each.patches)}" if each.patches else "open"
        component, fixed = each.component, " or ".join(each.fixed)
        row = (each.name, f"{component.name} {component.version}", state, fixed)
        rows.setdefault(row, []).append(f"{each.wheel.name} {each.wheel.version}")
    if rows:
        head = ("vulnerability", "component", "state", "fixed in", "wheels")
        cells = [(*row, first_names(sorted(set(wheels)), _SHOWN)) for row, wheels in sorted(rows.items())]
        yield from table_lines(head, cells, whole=("vulnerability",), width=width)
    if audit.unknown:
        names = first_names([each.name for each in audit.unknown], _SHOWN)
        yield f"not audited, since no ecosystem of OSV has them: {names}"
    if audit.sourceless:
        names = first_names([each.name for each in audit.sourceless], _SHOWN)
        yield f"looked up by their own name alone, since their SBOM names no source (build again): {names}"


def audit_data(audit: Audit) -> dict[str, Any]:
    """The same for programs, with all names and every wheel."""
    return {
        "wheels": audit.wheels,
        "components": audit.components,
        "not-audited": [{"name": each.name, "ref": each.ref} for each in audit.unknown],
        "without-source": [{"name": each.name, "ref": each.ref} for each in audit.sourceless],
        "findings": [
            {
                "vulnerability": each.name,
                "names": sorted(each.names),
                "component": each.component.name,
                "version": each.component.version,
                "purl": each.component.purl,
                "fixed": list(each.fixed),
                "state": "resolved" if each.patches else "open",
                "patches": list(each.patches),
                "summary": next((advisory.summary for advisory in each.advisories), ""),
                "wheel": each.wheel.filename,
                "variant": each.wheel.variant,
                "sha256": each.wheel.sha256,
            }
            for each in audit.findings
        ],
    }
