"""Measures the first wheel of a new recipe: what is expected of later ones."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from wheelfarm.recipes.draft.recipe_choices import vendor_globs
from wheelfarm.recipes.draft.recipe_text import render_recipe
from wheelfarm.recipes.draft.smoke import FILE as SMOKE
from wheelfarm.recipes.draft.smoke import render_smoke
from wheelfarm.recipes.published_wheel import extension_modules
from wheelfarm.recipes.sizes import FILE as SIZES
from wheelfarm.recipes.sizes import render_sizes
from wheelfarm.run.stored_sizes import sizes_of, stored_sizes
from wheelfarm.wheels.archive import open_wheel
from wheelfarm.wheels.binary import externals
from wheelfarm.wheels.contents import test_members, vendored
from wheelfarm.wheels.linkage import linkage

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from wheelfarm.recipes.draft.recipe_text import DraftedRecipe
    from wheelfarm.run.farm import Farm

RECIPE: Final = "recipe.toml"


def measure_recipe(farm: Farm, recipe: DraftedRecipe, wheel: Path) -> Mapping[str, str]:
    """The files of a recipe with what its first wheel has as expectations: modules, libraries, tests, size.

    Args:
        farm: the farm that has built it.
        recipe: the recipe as it was drafted.
        wheel: the stored wheel.

    Raises:
        WheelError: when the wheel cannot be read.
    """
    found = open_wheel(wheel)
    pure, needed = recipe.compilers == [], externals(linkage(found))
    measured = replace(
        recipe.expecting_tests(present=bool(test_members(found)), default=farm.settings.default_tests),
        vendors=None if pure else vendor_globs(each.name for each in vendored(found)),
        needs=[each for each in recipe.needs if each in needed],
        abi3=any(tag.abi == "abi3" for tag in found.tags),
    )
    loaded = farm.recipes.find(recipe.name)
    sizes = sizes_of(stored_sizes(farm.wheelhouse, [loaded], [farm.settings.variant]))
    smoke = render_smoke(recipe.name, recipe.version, recipe.imports, extension_modules(found))
    return {RECIPE: render_recipe(measured), SIZES: render_sizes(recipe.name, sizes), SMOKE: smoke}
