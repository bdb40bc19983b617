"""Plans the recipes that close a requirement: what to add, what the farm has, what comes from the index."""

from __future__ import annotations

import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from enum import StrEnum
from graphlib import CycleError as GraphCycleError
from graphlib import TopologicalSorter
from pathlib import Path
from typing import TYPE_CHECKING, Final

from wheelfarm.errors import CancelledRunError, CycleError, FarmError, NetworkError
from wheelfarm.model import Name
from wheelfarm.model.wheel_names import is_any_platform
from wheelfarm.recipes.draft.conflicts import check_request, find_build_conflicts, find_run_conflicts
from wheelfarm.recipes.draft.drafter import load_files
from wheelfarm.recipes.draft.requirement_walk import RequirementWalk
from wheelfarm.recipes.lock_compiler import targets_of
from wheelfarm.recipes.locks import applicable
from wheelfarm.recipes.recipe_set import RecipeSet
from wheelfarm.system.logs import get_logger

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from packaging.requirements import Requirement

    from wheelfarm.model import LockedRequirement
    from wheelfarm.recipes.draft.closure import Closure
    from wheelfarm.recipes.draft.drafter import Draft, Drafter
    from wheelfarm.recipes.loaded_recipe import LoadedRecipe

logger = get_logger(__name__)

_PAGES: Final = 8
"""Pages of the index that are read at once."""
_LONGEST: Final = 120
"""Characters of the evidence that a row has."""
_LANGUAGES: Final = {"c": "C", "c++": "C++", "fortran": "Fortran"}


class Action(StrEnum):
    """What a plan does about a distribution."""

    ADD = "add"
    HAVE = "have"
    INDEX = "index"
    CANNOT = "cannot"


@dataclass(frozen=True, kw_only=True)
class PlannedDistribution:
    """A distribution of the closure."""

    name: Name
    versions: tuple[str, ...]
    action: Action
    required_by: tuple[str, ...]
    """Distributions; those whose builds alone require it end with `(build)`."""
    why: str
    error: FarmError | None = None


@dataclass(frozen=True, kw_only=True)
class BootstrapPlan:
    """What closes a requirement; nothing of it is written yet."""

    name: Name
    rows: tuple[PlannedDistribution, ...]
    drafts: tuple[Draft, ...]
    """The recipes to write, each after those that it requires."""
    conflicts: tuple[FarmError, ...]
    """Versions of recipes that a requirement excludes: nothing is written then."""

    def of(self, action: Action) -> tuple[PlannedDistribution, ...]:
        return tuple(row for row in self.rows if row.action is action)


def plan_bootstrap(drafter: Drafter, requirement: Requirement) -> BootstrapPlan:
    """Plan recipes for a requirement and for all compiled code that it needs to run.

    uv resolves. What only builds need comes from the index by their locks, as for any recipe of the farm.
    What the farm has a recipe for is not looked into.

    Raises:
        FarmError: when the farm's own recipe of it cannot be used.
        LockError: when that recipe has a version that the requirement excludes.
        SourceError: when the index has no such project.
        NetworkError: when the index cannot be reached.
    """
    check_request(requirement, drafter.recipes)
    walk = RequirementWalk(drafter=drafter, requirement=requirement)
    closure = walk.find()
    with tempfile.TemporaryDirectory(prefix="wheelfarm-bootstrap-") as scratch:
        drafting = _Drafting(drafter, walk, Path(scratch) / drafter.settings.recipes.name)
        drafting.draft_all(_in_order(closure, walk.chosen))
        return BootstrapPlan(
            name=walk.name,
            rows=tuple(_rows(closure, walk, drafting)),
            drafts=tuple(drafting.drafts.values()),
            conflicts=(
                *find_run_conflicts(walk, closure),
                *find_build_conflicts(
                    drafting.loaded.values(), drafting.recipes, targets_of(drafter.settings)
                ),
            ),
        )


def _in_order(closure: Closure, names: Iterable[Name]) -> list[Name]:
    """The distributions, each after what it requires to run, as far as there is no cycle."""
    wanted = sorted(set(names) & closure.keys())
    graph: dict[Name, list[Name]] = {name: [] for name in closure}
    for name, each in closure.items():
        for parent in each.required_by:
            graph.get(parent, []).append(name)
    try:
        return [name for name in TopologicalSorter(graph).static_order() if name in wanted]
    except GraphCycleError:
        return wanted  # drafting finds it, if it is one of recipes


