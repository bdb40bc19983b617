"""A recipe of a farm that lies over the one of its base: recipe.toml says what it appends and replaces."""

from __future__ import annotations

import re
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from pydantic import Field

from wheelfarm.errors import Collector, FarmError, GroupError, RecipeError
from wheelfarm.recipes.base import explain_newer
from wheelfarm.recipes.recipe import Layer, Layered, Layers, Recipe
from wheelfarm.recipes.strict import PlatformName, parse, read_toml, suggestion
from wheelfarm.recipes.versions import is_version, shown_directory

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from wheelfarm.recipes.settings import Settings

_VERBS: Final = ("append", "replace")
_LAYERED: Final = frozenset(each.alias or "" for each in Layer.model_fields.values())
_OWN: Final = (
    frozenset(each.alias or "" for name, each in Recipe.model_fields.items())
    - {each.alias or "" for each in Layered.model_fields.values()}
    - {"name", "farm", "base"}
)
"""What recipes say once, and not by layers: an overlay changes the table itself."""
_IN_LAYER: Final = re.compile(rf"\.(?:{'|'.join(_VERBS)})\.([a-z-]+)$")
"""The end of the place of a key in a layer."""


class Overlay(Layers):
    """recipe.toml of a recipe over that of the base."""

    base: bool = True
    variants: dict[str, Layers] = Field(default={})
    platforms: dict[PlatformName, Layers] = Field(default={})
    targets: dict[str, Layers] = Field(default={})


@dataclass(frozen=True, kw_only=True)
class BaseRecipe:
    """The recipe of the base below one of the farm."""

    directory: Path
    patches: Path
    where: str
    """Its file, for errors and origins."""
    overlay: Overlay | None = None
    """What the farm's own recipe.toml lays over it; None without one."""
    origins: Mapping[str, str]
    """Key of recipe.toml that is not made of layers → the files that say it."""


def read_layered(directory: Path, where: str, settings: Settings) -> tuple[Recipe, BaseRecipe | None]:
    """The recipe in a directory, laid over that of the base if there is one.

    Raises:
        RecipeError: for everything that is wrong in recipe.toml of either, and where neither is there.
    """
    farm, file = settings.base_farm, directory / "recipe.toml"
    below = farm.directory(directory.name) if farm and not is_version(directory) else None
    own = read_toml(file, error=RecipeError) if below is None or file.is_file() else None
    if farm is None or below is None or (own and own.get("base") is False):
        if own and "source" not in own and own.keys() & {"append", "replace"}:
            what = f"there is no recipe for {directory.name!r} in the base"
            why = "append and replace lie over a recipe of the base"
            hint = suggestion(directory.name, farm.names()) if farm else 'base = "wheelfarm" names one'
            raise RecipeError(what if farm else "the farm has no base", where=where, why=why, hint=hint)
        with _explain_layers():
            return parse(Recipe, own or {}, where=where, error=RecipeError), None
    base = farm.where(below / "recipe.toml")
    with explain_newer(farm.label):
        table = read_toml(below / "recipe.toml", error=RecipeError)
        recipe = parse(Recipe, table, where=base, error=RecipeError)
    merged, overlay, origins = lay_over(table, own or {}, base=base, where=where)
    if own is not None:
        recipe = parse(Recipe, merged, where=f"{where} over {base}", error=RecipeError)
    files = sorted(path for path in directory.glob("*") if path.is_file() and path != file)
    return recipe, BaseRecipe(
        directory=below,
        patches=farm.patches / directory.name,
        where=base,
        overlay=overlay if own is not None else None,
        origins=origins | {path.name: f"{shown_directory(directory)}/{path.name}" for path in files},
    )


@contextmanager
def _explain_layers() -> Iterator[None]:
    """Say of a key that recipes say once that no layer of a variant, platform or target has it."""
    try:
        yield
    except FarmError as error:
        for each in error.errors if isinstance(error, GroupError) else (error,):
            found = _IN_LAYER.search(each.where or "")
            if found and found[1] in _OWN and each.what.startswith("unknown key"):
                each.hint = f"a recipe says {found[1]} once, for all variants, platforms and targets"
        raise


def lay_over(
    below: Mapping[str, Any], own: Mapping[str, Any], *, base: str, where: str
) -> tuple[dict[str, Any], Overlay, dict[str, str]]:
    """The table of the base with an overlay's changes, the overlay's layers, and who says each key.

    Args:
        below: recipe.toml of the base.
        own: the farm's.
        base: the file of the base, for origins and errors.
        where: the farm's file.

    Raises:
        RecipeError: for each unknown key, and each value that cannot be appended to or replaced.
    """
    problems, merged = Collector(), dict(below)
    origins = {key: base for key in below if key in _OWN}
    if misplaced := [key for key in own if key in _LAYERED | _OWN | {"name"}]:
        problems.add(
            RecipeError(
                f"{', '.join(misplaced)}: neither appended nor replaced",
                where=where,
                why=f"the recipe lies over {base}",
                hint=f"put what differs under [append] or [replace], as replace.{misplaced[-1]}; or say "
                "base = false, for a recipe that takes the place of the base's",
            )
        )
    layers = {key: value for key, value in own.items() if key not in misplaced}
    for verb in _VERBS:
        values = own.get(verb)
        for key, value in values.items() if isinstance(values, dict) else ():
            place = f"{where}: {verb}.{key}"
            if key in _OWN:
                with problems.collect():
                    merged[key] = _changed(merged.get(key), value, verb=verb, key=key, where=where)
                whole = key not in origins or (verb == "replace" and not isinstance(value, dict))
                origins[key] = f"{'' if whole else f'{origins[key]} + '}{where}: {verb}"
            elif key not in _LAYERED:
                hint = suggestion(key, _LAYERED | _OWN)
                problems.add(RecipeError(f"unknown key {key!r}", where=place, hint=hint))
        if isinstance(values, dict):
            layers[verb] = {key: value for key, value in values.items() if key in _LAYERED}
    with problems.collect(), _explain_layers():
        overlay = parse(Overlay, layers, where=where, error=RecipeError)
    problems.check()
    return merged, overlay, origins


def _changed(old: Any, value: Any, *, verb: str, key: str, where: str) -> Any:  # noqa: ANN401 - of TOML
    """A value after an overlay, by the rules of layers: a table key by key, all else as one value."""
    # A source of another kind has other keys.
    whole = key == "source" and verb == "replace" and isinstance(value, dict) and "kind" in value
    if isinstance(old, dict) and isinstance(value, dict) and not whole:
        changes = {
            inner: _changed(old.get(inner), each, verb=verb, key=f"{key}.{inner}", where=where)
            for inner, each in value.items()
        }
        return old | changes
    if verb == "append" and isinstance(old, list) and isinstance(value, list):
        return [*old, *value]
    if (verb == "append") is (old is not None):
        other = "replace" if verb == "append" else "append"
        what = "has a value already: it cannot be appended to"
        raise RecipeError(
            f"{key} {what if old is not None else 'has no value that could be replaced'}",
            where=f"{where}: {verb}.{key}",
            why=f"the base says {old!r}" if old is not None else "the base does not say it",
            hint=f"say it under `{other}` instead: {other}.{key}",
        )
    return value
