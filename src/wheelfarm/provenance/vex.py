"""The VEX document of an audit: CycloneDX 1.6, whose vulnerabilities refer to the SBOMs in the wheels.

References are BOM-Links (https://cyclonedx.org/capabilities/bomlink/): serial number, version of an SBOM, and
the reference of a component in it.
"""

from __future__ import annotations

import json
import re
import uuid
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from wheelfarm.provenance.audit import Finding
    from wheelfarm.provenance.osv import Advisory

_NAMESPACE: Final = uuid.UUID("0d0c7bd7-3a7b-5a2e-8f0c-5b8f5a1f2f8e")
_METHODS: Final[Mapping[str, str]] = {
    "CVSS:3.0": "CVSSv3",
    "CVSS:3.1": "CVSSv31",
    "CVSS:4.0": "CVSSv4",
}
"""Beginning of a vector → the method in CycloneDX."""
_MOMENT: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z")


def vex_document(findings: Iterable[Finding], time: datetime) -> bytes:
    """Write the findings of an audit as a VEX document.

    A vulnerability that a patch resolves has the state `resolved_with_pedigree`, since the pedigree of the
    component in the SBOM has the patch; any other is `in_triage`: nobody has said yet whether the wheel uses
    the code concerned.

    Args:
        findings: those of all wheels.
        time: of the audit.
    """
    groups: dict[tuple[str, frozenset[str], tuple[str, ...]], list[Finding]] = {}
    for each in sorted(findings, key=lambda each: (each.name, each.component.purl, each.wheel.filename)):
        groups.setdefault((each.name, each.names, each.patches), []).append(each)
    document = {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "timestamp": time.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "tools": {"components": [{"type": "application", "name": "wheelfarm"}]},
        },
        "vulnerabilities": [_vulnerability(group) for group in groups.values()],
    }
    serial = uuid.uuid5(_NAMESPACE, json.dumps(document, sort_keys=True))
    return (json.dumps({**document, "serialNumber": f"urn:uuid:{serial}"}, indent=1) + "\n").encode()


def _vulnerability(group: Sequence[Finding]) -> dict[str, Any]:
    first = group[0]
    advisories = {each.id: each for finding in group for each in finding.advisories}
    summary = next((each.summary or each.details for each in advisories.values()), "")
    fixed = dict.fromkeys(f"{each.component.name} {version}" for each in group for version in each.fixed)
    ratings = [rating for each in advisories.values() for rating in _ratings(each)]
    moments = {
        name: min(found)
        for name in ("published", "modified")
        if (found := [t for each in advisories.values() if _MOMENT.fullmatch(t := getattr(each, name))])
    }
    return {
        "bom-ref": str(uuid.uuid5(_NAMESPACE, f"{sorted(first.names)} {first.patches}")),
        "id": first.name,
        **({"source": _source(first.name)} if not advisories else {"source": _source(min(advisories))}),
        "references": [
            {"id": name, "source": _source(name)} for name in sorted(first.names) if name != first.name
        ],
        **({"ratings": ratings} if ratings else {}),
        **({"description": summary} if summary else {}),
        **({"recommendation": f"use {' or '.join(fixed)}"} if fixed else {}),
        **({"published": moments["published"]} if "published" in moments else {}),
        **({"updated": moments["modified"]} if "modified" in moments else {}),
        "analysis": {
            "state": "resolved_with_pedigree",
            "detail": f"resolved by {', '.join(first.patches)}",
        }
        if first.patches
        else {"state": "in_triage"},
        "affects": [{"ref": ref} for ref in dict.fromkeys(map(_bom_link, group))],
    }


def _bom_link(finding: Finding) -> str:
    component = finding.component
    if not component.document:
        return component.ref or component.purl
    return f"{component.document}#{quote(component.ref, safe='')}"


def _source(name: str) -> dict[str, str]:
    return {"name": "OSV", "url": f"https://osv.dev/vulnerability/{quote(name)}"}


def _ratings(advisory: Advisory) -> Iterable[dict[str, str]]:
    for each in advisory.severity:
        method = _METHODS.get(each.score[:8], "CVSSv2" if each.type == "CVSS_V2" else "")
        if method:
            yield {"method": method, "vector": each.score}
