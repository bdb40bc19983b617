"""Edits recipe.toml of a recipe over that of a base: the patches that it appends."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from wheelfarm.errors import RecipeError
from wheelfarm.recipes.recipe_text import edit_recipe
from wheelfarm.system.toml import parse_toml

if TYPE_CHECKING:
    from collections.abc import Sequence

_LIST: Final = "[[append.patches]]"


def edit_appended_patches(text: str, *, listed: Sequence[str], files: Sequence[str], where: str) -> str:
    """An overlay that appends the patches of a list which the base does not have; its rest stays.

    Args:
        text: of recipe.toml; empty where there is none yet.
        listed: the patches of both, as they are.
        files: the same, as they shall be.
        where: the file, for errors.

    Raises:
        RecipeError: where the list begins with other patches than the base's, or it cannot be edited.
    """
    data = parse_toml(text)
    own = [entry["file"] for entry in data.get("append", {}).get("patches", [])]
    of_base = [*listed[: len(listed) - len(own)]]
    added = [*files[len(of_base) :]]
    why = None
    if "patches" in data.get("replace", {}):
        why = "it replaces the patches of the base"
    elif [*files[: len(of_base)]] != of_base:
        why = f"the patches of the base come first, in their order: {', '.join(of_base)}"
    elif own and _LIST not in text:
        why = f"its patches are not written as {_LIST}"
    if why is not None:
        hint = "\n".join(
            ["write the whole list by hand:", *(f'[[replace.patches]] file = "{each}"' for each in files)]
        )
        raise RecipeError("the list of patches cannot be edited", where=where, why=why, hint=hint)
    edited = edit_recipe(text.replace(_LIST, "[[patches]]"), files=added, pins={}, where=where)
    return edited.replace("[[patches]]", _LIST)
