"""Resolves the layers of a recipe: built-in → farm → BLAS → recipe → variant → platform → target.

A base of the farm stands below it in both: its defaults below the farm's, and its recipe, with all layers of
that, below the recipe of the farm.

The layers of a variant come after those of the one that it extends.

A layer that would silently change a value of a lower one is an error: it must say `replace`.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final

from wheelfarm.errors import Collector, RecipeError
from wheelfarm.model import ConfigSettings
from wheelfarm.recipes.base import FARM
from wheelfarm.recipes.expect_table import Expect
from wheelfarm.recipes.recipe import Layer, Layered, Profile, Repair, SystemPackages, Test
from wheelfarm.recipes.strict import parse

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from wheelfarm.model import Target
    from wheelfarm.recipes.farm_settings import Defaults
    from wheelfarm.recipes.overlay import BaseRecipe, Overlay
    from wheelfarm.recipes.recipe import Layers, Recipe

_BUILT_IN: Final = "wheelfarm/recipes/defaults.toml"
_NESTED: Final = ("expect", "test")
"""Tables whose own tables make dotted keys; all others are two levels deep."""
_WORDS: Final = frozenset(
    f"environment.{name}" for name in ("CFLAGS", "CXXFLAGS", "CPPFLAGS", "FFLAGS", "FCFLAGS", "LDFLAGS")
)
"""Texts that are lists of options, which compilers and linkers read from left to right."""


@dataclass(frozen=True, kw_only=True)
class ResolvedRecipe:
    """A recipe's values for one variant and target, and where each came from."""

    config_settings: ConfigSettings
    environment: Mapping[str, str]
    system_packages: SystemPackages
    cibuildwheel: Mapping[str, Any]
    repair: Repair
    expect: Expect
    test: Test
    compiler_flags: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Glob of sources or objects → flags that their compiles get last."""
    profile: Profile = field(default_factory=Profile)
    origins: Mapping[str, str] = field(default_factory=dict)
    """Key path, such as `environment.CFLAGS`, → the layers that gave the value."""


@cache
def built_in_defaults() -> Layered:
    """The defaults that wheelfarm ships."""
    text = files(__package__).joinpath("defaults.toml").read_text(encoding="utf-8")
    return parse(Layered, tomllib.loads(text), where=_BUILT_IN, error=RecipeError)


def _by_path(layer: Layer) -> Iterator[tuple[str, Any]]:
    """What the layer sets, by key path."""
    tables = layer.model_dump(by_alias=True, exclude_unset=True, include=set(Layer.model_fields))
    for table, values in tables.items():
        for key, value in values.items():
            if table in _NESTED and isinstance(value, dict):
                yield from ((f"{table}.{key}.{inner}", each) for inner, each in value.items())
            else:
                yield f"{table}.{key}", value


class _Stack:
    """The values of the layers so far, each with its origin."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}
        self.origins: dict[str, str] = {}
        self.problems = Collector()

    def _is_fixed(self, path: str) -> bool:
        return path in self.values and not self.origins[path].startswith(_BUILT_IN)

    def _set(self, path: str, value: object, where: str) -> None:
        self.values[path], self.origins[path] = value, where

    def _refuse(self, path: str, what: str, where: str, hint: str) -> None:
        why = f"{self.origins[path]} says {self.values[path]!r}" if path in self.values else None
        self.problems.add(RecipeError(f"{path} {what}", where=where, why=why, hint=hint))

    def append(self, layer: Layer, where: str) -> None:
        for path, value in _by_path(layer):
            old = self.values.get(path)
            if not self._is_fixed(path):
                self._set(path, value, where)
            elif isinstance(old, list) or (path.startswith("config-settings.") and isinstance(value, list)):
                items = [each if isinstance(each, list) else [each] for each in (old, value)]
                self._set(path, [*items[0], *items[1]], f"{self.origins[path]} + {where}")
            elif path in _WORDS:
                self._set(path, f"{old} {value}", f"{self.origins[path]} + {where}")
            else:
                hint = f"say it under `replace` instead: {_sibling(where, 'append', 'replace')}.{path}"
                self._refuse(path, "has a value already: it cannot be appended to", where, hint)

    def replace(self, layer: Layer, where: str) -> None:
        for path, value in _by_path(layer):
            if path not in self.values:
                hint = f"say it under `append` instead: {_sibling(where, 'replace', 'append')}.{path}"
                self._refuse(path, "has no value that could be replaced", where, hint)
            self._set(path, value, where)

    def add_recipe(self, layer: Layer, where: str, *, of_base: bool) -> None:
        """Add the recipe's own tables, which may not contradict a default of the farm."""
        for path, value in _by_path(layer):
            if self._is_fixed(path):
                hint = f"say it under [farm.replace] or [farm.append]: farm.replace.{path}"
                if of_base:
                    hint = f"take {path} out of [tool.wheelfarm.defaults], and say it in recipes of this farm"
                self._refuse(path, "has a default of the farm", f"{where}: {path}", hint)
            self._set(path, value, where)

    def add_layers(
        self, layered: Layered | Overlay, *, where: str, lineage: Sequence[str], target: Target
    ) -> None:
        for layers, path in _applicable(layered, lineage, target):
            self.add(layers, f"{where}{path}")

    def add(self, layers: Layers, where: str) -> None:
        self.append(layers.append, f"{where}.append")
        self.replace(layers.replace, f"{where}.replace")

    def drop_built_in_expectations(self) -> None:
        """Drop what wheelfarm expects of extension modules, for a wheel without any."""
        for path in [path for path in self.values if path.startswith("expect.") and not self._is_fixed(path)]:
            del self.values[path], self.origins[path]

    def table(self, name: str) -> dict[str, Any]:
        table: dict[str, Any] = {}
        for path, value in self.values.items():
            of, _, key = path.partition(".")
            if of != name:
                continue
            outer, dot, inner = key.partition(".") if name in _NESTED else (key, "", "")
            if dot:
                table.setdefault(outer, {})[inner] = value
            else:
                table[outer] = value
        return table