class _Drafting:
    """Drafts recipes for a farm that has those which were drafted before."""

    def __init__(self, drafter: Drafter, walk: RequirementWalk, directory: Path) -> None:
        self.drafts: dict[Name, Draft] = {}
        self.loaded: dict[Name, LoadedRecipe] = {}
        self.errors = walk.errors
        self._drafter = drafter
        self._chosen = walk.chosen
        self._directory = directory

    @property
    def recipes(self) -> RecipeSet:
        farm = self._drafter.recipes
        return RecipeSet({**farm.by_name, **self.loaded}, farm.broken)

    def draft_all(self, names: Iterable[Name]) -> None:
        for name in names:
            self._draft(name, ())

    def _draft(self, name: Name, path: tuple[Name, ...]) -> None:
        """Draft a recipe after those that its locks would pin; an error of it stops nothing else."""
        if name in self.drafts or name in self.errors:
            return
        if name in path:
            circle = " → ".join([*path[path.index(name) :], name])
            self.errors[path[-1]] = CycleError(
                f"{path[-1]} requires {name}, which requires it",
                where=circle,
                why="each recipe is built after those that it requires",
                hint="a patch that removes one of the requirements: docs/how-to/patch-a-source.md",
            )
            return
        try:
            draft, loaded = self._attempt(name)
            for other in self._pending(loaded):
                self._draft(other, (*path, name))
            if name in self.errors:
                return
            if any(pin.name in self.loaded for pin in _pins(loaded)):
                draft, loaded = self._attempt(name)
        except (NetworkError, CancelledRunError):
            raise
        except FarmError as error:
            self.errors[name] = error
            return
        self.drafts[name], self.loaded[name] = draft, loaded

    def _attempt(self, name: Name) -> tuple[Draft, LoadedRecipe]:
        logger.info("drafting %s %s", name, self._chosen[name])
        draft = replace(self._drafter, recipes=self.recipes).draft(name, self._chosen[name])
        return draft, load_files(self._directory / name, draft.files, self._drafter.settings)

    def _pending(self, loaded: LoadedRecipe) -> list[Name]:
        pinned = {pin.name for pin in _pins(loaded)} - {loaded.name}
        return sorted(pinned & self._chosen.keys() - self.loaded.keys())


def _pins(loaded: LoadedRecipe) -> Iterator[LockedRequirement]:
    for file in ("build.lock", "test.lock"):
        yield from loaded.pins(file)


def _rows(closure: Closure, walk: RequirementWalk, drafting: _Drafting) -> Iterator[PlannedDistribution]:
    farm, drafts = walk.drafter.recipes, drafting.drafts
    required = {name: list[str](each.required_by) for name, each in closure.items()}
    versions = {name: each.versions for name, each in closure.items()}
    targets = targets_of(walk.drafter.settings)
    for name, loaded in drafting.loaded.items():
        locked = {
            pin.name: pin.version
            for target in targets
            for pin in applicable(loaded.pins("build.lock"), target)
        }
        for other in (*locked, *loaded.table.requires.host):
            required.setdefault(Name(other), [])
            if name not in required[Name(other)]:
                required[Name(other)].append(f"{name} (build)")
        for other, version in locked.items():
            versions.setdefault(other, (version,))
    others = [each for each in required if each not in farm and each not in drafts]
    pure = _find_pure(walk, {name: versions.get(name, ()) for name in others})
    for name in sorted(required):
        recipe, action, error = farm.by_name.get(name), Action.INDEX, drafting.errors.get(name)
        found = versions.get(name, ())
        if error is not None:
            action, why = Action.CANNOT, _reason(error)
        elif name in drafts:
            action, why, found = Action.ADD, _describe(drafts[name]), (drafts[name].release.version,)
        elif name in farm:
            action, why = (
                Action.HAVE,
                f"recipes/{name}" if recipe else "its recipe has an error: inv recipe.check",
            )
            found = (recipe.table.version,) if recipe else ()
        elif pure[name]:
            why = "pure Python"
        else:
            why = "compiled, and only builds need it"
        yield PlannedDistribution(
            name=name,
            versions=found,
            action=action,
            required_by=tuple(required[name]),
            why=why,
            error=error,
        )


def _reason(error: FarmError) -> str:
    """What an error says, in a table: its evidence too, unless that is long."""
    why = " ".join((error.why or "").split())
    return f"{error.what}: {why}" if 0 < len(why) <= _LONGEST else error.what


def _describe(draft: Draft) -> str:
    compilers = draft.recipe.compilers
    languages = ["c", "c++"] if compilers is None else compilers
    what = ", ".join(_LANGUAGES[each] for each in languages) or "pure Python"
    needs = (
        f"; needs {', '.join(each.name for each in draft.recipe.libraries)}" if draft.recipe.libraries else ""
    )
    return f"{what}, built by {draft.facts.backend}{needs}"


def _find_pure(walk: RequirementWalk, versions: Mapping[Name, Sequence[str]]) -> dict[Name, bool]:
    """Whether all wheels that the index has of these versions of a distribution are for any platform."""
    with ThreadPoolExecutor(max_workers=_PAGES) as pool:
        pages = pool.map(walk.wheels_of, versions.keys(), versions.values())
        return {name: all(map(is_any_platform, wheels)) for name, wheels in zip(versions, pages, strict=True)}
