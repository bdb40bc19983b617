"""Variants that extend another one: values, layers, patches, known failures, errors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from support.farm import LINUX, make_farm, plan_of
from support.raised import only
from wheelfarm.errors import RecipeError, SettingsError
from wheelfarm.gate.suite import applicable_failures
from wheelfarm.model import Target
from wheelfarm.recipes.providers import Provider
from wheelfarm.recipes.recipe_set import read_recipes

if TYPE_CHECKING:
    from pathlib import Path

    from wheelfarm.recipes.layers import ResolvedRecipe
    from wheelfarm.recipes.settings import Settings

TARGET = Target.parse(LINUX)
FAST: dict[str, Any] = {"description": "for newer processors", "extends": "netlib"}
FASTER: dict[str, Any] = {"description": "for the newest ones", "extends": "fast"}


def farm(root: Path, table: dict[str, Any] | None = None, **variants: dict[str, Any]) -> Settings:
    netlib = {
        "system-packages": {"apt": ["libblas-dev"]},
        "expect": {"blas": "reference", "vendors": ["libblas*"]},
    }
    settings = {"variants": {"netlib": netlib, "fast": FAST, "faster": FASTER} | variants}
    return make_farm(root, {"alpha": table or {}}, settings=settings)


def resolve(settings: Settings, variant: str = "faster") -> ResolvedRecipe:
    return read_recipes(settings).find("alpha").resolve(variant=variant, target=TARGET)


def args(*items: str) -> dict[str, Any]:
    return {"config-settings": {"args": list(items)}}


def test_a_variant_takes_over_what_it_does_not_say(tmp_path: Path) -> None:
    own = {"expect": {"vendors": ["libfast*"]}, "system-packages": {"dnf": ["blas-devel"]}}
    variant = farm(tmp_path, fast=FAST | own).choose_variant("faster")
    assert variant.description == "for the newest ones"
    assert variant.provider is Provider.NETLIB
    assert variant.expect.blas == "reference"
    assert variant.expect.vendors == ["libfast*"]
    assert variant.system_packages.apt == ["libblas-dev"]
    assert variant.system_packages.dnf == ["blas-devel"]


def test_its_layers_come_after_those_of_the_variant_that_it_extends(tmp_path: Path) -> None:
    table = {
        **args("recipe"),
        "blas": True,
        # The order of the file does not matter.
        "variants": {
            "faster": {"append": args("faster")},
            "netlib": {"append": args("netlib") | {"environment": {"A": "netlib"}}},
            "fast": {"replace": {"environment": {"A": "fast"}}},
        },
    }
    resolved = resolve(farm(tmp_path, table))
    assert resolved.config_settings.items == (("args", ("recipe", "netlib", "faster")),)
    assert resolved.environment["A"] == "fast"
    assert resolved.expect.blas == "reference"
    assert resolved.origins["config-settings.args"].endswith(
        "recipe.toml: variants.netlib.append + recipes/alpha/recipe.toml: variants.faster.append"
    )
    extended = resolve(farm(tmp_path, table), "netlib")
    assert extended.config_settings.items == (("args", ("recipe", "netlib")),)


def test_a_contradiction_of_their_layers_is_an_error(tmp_path: Path) -> None:
    layers = {name: {"append": {"environment": {"A": name}}} for name in ("netlib", "fast")}
    error = only(lambda: resolve(farm(tmp_path, {"variants": layers})), RecipeError)
    assert error.what == "environment.A has a value already: it cannot be appended to"
    assert error.where == "recipes/alpha/recipe.toml: variants.fast.append"


def test_patches_and_known_failures_of_the_extended_variant_are_also_its_own(tmp_path: Path) -> None:
    known = [{"test": f"test_{name}", "reason": "known", "variants": [name]} for name in ("netlib", "plain")]
    table = {
        "patches": [{"file": f"{name}.patch", "variants": [name]} for name in ("netlib", "faster", "plain")],
        "test": {"suite": {"args": ["--pyargs", "alpha"], "known-failures": known}},
    }
    root = farm(tmp_path, table).root
    (root / "patches" / "alpha").mkdir(parents=True)
    for name in ("netlib", "faster", "plain"):
        (root / "patches" / "alpha" / f"{name}.patch").touch()
    recipe = read_recipes(farm(tmp_path, table)).find("alpha")
    series = recipe.series(variant="faster", target=TARGET)
    assert [path.name for path in series] == ["netlib.patch", "faster.patch"]
    suite = recipe.table.test.suite
    assert suite is not None
    failures = applicable_failures(suite, lineage=recipe.lineage("faster"), target=TARGET)
    assert [failure.test for failure in failures] == ["test_netlib"]


def test_a_build_of_it_is_not_that_of_the_extended_variant(tmp_path: Path) -> None:
    settings = farm(tmp_path, {"variants": {"fast": {"append": {"environment": {"A": "1"}}}}})
    keys = {name: plan_of(settings, variant=name).builds[0].key for name in ("netlib", "fast")}
    assert keys["netlib"] != keys["fast"]


def test_an_unknown_name_is_an_error_with_the_nearest(tmp_path: Path) -> None:
    error = only(lambda: farm(tmp_path, fast=FAST | {"extends": "netlab"}), SettingsError)
    assert error.what == "unknown variant 'netlab'"
    assert error.where == "pyproject.toml: tool.wheelfarm.variants.fast.extends"
    assert error.hint == "did you mean 'netlib'?"


@pytest.mark.parametrize(
    ("extends", "circle"),
    [("faster", {"fast", "faster"}), ("fast", {"fast"})],
)
def test_a_circle_is_an_error(tmp_path: Path, extends: str, circle: set[str]) -> None:
    error = only(lambda: farm(tmp_path, fast=FAST | {"extends": extends}), SettingsError)
    assert error.what == "variants extend each other in a circle"
    assert set(str(error.why).split(" → ")) == circle
    assert error.hint == "drop `extends` in one of them"


def test_values_that_do_not_fit_the_extended_variant_are_an_error(tmp_path: Path) -> None:
    error = only(lambda: farm(tmp_path, fast=FAST | {"provider": "recipe"}), SettingsError)
    assert error.where == "pyproject.toml: tool.wheelfarm: variants.fast"
    settings = {
        "variants": {
            "own": {"description": "its own", "provider": "recipe", "recipe": "alpha"},
            "fast": {"description": "none", "extends": "own", "provider": "none"},
        }
    }
    error = only(lambda: make_farm(tmp_path, settings=settings), SettingsError)
    assert error.where == "pyproject.toml: tool.wheelfarm.variants.fast: (the whole table)"
    assert 'provider = "recipe" needs the name of a recipe' in str(error.why)


def test_flags_of_compilers_and_linkers_are_appended_as_words(tmp_path: Path) -> None:
    table = {
        "environment": {"CFLAGS": "-O2", "OTHER": "-O2"},
        "variants": {"netlib": {"append": {"environment": {"CFLAGS": "-g0"}}}},
        "platforms": {"linux": {"append": {"environment": {"CFLAGS": "-march=x86-64-v3", "LDFLAGS": "-s"}}}},
    }
    resolved = resolve(farm(tmp_path, table), "netlib")
    assert resolved.environment["CFLAGS"] == "-O2 -g0 -march=x86-64-v3"
    # A built-in default is no value to append to.
    assert resolved.environment["LDFLAGS"] == "-s"
    assert resolved.origins["environment.CFLAGS"].count(" + ") == 2
    other = table | {"variants": {"netlib": {"append": {"environment": {"OTHER": "-g0"}}}}}
    only(lambda: resolve(farm(tmp_path, other), "netlib"), RecipeError)
