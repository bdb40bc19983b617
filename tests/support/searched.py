"""Stored wheels with components, libraries, build environments and patches, to be searched and audited."""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING, Any, Final

from support.binaries import macho
from support.publishing import VARIANT, tag_of
from support.records import sample_record
from support.wheels import make_wheel
from wheelfarm.model import AppliedPatch, Digest, EnvironmentEntry, Name, Target, sha256_of_json
from wheelfarm.provenance.record import RecordedWheel
from wheelfarm.provenance.sbom_components import PackageUrl
from wheelfarm.provenance.sbom_reader import MEMBER
from wheelfarm.system.files import sha256_of_file

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from wheelfarm.model import StoredWheel
    from wheelfarm.wheelhouse.wheelhouse import Wheelhouse

SSL: Final = "pkg:deb/debian/libssl3@3.0.17-1~deb12u2?distro=debian-12&upstream=openssl"
"""A library of Debian, whose source has another name."""
FIX: Final = """\
Do not read beyond the end

Why: a crafted file crashes it
Upstream: https://example.org/7, not released
Resolves: CVE-2026-1111, ghsa-ABCD-2345-6789

--- a/x
+++ b/x
@@ -1 +1 @@
-Resolves: CVE-2026-9999
+b
"""


def bill(name: str, version: str, purls: Iterable[str], files: Mapping[str, str]) -> dict[str, Any]:
    """An SBOM as the farm writes it: the distribution, and a component for each package URL."""
    own = f"pkg:pypi/{name}@{version}"
    components = []
    for purl in purls:
        url = PackageUrl.parse(purl)
        assert url is not None
        parts = [{"type": "file", "name": files[purl]}] if purl in files else []
        components.append(
            {
                "type": "library",
                "bom-ref": purl.partition("?")[0],
                "name": url.name,
                "version": url.version,
                "purl": purl,
                "scope": "required",
                "components": parts,
            }
        )
    tool = {
        "type": "library",
        "bom-ref": "build:x",
        "name": "build-tool",
        "version": "1",
        "scope": "excluded",
    }
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, own)}",
        "version": 1,
        "metadata": {
            "component": {"type": "library", "bom-ref": own, "name": name, "version": version, "purl": own}
        },
        "components": [*components, tool],
    }


def put(
    wheelhouse: Wheelhouse,
    name: str,
    version: str = "1.0",
    *,
    variant: str = VARIANT,
    target: str = "cp311-manylinux_x86_64",
    purls: Iterable[str] = (),
    files: Mapping[str, str] | None = None,
    needs: Iterable[str] = (),
    built_with: Mapping[str, str] | None = None,
    toolchain: Mapping[str, str] | None = None,
    patches: Mapping[str, str] | None = None,
    members: Mapping[str, bytes] | None = None,
) -> StoredWheel:
    """Store a wheel.

    Args:
        wheelhouse: where.
        name: its distribution.
        version: its version.
        variant: its variant.
        target: its target.
        purls: its components.
        files: the file of a component in the wheel, by package URL.
        needs: libraries that its extension loads.
        built_with: distributions of the build environment, with their versions.
        toolchain: programs, as a record names them.
        patches: name of a patch and its text.
        members: further members; one of the SBOM's name replaces the SBOM.
    """
    inside = f"{name}-{version}.dist-info"
    contents: dict[str, str | bytes] = {
        f"{name}.py": f"{variant} {target}",
        f"{inside}/{MEMBER}": json.dumps(bill(name, version, purls, files or {})),
        **(members or {}),
    }
    if needs:
        contents[f"{name}/ext.so"] = macho(needed=list(needs))
    directory: Path = wheelhouse.root.parent / "made" / f"{name}-{version}-{variant}-{target}"
    directory.mkdir(parents=True, exist_ok=True)
    wheel = make_wheel(directory, name, version, contents, tag=tag_of(target))
    sha256 = sha256_of_file(wheel)
    key = Digest(sha256_of_json([name, version, variant, target, sha256]))
    record = sample_record(
        recipe=Name(name),
        distribution=Name(name),
        version=version,
        variant=variant,
        target=Target.parse(target),
        key=key,
        build_requirements=tuple(
            EnvironmentEntry(name=Name(each), version=number, sha256=None)
            for each, number in (built_with or {}).items()
        ),
        toolchain=dict(toolchain or {}),
        patches=tuple(
            AppliedPatch(file=file, sha256=Digest("d" * 64), text=text)
            for file, text in (patches or {}).items()
        ),
        wheel=RecordedWheel(filename=wheel.name, sha256=sha256, size=wheel.stat().st_size, built_sha256=None),
    )
    return wheelhouse.store(wheel, sha256=sha256, variant=variant, key=key, record=record.to_json())


def advisory(
    name: str, package: str, *, ecosystem: str = "PyPI", aliases: Iterable[str] = (), **events: str
) -> dict[str, Any]:
    """A record in OSV's format about one range of one package's versions."""
    return {
        "schema_version": "1.7.0",
        "id": name,
        "modified": "2026-03-04T05:06:07Z",
        "published": "2026-03-02T05:06:07Z",
        "aliases": list(aliases),
        "summary": f"{package} has a defect",
        "severity": [{"type": "CVSS_V3", "score": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:N/A:N"}],
        "affected": [
            {
                "package": {"ecosystem": ecosystem, "name": package},
                "ranges": [
                    {"type": "ECOSYSTEM", "events": [{kind: value} for kind, value in events.items()]}
                ],
            }
        ],
    }
