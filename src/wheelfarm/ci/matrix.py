"""The graph of a CI workflow: a job per recipe and platform, a matrix entry per variant and Python."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from wheelfarm.errors import Collector, RecipeError
from wheelfarm.model import Name, Python, Target
from wheelfarm.plan.build import BuildId
from wheelfarm.plan.graph import find_refusal, order
from wheelfarm.recipes.farm_settings import PLATFORMS

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from wheelfarm.recipes.recipe_set import LoadedRecipe, RecipeSet
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
    dependencies: tuple[Name, ...]
    """Recipes whose wheels its builds and tests use."""

    @property
    def id(self) -> str:
        """Its key in the workflow's `jobs`."""
        return f"build-{self.name}-{self.platform}"

    @property
    def needs(self) -> tuple[str, ...]:
        """Ids of the jobs that it waits for."""
        return tuple(f"build-{name}-{self.platform}" for name in self.dependencies)

    def dependencies_of(self, entry: MatrixEntry) -> tuple[MatrixEntry, ...]:
        """The entries of other jobs whose wheels an entry uses."""
        return tuple(
            MatrixEntry(name=name, platform=entry.platform, variant=entry.variant, python=entry.python)
            for name in self.dependencies
        )


def make_jobs(recipes: RecipeSet, settings: Settings) -> tuple[Job, ...]:
    """Make the jobs of a full run: by platform, each after those that it needs.

    Raises:
        RecipeError: for each recipe that no platform builds.
    """
    ordered, jobs, problems = order(recipes), list[Job](), Collector()
    refusals: dict[Name, list[str]] = {recipe.name: [] for recipe in ordered}
    for platform in settings.ci.platforms:
        built: set[MatrixEntry] = set()
        for recipe in ordered:
            requires = recipe.table.requires
            closure = {*recipes.run_closure(requires.host), *recipes.run_closure(requires.run)}
            dependencies = tuple(other.name for other in ordered if other.name in closure)
            job = Job(name=recipe.name, platform=platform, entries=(), dependencies=dependencies)
            entries = tuple(_supported_entries(job, recipe, settings, built, refusals[recipe.name]))
            built.update(entries)
            if entries:
                jobs.append(replace(job, entries=entries))
    for recipe in ordered:
        if not any(job.name == recipe.name for job in jobs):
            what = f"{recipe.name} is built for no platform"
            why = "; ".join(dict.fromkeys(refusals[recipe.name]))
            hint = "drop a `skip` of the recipe, or add a platform to [tool.wheelfarm.ci]"
            problems.add(RecipeError(what, where=recipe.where, why=why, hint=hint))
    problems.check()
    return tuple(jobs)


def _supported_entries(
    job: Job, recipe: LoadedRecipe, settings: Settings, built: Collection[MatrixEntry], refusals: list[str]
) -> Iterator[MatrixEntry]:
    """Yield the entries that the recipe and its dependencies are built for, and list why others are not."""
    pythons = settings.ci.pythons
    for variant, table in settings.variants.items():
        for python in sorted(pythons or settings.pythons):
            entry = MatrixEntry(name=job.name, platform=job.platform, variant=variant, python=python)
            refusal = find_refusal(recipe, entry.build_id.target, table.provider)
            missing = sorted(each.name for each in job.dependencies_of(entry) if each not in built)
            if refusal is None and missing:
                refusal = f"it needs {', '.join(missing)}"
            if refusal is None:
                yield entry
            else:
                refusals.append(refusal)
