"""The bill of materials of a wheel: what it tells, and that CycloneDX's own schema accepts it."""

from __future__ import annotations

import json
import zipfile
from dataclasses import replace
from email import message_from_bytes
from typing import TYPE_CHECKING, Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from hypothesis import given
from hypothesis import strategies as st
from packageurl import PackageURL

from support.archives import digest
from support.farm import builds_of, make_farm
from support.stages import EPOCH, make_stage
from support.wheels import make_wheel
from wheelfarm.errors import WheelError
from wheelfarm.host import Host
from wheelfarm.model import AppliedPatch, Digest, EnvironmentEntry, Name, PinnedWheel, RepairedWheel
from wheelfarm.plan import diff_digest
from wheelfarm.sbom import MEMBER, check_sbom, components, enclose
from wheelfarm.sbom.enclosing import with_license_files
from wheelfarm.sbom.identity import known_licence, licence, purl
from wheelfarm.testimony import Owner, Owners
from wheelfarm.wheels import Changes, open_wheel, vendored, verify, write_edition

if TYPE_CHECKING:
    from pathlib import Path

    from wheelfarm.stage import Stage

INFO = "alpha-1.0.dist-info"
BLAS = b"\x7fELF blas as it came"
COMPILERS = (("compiler c", "cc (Debian 12.2.0-14) 12.2.0"), ("compiler fortran", "GNU Fortran 12.2.0"))
PACKAGES = (("package libblas-dev", "3.11.0-2"),)
GCC = Owner(
    kind="deb", name="libgfortran5", version="12.2.0-14+b1", texts={"gcc-12-base/copyright": "GPL-3+"}
)
PATCH = """\
Why: it is needed
Upstream: https://example.org/issues/1, closed

--- a/x
+++ b/x
@@ -1 +1 @@
-a
+b
"""
SOURCES: dict[str, dict[str, Any]] = {
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


def stage_of(root: Path, source: str = "sdist", **changes: Any) -> Stage:
    recipe = {"source": SOURCES[source], "patches": [{"file": "0001-fix.patch"}], "compilers": ["c"]}
    settings = make_farm(root / "farm", {"alpha": recipe}, patches={"alpha/0001-fix.patch": PATCH})
    stage = make_stage(builds_of(settings)["alpha"], Host(settings), root / "stage")
    patches = tuple(AppliedPatch(file=path.name, sha256=Digest("e" * 64)) for path in stage.build.patches)
    stage.root.mkdir()
    tree = replace(stage.tree, patches=patches)
    return replace(stage, **{"tree": tree, "requirements": (), **changes})


def provider(root: Path) -> PinnedWheel:
    """A wheel that supplies a library, with its licence."""
    (root / "provider").mkdir()
    files = {"blas32/lib/libblas32.so": BLAS, "blas32-1.0.dist-info/licenses/LICENSE.txt": b"BSD"}
    return pinned(make_wheel(root / "provider", "blas32", "1.0", files), "blas32")


def repaired(root: Path, libraries: dict[str, bytes], more: dict[str, bytes] | None = None) -> RepairedWheel:
    files = {"alpha/ext.so": b"\x7fELF", **libraries, **(more or {})}
    path = make_wheel(root, "alpha", "1.0", files, tag="cp311-cp311-manylinux_2_28_x86_64")
    held = (
        EnvironmentEntry(name=Name("pip"), version="26.3", sha256=None),
        EnvironmentEntry(name=Name("setuptools"), version="80.9.0", sha256=Digest("b" * 64)),
    )
    sha256 = digest(path.read_bytes())
    return RepairedWheel(path=path, sha256=sha256, environment=held, toolchain=COMPILERS + PACKAGES)


def told(owners: dict[str, Owner | None] | None = None) -> Owners:
    return Owners(kind="deb", distribution="debian", owners=owners or {})


def members(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def enclosed(stage: Stage, wheel: RepairedWheel, owners: Owners) -> tuple[dict[str, Any], dict[str, bytes]]:
    """The document in the edition, which the real schema accepts, and all members."""
    done = enclose(stage, wheel, owners, stage.root / "finished")
    assert (done.sha256, done.built_sha256) == (digest(done.path.read_bytes()), wheel.built_sha256)
    opened = open_wheel(done.path)
    verify(opened)
    assert check_sbom(opened) == len(vendored(opened))
    found = members(done.path)
    problem = JsonStrictValidator(SchemaVersion.V1_6).validate_str(found[f"{INFO}/{MEMBER}"].decode())
    assert problem is None, problem
    return json.loads(found[f"{INFO}/{MEMBER}"]), found


def mangled(name: str, content: bytes, digits: int = 8) -> str:
    stem, _, suffix = name.partition(".")
    return f"{stem}-{digest(content)[:digits]}.{suffix}"


class TestDocument:
    def test_all_of_it(self, tmp_path: Path) -> None:
        stage = stage_of(tmp_path, provider_wheel=provider(tmp_path))
        blas, fortran = (
            f"alpha.libs/{mangled('libblas32.so', BLAS)}",
            "alpha.libs/libgfortran-12345678.so.5.0.0",
        )
        wheel = repaired(tmp_path, {blas: BLAS + b" patched", fortran: b"gfortran"})
        bill, found = enclosed(stage, wheel, told({fortran: GCC}))

        package = bill["metadata"]["component"]
        assert bill["metadata"]["timestamp"] == "2020-09-13T12:26:40Z"
        assert EPOCH == 1_600_000_000
        assert (package["purl"], package["version"]) == ("pkg:pypi/alpha@1.0", "1.0")
        (source,), (patch,) = package["pedigree"]["ancestors"], package["pedigree"]["patches"]
        assert source["hashes"] == [{"alg": "SHA-256", "content": "c" * 64}]
        assert patch["diff"]["url"] == f"0001-fix.patch#sha256={diff_digest(stage.build.patches[0])}"
        assert patch["resolves"][0]["references"] == ["https://example.org/issues/1"]

        named = {each["name"]: each for each in bill["components"]}
        assert list(named) == ["libgfortran5", "blas32", "pip", "setuptools"]
        assert named["blas32"]["hashes"][0]["content"] == stage.provider_wheel.sha256  # type: ignore[union-attr]
        (file,) = named["blas32"]["components"]
        assert (file["name"], file["hashes"][0]["content"]) == (blas, digest(BLAS + b" patched"))
        assert named["libgfortran5"]["purl"] == "pkg:deb/debian/libgfortran5@12.2.0-14%2Bb1"
        assert named["libgfortran5"]["licenses"][0]["expression"].endswith("WITH GCC-exception-3.1")
        assert named["libgfortran5"]["externalReferences"] == [
            {"type": "license", "url": "../licenses/vendored/gcc-12-base/copyright"}
        ]
        assert (named["setuptools"]["scope"], "hashes" in named["pip"]) == ("excluded", False)
        (formula,) = bill["formulation"]
        assert [(each["name"], each["version"]) for each in formula["components"]] == [
            ("c compiler", "12.2.0"),
            ("libblas-dev", "3.11.0-2"),
        ]
        graph = {each["ref"]: each.get("dependsOn", []) for each in bill["dependencies"]}
        assert graph["pkg:pypi/alpha@1.0"] == [named["libgfortran5"]["bom-ref"], "pkg:pypi/blas32@1.0"]

        assert found[f"{INFO}/licenses/vendored/gcc-12-base/copyright"] == b"GPL-3+"
        assert found[f"{INFO}/licenses/vendored/blas32/LICENSE.txt"] == b"BSD"
        metadata = message_from_bytes(found[f"{INFO}/METADATA"])
        assert metadata.get_all("License-File") == [
            "vendored/blas32/LICENSE.txt",
            "vendored/gcc-12-base/copyright",
        ]

    @pytest.mark.parametrize("source", SOURCES)
    def test_no_source_tells_where_it_was_fetched_from(self, tmp_path: Path, source: str) -> None:
        bill, found = enclosed(stage_of(tmp_path, source), repaired(tmp_path, {}), told())
        text = found[f"{INFO}/{MEMBER}"].decode()
        assert not any(word in text for word in ("secret", "example.org/x", "index.invalid", str(tmp_path)))
        (origin,) = bill["metadata"]["component"]["pedigree"]["ancestors"]
        assert origin.get("swhid", origin.get("hashes")) == {
            "git": [f"swh:1:rev:{'d' * 40}"],
        }.get(source, [{"alg": "SHA-256", "content": "c" * 64}])

    def test_the_same_each_time(self, tmp_path: Path) -> None:
        wheel, stage = repaired(tmp_path, {"alpha.libs/libx-12345678.so": b"x"}), stage_of(tmp_path)
        texts = [enclose(stage, wheel, told(), stage.root / "finished").path.read_bytes() for _ in "ab"]
        assert texts[0] == texts[1]

    def test_another_content_has_another_serial_number(self, tmp_path: Path) -> None:
        stage, wheel = stage_of(tmp_path), repaired(tmp_path, {})
        one, _ = enclosed(stage, wheel, told())
        other, _ = enclosed(replace(stage, epoch=EPOCH + 1), wheel, told())
        assert one["serialNumber"] != other["serialNumber"]


class TestVendored:
    @pytest.mark.parametrize(
        "member",
        [
            f"alpha.libs/{mangled('libblas32.so', BLAS)}",
            "alpha/.dylibs/libblas32.so",
            f"alpha.libs/{mangled('libblas32.so', BLAS, 32)}",
        ],
    )
    def test_a_copy_from_a_wheel_by_each_tool(self, tmp_path: Path, member: str) -> None:
        stage = stage_of(tmp_path, requirements=(provider(tmp_path),))
        bill, _ = enclosed(stage, repaired(tmp_path, {member: b"changed"}), told())
        assert bill["components"][0]["purl"] == "pkg:pypi/blas32@1.0"

    def test_another_library_of_that_name_is_none(self, tmp_path: Path) -> None:
        stage = stage_of(tmp_path, provider_wheel=provider(tmp_path))
        member = "alpha.libs/libblas32-00000000.so"
        bill, _ = enclosed(stage, repaired(tmp_path, {member: b"another"}), told({member: None}))
        unknown = bill["components"][0]
        assert unknown["name"] == "libblas32.so"
        assert [each["value"] for each in unknown["properties"]] == ["unknown", "not found"]
        assert unknown["components"][0]["name"] == member

    def test_two_libraries_of_one_package(self, tmp_path: Path) -> None:
        gcc = Owner(kind="brew", name="gcc", version="14.2.0", licence="GPL-3.0-or-later")
        names = ("alpha/.dylibs/libgfortran.5.dylib", "alpha/.dylibs/libquadmath.0.dylib")
        wheel = repaired(tmp_path, dict.fromkeys(names, b"\xcf\xfa\xed\xfe"))
        bill, _ = enclosed(stage_of(tmp_path), wheel, told(dict.fromkeys(names, gcc)))
        first = bill["components"][0]
        assert (first["purl"], [each["name"] for each in first["components"]]) == (
            "pkg:brew/gcc@14.2.0",
            [*names],
        )
        assert first["components"][1]["licenses"][0]["expression"] == "LGPL-2.1-or-later"

    @pytest.mark.parametrize("owner", [GCC, None])
    def test_what_auditwheel_tells_is_taken_over_once(self, tmp_path: Path, owner: Owner | None) -> None:
        member = "alpha.libs/libgfortran-12345678.so.5"
        ref = "pkg:deb/debian/libgfortran5@12.2.0-14%2Bb1"
        theirs = {
            "bomFormat": "CycloneDX",
            "specVersion": "1.4",
            "metadata": {
                "component": {"bom-ref": "alpha", "type": "library", "name": "alpha"},
                "tools": [{"name": "auditwheel", "version": "6.8.2"}],
            },
            "components": [
                {"bom-ref": "alpha", "type": "library", "name": "alpha"},
                {"bom-ref": f"{ref}#1", "type": "library", "name": "libgfortran5", "purl": ref},
            ],
        }
        document = f"{INFO}/sboms/auditwheel.cdx.json"
        others = {document: json.dumps(theirs).encode(), f"{INFO}/sboms/backend.cdx.json": b"{}"}
        wheel = repaired(tmp_path, {member: b"x"}, others)
        bill, found = enclosed(stage_of(tmp_path), wheel, told({member: owner}))
        purls = [each.get("purl") for each in bill["components"]]
        assert purls.count(ref) == 1
        (depends,) = (each["dependsOn"] for each in bill["dependencies"] if "dependsOn" in each)
        assert depends == ([ref] if owner else [f"vendored:{member}", f"{ref}#1"])
        assert bill["metadata"]["tools"]["components"][1]["name"] == "auditwheel"
        assert document not in found
        assert f"{INFO}/sboms/backend.cdx.json" in found

    @pytest.mark.parametrize(
        "text", [b"{", b"[]", b"{}", b'{"bomFormat": "SPDX", "metadata": {"component": {"bom-ref": 1}}}']
    )
    def test_what_auditwheel_cannot_have_written(self, tmp_path: Path, text: bytes) -> None:
        wheel = repaired(tmp_path, {}, {f"{INFO}/sboms/auditwheel.cdx.json": text})
        with pytest.raises(WheelError, match="auditwheel tells cannot be read"):
            enclose(stage_of(tmp_path), wheel, told(), tmp_path / "out")


class TestReading:
    def wheel(self, root: Path) -> Path:
        member = "alpha.libs/libgfortran-12345678.so.5"
        wheel, stage = repaired(root, {member: b"x"}), stage_of(root)
        return enclose(stage, wheel, told({member: GCC}), stage.root / "finished").path

    def test_components(self, tmp_path: Path) -> None:
        alpha, gcc, *rest = components(open_wheel(self.wheel(tmp_path)))
        assert alpha == {"name": "alpha", "version": "1.0"}
        assert (gcc["files"], gcc["licence"]) == (
            "alpha.libs/libgfortran-12345678.so.5",
            "GPL-3.0-or-later WITH GCC-exception-3.1",
        )
        assert [each["scope"] for each in rest] == ["excluded", "excluded"]

    def test_a_wheel_without(self, tmp_path: Path) -> None:
        wheel = open_wheel(make_wheel(tmp_path))
        assert components(wheel) == ()
        with pytest.raises(WheelError, match="has no bill of materials"):
            check_sbom(wheel)

    @pytest.mark.parametrize(
        "where", ["alpha.libs/libnew-12345678.so", "alpha.libs/libgfortran-12345678.so.5"]
    )
    def test_a_library_that_it_does_not_speak_of(self, tmp_path: Path, where: str) -> None:
        path = self.wheel(tmp_path)
        wheel = write_edition(open_wheel(path), path, Changes(written={where: b"another"}))
        with pytest.raises(WheelError, match="not in the wheel's bill") as caught:
            check_sbom(wheel)
        assert caught.value.why == where

    def test_one_that_is_no_json(self, tmp_path: Path) -> None:
        path = self.wheel(tmp_path)
        wheel = write_edition(open_wheel(path), path, Changes(written={f"{INFO}/{MEMBER}": b"no"}))
        for read in (check_sbom, components):
            with pytest.raises(WheelError, match="is not JSON"):
                read(wheel)


class TestLicences:
    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("mit", {"expression": "MIT"}),
            ("BSD-3-Clause AND MIT", {"expression": "BSD-3-Clause AND MIT"}),
            ("BSD License", {"license": {"name": "BSD License"}}),
            ("BSD 2-Clause License\n\nCopyright …", {"license": {"name": "BSD 2-Clause License"}}),
            ("Copyright (c) somebody\nAll rights reserved.", None),
            ("x" * 81, None),
            ("", None),
        ],
    )
    def test_declared(self, text: str, expected: dict[str, Any] | None) -> None:
        found = [{key: each[key] for key in each if key != "acknowledgement"} for each in licence(text)]
        for each in found:
            each.get("license", {}).pop("acknowledgement", None)
        assert found == ([expected] if expected else [])

    def test_known_by_name(self) -> None:
        (both,) = known_licence(["libgfortran.so.5", "libquadmath.so.0"])
        assert both["expression"] == "GPL-3.0-or-later WITH GCC-exception-3.1 AND LGPL-2.1-or-later"
        assert known_licence(["libgfortran.so.5", "libmine.so"]) == ()
        assert known_licence(["libgfortran-040039e1.so.5"]) == known_licence(["libgomp.so.1"])
        assert known_licence([]) == ()

    def test_metadata_of_before_the_field_stays(self) -> None:
        old = b"Metadata-Version: 2.1\nName: a\n\nbody\n"
        assert with_license_files(old, {"x": ""}) == old

    @pytest.mark.parametrize("end", ["\n", "\r\n"])
    @pytest.mark.parametrize("body", ["", "\nLicense-File: no field\n"])
    def test_the_field_is_added_once_and_the_body_kept(self, end: str, body: str) -> None:
        lines = "Metadata-Version: 2.4\nName: a\nLicense-File: LICENSE\n"
        text = (lines + body).replace("\n", end).encode()
        found = with_license_files(text, {"vendored/x": "", "LICENSE": ""})
        message = message_from_bytes(found)
        assert message.get_all("License-File") == ["LICENSE", "vendored/x"]
        assert found.endswith(body.replace("\n", end).encode())
        assert with_license_files(found, {"vendored/x": ""}) == found


names = st.text(st.characters(codec="ascii", categories=["Ll", "Nd"]) | st.sampled_from(".-+"), min_size=1)
versions = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc", "Z"]), min_size=1)


@given(name=names, version=versions, file=versions)
def test_package_urls_are_what_their_own_library_reads(name: str, version: str, file: str) -> None:
    read = PackageURL.from_string(purl("deb", "debian", name, version=version, file_name=file))
    assert (read.type, read.namespace, read.name) == ("deb", "debian", name)
    assert (read.version, read.qualifiers) == (version, {"file_name": file})
