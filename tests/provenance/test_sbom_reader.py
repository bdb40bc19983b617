"""The SBOMs of a wheel are read, and the farm's own is checked."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.bills import (
    BUILT,
    GCC,
    INFO,
    provenance,
    repaired,
    stage_of,
)
from support.wheels import make_wheel
from wheelfarm.errors import WheelError
from wheelfarm.provenance.sbom import embed
from wheelfarm.provenance.sbom_reader import MEMBER, check_sbom, read_components, vendored_members
from wheelfarm.wheels.archive import open_wheel
from wheelfarm.wheels.rewrite import Changes, rewrite_wheel

if TYPE_CHECKING:
    from pathlib import Path


def wheel_in(root: Path) -> Path:
    member = "alpha.libs/libgfortran-12345678.so.5"
    wheel, stage = repaired(root, {member: b"\x7fELF"}), stage_of(root)
    return embed(stage, wheel, provenance({member: GCC}), stage.root / "finished", built=BUILT).path


def test_components(tmp_path: Path) -> None:
    alpha, gcc, *rest = read_components(open_wheel(wheel_in(tmp_path)))
    assert alpha == {"name": "alpha", "version": "1.0"}
    assert (gcc["files"], gcc["license"]) == (
        "alpha.libs/libgfortran-12345678.so.5",
        "GPL-3.0-or-later WITH GCC-exception-3.1",
    )
    assert [each["scope"] for each in rest] == ["excluded", "excluded"]


def test_a_wheel_without(tmp_path: Path) -> None:
    wheel = open_wheel(make_wheel(tmp_path))
    assert read_components(wheel) == ()
    with pytest.raises(WheelError, match="has no bill of materials"):
        check_sbom(wheel)


@pytest.mark.parametrize("change", ["dropped", "changed"])
def test_a_wheel_without_a_library_that_is_listed(tmp_path: Path, change: str) -> None:
    path, where = wheel_in(tmp_path), "alpha.libs/libgfortran-12345678.so.5"
    changes = Changes(written={where: b"another"})
    if change == "dropped":
        changes = Changes(dropped=frozenset({where}))
    wheel = rewrite_wheel(open_wheel(path), path, changes)
    with pytest.raises(WheelError, match="does not have the libraries") as caught:
        check_sbom(wheel)
    assert caught.value.why == where


def test_vendored_is_what_the_repair_added_whatever_its_name_is(tmp_path: Path) -> None:
    odd = "alpha.libs/libgomp-12345678.so.1.0.0-8.5.0-28.el8.x86_64.debug"
    own = ".alpha.mesonpy.libs/libown.so"
    wheel = repaired(tmp_path, {odd: b"", own: b""}, {"alpha.libs/data.txt": b"x"})
    path = embed(stage_of(tmp_path), wheel, provenance(), tmp_path / "finished", built=BUILT | {own}).path
    assert vendored_members(open_wheel(path)) == {odd}


def test_vendored_of_a_wheel_of_others_is_in_directories_of_repair_tools(tmp_path: Path) -> None:
    files = {"a.libs/libx.so.1": b"", "a/libown.so": b"", "a/ext.so": b""}
    assert vendored_members(open_wheel(make_wheel(tmp_path, files=files))) == {"a.libs/libx.so.1"}


def test_one_that_is_no_json(tmp_path: Path) -> None:
    path = wheel_in(tmp_path)
    wheel = rewrite_wheel(open_wheel(path), path, Changes(written={f"{INFO}/{MEMBER}": b"no"}))
    for read in (check_sbom, read_components):
        with pytest.raises(WheelError, match="is not JSON"):
            read(wheel)
