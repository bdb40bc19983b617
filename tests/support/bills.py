"""Wheels with the SBOM that a build directory and library provenance make."""

from __future__ import annotations

import json
import zipfile
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from support.archives import digest
from support.farm import builds_of, make_farm
from support.stages import make_stage
from support.wheels import make_wheel
from wheelfarm.build.environment_report import LibraryProvenance, SystemPackage
from wheelfarm.build.host_engine import Host
from wheelfarm.model import AppliedPatch, Digest, EnvironmentEntry, Name, PinnedWheel, RepairedWheel
from wheelfarm.provenance.sbom import embed
from wheelfarm.provenance.sbom_reader import MEMBER, check_sbom
from wheelfarm.wheels.archive import open_wheel, verify
from wheelfarm.wheels.linkage import added_binaries

if TYPE_CHECKING:
    from pathlib import Path

    from wheelfarm.build.directory import BuildDirectory

INFO: Final = "alpha-1.0.dist-info"
BUILT: Final = frozenset({"alpha/ext.so"})
"""The binaries of the wheel as the backend made it."""
BLAS: Final = b"\x7fELF blas as it came"
COMPILERS: Final = (
    ("compiler c", "cc (Debian 12.2.0-14) 12.2.0"),
    ("compiler fortran", "GNU Fortran 12.2.0"),
)
PACKAGES: Final = (("package libblas-dev", "3.11.0-2"),)
GCC: Final = SystemPackage(
    kind="deb", name="libgfortran5", version="12.2.0-14+b1", texts={"gcc-12-base/copyright": "GPL-3+"}
)
PATCH: Final = """\
Why: it is needed
Upstream: https://example.org/issues/1, closed

--- a/x
+++ b/x
@@ -1 +1 @@
-a
+b
"""
SOURCES: Final[dict[str, dict[str, Any]]] = {
    "sdist": {"kind": "sdist", "sha256": "c" * 64},
    "git": {
        "kind": "git",
        "url": "https://user:secret@example.org/x.git",
        "commit": "d" * 40,
        "sha256": None,
    },
    "archive": {"kind": "archive", "url": "https://example.org/x.tar.gz?secret", "sha256": "c" * 64},
}


def pinned(path: Path, name: str) -> PinnedWheel:
    return PinnedWheel(name=Name(name), version="1.0", path=path, sha256=digest(path.read_bytes()))


def stage_of(root: Path, source: str = "sdist", **changes: Any) -> BuildDirectory:
    recipe = {"source": SOURCES[source], "patches": [{"file": "0001-fix.patch"}], "compilers": ["c"]}
    settings = make_farm(root / "farm", {"alpha": recipe}, patches={"alpha/0001-fix.patch": PATCH})
    stage = make_stage(builds_of(settings)["alpha"], Host(settings), root / "stage")
    patches = tuple(AppliedPatch(file=path.name, sha256=Digest("e" * 64)) for path in stage.build.patches)
    stage.root.mkdir()
    tree = replace(stage.tree, patches=patches)
    return replace(stage, **{"tree": tree, "requirements": (), **changes})


def provider(root: Path) -> PinnedWheel:
    """A wheel that supplies a library, with its license."""
    (root / "provider").mkdir()
    files = {"blas32/lib/libblas32.so": BLAS, "blas32-1.0.dist-info/licenses/LICENSE.txt": b"BSD"}
    return pinned(make_wheel(root / "provider", "blas32", "1.0", files), "blas32")


def repaired(root: Path, libraries: dict[str, bytes], more: dict[str, bytes] | None = None) -> RepairedWheel:
    """A wheel with an extension and libraries; the beginning of a binary precedes a content without it."""
    binaries = {
        name: data if data.startswith(b"\x7fELF") else b"\x7fELF" + data for name, data in libraries.items()
    }
    files = {"alpha/ext.so": b"\x7fELF", **binaries, **(more or {})}
    path = make_wheel(root, "alpha", "1.0", files, tag="cp311-cp311-manylinux_2_28_x86_64")
    environment = (
        EnvironmentEntry(name=Name("pip"), version="26.3", sha256=None),
        EnvironmentEntry(name=Name("setuptools"), version="80.9.0", sha256=Digest("b" * 64)),
    )
    sha256 = digest(path.read_bytes())
    return RepairedWheel(path=path, sha256=sha256, environment=environment, toolchain=COMPILERS + PACKAGES)


def provenance(packages: dict[str, SystemPackage | None] | None = None) -> LibraryProvenance:
    return LibraryProvenance(kind="deb", distribution="debian", packages=packages or {})


def members(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def embedded(
    stage: BuildDirectory, wheel: RepairedWheel, provenance: LibraryProvenance
) -> tuple[dict[str, Any], dict[str, bytes]]:
    """The embedded document, which the real schema accepts, and all members."""
    done = embed(stage, wheel, provenance, stage.root / "finished", built=BUILT)
    assert (done.sha256, done.built_sha256) == (digest(done.path.read_bytes()), wheel.built_sha256)
    opened = open_wheel(done.path)
    verify(opened)
    assert check_sbom(opened) == len(added_binaries(opened, BUILT))
    found = members(done.path)
    problem = JsonStrictValidator(SchemaVersion.V1_6).validate_str(found[f"{INFO}/{MEMBER}"].decode())
    assert problem is None, problem
    return json.loads(found[f"{INFO}/{MEMBER}"]), found


def mangled(name: str, content: bytes, digits: int = 8) -> str:
    stem, _, suffix = name.partition(".")
    return f"{stem}-{digest(content)[:digits]}.{suffix}"
