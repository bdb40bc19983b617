"""Makes of what a recipe lacks the edit of its file, as values and as lines of TOML."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import tomlkit
from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from wheelfarm.build.edits import Compile, Install, Require, SetVariable
from wheelfarm.errors import Proposal
from wheelfarm.model.requirements import parse_requirement
from wheelfarm.recipes.recipe_text import merge_values, render_value
from wheelfarm.recipes.versions import recipe_of
from wheelfarm.system.machine import PROGRAMS
from wheelfarm.system.toml import parse_toml

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from wheelfarm.build.edits import Edit
    from wheelfarm.recipes.loaded_recipe import LoadedRecipe

_FREE: Final = frozenset({"environment", "config-settings"})
"""Tables whose further keys say nothing about one that is added."""
_LOWER: Final = frozenset({">", ">=", "!="})
_LOCKED: Final = frozenset({"build-requires", "requires"})
"""Tables that the locks are made for."""


def propose(edits: Iterable[Edit], recipe: LoadedRecipe, requires: Sequence[str]) -> Proposal | None:
    """The edit of a recipe that puts in what it lacks; None where it has it, or it cannot be put in.

    Args:
        edits: what it lacks.
        recipe: the recipe.
        requires: the build requirements of its source, after the recipe's edits.
    """
    values, notes = dict[str, Any](), list[str]()
    for edit in edits:
        values = merge_values(values, _values(edit, recipe, requires))
        if isinstance(edit, Install):
            notes.append(f"# with Homebrew: brew install {edit.library.brew}")
    return make_proposal(values, recipe, notes)


def make_proposal(
    values: Mapping[str, Any], recipe: LoadedRecipe, notes: Iterable[str] = ()
) -> Proposal | None:
    """The proposal to put values into a recipe, below notes as comments; None where it has them all."""
    if recipe.base is not None:
        return None  # where to put it is a choice: the farm's layer, or the base
    try:
        data = parse_toml((recipe.directory / "recipe.toml").read_text(encoding="utf-8"))
        merged = merge_values(data, values)
    except (OSError, ValueError):
        return None
    if merged == data:
        return None
    return Proposal(
        name=recipe.name,
        package=recipe_of(recipe.directory),
        where=recipe.where,
        values=values,
        lines=(*notes, *_lines(values, merged)),
        relock=not _LOCKED.isdisjoint(values),
    )


def _values(edit: Edit, recipe: LoadedRecipe, requires: Sequence[str]) -> dict[str, Any]:
    match edit:
        case Require(requirement):
            return _requirement(Requirement(requirement), recipe, requires)
        case SetVariable(name, value):
            return {"environment": {name: value.format(version=recipe.table.version)}}
        case Compile(language) if language in recipe.table.compilers:
            return {}  # it is this machine that lacks it
        case Compile(language):
            return {"compilers": [each for each in PROGRAMS if each in {*recipe.table.compilers, language}]}
        case Install(library):
            return {"system-packages": {"apt": [library.apt], "dnf": [library.dnf]}}


def _requirement(wanted: Requirement, recipe: LoadedRecipe, requires: Sequence[str]) -> dict[str, Any]:
    """The edit of the build requirements by which another version, or another distribution, is locked."""
    name, edits = canonicalize_name(wanted.name), recipe.table.build_requires
    if name in map(canonicalize_name, recipe.table.requires.host):
        return {}  # the farm's own wheel, whatever the source requires
    # What is required already and not there is a matter of the lock.
    present = [each for each in map(_parse, requires) if each and canonicalize_name(each.name) == name]
    added = {canonicalize_name(each.name) for each in map(_parse, edits.add) if each}
    if not present or name in added:
        return {"build-requires": {"add": [str(wanted)]}}
    if not wanted.specifier:
        return {}
    changed = _narrow(present[0], wanted) if len(present) == 1 else wanted
    if changed is None:
        return {}
    key = next((each for each in edits.replace if canonicalize_name(each) == name), str(name))
    return {"build-requires": {"replace": {key: str(changed)}}}


def _parse(text: str) -> Requirement | None:
    try:
        return parse_requirement(text)
    except InvalidRequirement:
        return None


def _narrow(source: Requirement, wanted: Requirement) -> Requirement | None:
    """A requirement of the source with other versions; None where it excludes them on purpose.

    Its lower bounds stay below an upper bound, and its pins and upper bounds go.
    """
    bounds = [each for each in source.specifier if each.operator in _LOWER]
    if any(each.operator.startswith("<") for each in wanted.specifier):
        if any(each.operator != "!=" and not wanted.specifier.contains(each.version) for each in bounds):
            return None
    else:
        bounds = [each for each in bounds if each.operator == "!="]
    changed = Requirement(str(source))
    changed.specifier = SpecifierSet(",".join([*map(str, bounds), *map(str, wanted.specifier)]))
    return changed


def _lines(values: Mapping[str, Any], merged: Mapping[str, Any]) -> Iterator[str]:
    """The edit as TOML: keys before tables, and lists and inline tables as they are in the end."""
    for key, value in values.items():
        if not isinstance(value, Mapping):
            yield f"{key} = {render_value(merged[key])}"
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield f"[{key}]"
            for name in value:
                shown = value[name] if key in _FREE else merged[key][name]
                yield f"{tomlkit.key(name).as_string()} = {render_value(shown)}"