def _sibling(where: str, verb: str, other: str) -> str:
    """The place of a layer's other half; the farm's defaults append without saying so."""
    return f"{where}.{other}" if where.endswith(FARM) else f"{where.removesuffix(verb)}{other}"


def _applicable(
    layered: Layered | Overlay, lineage: Sequence[str], target: Target
) -> Iterator[tuple[Layers, str]]:
    for variant in lineage:
        if variant in layered.variants:
            yield layered.variants[variant], f"variants.{variant}"
    if target.platform in layered.platforms:
        yield layered.platforms[target.platform], f"platforms.{target.platform}"
    for glob, layers in layered.targets.items():
        if fnmatchcase(target.identifier, glob):
            yield layers, f"targets.{glob}"


def resolve(
    recipe: Recipe,
    *,
    where: str,
    defaults: Defaults,
    blas: Layer,
    lineage: Sequence[str],
    target: Target,
    blas_where: str = "",
    base_defaults: tuple[str, Defaults] | None = None,
    base: BaseRecipe | None = None,
) -> ResolvedRecipe:
    """The recipe's values for one variant and target.

    Args:
        recipe: the parsed recipe.
        where: its file, for origins and errors.
        defaults: the farm's layer, `[tool.wheelfarm.defaults]`.
        blas: the layer of the variant below recipes that link its BLAS.
        lineage: the variant's name, after the names of those that it extends.
        target: what the values are for.
        blas_where: what precedes the file of the variant, where that is of a base.
        base_defaults: where the base of the farm has its defaults, and these.
        base: what the recipe lies over.

    Raises:
        RecipeError: where a layer appends to a single value or replaces nothing.
    """
    stack = _Stack()
    if recipe.compiled:
        stack.add_layers(built_in_defaults(), where=f"{_BUILT_IN}: ", lineage=lineage, target=target)
    for place, layered in (*([base_defaults] if base_defaults else []), (FARM, defaults)):
        stack.append(layered, place)
        stack.replace(layered.replace, f"{place}.replace")
        stack.add_layers(layered, where=f"{place}.", lineage=lineage, target=target)
    if recipe.blas:
        stack.append(blas, f"{blas_where}pyproject.toml: tool.wheelfarm.variants.{lineage[-1]}")
    place = base.where if base else where
    stack.add_recipe(recipe, place, of_base=base is not None)
    stack.add(recipe.farm, f"{place}: farm")
    stack.add_layers(recipe, where=f"{place}: ", lineage=lineage, target=target)
    if base and base.overlay:
        stack.append(base.overlay.append, f"{where}: append")
        stack.replace(base.overlay.replace, f"{where}: replace")
        stack.add_layers(base.overlay, where=f"{where}: ", lineage=lineage, target=target)
    stack.problems.check()
    if stack.values.get("expect.extensions") is False:
        stack.drop_built_in_expectations()
    return ResolvedRecipe(
        config_settings=ConfigSettings.of(stack.table("config-settings")),
        environment=stack.table("environment"),
        system_packages=SystemPackages.model_validate(stack.table("system-packages")),
        cibuildwheel=stack.table("cibuildwheel"),
        repair=Repair.model_validate(stack.table("repair")),
        expect=Expect.model_validate(stack.table("expect")),
        test=Test.model_validate(stack.table("test")),
        compiler_flags={glob: tuple(flags) for glob, flags in stack.table("compiler-flags").items()},
        profile=Profile.model_validate(stack.table("profile")),
        origins={**(base.origins if base else {}), **stack.origins},
    )
