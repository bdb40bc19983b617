"""Layers: built-in → farm → recipe → variant → platform → target; values, errors, origins."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from support.farm import LINUX, make_farm
from support.raised import only, raised
from wheelfarm.errors import RecipeError, SettingsError
from wheelfarm.model import Target
from wheelfarm.recipes.recipe_set import read_recipes

if TYPE_CHECKING:
    from pathlib import Path

    from wheelfarm.recipes.layers import ResolvedRecipe

FILE = "recipes/alpha/recipe.toml"


def _resolve(
    root: Path,
    table: dict[str, Any],
    *,
    farm: dict[str, Any] | None = None,
    variant: str = "plain",
    target: str = LINUX,
) -> ResolvedRecipe:
    recipes = read_recipes(
        make_farm(root, {"alpha": {"compilers": []} | table}, settings={"defaults": farm or {}})
    )
    return recipes.find("alpha").resolve(variant=variant, target=Target.parse(target))


def _list(resolved: ResolvedRecipe, key: str = "args") -> tuple[str, ...]:
    return dict(resolved.config_settings.items)[key]


def _args(*items: str) -> dict[str, Any]:
    return {"config-settings": {"args": list(items)}}


LAYERED: dict[str, Any] = {
    **_args("recipe"),
    "variants": {"netlib": {"append": _args("variant")}},
    "platforms": {"linux": {"append": _args("platform")}, "macos": {"replace": _args("mac")}},
    "targets": {
        "*-manylinux_*": {"append": _args("target")},
        "cp312-*": {"append": _args("python")},
    },
}


@pytest.mark.parametrize(
    ("variant", "target", "args"),
    [
        ("netlib", "cp312-manylinux_x86_64", ("recipe", "variant", "platform", "target", "python")),
        ("netlib", "cp311-manylinux_x86_64", ("recipe", "variant", "platform", "target")),
        ("plain", "cp311-musllinux_x86_64", ("recipe", "platform")),
        ("plain", "cp311-win_amd64", ("recipe",)),
        ("netlib", "cp311-macosx_arm64", ("mac",)),
        ("plain", "cp312-macosx_arm64", ("mac", "python")),
    ],
)
def test_layers_in_their_order(tmp_path: Path, variant: str, target: str, args: tuple[str, ...]) -> None:
    assert _list(_resolve(tmp_path, LAYERED, variant=variant, target=target)) == args


def test_each_value_knows_the_layers_that_gave_it(tmp_path: Path) -> None:
    farm = {"environment": {"A": "farm", "B": "farm"}}
    table = LAYERED | {"farm": {"replace": {"environment": {"B": "recipe"}}}}
    origins = _resolve(tmp_path, table, farm=farm, variant="netlib").origins
    assert origins == {
        "environment.A": "pyproject.toml: tool.wheelfarm.defaults",
        "environment.B": f"{FILE}: farm.replace",
        "config-settings.args": (
            f"{FILE} + {FILE}: variants.netlib.append + {FILE}: platforms.linux.append"
            f" + {FILE}: targets.*-manylinux_*.append"
        ),
    }
    replaced = _resolve(tmp_path, LAYERED, target="cp39-macosx_arm64")
    assert replaced.origins["config-settings.args"] == f"{FILE}: platforms.macos.replace"


def test_a_recipe_says_what_becomes_of_the_farms_default(tmp_path: Path) -> None:
    farm = {"environment": {"A": "farm", "B": "farm"}, **_args("farm"), "system-packages": {"apt": ["x"]}}
    over = {"replace": {"environment": {"B": "recipe"}}, "append": _args("recipe")}
    resolved = _resolve(tmp_path, {"farm": over, "environment": {"C": "recipe"}}, farm=farm)
    assert resolved.environment == {"A": "farm", "B": "recipe", "C": "recipe"}
    assert _list(resolved) == ("farm", "recipe")
    assert resolved.system_packages.apt == ["x"]


@pytest.mark.parametrize("table", [{"environment": {"B": "recipe"}}, _args("recipe")])
def test_a_recipe_never_silently_beats_the_farms_default(tmp_path: Path, table: dict[str, Any]) -> None:
    farm = {"environment": {"B": "farm"}, **_args("farm")}
    error = only(lambda: _resolve(tmp_path, table, farm=farm), RecipeError)
    assert error.what.endswith("has a default of the farm")
    assert "farm.replace." in str(error.hint)


def test_every_table_can_be_layered(tmp_path: Path) -> None:
    said = {
        "environment": {"A": "1"},
        "system-packages": {"dnf": ["d"]},
        "cibuildwheel": {"build-verbosity": 1, "pyodide": {"x": [1]}},
        "expect": {"blas": "reference", "interface": "lp64", "tests": False},
        "test": {"imports": ["alpha"], "time-limit": 3},
        "config-settings": {"one": "a"},
    }
    resolved = _resolve(tmp_path, {"variants": {"plain": {"append": said}}})
    assert resolved.environment == {"A": "1"}
    assert resolved.system_packages.dnf == ["d"]
    assert resolved.cibuildwheel == {"build-verbosity": 1, "pyodide": {"x": [1]}}
    assert (resolved.expect.blas, resolved.expect.interface, resolved.expect.tests) == (
        "reference",
        "lp64",
        False,
    )
    assert (resolved.test.imports, resolved.test.smoke, resolved.test.time_limit) == (["alpha"], None, 3)
    assert resolved.config_settings.items == (("one", ("a",)),)


@pytest.mark.parametrize(
    ("below", "above", "args"),
    [
        (["a"], ["b", "a"], ("a", "b", "a")),
        (["a"], "b", ("a", "b")),
        ("a", ["b"], ("a", "b")),
    ],
)
def test_lists_grow(tmp_path: Path, below: object, above: object, args: tuple[str, ...]) -> None:
    table = {
        "config-settings": {"args": below},
        "variants": {"plain": {"append": {"config-settings": {"args": above}}}},
    }
    assert _list(_resolve(tmp_path, table)) == args


def test_append_does_not_change_values_silently(tmp_path: Path) -> None:
    append = {"environment": {"A": "2"}, "config-settings": {"b": "x"}, "expect": {"tests": True}}
    base = {"environment": {"A": "1"}, "config-settings": {"b": "y"}, "expect": {"tests": False}}
    table = base | {"variants": {"plain": {"append": append}}}
    errors = raised(lambda: _resolve(tmp_path, table), RecipeError)
    paths = ["config-settings.b", "environment.A", "expect.tests"]
    assert [error.what.partition(" ")[0] for error in errors] == paths
    assert (errors[1].where, errors[1].why) == (f"{FILE}: variants.plain.append", f"{FILE} says '1'")
    assert errors[1].hint == f"say it under `replace` instead: {FILE}: variants.plain.replace.environment.A"


def test_replace_does_not_add_a_value_silently(tmp_path: Path) -> None:
    table = {"platforms": {"linux": {"replace": {"environment": {"A": "1"}}}}}
    error = only(lambda: _resolve(tmp_path, table), RecipeError)
    assert error.what == "environment.A has no value that could be replaced"
    assert error.hint == f"say it under `append` instead: {FILE}: platforms.linux.append.environment.A"


def test_two_recipes_never_see_each_others_settings(tmp_path: Path) -> None:
    farm = {"config-settings": {"args": ["farm"]}, "cibuildwheel": {"a": {"b": ["farm"]}}}

    def table(name: str) -> dict[str, Any]:
        own = {"environment": {name: name}, "config-settings": {"args": [name]}}
        return {"compilers": [], "variants": {"plain": {"append": own}}}

    recipes = read_recipes(
        make_farm(tmp_path, {name: table(name) for name in ("one", "two")}, settings={"defaults": farm})
    )
    # Twice and in both orders: nothing of one resolution is left for the next.
    for name in ("one", "two", "two", "one"):
        resolved = recipes.find(name).resolve(variant="plain", target=Target.parse(LINUX))
        assert resolved.environment == {name: name}
        assert _list(resolved) == ("farm", name)
        assert resolved.cibuildwheel == {"a": {"b": ["farm"]}}


BUILT_IN = "wheelfarm/recipes/defaults.toml: platforms.linux.append"
STRIP = "-Wl,--strip-all"


class TestBuiltInDefaults:
    """What wheelfarm itself says below a recipe that compiles something."""

    def resolve(self, root: Path, target: str = LINUX, defaults: Any = None, **table: Any) -> ResolvedRecipe:
        return _resolve(root, {"compilers": ["c"], **table}, farm=defaults, target=target)

    def test_minimal_recipe_is_stripped(self, tmp_path: Path) -> None:
        resolved = self.resolve(tmp_path)
        assert resolved.environment == {"LDFLAGS": STRIP}
        assert resolved.expect.stripped
        assert set(resolved.origins.values()) == {BUILT_IN}

    @pytest.mark.parametrize(
        ("target", "flags"), [("cp311-macosx_arm64", {"LDFLAGS": "-Wl,-S,-x"}), ("cp311-win_amd64", {})]
    )
    def test_other_systems_have_their_own_flags(
        self, tmp_path: Path, target: str, flags: dict[str, str]
    ) -> None:
        assert self.resolve(tmp_path, target).environment == flags

    @pytest.mark.parametrize(
        "table",
        [
            {"environment": {"LDFLAGS": "-g"}},
            {"farm": {"replace": {"environment": {"LDFLAGS": "-g"}}}},
            {"platforms": {"linux": {"append": {"environment": {"LDFLAGS": "-g"}}}}},
        ],
    )
    def test_any_layer_overrides_them(self, tmp_path: Path, table: dict[str, Any]) -> None:
        assert self.resolve(tmp_path, **table).environment == {"LDFLAGS": "-g"}

    def test_farm_overrides_them(self, tmp_path: Path) -> None:
        farm = {"platforms": {"linux": {"append": {"environment": {"LDFLAGS": "-s"}}}}}
        resolved = self.resolve(tmp_path, defaults=farm)
        assert resolved.environment == {"LDFLAGS": "-s"}
        path = "pyproject.toml: tool.wheelfarm.defaults.platforms.linux.append"
        assert resolved.origins["environment.LDFLAGS"] == path

    def test_wheel_without_extension_modules_is_not_checked_for_symbols(self, tmp_path: Path) -> None:
        resolved = self.resolve(tmp_path, expect={"extensions": False})
        assert resolved.expect.stripped is None
        assert "expect.stripped" not in resolved.origins


@pytest.mark.parametrize(("blas", "expected"), [(True, "openblas"), (False, None)])
def test_variant_says_what_wheels_with_its_blas_must_be(
    tmp_path: Path, *, blas: bool, expected: str | None
) -> None:
    variants = {"plain": {"expect": {"blas": "openblas"}}}
    settings = make_farm(tmp_path, {"alpha": {"blas": blas}}, settings={"variants": variants})
    resolved = read_recipes(settings).find("alpha").resolve(variant="plain", target=Target.parse(LINUX))
    assert resolved.expect.blas == expected


@pytest.mark.parametrize("defaults", [{"variants": {"plian": {}}}, {"targets": {"*-solaris": {}}}])
def test_farm_defaults_are_checked_against_the_farm(tmp_path: Path, defaults: dict[str, Any]) -> None:
    error = only(lambda: read_recipes(make_farm(tmp_path, settings={"defaults": defaults})), SettingsError)
    assert str(error.where).startswith("pyproject.toml: tool.wheelfarm.defaults")
