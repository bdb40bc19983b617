"""The document: CycloneDX 1.6 as JSON, made of what was verified and proved.

It is written as it stands here, and not by a library, because every byte of it is a byte of the wheel: a
library's next release would change wheels whose rebuild key is the same. The tests have the real schema.
"""

from __future__ import annotations

import json
import re
import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from wheelfarm.model import GitCommit, Sdist
from wheelfarm.plan.inputs import RULES, diff_digest, upstream_link
from wheelfarm.provenance.sbom_components import declared
from wheelfarm.provenance.sbom_identity import hashes, known_license, purl

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from email.message import Message

    from wheelfarm.build.directory import BuildDirectory
    from wheelfarm.build.environment_report import LibraryProvenance
    from wheelfarm.model import RepairedWheel
    from wheelfarm.provenance.sbom_components import Package
    from wheelfarm.wheels.archive import Wheel

LICENSES: Final = "vendored"
"""The directory of the license texts below `.dist-info/licenses`."""
_NAMESPACE: Final = uuid.UUID("6f2f1d0e-5f8b-5f5e-9a5e-1f6c8a0d7f43")
"""Ours: serial numbers are made of it and of the content."""
_VERSION: Final = re.compile(r"\d+(?:\.\d+)+")


def document(
    stage: BuildDirectory,
    repaired: RepairedWheel,
    wheel: Wheel,
    metadata: Message,
    *,
    packages: Sequence[Package],
    provenance: LibraryProvenance,
) -> dict[str, Any]:
    """The bill of materials of one wheel.

    Args:
        stage: the build that it comes from.
        repaired: what was proved of the build.
        wheel: the wheel.
        metadata: its core metadata.
        packages: what its vendored libraries come from.
        provenance: for the kind of the system's packages.
    """
    package = _package(stage, wheel, metadata)
    time = datetime.fromtimestamp(stage.epoch, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    refs = [each.ref for each in packages]
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "timestamp": time,
            "lifecycles": [{"phase": "build"}],
            "tools": {"components": [_farm()]},
            "component": package,
        },
        "components": [*map(_vendored, packages), *_requirements(repaired)],
        "dependencies": [
            {"ref": package["bom-ref"], "dependsOn": refs},
            *({"ref": ref} for ref in refs),
        ],
        "formulation": [{"components": list(_made_with(stage, repaired, provenance))}],
    }


def serialise(bill: Mapping[str, Any]) -> bytes:
    """The document as text, with a serial number that its content determines."""
    content = json.dumps(bill, sort_keys=True, ensure_ascii=False)
    serial = f"urn:uuid:{uuid.uuid5(_NAMESPACE, content)}"
    return (json.dumps({**bill, "serialNumber": serial}, indent=1, ensure_ascii=False) + "\n").encode()


def _farm() -> dict[str, Any]:
    """The farm as a tool: by its rules, since another release of it with the same rules writes the same."""
    rules = [{"name": "wheelfarm:rules", "value": RULES}]
    return {"type": "application", "name": "wheelfarm", "properties": rules}


def _package(stage: BuildDirectory, wheel: Wheel, metadata: Message) -> dict[str, Any]:
    """The wheel's own distribution, and what it was made of."""
    name = purl("pypi", wheel.name, version=wheel.version)
    pedigree: dict[str, Any] = {"ancestors": [_source(stage)]}
    if stage.tree.patches:
        pedigree["patches"] = [_patch(stage, number) for number in range(len(stage.tree.patches))]
    facts = {"variant": stage.build.id.variant, "target": stage.build.id.target.identifier}
    return {
        "type": "library",
        "bom-ref": name,
        "name": wheel.name,
        "version": wheel.version,
        **_licenses(declared(metadata)),
        "purl": name,
        "pedigree": pedigree,
        "properties": [{"name": f"wheelfarm:{key}", "value": value} for key, value in facts.items()],
    }


