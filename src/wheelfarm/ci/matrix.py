"""The graph of a CI workflow: a job per recipe and platform, a matrix entry per variant and Python."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from wheelfarm.errors import Collector, RecipeError, SettingsError
from wheelfarm.model import Name, Python, Target
from wheelfarm.plan.build import BuildId
from wheelfarm.plan.graph import find_refusal, order_all
from wheelfarm.recipes.farm_settings import PLATFORMS
from wheelfarm.recipes.strict import suggestion

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from wheelfarm.recipes.loaded_recipe import LoadedRecipe
    from wheelfarm.recipes.recipe_set import RecipeSet
    from wheelfarm.recipes.settings import Settings


@dataclass(frozen=True, kw_only=True, order=True)
class MatrixEntry:
    """One build of the workflow, on one machine."""

    name: Name
    platform: str
    """The workflow's word, such as linux-x86_64."""
    variant: str
    python: Python

    @property
    def slug(self) -> str:
        """The end of the names of its artifacts."""
        return f"{self.name}-{self.platform}-{self.variant}-{self.python}"

    @property
    def build_id(self) -> BuildId:
        """The plan's name for it."""
        target = Target.parse(f"{self.python.tag}-{PLATFORMS[self.platform]}")
        return BuildId(name=self.name, variant=self.variant, target=target)


@dataclass(frozen=True, kw_only=True)
class Job:
    """A recipe on one platform."""

    name: Name
    platform: str
    entries: tuple[MatrixEntry, ...]
    needed: Mapping[str, tuple[Name, ...]]
    """Variant → recipes whose wheels its builds and tests use."""
    pythons: Mapping[Name, Python]
    """The Python of the only entry of recipes whose wheel is for all Pythons."""

    @property
    def id(self) -> str:
        """Its key in the workflow's `jobs`."""
        return f"build-{self.name}-{self.platform}"

    @property
    def dependencies(self) -> tuple[Name, ...]:
        """Recipes whose wheels its builds and tests use in some variant."""
        return tuple(dict.fromkeys(name for names in self.needed.values() for name in names))

    @property
    def needs(self) -> tuple[str, ...]:
        """Ids of the jobs that it waits for."""
        return tuple(f"build-{name}-{self.platform}" for name in self.dependencies)

    def dependencies_of(self, entry: MatrixEntry) -> tuple[MatrixEntry, ...]:
        """The entries of other jobs whose wheels an entry uses."""
        return tuple(
            replace(entry, name=name, python=self.pythons.get(name, entry.python))
            for name in self.needed[entry.variant]
        )


def make_jobs(recipes: RecipeSet, settings: Settings) -> tuple[Job, ...]:
    """Make the jobs of a full run: by platform, each after those that it needs.

    Raises:
        SettingsError: for each unknown variant of `[tool.wheelfarm.ci]`.
        RecipeError: for each recipe that no platform builds.
    """
    problems = Collector()
    where = "pyproject.toml: tool.wheelfarm.ci.variants"
    for variant in settings.ci.variants or ():
        if variant not in settings.variants:
            hint = suggestion(variant, settings.variants)
            problems.add(SettingsError(f"unknown variant {variant!r}", where=where, hint=hint))
    problems.check()
    variants = settings.ci.variants or [*settings.variants]
    by_variant = {variant: recipes.in_variant(variant) for variant in variants}
    ordered, jobs = order_all(by_variant.values()), list[Job]()
    refusals: dict[Name, list[str]] = {recipe.name: [] for recipe in ordered}
    pythons = tuple(sorted(settings.ci.pythons or settings.pythons))
    supported = {
        recipe.name: [python for python in pythons if recipe.table.supports(python)]
        for recipe in ordered
        if not recipe.table.for_one_python
    }
    only = {name: found[0] for name, found in supported.items() if found}
    places = {recipe.name: number for number, recipe in enumerate(ordered)}
    closures = {
        recipe.name: {
            variant: tuple(sorted(_closure(each, recipe.name), key=places.__getitem__))
            for variant, each in by_variant.items()
        }
        for recipe in ordered
    }
    for platform in settings.ci.platforms:
        built: set[MatrixEntry] = set()
        for recipe in ordered:
            needed = closures[recipe.name]
            job = Job(name=recipe.name, platform=platform, entries=(), needed=needed, pythons=only)
            own = [only[recipe.name]] if recipe.name in only else pythons
            possible = (
                MatrixEntry(name=recipe.name, platform=platform, variant=variant, python=python)
                for variant in variants
                for python in own
            )
            entries = tuple(_supported_entries(job, recipe, possible, built, refusals[recipe.name]))
            built.update(entries)
            if entries:
                # A platform may have no entry of a variant, and then no job of what that variant alone needs.
                own_variants = dict.fromkeys(entry.variant for entry in entries)
                needed = {variant: needed[variant] for variant in own_variants}
                jobs.append(replace(job, entries=entries, needed=needed))
    with_job = {job.name for job in jobs}
    for recipe in ordered:
        is_unused = bool(recipe.supplies) and set(recipe.supplies).isdisjoint(variants)
        if not is_unused and recipe.name not in with_job:
            what = f"{recipe.name} is built for no platform"
            why = "; ".join(dict.fromkeys(refusals[recipe.name]))
            hint = "drop a `skip` of the recipe, or add a platform to [tool.wheelfarm.ci]"
            problems.add(RecipeError(what, where=recipe.where, why=why, hint=hint))
    problems.check()
    return tuple(jobs)


def _closure(recipes: RecipeSet, name: Name) -> set[Name]:
    requires = recipes.find(name).table.requires
    return {*recipes.run_closure(requires.host), *recipes.run_closure(requires.run)}


def _supported_entries(
    job: Job,
    recipe: LoadedRecipe,
    possible: Iterable[MatrixEntry],
    built: Collection[MatrixEntry],
    refusals: list[str],
) -> Iterator[MatrixEntry]:
    """Yield the entries that the recipe and its dependencies are built for, and list why others are not."""
    for entry in possible:
        refusal = find_refusal(recipe, entry.build_id.target, entry.variant)
        missing = sorted(each.name for each in job.dependencies_of(entry) if each not in built)
        if refusal is None and missing:
            refusal = f"it needs {', '.join(missing)}"
        if refusal is None:
            yield entry
        else:
            refusals.append(refusal)
