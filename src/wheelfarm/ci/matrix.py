"""The graph of a workflow: a job per recipe and platform, whose legs are its variants and Pythons."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from wheelfarm.errors import Collector, RecipeError
from wheelfarm.model import Name, Python, Target
from wheelfarm.plan.graph import order, serves
from wheelfarm.recipes.ci_settings import PLATFORMS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from wheelfarm.recipes.recipe_set import LoadedRecipe, RecipeSet
    from wheelfarm.recipes.settings import Settings


@dataclass(frozen=True, kw_only=True, order=True)
class Leg:
    """One build of a workflow: what one machine does for one recipe."""

    name: Name
    platform: str
    """As jobs are called, such as linux-x86_64."""
    variant: str
    python: Python

    @property
    def slug(self) -> str:
        """As part of the name of an artifact."""
        return f"{self.name}-{self.platform}-{self.variant}-{self.python}"

    @property
    def output(self) -> str:
        """The output of its job by which it tells what it made; the host allows few characters there."""
        return re.sub(r"[^A-Za-z0-9_-]", "-", f"{self.variant}-{self.python}")

    @property
    def target(self) -> Target:
        """The build identifier."""
        return Target.parse(f"{self.python.tag}-{PLATFORMS[self.platform]}")


@dataclass(frozen=True, kw_only=True)
class Job:
    """A recipe on one platform; its legs are the job's matrix."""

    name: Name
    platform: str
    legs: tuple[Leg, ...]
    upstream: tuple[Name, ...]
    """Whose wheels its builds and tests use: of these jobs, and no others, it needs the result."""
    languages: tuple[str, ...]
    """What is compiled."""

    @property
    def id(self) -> str:
        """As `needs` names it."""
        return job_id(self.name, self.platform)

    @property
    def needs(self) -> tuple[str, ...]:
        """The jobs that it waits for."""
        return tuple(job_id(name, self.platform) for name in self.upstream)

    @property
    def variants(self) -> tuple[str, ...]:
        """The first axis of the matrix."""
        return tuple(dict.fromkeys(leg.variant for leg in self.legs))

    @property
    def pythons(self) -> tuple[Python, ...]:
        """The second axis."""
        return tuple(sorted({leg.python for leg in self.legs}))

    def upstream_of(self, leg: Leg) -> tuple[Leg, ...]:
        """The legs whose wheels one of its own uses."""
        return tuple(
            Leg(name=name, platform=leg.platform, variant=leg.variant, python=leg.python)
            for name in self.upstream
        )


def job_id(name: Name, platform: str) -> str:
    """What a job is called."""
    return f"build-{name}-{platform}"


def draw(recipes: RecipeSet, settings: Settings) -> tuple[Job, ...]:
    """The jobs of a full run: by platform, each after those that it needs.

    Raises:
        CycleError: when recipes need each other in a circle.
        RecipeError: for recipes that are built nowhere, each with why.
    """
    ordered = order(recipes)
    problems = Collector()
    legs = {recipe.name: _Legs(recipe, recipes) for recipe in ordered}
    for platform in settings.ci.platforms:
        for recipe in ordered:
            legs[recipe.name].draw(platform, settings, legs)
    for recipe in ordered:
        if not legs[recipe.name].served:
            why = "; ".join(dict.fromkeys(legs[recipe.name].refusals))
            hint = "drop a `skip` of the recipe, or add a platform to [tool.wheelfarm.ci]"
            problems.add(
                RecipeError(f"{recipe.name} is built for no platform", where=recipe.where, why=why, hint=hint)
            )
    problems.check()
    return tuple(
        Job(
            name=recipe.name,
            platform=platform,
            legs=tuple(found),
            languages=tuple(recipe.table.compilers),
            upstream=tuple(other.name for other in ordered if other.name in legs[recipe.name].upstream),
        )
        for platform in settings.ci.platforms
        for recipe in ordered
        if (found := [leg for leg in legs[recipe.name].served if leg.platform == platform])
    )


class _Legs:
    """The legs of one recipe while the graph is drawn, and why there are not more of them."""

    def __init__(self, recipe: LoadedRecipe, recipes: RecipeSet) -> None:
        requires = recipe.table.requires
        self.recipe = recipe
        self.upstream = {*recipes.run_closure(requires.host), *recipes.run_closure(requires.run)}
        self.served: list[Leg] = []
        self.refusals: list[str] = []

    def draw(self, platform: str, settings: Settings, others: Mapping[Name, _Legs]) -> None:
        """Add the legs of a platform; those of all that it needs are there already."""
        for variant, table in settings.variants.items():
            for python in pythons(settings):
                leg = Leg(name=self.recipe.name, platform=platform, variant=variant, python=python)
                refusal = serves(self.recipe, leg.target, table.provider)
                lacking = [
                    name
                    for name in sorted(self.upstream)
                    if Leg(name=name, platform=platform, variant=variant, python=python)
                    not in others[name].served
                ]
                if refusal is None and lacking:
                    refusal = f"it needs {', '.join(lacking)}"
                if refusal is None:
                    self.served.append(leg)
                else:
                    self.refusals.append(refusal)


def pythons(settings: Settings) -> tuple[Python, ...]:
    """The Pythons of a full run."""
    said: Iterable[Python] | None = map(Python.parse, settings.ci.pythons) if settings.ci.pythons else None
    return tuple(sorted(said or settings.pythons))
