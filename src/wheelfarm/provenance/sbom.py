"""The SBOM of a wheel: CycloneDX 1.6 as JSON, embedded in the wheel.

The farm writes the document itself because every byte of it is a byte of the wheel: a library's next release
would change wheels whose build key is the same (docs/decisions/0013). The tests have the real schema.
"""

from __future__ import annotations

import json
import re
import uuid
from dataclasses import replace
from datetime import UTC, datetime
from email import message_from_bytes
from typing import TYPE_CHECKING, Any, Final

from wheelfarm.errors import WheelError
from wheelfarm.model import GitCommit, PublicWheel, Sdist
from wheelfarm.plan.inputs import RULES, diff_digest, upstream_link
from wheelfarm.provenance.sbom_components import (
    declared_license,
    find_packages,
    hashes,
    known_license,
    purl,
    with_license_files,
)
from wheelfarm.provenance.sbom_reader import MEMBER, parse_bill
from wheelfarm.provenance.source_components import source_components
from wheelfarm.system.files import sha256_of_file
from wheelfarm.wheels.archive import open_wheel
from wheelfarm.wheels.linkage import added_binaries
from wheelfarm.wheels.rewrite import Changes, rewrite_wheel

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence
    from email.message import Message
    from pathlib import Path

    from wheelfarm.build.directory import BuildDirectory
    from wheelfarm.build.environment_report import LibraryProvenance
    from wheelfarm.model import RepairedWheel
    from wheelfarm.provenance.sbom_components import Package
    from wheelfarm.wheels.archive import Wheel

_AUDITWHEEL: Final = "sboms/auditwheel.cdx.json"
_LICENSES: Final = "vendored"
"""The directory of the license texts below `.dist-info/licenses`."""
_NAMESPACE: Final = uuid.UUID("6f2f1d0e-5f8b-5f5e-9a5e-1f6c8a0d7f43")
"""Ours: serial numbers are made of it and of the content."""
_VERSION: Final = re.compile(r"\d+(?:\.\d+)+")


def embed(
    directory: BuildDirectory,
    repaired: RepairedWheel,
    provenance: LibraryProvenance,
    output: Path,
    *,
    built: Collection[str],
    subprojects: Mapping[str, str] | None = None,
    members: Mapping[str, bytes] | None = None,
) -> RepairedWheel:
    """Rewrite a repaired wheel with its SBOM and the license texts of its vendored libraries.

    The components of auditwheel's document move into ours: two documents would count each library twice.
    Documents of others stay as they are (PEP 770 lets a wheel have many).

    Args:
        directory: of the build.
        repaired: the wheel, with the build environment and toolchain that the environment report states.
        provenance: the system packages of its vendored libraries.
        output: the directory of the new wheel; it is made.
        built: the names of the members that the wheel had before the repair: other libraries are vendored.
        subprojects: those that Meson has configured, each with its version, which may be empty.
        members: further members of `.dist-info`, by name.

    Raises:
        WheelError: when the wheel or auditwheel's document cannot be read.
        OSError: when the new wheel cannot be written.
    """
    wheel = open_wheel(repaired.path)
    inside = wheel.dist_info
    metadata = wheel.read(f"{inside}/METADATA")
    vendored = added_binaries(wheel, built)
    sources = (*directory.provider_wheels, *directory.requirements)
    packages = find_packages(vendored, sources, provenance)
    compiled = tuple(source_components(directory, repaired, wheel, subprojects or {}))
    bill = _document(
        directory,
        repaired,
        wheel,
        message_from_bytes(metadata),
        components=[*map(_vendored, packages), *compiled],
        provenance=provenance,
    )
    theirs = f"{inside}/{_AUDITWHEEL}"
    if theirs in wheel.names:
        bill = _merged(bill, _auditwheel_bill(wheel.read(theirs), theirs))
    texts = {f"{_LICENSES}/{name}": text for each in packages for name, text in each.texts.items()}
    written = {
        # Packed by us, so that publishing can add a build tag and a farm that reuses the wheel remove it.
        f"{inside}/WHEEL": wheel.read(f"{inside}/WHEEL"),
        f"{inside}/{MEMBER}": _serialize(bill),
        **{f"{inside}/licenses/{name}": text.encode() for name, text in texts.items()},
        **{f"{inside}/{name}": content for name, content in (members or {}).items()},
    }
    if texts:
        written[f"{inside}/METADATA"] = with_license_files(metadata, texts)
    output.mkdir(exist_ok=True)
    changes = Changes(dropped=frozenset({theirs} & wheel.names), written=written)
    path = rewrite_wheel(wheel, output / wheel.path.name, changes).path
    return replace(repaired, path=path, sha256=sha256_of_file(path))


def _document(
    directory: BuildDirectory,
    repaired: RepairedWheel,
    wheel: Wheel,
    metadata: Message,
    *,
    components: Sequence[Mapping[str, Any]],
    provenance: LibraryProvenance,
) -> dict[str, Any]:
    package = _distribution(directory, wheel, metadata)
    time = datetime.fromtimestamp(directory.epoch, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    # The farm's release is no part of it: another one with the same rules writes the same.
    rules = [{"name": "wheelfarm:rules", "value": RULES}]
    refs = [each["bom-ref"] for each in components]
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "timestamp": time,
            "lifecycles": [{"phase": "build"}],
            "tools": {"components": [{"type": "application", "name": "wheelfarm", "properties": rules}]},
            "component": package,
        },
        "components": [*components, *_requirements(repaired)],
        "dependencies": [
            {"ref": package["bom-ref"], "dependsOn": refs},
            *({"ref": ref} for ref in refs),
        ],
        "formulation": [{"components": list(_tools(directory, repaired, provenance))}],
    }


