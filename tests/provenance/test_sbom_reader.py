"""The SBOMs of a wheel are read, and the farm's own is checked."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.bills import (
    GCC,
    INFO,
    provenance,
    repaired,
    stage_of,
)
from support.wheels import make_wheel
from wheelfarm.errors import WheelError
from wheelfarm.provenance.sbom import embed
from wheelfarm.provenance.sbom_reader import MEMBER, check_sbom, read_components
from wheelfarm.wheels.archive import open_wheel
from wheelfarm.wheels.rewrite import Changes, rewrite_wheel

if TYPE_CHECKING:
    from pathlib import Path


def wheel_in(root: Path) -> Path:
    member = "alpha.libs/libgfortran-12345678.so.5"
    wheel, stage = repaired(root, {member: b"x"}), stage_of(root)
    return embed(stage, wheel, provenance({member: GCC}), stage.root / "finished").path


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


@pytest.mark.parametrize("where", ["alpha.libs/libnew-12345678.so", "alpha.libs/libgfortran-12345678.so.5"])
def test_a_library_that_is_not_listed(tmp_path: Path, where: str) -> None:
    path = wheel_in(tmp_path)
    wheel = rewrite_wheel(open_wheel(path), path, Changes(written={where: b"another"}))
    with pytest.raises(WheelError, match="not in the wheel's bill") as caught:
        check_sbom(wheel)
    assert caught.value.why == where


def test_one_that_is_no_json(tmp_path: Path) -> None:
    path = wheel_in(tmp_path)
    wheel = rewrite_wheel(open_wheel(path), path, Changes(written={f"{INFO}/{MEMBER}": b"no"}))
    for read in (check_sbom, read_components):
        with pytest.raises(WheelError, match="is not JSON"):
            read(wheel)
