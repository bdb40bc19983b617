"""sizes.toml: what wheels measured, and the limits that follow."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.farm import LINUX, make_farm, plan_of
from support.raised import only, raised
from wheelfarm.errors import RecipeError
from wheelfarm.model import EngineName, Target
from wheelfarm.recipes.recipe_set import read_recipes
from wheelfarm.recipes.sizes import (
    HEADROOM,
    LOOSE,
    MeasuredSize,
    Sizes,
    SizesFile,
    allowed,
    is_loose,
    merge_sizes,
    render_sizes,
)
from wheelfarm.recipes.strict import size_of

if TYPE_CHECKING:
    from pathlib import Path

    from wheelfarm.recipes.expect_table import MaxSize
    from wheelfarm.recipes.settings import Settings

FILE = "recipes/alpha/sizes.toml"
MEASURED = MeasuredSize(file=1_000_000, unpacked=3_000_000)
TARGET = Target.parse(LINUX)


def farm(root: Path, sizes: Sizes | str, **table: Any) -> Settings:
    text = sizes if isinstance(sizes, str) else render_sizes("alpha", sizes)
    return make_farm(root, {"alpha": {"compilers": ["c"]} | table}, files={FILE: text})


def limits(
    settings: Settings, engine: EngineName = EngineName.HOST, variant: str = "plain"
) -> MaxSize | None:
    recipe = read_recipes(settings).find("alpha")
    return recipe.resolve_for(engine, variant=variant, target=TARGET).expect.max_size


@given(st.integers(min_value=1, max_value=10**11))
def test_a_limit_is_a_little_above_the_size_and_never_loose(size: int) -> None:
    limit = allowed(size)
    # A small one is rounded to whole bytes, a large one to kB.
    assert size * (1 + HEADROOM) - 1000 <= size_of(limit) <= max(1, size * (1 + HEADROOM))
    assert not is_loose(limit, size)
    assert size_of(limit) >= size


def test_a_limit_more_than_three_per_cent_above_is_loose() -> None:
    assert not is_loose("1.03M", 1_000_000)
    assert is_loose("1.031M", 1_000_000)
    assert LOOSE > HEADROOM


sizes = st.builds(MeasuredSize, file=st.integers(1, 10**11), unpacked=st.integers(1, 10**11))
targets = st.dictionaries(st.sampled_from([LINUX, "manylinux_x86_64", "any"]), sizes, min_size=1)
tables = st.dictionaries(
    st.sampled_from(["openblas", "slim-v3"]),
    st.dictionaries(st.sampled_from([*EngineName]), targets, min_size=1),
)


@given(table=tables)
def test_what_is_written_is_read_again(table: Sizes) -> None:
    written = tomllib.loads(render_sizes("alpha", table))
    assert SizesFile.model_validate(written).sizes == table


def test_only_the_measured_wheel_is_limited(tmp_path: Path) -> None:
    settings = farm(tmp_path, {"plain": {EngineName.HOST: {LINUX: MEASURED}}})
    found = limits(settings)
    assert found is not None
    assert (found.file, found.unpacked) == ("1.020M", "3.060M")
    assert limits(settings, EngineName.CIBUILDWHEEL) is None
    assert limits(settings, variant="netlib") is None


def test_the_tighter_limit_counts_and_each_knows_its_origin(tmp_path: Path) -> None:
    own = {"max-size": {"file": "1.01M", "unpacked": "9M"}}
    settings = farm(tmp_path, {"plain": {EngineName.HOST: {LINUX: MEASURED}}}, expect=own)
    found = limits(settings)
    assert found is not None
    assert (found.file, found.unpacked) == ("1.01M", "3.060M")
    recipe = read_recipes(settings).find("alpha")
    resolved = recipe.resolve_for(EngineName.HOST, variant="plain", target=TARGET)
    assert resolved.origins["expect.max-size.file"] == "recipes/alpha/recipe.toml"
    assert resolved.origins["expect.max-size.unpacked"] == FILE


def test_a_wheel_for_all_pythons_has_one_size(tmp_path: Path) -> None:
    settings = farm(tmp_path, {"plain": {EngineName.HOST: {"manylinux_x86_64": MEASURED}}}, abi="none")
    assert limits(settings) is not None


def test_a_new_size_changes_what_the_gate_checks_and_not_what_is_built(tmp_path: Path) -> None:
    engine = plan_of(farm(tmp_path / "a", "")).builds[0].engine
    larger = MeasuredSize(file=2_000_000, unpacked=3_000_000)
    one, other = (
        plan_of(farm(tmp_path / name, {"plain": {engine: {LINUX: size}}})).builds[0]
        for name, size in (("a", MEASURED), ("b", larger))
    )
    assert one.key == other.key
    assert one.gate_key != other.gate_key


def test_what_was_measured_replaces_what_was_known() -> None:
    other = MeasuredSize(file=1, unpacked=1)
    known: Sizes = {
        "plain": {EngineName.HOST: {LINUX: other, "any": other}, EngineName.CIBUILDWHEEL: {LINUX: other}}
    }
    merged = merge_sizes(known, {"plain": {EngineName.HOST: {LINUX: MEASURED}}})
    assert merged == {
        "plain": {EngineName.HOST: {LINUX: MEASURED, "any": other}, EngineName.CIBUILDWHEEL: {LINUX: other}}
    }
    assert known["plain"][EngineName.HOST][LINUX] == other


def test_a_variant_that_does_not_exist_is_an_error(tmp_path: Path) -> None:
    settings = farm(tmp_path, {"plian": {EngineName.HOST: {LINUX: MEASURED}}})
    error = only(lambda: read_recipes(settings).check(), RecipeError)
    assert error.where == f"{FILE}: sizes.plian"
    assert error.hint == "did you mean 'plain'?"


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("[sizes.plain.hots]\nx = { file = 1, unpacked = 1 }", "sizes.plain.hots"),
        ('[sizes.plain.host]\nx = { file = "1M", unpacked = 1 }', "sizes.plain.host.x.file"),
        ("[sizes.plain.host]\nx = { file = 0, unpacked = 1 }", "sizes.plain.host.x.file"),
        ("[sizes.plain.host]\nx = { file = 1 }", "sizes.plain.host.x.unpacked"),
        ("[size]", "size"),
        ("[sizes", ""),
    ],
)
def test_a_damaged_file_is_an_error_with_its_place(tmp_path: Path, text: str, where: str) -> None:
    settings = farm(tmp_path, text)
    errors = raised(lambda: read_recipes(settings).check(), RecipeError)
    assert where in str(errors[0].where)
    assert "sizes.toml" in str(errors[0].where)
