"""The SBOM of a wheel: its content, which the schema of CycloneDX accepts."""

from __future__ import annotations

from dataclasses import replace
from email import message_from_bytes
from typing import TYPE_CHECKING

import pytest

from support.archives import digest
from support.bills import (
    BLAS,
    BUILT,
    GCC,
    INFO,
    SOURCES,
    embedded,
    mangled,
    provenance,
    provider,
    repaired,
    stage_of,
)
from support.stages import EPOCH
from wheelfarm.plan.inputs import diff_digest
from wheelfarm.provenance.sbom import embed
from wheelfarm.provenance.sbom_reader import MEMBER

if TYPE_CHECKING:
    from pathlib import Path


def test_the_whole_document(tmp_path: Path) -> None:
    stage = stage_of(tmp_path, provider_wheels=(provider(tmp_path),))
    blas, fortran = (
        f"alpha.libs/{mangled('libblas32.so', BLAS)}",
        "alpha.libs/libgfortran-12345678.so.5.0.0",
    )
    wheel = repaired(tmp_path, {blas: BLAS + b" patched", fortran: b"gfortran"})
    bill, found = embedded(stage, wheel, provenance({fortran: GCC}))

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
    assert named["blas32"]["hashes"][0]["content"] == stage.provider_wheels[0].sha256
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
def test_the_url_of_a_source_is_left_out(tmp_path: Path, source: str) -> None:
    bill, found = embedded(stage_of(tmp_path, source), repaired(tmp_path, {}), provenance())
    text = found[f"{INFO}/{MEMBER}"].decode()
    assert not any(word in text for word in ("secret", "example.org/x", "index.invalid", str(tmp_path)))
    (origin,) = bill["metadata"]["component"]["pedigree"]["ancestors"]
    assert origin.get("swhid", origin.get("hashes")) == {
        "git": [f"swh:1:rev:{'d' * 40}"],
    }.get(source, [{"alg": "SHA-256", "content": "c" * 64}])


def test_the_same_each_time(tmp_path: Path) -> None:
    wheel, stage = repaired(tmp_path, {"alpha.libs/libx-12345678.so": b"x"}), stage_of(tmp_path)
    texts = [
        embed(stage, wheel, provenance(), stage.root / "finished", built=BUILT).path.read_bytes()
        for _ in "ab"
    ]
    assert texts[0] == texts[1]


def test_another_content_has_another_serial_number(tmp_path: Path) -> None:
    stage, wheel = stage_of(tmp_path), repaired(tmp_path, {})
    one, _ = embedded(stage, wheel, provenance())
    other, _ = embedded(replace(stage, epoch=EPOCH + 1), wheel, provenance())
    assert one["serialNumber"] != other["serialNumber"]