def _source(stage: BuildDirectory) -> dict[str, Any]:
    """The verified source. Without its url, which changes no byte and may be secret."""
    fetched, pinned = stage.tree.source, stage.build.recipe.source
    component = {"type": "library", "name": fetched.name, "version": fetched.version}
    match pinned:
        case Sdist():
            file = purl("pypi", fetched.name, version=fetched.version, file_name=fetched.path.name)
            return {**component, "hashes": hashes(fetched.sha256), "purl": file}
        case GitCommit(commit=commit):
            # The identifier of a git commit in any repository (SWHID specification).
            return {**component, "swhid": [f"swh:1:rev:{commit}"]}
        case _:
            file = purl("generic", fetched.name, version=fetched.version, checksum=f"sha256:{fetched.sha256}")
            return {**component, "hashes": hashes(fetched.sha256), "purl": file}


def _patch(stage: BuildDirectory, number: int) -> dict[str, Any]:
    """A patch of the series by its name and the digest of its diff, and where upstream it is spoken of."""
    path = stage.build.patches[number]
    patch: dict[str, Any] = {
        "type": "unofficial",
        "diff": {"url": f"{path.name}#sha256={diff_digest(path)}"},
    }
    link = upstream_link(path)
    if link:
        patch["resolves"] = [{"type": "defect", "references": [link]}]
    return patch


def _vendored(package: Package) -> dict[str, Any]:
    """What vendored libraries come from, with the files that the wheel holds of it."""
    names = [library.name for library in package.libraries]
    properties = list(package.named.get("properties", ()))
    if not package.texts:
        properties.append({"name": "wheelfarm:license-text", "value": "not found"})
    texts = [{"type": "license", "url": f"../licenses/{LICENSES}/{name}"} for name in sorted(package.texts)]
    files = [
        {
            "type": "file",
            "name": library.member.name,
            **({"hashes": hashes(library.member.sha256)} if library.member.sha256 else {}),
            **_licenses(known_license([library.name])),
        }
        for library in sorted(package.libraries, key=lambda each: each.member.name)
    ]
    return {
        "type": "library",
        "bom-ref": package.ref,
        **package.named,
        "scope": "required",
        **_licenses(package.licenses or known_license(names)),
        **({"externalReferences": texts} if texts else {}),
        **({"properties": properties} if properties else {}),
        "components": files,
    }


def _licenses(found: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return {"licenses": list(found)} if found else {}


def _requirements(repaired: RepairedWheel) -> Iterator[dict[str, Any]]:
    """The distributions in the build environment, with the hashes of their wheels."""
    for entry in repaired.environment:
        name = purl("pypi", entry.name, version=entry.version)
        yield {
            "type": "library",
            "bom-ref": f"build:{name}",
            "name": entry.name,
            "version": entry.version,
            "scope": "excluded",
            **({"hashes": hashes(entry.sha256)} if entry.sha256 else {}),
            "purl": name,
        }


def _made_with(
    stage: BuildDirectory, repaired: RepairedWheel, provenance: LibraryProvenance
) -> Iterator[dict[str, Any]]:
    """The compilers of the recipe's languages, and the requested system packages."""
    compilers = {f"compiler {language}" for language in stage.build.recipe.table.compilers}
    for what, version in repaired.toolchain:
        kind, _, name = what.partition(" ")
        if what in compilers:
            number = _VERSION.search(version.rpartition(")")[2]) or _VERSION.search(version)
            number_field = {"version": number[0]} if number else {}
            yield {"type": "application", "name": f"{name} compiler", **number_field, "description": version}
        elif kind == "package":
            ref = purl(provenance.kind or "generic", provenance.distribution, name, version=version)
            yield {"type": "library", "name": name, "version": version, "scope": "excluded", "purl": ref}


def merged(bill: dict[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """The document with what a repair tool's own one tells and ours does not.

    Args:
        bill: ours.
        other: the document that auditwheel has put into the wheel.
    """
    known = {each.get("purl") for each in bill["components"]}
    package = other["metadata"]["component"]["bom-ref"]
    more = [
        each for each in other["components"] if each["bom-ref"] != package and each.get("purl") not in known
    ]
    refs = [each["bom-ref"] for each in more]
    tools = [{"type": "application", **each} for each in other["metadata"].get("tools", [])]
    first, *rest = bill["dependencies"]
    metadata = bill["metadata"]
    return {
        **bill,
        "metadata": {**metadata, "tools": {"components": [*metadata["tools"]["components"], *tools]}},
        "components": [*bill["components"], *more],
        "dependencies": [
            {**first, "dependsOn": [*first["dependsOn"], *refs]},
            *rest,
            *({"ref": ref} for ref in refs),
        ],
    }
