"""Checks of locks without network: whether they fit the recipe, and pin nothing that the farm builds."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import TYPE_CHECKING, Final, TypedDict

from packaging.requirements import InvalidRequirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from wheelfarm.errors import Collector, LockError
from wheelfarm.model import Name
from wheelfarm.model.requirements import parse_requirement
from wheelfarm.recipes.lock_header import MadeFor
from wheelfarm.recipes.locks import marker_environment
from wheelfarm.recipes.run_requirements import not_built_with

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from wheelfarm.model import LockedRequirement, Python, Target
    from wheelfarm.recipes.build_requirements import StatedFields
    from wheelfarm.recipes.loaded_recipe import LoadedRecipe
    from wheelfarm.recipes.recipe_set import RecipeSet

RUST: Final = frozenset({"maturin", "setuptools-rust", "hatch-rs"})
"""Distributions that compile Rust for a backend."""
_FRONTEND: Final = frozenset({"build", "packaging", "pyproject-hooks", "colorama"})
"""What pypa/build needs: nothing is compiled against it."""


def required_names(requirements: Iterable[str], targets: Sequence[Target]) -> dict[Name, str]:
    """The distributions that are required for some target without extras, each with its requirement."""
    found: dict[Name, str] = {}
    for text in requirements:
        try:
            requirement = parse_requirement(text)
        except InvalidRequirement:
            continue  # of metadata that an old tool wrote
        marker = requirement.marker
        if marker is None or any(
            marker.evaluate({**marker_environment(target), "extra": ""}) for target in targets
        ):
            found.setdefault(Name(canonicalize_name(requirement.name)), text)
    return found


def find_farm_requirements(
    recipe: LoadedRecipe,
    recipes: RecipeSet,
    targets: Sequence[Target],
    *,
    requires: Iterable[str],
    run_requires: Iterable[str],
) -> dict[str, dict[Name, str]]:
    """The requirements, by `host` and `run`, that the farm has recipes for and the recipe does not name."""
    own = recipe.table.requires
    missing: dict[str, dict[Name, str]] = {}
    for kind, texts in (("host", requires), ("run", run_requires)):
        known = {recipe.name, *recipes.run_closure(getattr(own, kind))}
        missing[kind] = {
            name: text
            for name, text in required_names(texts, targets).items()
            if name in recipes and name not in known
        }
    return missing


def check_farm_requirements(
    recipe: LoadedRecipe,
    recipes: RecipeSet,
    targets: Sequence[Target],
    *,
    requires: Iterable[str],
    run_requires: Iterable[str],
    problems: Collector,
) -> None:
    """Collect requirements that the farm has recipes for and that the recipe does not name."""
    own = recipe.table.requires
    missing = find_farm_requirements(recipe, recipes, targets, requires=requires, run_requires=run_requires)
    # The line to add has both, so that one correction is enough.
    lists = {kind: [*getattr(own, kind), *names] for kind, names in missing.items()}
    line = ", ".join(f"{kind} = {json.dumps(names)}" for kind, names in lists.items() if names)
    needs = {"host": "is built with", "run": "needs to run"}
    for kind, names in missing.items():
        for name, text in names.items():
            problems.add(
                LockError(
                    f"{recipe.name} {needs[kind]} {name}, which the farm has a recipe for",
                    where=f"{recipe.where}: requires.{kind}",
                    why=f"{text!r} would come from the index, and not be the farm's own wheel",
                    hint=f"requires = {{ {line} }}, then inv recipe.lock {recipe.name}",
                )
            )


def check_run_requirements(
    recipe: LoadedRecipe, recipes: RecipeSet, stated: Iterable[str], problems: Collector
) -> None:
    """Collect what the recipe names to run the wheel, and the wheel's metadata do not: it is not installed.

    Whatever marker or extra the metadata have it under counts, and so does what another requirement brings:
    one of the farm by its recipe, and one of the index by the header of build.lock.
    """
    lines, header = list(stated), recipe.lock_header("build.lock")
    names = [canonicalize_name(parse_requirement(line).name) for line in lines]
    known = recipes.run_closure([*names, *(header.brought if header else ())])
    for name in recipe.table.requires.run:
        if Name(canonicalize_name(name)) not in known:
            problems.add(
                LockError(
                    f"{recipe.name} does not require {name}, which its recipe names",
                    where=f"{recipe.where}: requires.run",
                    why=f"Requires-Dist of the wheel: {', '.join(lines) or 'nothing'}",
                    hint="add it by metadata.requires.add (docs/how-to/edit-metadata.md), or remove it from "
                    "requires.run",
                )
            )


def check_rust(recipe: LoadedRecipe, names: Iterable[str], problems: Collector) -> None:
    """Collect that a source compiles Rust, which the farm does not build."""
    for name in sorted(RUST.intersection(names)):
        problems.add(rust_error(recipe.name, name, where=recipe.where))


def rust_error(name: Name, tool: str, *, where: str) -> LockError:
    """The error about a source that compiles Rust."""
    return LockError(
        f"{name} is built with {tool}, which compiles Rust: the farm does not build that",
        where=where,
        why="it needs cargo and rustc, whose versions no part of the build key holds, and its crates "
        "inside the source (cargo vendor), since a build has no network",
        hint=f"take the wheel of {name} from the index, without a recipe: what needs it has it in its locks",
    )


def check_stated(recipe: LoadedRecipe, stated: StatedFields, pythons: Iterable[Python]) -> None:
    """Refuse a source of another name or version than the recipe's, or that is not for its Pythons.

    Args:
        recipe: the recipe.
        stated: what the source says, as far as it does.
        pythons: those that the farm builds for.

    Raises:
        LockError: for each difference; a GroupError of several.
    """
    problems, table = Collector(), recipe.table
    if stated.name is not None and Name(canonicalize_name(stated.name)) != recipe.name:
        what = f"the source of {recipe.name} is that of {stated.name}"
        problems.add(LockError(what, where=f"{recipe.where}: source", hint="correct `source`, or `name`"))
    with suppress(InvalidVersion):
        if stated.version is not None and Version(stated.version) != Version(table.version):
            what = f"the source of {recipe.name} {table.version} is that of {stated.version}"
            hint = "correct `version` and the pin of `source` together"
            problems.add(LockError(what, where=f"{recipe.where}: version", hint=hint))
    with suppress(InvalidSpecifier):
        allowed = SpecifierSet(stated.requires_python or "")
        refused = [
            f"{each.major}.{each.minor}"
            for each in sorted(set(pythons), key=lambda python: python.version)
            if table.supports(each) and not allowed.contains(each.last_release)
        ]
        if refused:
            problems.add(
                LockError(
                    f"{recipe.name} {table.version} is not for Python {', '.join(refused)}",
                    where=f"{recipe.where}: python",
                    why=f"Requires-Python of its source is {stated.requires_python}, and `python` of the "
                    f"recipe is {table.python}",
                    hint=f'python = "{stated.requires_python}"',
                )
            )
    problems.check()


def check_locks(
    recipe: LoadedRecipe, recipes: RecipeSet, targets: Sequence[Target], problems: Collector
) -> None:
    """Collect what is wrong with the locks of a recipe."""
    now, suite = MadeFor.of(recipe, recipes), recipe.table.test.suite
    pinned = recipe.pins("build.lock")
    check_rust(recipe, {each.name for each in pinned}, problems)
    _check_pins_to_built(recipe, recipes, pinned, problems)
    suite_requires = suite.requires if suite else []
    for file, expected in (
        ("build.lock", now),
        ("test.lock", now.of_tests([])),
        ("suite.lock", now.of_tests(suite_requires)),
    ):
        found = recipe.lock_header(file)
        if found is not None and (stale := found.differences(expected)):
            problems.add(
                LockError(
                    f"{file} is stale",
                    where=f"{recipe.where.removesuffix('recipe.toml')}{file}",
                    why=f"since it was written, {'; '.join(stale)}",
                    hint=f"inv recipe.lock {recipe.name}",
                )
            )
    check_pins(
        recipe,
        recipes,
        targets,
        made_for=recipe.lock_header("build.lock") or now,
        build=pinned,
        test=recipe.pins("test.lock"),
        problems=problems,
    )


def _check_pins_to_built(
    recipe: LoadedRecipe, recipes: RecipeSet, pinned: Sequence[LockedRequirement], problems: Collector
) -> None:
    """Collect pins to what neither build.lock nor `requires.host` names; without a lock it is not known."""
    pins = recipe.table.metadata.requires.pin_to_built
    if not pins or not pinned:
        return
    known = {*recipes.run_closure(recipe.table.requires.host), *(each.name for each in pinned)}
    for name in sorted(pins.keys() - known):
        problems.add(not_built_with(name, known, recipe.where))


def check_pins(
    recipe: LoadedRecipe,
    recipes: RecipeSet,
    targets: Sequence[Target],
    *,
    made_for: MadeFor,
    build: Sequence[LockedRequirement],
    test: Sequence[LockedRequirement],
    problems: Collector,
) -> None:
    """Collect requirements, also those that others bring, for which the farm has recipes."""
    check_farm_requirements(
        recipe, recipes, targets, **pinned_requirements(made_for, targets, build, test), problems=problems
    )


class PinnedRequirements(TypedDict):
    """All that locks pin, stated or brought by others, as requirements."""

    requires: list[str]
    run_requires: list[str]


def pinned_requirements(
    made_for: MadeFor,
    targets: Sequence[Target],
    build: Sequence[LockedRequirement],
    test: Sequence[LockedRequirement],
) -> PinnedRequirements:
    """The requirements of the build and of the installed wheel, with those that others bring."""
    stated = required_names(made_for.requires, targets)
    return {
        "requires": [*made_for.requires, *_lines(build, leave_out=_FRONTEND - stated.keys())],
        "run_requires": [*made_for.run_requires, *_lines(test)],
    }


def _lines(pinned: Iterable[LockedRequirement], leave_out: Iterable[str] = ()) -> list[str]:
    return [
        f"{each.name}=={each.version}" + (f" ; {each.marker}" if each.marker else "")
        for each in pinned
        if each.name not in leave_out
    ]


def check_added(recipe: LoadedRecipe, targets: Sequence[Target], problems: Collector) -> None:
    """Collect what the recipe adds and build.lock does not pin: a lock without a header may be stale too."""
    edits, pinned = recipe.table.build_requires, recipe.pins("build.lock")
    for name, text in required_names((*edits.add, *edits.replace.values()), targets).items():
        versions = [each.version for each in pinned if each.name == name]
        allowed = parse_requirement(text).specifier
        known = name in recipe.table.requires.host
        if not known and not any(allowed.contains(each, prereleases=True) for each in versions):
            problems.add(
                LockError(
                    f"build.lock does not pin {text}",
                    where=f"{recipe.where}: build-requires",
                    why=f"it pins {name} {', '.join(versions)}" if versions else f"it pins no {name}",
                    hint=f"inv recipe.lock {recipe.name}",
                )
            )


def check_exemptions(recipe: LoadedRecipe, problems: Collector) -> None:
    """Collect exemptions from the least age for what no lock pins, and the recipe is not for either."""
    pinned = {each.name for file in ("build.lock", "test.lock", "suite.lock") for each in recipe.pins(file)}
    for name in recipe.table.min_age_exempt:
        if name not in {recipe.name, *pinned}:
            what = f"{recipe.name} exempts {name} from --min-age, and no lock of it pins {name}"
            where = f"{recipe.where}: min-age-exempt.{name}"
            problems.add(LockError(what, where=where, hint="remove the line"))
