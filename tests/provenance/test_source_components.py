"""Components whose source is compiled into a wheel's binaries."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from support.bills import BUILT, INFO, members, provenance, repaired, stage_of
from wheelfarm.build.inside import environment_report
from wheelfarm.model import EnvironmentEntry, Name
from wheelfarm.provenance.sbom import embed
from wheelfarm.provenance.sbom_reader import MEMBER

if TYPE_CHECKING:
    from pathlib import Path

    from wheelfarm.model import RepairedWheel

LOCK = """\
version = 4

[[package]]
name = "demo"
version = "0.1.0"

[[package]]
name = "libc"
version = "0.2.170"
source = "registry+https://github.com/rust-lang/crates.io-index"
checksum = "{checksum}"
"""
CHECKSUM = "a" * 64


def _components(root: Path, wheel: RepairedWheel, lock: str = "", **subprojects: str) -> list[dict[str, Any]]:
    stage = stage_of(root)
    stage.tree.project.mkdir(parents=True, exist_ok=True)
    if lock:
        (stage.tree.project / "src").mkdir()
        (stage.tree.project / "src" / "Cargo.lock").write_text(lock)
    done = embed(stage, wheel, provenance(), stage.root / "finished", built=BUILT, subprojects=subprojects)
    bill = json.loads(members(done.path)[f"{INFO}/{MEMBER}"])
    found = [each for each in bill["components"] if each["scope"] == "required"]
    assert bill["dependencies"][0]["dependsOn"] == [each["bom-ref"] for each in found]
    return found


def _with(wheel: RepairedWheel, *names: str) -> RepairedWheel:
    more = tuple(EnvironmentEntry(name=Name(name), version="1", sha256=None) for name in names)
    return replace(wheel, environment=(*wheel.environment, *more))


def test_subprojects_of_meson_are_components(tmp_path: Path) -> None:
    found = _components(tmp_path, repaired(tmp_path, {}), highs="1.12.0", xsf="")
    assert [(each["name"], each.get("version")) for each in found] == [("highs", "1.12.0"), ("xsf", None)]
    assert found[0]["properties"] == [{"name": "wheelfarm:evidence", "value": "subproject of Meson"}]


def test_crates_are_components_where_the_build_ran_cargo(tmp_path: Path) -> None:
    wheel = repaired(tmp_path, {})
    lock = LOCK.format(checksum=CHECKSUM)
    (tmp_path / "with").mkdir()
    (crate,) = _components(tmp_path / "with", _with(wheel, "maturin"), lock)
    assert (crate["purl"], crate["hashes"][0]["content"]) == ("pkg:cargo/libc@0.2.170", CHECKSUM)
    (tmp_path / "without").mkdir()
    assert _components(tmp_path / "without", wheel, lock) == []


@pytest.mark.parametrize("lock", ["[", "package = 7", "[[package]]\nsource = 'x'\n"])
def test_a_file_that_is_not_of_cargo_is_left_out(tmp_path: Path, lock: str) -> None:
    assert _components(tmp_path, _with(repaired(tmp_path, {}), "maturin"), lock) == []


def test_the_report_has_the_subprojects_that_meson_configured(tmp_path: Path) -> None:
    files = {
        "meson.build": "project('demo')\nsubproject('used')\nsubproject('plain')\n",
        "subprojects/used/meson.build": "project('used', version: '1.2')\n",
        "subprojects/plain/meson.build": "project('plain')\n",
        "subprojects/unused/meson.build": "project('unused', version: '3')\n",
    }
    for name, text in files.items():
        path = tmp_path / "source" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    words = [sys.executable, "-m", "mesonbuild.mesonmain", "setup", "build", "source"]
    subprocess.run(words, cwd=tmp_path, check=True, capture_output=True)
    assert environment_report.subprojects(tmp_path / "build") == {"used": "1.2", "plain": ""}
    assert environment_report.subprojects(tmp_path / "source") == {}
