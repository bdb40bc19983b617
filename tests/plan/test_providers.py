"""Providers of BLAS in a plan: what a build gets of each, and what is refused before anything runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pytest

from support.farm import LINUX, builds_of, make_farm, make_toolchain, plan_of
from support.raised import only
from wheelfarm.errors import LockError, RecipeError, SettingsError, UsageError
from wheelfarm.recipes.recipe_set import read_recipes

if TYPE_CHECKING:
    from pathlib import Path

    from wheelfarm.recipes.settings import Settings

HASH: Final = f"--hash=sha256:{'c' * 64}"
OPENBLAS: Final = {"description": "x", "provider": "scipy-openblas32", "lock": "fast.lock"}
MKL: Final = {"description": "x", "provider": "mkl", "lock": "fast.lock"}
MKL_PINS: Final = ("mkl", "mkl-devel", "mkl-include", "intel-openmp")
NUMPY: Final = {"blas": True}
ON_NUMPY: Final = {"requires": {"host": ["numpy"], "run": ["numpy"]}}


def farm(root: Path, recipes: dict[str, Any], variant: dict[str, Any], *pinned: str) -> Settings:
    """A farm with a variant `fast`, whose lock pins version 1 of some distributions."""
    lock = "".join(f"{name}==1 {HASH}\n" for name in pinned)
    settings = {"variants": {"fast": variant}, "variant": "fast"}
    return make_farm(root, recipes, settings=settings, files={"fast.lock": lock})


def test_a_recipe_may_have_another_provider_than_its_variant(tmp_path: Path) -> None:
    recipes = {"numpy": NUMPY, "scipy": {**ON_NUMPY, "blas": True}}
    variant = {**OPENBLAS, "providers": {"numpy": "scipy-openblas64"}}
    builds = builds_of(farm(tmp_path, recipes, variant, "scipy-openblas32", "scipy-openblas64"))
    found = {
        name: (str(build.provider), [str(each.name) for each in build.provider_requirements])
        for name, build in builds.items()
    }
    assert found == {
        "numpy": ("scipy-openblas64", ["scipy-openblas64"]),
        "scipy": ("scipy-openblas32", ["scipy-openblas32"]),
    }


def test_mkl_is_installed_where_a_wheel_needs_it_and_nowhere_else(tmp_path: Path) -> None:
    recipes = {"numpy": NUMPY, "pandas": ON_NUMPY, "six": {}}
    settings = farm(tmp_path, recipes, MKL, *MKL_PINS)
    builds = builds_of(settings)
    numpy, pandas, six = (builds[name] for name in ("numpy", "pandas", "six"))
    assert [str(each.name) for each in numpy.provider_requirements] == ["mkl", "mkl-devel", "mkl-include"]
    for build in (numpy, pandas):
        assert [str(each.name) for each in build.requirements] == ["setuptools", "mkl", "intel-openmp"]
        assert [str(each.name) for each in build.test_requirements] == ["mkl", "intel-openmp"]
    assert (numpy.added_requires, pandas.added_requires) == (("mkl==1",), ())
    assert ([str(each.name) for each in six.requirements], six.test_requirements) == (["setuptools"], ())


@pytest.mark.parametrize(
    ("target", "why"),
    [
        ("cp311-manylinux_aarch64", "MKL is for x86-64, and this is aarch64"),
        ("cp311-win_arm64", "MKL is for x86-64, and this is arm64"),
        ("cp311-macosx_x86_64", "Intel has made no MKL for macOS since 2023"),
        ("cp311-macosx_arm64", "Intel has made no MKL for macOS since 2023"),
        ("cp311-musllinux_x86_64", "MKL needs glibc, which musllinux does not have"),
        ("cp311-win_amd64", "the way to the wheel `mkl` is an RPATH, which Windows does not have"),
    ],
)
def test_mkl_is_not_for_every_machine(tmp_path: Path, target: str, why: str) -> None:
    settings = farm(tmp_path, {"numpy": NUMPY, "pandas": ON_NUMPY}, MKL, *MKL_PINS)
    toolchains = [make_toolchain(target)]
    error = only(lambda: plan_of(settings, ["pandas"], toolchains=toolchains), UsageError)
    assert (error.what, error.why) == (f"numpy is not built for {target}", why)
    assert plan_of(settings, toolchains=toolchains).builds == ()


@pytest.mark.parametrize(
    ("variant", "pinned", "why"),
    [
        (OPENBLAS, ["scipy-openblas64"], "scipy-openblas32, and the lock pins no scipy-openblas32"),
        (MKL, ["mkl"], "mkl, and the lock pins no mkl-devel, no mkl-include"),
    ],
)
def test_a_lock_without_the_provider(
    tmp_path: Path, variant: dict[str, Any], pinned: list[str], why: str
) -> None:
    settings = farm(tmp_path, {"numpy": NUMPY}, variant, *pinned)
    error = only(lambda: plan_of(settings).check(), LockError)
    assert (error.what, error.where) == (f"numpy (fast, {LINUX}) has no BLAS", "fast.lock")
    assert error.why == f"its provider is {why} for this target"
    assert error.hint


@pytest.mark.parametrize(
    ("variant", "what"),
    [
        ({"provider": "mkl"}, '"mkl" needs a lock that pins mkl, mkl-devel, mkl-include'),
        ({"providers": {"numpy": "scipy-openblas64"}}, '"scipy-openblas64" needs a lock'),
        ({"providers": {"numpy": "recipe"}}, "providers may not be a recipe"),
    ],
)
def test_a_variant_that_cannot_be(tmp_path: Path, variant: dict[str, Any], what: str) -> None:
    error = only(lambda: farm(tmp_path, {}, {"description": "x", **variant}), SettingsError)
    assert what in str(error)


def test_a_provider_of_an_unknown_recipe(tmp_path: Path) -> None:
    settings = farm(tmp_path, {"numpy": NUMPY}, {**OPENBLAS, "providers": {"nunpy": "netlib"}})
    error = only(lambda: read_recipes(settings), SettingsError)
    assert (error.what, error.hint) == ("there is no recipe 'nunpy'", "did you mean 'numpy'?")


def test_64_bit_integers_where_the_package_cannot(tmp_path: Path) -> None:
    recipes = {"scipy": {"blas": True, "expect": {"interface": "lp64"}}}
    variant = {**OPENBLAS, "provider": "scipy-openblas64"}
    error = only(lambda: plan_of(farm(tmp_path, recipes, variant, "scipy-openblas64")).check(), RecipeError)
    assert error.what == "scipy expects lp64, but its BLAS in the variant 'fast' is ilp64"
    assert (error.where, error.why) == (
        "recipes/scipy/recipe.toml: expect.interface",
        "its provider there is scipy-openblas64",
    )
    assert 'providers.scipy = "scipy-openblas32"' in str(error.hint)


def test_a_recipe_skips_a_variant(tmp_path: Path) -> None:
    skip = [{"variants": ["netlib"], "reason": "it needs more"}]
    settings = make_farm(tmp_path, {"numpy": {}, "scipy": {**ON_NUMPY, "skip": skip}})
    assert len(plan_of(settings).builds) == 2
    plan = plan_of(settings, variant="netlib")
    assert [str(build.id.name) for build in plan.builds] == ["numpy"]
    (line,) = plan.skipped
    assert line.endswith("scipy skips * in the variant netlib: it needs more")


def test_a_skip_of_a_variant_is_one_of_those_that_extend_it(tmp_path: Path) -> None:
    recipes = {"scipy": {"skip": [{"variants": ["netlib"], "reason": "it needs more"}]}}
    small = {"small": {"description": "x", "extends": "netlib"}}
    plan = plan_of(make_farm(tmp_path, recipes, settings={"variants": small}), variant="small")
    assert (plan.builds, len(plan.skipped)) == ((), 1)


def test_a_skip_of_nothing_in_particular(tmp_path: Path) -> None:
    settings = make_farm(tmp_path, {"numpy": {"skip": [{"reason": "?"}]}})
    error = only(lambda: plan_of(settings).check(), RecipeError)
    assert "a skip names targets or variants" in str(error)
