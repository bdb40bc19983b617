"""A C library as a wheel of its own, which supplies the BLAS of a variant."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.farm import make_toolchain, plan_of
from support.library import library_farm
from support.runs import LineListener
from support.tiny import run_farm
from wheelfarm.errors import UsageError
from wheelfarm.run.farm import Farm
from wheelfarm.run.reproduce import Reproduction
from wheelfarm.system.files import sha256_of_file
from wheelfarm.wheels.archive import open_wheel
from wheelfarm.wheels.linkage import linkage

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.slow
def test_what_links_it_requires_its_wheel_and_finds_it_beside(tmp_path: Path) -> None:
    run = run_farm(library_farm(tmp_path))
    assert run.states == {"tinyblas": "built", "tinyuse": "built"}, [
        str(each.error) for each in run.outcomes.values()
    ]
    library, user = (open_wheel(run.wheel(name)) for name in ("tinyblas", "tinyuse"))
    assert {(tag.interpreter, tag.abi) for tag in library.tags} == {("py3", "none")}
    assert user.metadata.requires_dist == ("tinyblas==1.0",)
    (ext,) = linkage(user)
    assert ("libtinyblas.so" in ext.needed, ext.rpaths) == (True, ("$ORIGIN/../tinyblas/lib",))
    assert not [name for name in user.names if "libtinyblas" in name]
    inputs = run.record("tinyuse").inputs
    assert inputs is not None
    assert (inputs.added_requires, [*inputs.upstream]) == (("tinyblas==1.0",), ["tinyblas"])


@pytest.mark.slow
def test_what_links_it_is_reproduced_from_its_record_alone(tmp_path: Path) -> None:
    run = run_farm(library_farm(tmp_path))
    wheelhouse = Farm(settings=run.settings).wheelhouse
    reproduction = Reproduction.of(run.record("tinyuse"), settings=run.settings, wheelhouse=wheelhouse)
    (again,) = reproduction.run(LineListener([]))
    assert sha256_of_file(again.wheel) == run.record("tinyuse").wheel.sha256


@pytest.mark.slow
def test_a_wheel_for_one_python_is_an_error(tmp_path: Path) -> None:
    run = run_farm(library_farm(tmp_path, tag="cp311-cp311-"))
    assert run.states["tinyblas"] == "failed"
    assert "abi: expected py3-none of one platform, found cp311-cp311-" in str(run.error("tinyblas"))


@pytest.mark.slow
def test_flags_that_match_nothing_are_an_error(tmp_path: Path) -> None:
    run = run_farm(library_farm(tmp_path, recipe={"compiler-flags": {"tiny.c": ["-Os"], "no/*": ["-O3"]}}))
    assert run.states["tinyblas"] == "failed"
    assert "no source or object that was compiled matches 'no/*'" in str(run.error("tinyblas"))


def test_it_is_built_for_its_variant_only(tmp_path: Path) -> None:
    settings = library_farm(tmp_path)
    assert [build.id.name for build in plan_of(settings).builds] == ["tinyblas", "tinyuse"]
    plain = settings.replace(variant="plain")
    plan = plan_of(plain, variant="plain")
    assert [build.id.name for build in plan.builds] == ["tinyuse"]
    assert plan.builds[0].upstream == ()
    assert any("tinyblas is not built for" in line for line in plan.skipped)
    with pytest.raises(UsageError, match="tinyblas is not built for"):
        plan_of(plain, ["tinyblas"], variant="plain")


def test_one_build_serves_all_pythons(tmp_path: Path) -> None:
    targets = [f"cp3{minor}-manylinux_x86_64" for minor in (11, 12)]
    plan = plan_of(library_farm(tmp_path), toolchains=[*map(make_toolchain, targets)])
    assert [str(build.id) for build in plan.builds] == [
        f"tinyblas (tiny, {targets[0]})",
        *(f"tinyuse (tiny, {target})" for target in targets),
    ]
    assert {build.upstream[0].target.identifier for build in plan.builds[1:]} == {targets[0]}


def test_the_key_of_a_wheel_for_all_pythons_does_not_depend_on_one(tmp_path: Path) -> None:
    settings = library_farm(tmp_path)
    toolchains = [
        make_toolchain("cp311-manylinux_x86_64"),
        make_toolchain("cp312-manylinux_x86_64", facts={"image": "sha256:1234", "python": "3.12.1"}),
    ]
    plans = [plan_of(settings, ["tinyblas"], toolchains=[each]) for each in toolchains]
    assert len({plan.builds[0].key for plan in plans}) == 1
