"""Layers: farm → recipe → variant → platform → target, saying `append` or `replace`; values keep origins.

A layer that would silently change a value of a lower one is an error: it must say `replace`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, Final

from wheelfarm.errors import Collector, RecipeError
from wheelfarm.model import ConfigSettings
from wheelfarm.recipes.checks import check_possible
from wheelfarm.recipes.farm_settings import SystemPackages
from wheelfarm.recipes.recipe import Expect, Layer, Layers, Recipe, Test

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from wheelfarm.model import Target


@dataclass(frozen=True, kw_only=True)
class ResolvedRecipe:
    """A recipe's values for one variant and target, and where each came from."""

    config_settings: ConfigSettings
    environment: Mapping[str, str]
    system_packages: SystemPackages
    cibuildwheel: Mapping[str, Any]
    expect: Expect
    test: Test
    origins: Mapping[str, str] = field(default_factory=dict)
    """Key path, such as `environment.CFLAGS`, → the layers that gave the value."""


FARM: Final = "pyproject.toml: tool.wheelfarm.defaults"
_Flat = dict[tuple[str, str], Any]
"""(table, key) → value: every layer is two levels deep; tables in `expect` and `test` make dotted keys."""


def _flat(layer: Layer) -> _Flat:
    """What the layer says, and nothing that it leaves unsaid."""
    said = layer.model_dump(by_alias=True, exclude_unset=True, include=set(Layer.model_fields))
    for nested in ("expect", "test"):
        said[nested] = dict(_dotted(said.get(nested, {})))
    return {(table, key): value for table, values in said.items() for key, value in values.items()}


def _dotted(table: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for key, value in table.items():
        if isinstance(value, dict):
            yield from ((f"{key}.{inner}", each) for inner, each in value.items())
        else:
            yield key, value


def _nested(table: Mapping[str, Any]) -> dict[str, Any]:
    """The opposite of `_dotted`."""
    nested: dict[str, Any] = {}
    for key, value in table.items():
        outer, dot, inner = key.partition(".")
        if dot:
            nested.setdefault(outer, {})[inner] = value
        else:
            nested[key] = value
    return nested


def _append(below: _Flat, layer: _Flat, where: str, problems: Collector, origins: dict[str, str]) -> None:
    for (table, key), value in layer.items():
        path = f"{table}.{key}"
        old = below.get((table, key))
        if old is None:
            below[table, key] = value
            origins[path] = where
        elif isinstance(old, list) or (table == "config-settings" and isinstance(value, list)):
            old_items = old if isinstance(old, list) else [old]
            below[table, key] = [*old_items, *(value if isinstance(value, list) else [value])]
            origins[path] += f" + {where}"
        else:
            problems.add(
                RecipeError(
                    f"{path} has a value already: it cannot be appended to",
                    where=where,
                    why=f"{origins[path]} says {old!r}",
                    hint=f"say it under `replace` instead: {where.removesuffix('append')}replace.{path}",
                )
            )


def _replace(below: _Flat, layer: _Flat, where: str, problems: Collector, origins: dict[str, str]) -> None:
    for (table, key), value in layer.items():
        path = f"{table}.{key}"
        if (table, key) not in below:
            problems.add(
                RecipeError(
                    f"{path} has no value that could be replaced",
                    where=where,
                    hint=f"say it under `append` instead: {where.removesuffix('replace')}append.{path}",
                )
            )
        below[table, key] = value
        origins[path] = where


def _base(below: _Flat, base: _Flat, where: str, problems: Collector, origins: dict[str, str]) -> None:
    """What the recipe says outright; where the farm has a default, `farm` says whether it goes or stays."""
    for (table, key), value in base.items():
        path = f"{table}.{key}"
        if (table, key) in below:
            problems.add(
                RecipeError(
                    f"{path} has a default of the farm",
                    where=f"{where}: {path}",
                    why=f"{FARM} says {below[table, key]!r}",
                    hint=f"say it under [farm.replace] or [farm.append]: farm.replace.{path}",
                )
            )
        below[table, key] = value
        origins[path] = where


def _over(recipe: Recipe, variant: str, target: Target, where: str) -> Iterator[tuple[Layers, str]]:
    yield recipe.farm, f"{where}: farm"
    if variant in recipe.variants:
        yield recipe.variants[variant], f"{where}: variants.{variant}"
    if target.platform in recipe.platforms:
        yield recipe.platforms[target.platform], f"{where}: platforms.{target.platform}"
    for glob, layers in recipe.targets.items():
        if fnmatchcase(target.identifier, glob):
            yield layers, f"{where}: targets.{glob}"


def resolve(recipe: Recipe, *, where: str, farm: Layer, variant: str, target: Target) -> ResolvedRecipe:
    """The recipe's values for one variant and target.

    Args:
        recipe: the parsed recipe.
        where: its file, for origins and errors.
        farm: the farm's layer, `[tool.wheelfarm.defaults]`.
        variant: the variant's name.
        target: the build identifier.

    Raises:
        RecipeError: where a layer appends to a single value or replaces nothing, and where no wheel can be
            what is expected.
    """
    problems = Collector()
    origins: dict[str, str] = {}
    flat: _Flat = {}
    _append(flat, _flat(farm), FARM, problems, origins)
    _base(flat, _flat(recipe), where, problems, origins)
    for layers, place in _over(recipe, variant, target, where):
        _append(flat, _flat(layers.append), f"{place}.append", problems, origins)
        _replace(flat, _flat(layers.replace), f"{place}.replace", problems, origins)
    problems.check()

    def table(name: str) -> dict[str, Any]:
        return {key: value for (of, key), value in flat.items() if of == name}

    expect = Expect.model_validate(_nested(table("expect")))
    check_possible(expect, compilers=recipe.compilers, target=target, where=where, origins=origins)
    return ResolvedRecipe(
        config_settings=ConfigSettings.of(table("config-settings")),
        environment=table("environment"),
        system_packages=SystemPackages.model_validate(table("system-packages")),
        cibuildwheel=table("cibuildwheel"),
        expect=expect,
        test=Test.model_validate(_nested(table("test"))),
        origins=origins,
    )