def _distribution(directory: BuildDirectory, wheel: Wheel, metadata: Message) -> dict[str, Any]:
    """The wheel's own distribution, its source and its patches."""
    ref = purl("pypi", wheel.name, version=wheel.version)
    pedigree: dict[str, Any] = {"ancestors": [_source(directory)]}
    if directory.tree.patches:
        pedigree["patches"] = [_patch(path) for path in directory.build.patches]
    facts = {"variant": directory.build.id.variant, "target": directory.build.id.target.identifier}
    return {
        "type": "library",
        "bom-ref": ref,
        "name": wheel.name,
        "version": wheel.version,
        **_licenses(declared_license(metadata)),
        "purl": ref,
        "pedigree": pedigree,
        "properties": [{"name": f"wheelfarm:{key}", "value": value} for key, value in facts.items()],
    }


def _source(directory: BuildDirectory) -> dict[str, Any]:
    """The verified source. Without its url, which changes no byte and may be secret."""
    fetched = directory.tree.source
    component = {"type": "library", "name": fetched.name, "version": fetched.version}
    match directory.build.recipe.source:
        case Sdist() | PublicWheel():
            file = purl("pypi", fetched.name, version=fetched.version, file_name=fetched.path.name)
        case GitCommit(commit=commit):
            # The identifier of a git commit in any repository (SWHID specification).
            return {**component, "swhid": [f"swh:1:rev:{commit}"]}
        case _:
            file = purl("generic", fetched.name, version=fetched.version, checksum=f"sha256:{fetched.sha256}")
    return {**component, "hashes": hashes(fetched.sha256), "purl": file}


def _patch(path: Path) -> dict[str, Any]:
    """A patch by its name and the digest of its diff, and the upstream issue in its header."""
    diff = {"url": f"{path.name}#sha256={diff_digest(path)}"}
    link = upstream_link(path)
    resolves = {"resolves": [{"type": "defect", "references": [link]}]} if link else {}
    return {"type": "unofficial", "diff": diff, **resolves}


def _vendored(package: Package) -> dict[str, Any]:
    """The origin of vendored libraries, with the files of it in the wheel."""
    properties = list(package.fields.get("properties", ()))
    if not package.texts:
        properties.append({"name": "wheelfarm:license-text", "value": "not found"})
    texts = [{"type": "license", "url": f"../licenses/{_LICENSES}/{name}"} for name in sorted(package.texts)]
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
        **package.fields,
        "scope": "required",
        **_licenses(package.licenses or known_license(library.name for library in package.libraries)),
        **({"externalReferences": texts} if texts else {}),
        **({"properties": properties} if properties else {}),
        "components": files,
    }


def _licenses(found: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return {"licenses": list(found)} if found else {}


def _requirements(repaired: RepairedWheel) -> Iterator[dict[str, Any]]:
    """The distributions in the build environment, with the hashes of their wheels."""
    for entry in repaired.environment:
        ref = purl("pypi", entry.name, version=entry.version)
        yield {
            "type": "library",
            "bom-ref": f"build:{ref}",
            "name": entry.name,
            "version": entry.version,
            "scope": "excluded",
            **({"hashes": hashes(entry.sha256)} if entry.sha256 else {}),
            "purl": ref,
        }


def _tools(
    directory: BuildDirectory, repaired: RepairedWheel, provenance: LibraryProvenance
) -> Iterator[dict[str, Any]]:
    """The compilers of the recipe's languages, and the requested system packages."""
    compilers = {f"compiler {language}" for language in directory.build.recipe.table.compilers}
    for what, version in repaired.toolchain:
        kind, _, name = what.partition(" ")
        if what in compilers:
            number = _VERSION.search(version.rpartition(")")[2]) or _VERSION.search(version)
            number_field = {"version": number[0]} if number else {}
            yield {"type": "application", "name": f"{name} compiler", **number_field, "description": version}
        elif kind == "package":
            ref = purl(provenance.kind or "generic", provenance.distribution, name, version=version)
            yield {"type": "library", "name": name, "version": version, "scope": "excluded", "purl": ref}


def _auditwheel_bill(data: bytes, where: str) -> Mapping[str, Any]:
    why: str | None = "it is no CycloneDX document"
    try:
        found = parse_bill(data, where)
        if found and found["metadata"]["component"]["bom-ref"]:
            return found
    except (WheelError, KeyError, TypeError) as problem:
        why = problem.why if isinstance(problem, WheelError) else repr(problem)
    raise WheelError("auditwheel's bill of materials cannot be read", where=where, why=why)


def _merged(bill: dict[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """Our document with the components that only auditwheel's has."""
    known = {_package(each) for each in bill["components"]} - {""}
    package = other["metadata"]["component"]["bom-ref"]
    more = [
        each for each in other["components"] if each["bom-ref"] != package and _package(each) not in known
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


def _package(component: Mapping[str, Any]) -> str:
    """The package URL without its qualifiers, of which auditwheel writes none; empty without one."""
    return str(component.get("purl", "")).partition("?")[0]


def _serialize(bill: Mapping[str, Any]) -> bytes:
    # The content determines the serial number, so that the same wheel gets the same.
    content = json.dumps(bill, sort_keys=True, ensure_ascii=False)
    serial = f"urn:uuid:{uuid.uuid5(_NAMESPACE, content)}"
    return (json.dumps({**bill, "serialNumber": serial}, indent=1, ensure_ascii=False) + "\n").encode()
