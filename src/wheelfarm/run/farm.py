"""A farm: makes a plan from its recipes, and wheels from the plan."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import TYPE_CHECKING

from wheelfarm.build.cibuildwheel_options import check_options
from wheelfarm.build.diagnosis import failure_of
from wheelfarm.build.environment import check_environment
from wheelfarm.build.error_patterns import Failure
from wheelfarm.errors import Collector, EngineError, GroupError, SystemPackageError
from wheelfarm.model import EngineName
from wheelfarm.plan.graph import Plan, make_plan, order, plannable
from wheelfarm.plan.inputs import named_programs
from wheelfarm.recipes.recipe_set import read_recipes
from wheelfarm.run.build_pipeline import run_build
from wheelfarm.run.estimates import DurationEstimates, need
from wheelfarm.run.numpy_abi import use_stored_wheels
from wheelfarm.run.outcome import Interrupted
from wheelfarm.run.reuse import Published
from wheelfarm.run.schedule import Budget, Duration, simulate
from wheelfarm.run.scheduler import Retry, Runner
from wheelfarm.run.services import BuildServices, choose_engine
from wheelfarm.system.environment import system_environment
from wheelfarm.system.logs import get_logger
from wheelfarm.system.machine import Machine, memory, target_here, use_one_heap
from wheelfarm.wheelhouse.wheelhouse import Wheelhouse

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from wheelfarm.build.engine import Engine
    from wheelfarm.errors import FarmError
    from wheelfarm.model import Target
    from wheelfarm.plan.build import Build, BuildId, Toolchain
    from wheelfarm.recipes.layers import ResolvedRecipe
    from wheelfarm.recipes.loaded_recipe import LoadedRecipe
    from wheelfarm.recipes.nightly import NightlyCommit
    from wheelfarm.recipes.recipe_set import RecipeSet
    from wheelfarm.recipes.settings import Settings
    from wheelfarm.run.outcome import Outcome
    from wheelfarm.run.schedule import Task
    from wheelfarm.run.scheduler import Perform
    from wheelfarm.run.services import RunListener

logger = get_logger(__name__)


def passing(error: FarmError) -> bool:
    """Whether an error may be gone at the next attempt: the network's, and an engine that did not start."""
    return error.retryable and (failure_of(error) is Failure.NETWORK or error.slug == EngineError.slug)


@dataclass(frozen=True, kw_only=True)
class Farm:
    """Recipes, engine and wheelhouse of one run."""

    settings: Settings
    retry: Retry = field(default_factory=lambda: Retry(passing=passing))
    """When a failed build is begun again."""

    commits: tuple[NightlyCommit, ...] = ()
    """What nightlies are built of, in place of the sources of their recipes."""

    others: tuple[Toolchain, ...] = ()
    """On a worker: the toolchains of other platforms, whose wheels its build uses, as the farm has them."""

    @cached_property
    def recipes(self) -> RecipeSet:
        return read_recipes(self.settings).with_commits(self.commits)

    @cached_property
    def resolvable(self) -> RecipeSet:
        """The recipes; those whose layers contradict each other for the targets of this run are broken."""
        problems = Collector()
        for recipe in self.recipes:
            with problems.of(recipe.name).collect():
                self._resolve([recipe])
        return self.recipes.without(problems.by_name())

    @cached_property
    def engine(self) -> Engine:
        return choose_engine(self.settings)

    @cached_property
    def wheelhouse(self) -> Wheelhouse:
        return Wheelhouse(self.settings.wheelhouse)

    @cached_property
    def published(self) -> Published:
        """What the farm's indexes have of its builds."""
        return Published(self.settings, self.wheelhouse)

    @cached_property
    def estimates(self) -> DurationEstimates:
        return DurationEstimates(self.settings)

    def targets(self) -> tuple[Target, ...]:
        """This machine's target for each requested Python, or those of the named platforms in their order.

        Raises:
            EngineError: when this machine does not build for one of the platforms.
        """
        found = [
            target_here(python, platform)
            for platform in self.settings.platforms or (None,)
            for python in self.settings.pythons
        ]
        given = {each.target for each in self.others}
        foreign = {each.platform_suffix for each in given}
        return tuple(each for each in found if each in given or each.platform_suffix not in foreign)

    def plan(self, names: Sequence[str] | None, *, strict: bool = True) -> Plan:
        """The builds for some distributions, or all, and what they need.

        A recipe with an error refuses only what needs it; see `Plan.refused`.

        Args:
            names: distributions; None for all.
            strict: whether each of them must serve each target.

        Raises:
            FarmError: for anything wrong in options or this machine, or with all recipes; before any work.
        """
        recipes = self._planned(names)
        packages = self._system_packages(recipes)
        programs = {name for each in self._resolve(recipes) for name in named_programs(each.environment)}
        given = {each.target: each for each in self.others}
        toolchains = [
            given.get(target) or self.engine.toolchain(target, packages, sorted(programs))
            for target in self.targets()
        ]
        plan = make_plan(
            self.resolvable,
            settings=self.settings,
            names=names,
            variant=self.settings.variant,
            toolchains=toolchains,
            checks=(check_environment, check_options),
            strict=strict,
        )
        if not plan.builds:
            plan.check()
        if self.settings.uses_numpy_abi:
            plan = use_stored_wheels(plan, self.wheelhouse, self.published)
        for name, error in self.resolvable.broken.items():
            if name not in {each.name for each in plan.refused}:
                first = error.errors[0] if isinstance(error, GroupError) else error
                logger.warning("recipe %s has an error: %s (%s)", name, first.what, first.where)
        return plan

    def _planned(self, names: Sequence[str] | None) -> tuple[LoadedRecipe, ...]:
        """The recipes of a plan, each after what it needs."""
        return order(self.resolvable, plannable(self.resolvable, names))

    def _system_packages(self, recipes: Sequence[LoadedRecipe]) -> Mapping[str, list[str]]:
        """System packages of the host per package manager, for the recipes of a plan."""
        variant = self.settings.choose_variant(self.settings.variant)
        wanted: dict[str, list[str]] = {"apt": [], "dnf": []}
        tables = [each.system_packages for each in self._resolve(recipes)]
        if any(recipe.table.blas for recipe in recipes):
            tables.append(variant.system_packages)
        for table in tables:
            wanted["apt"] += table.apt
            wanted["dnf"] += table.dnf
        return wanted

    def _resolve(self, recipes: Iterable[LoadedRecipe]) -> list[ResolvedRecipe]:
        """The values of the recipes for each target."""
        variant, targets = self.settings.variant, self.targets()
        return [recipe.resolve(variant=variant, target=target) for recipe in recipes for target in targets]

    def missing(self, names: Sequence[str] | None) -> tuple[str, ...]:
        """System packages that the host engine needs and this machine lacks; none for containers.

        Raises:
            SystemPackageError: when this machine cannot list its packages.
        """
        if self.engine.name is not EngineName.HOST:
            return ()
        recipes = self._planned(names)
        languages = {language for recipe in recipes for language in recipe.table.languages}
        machine = Machine(system_environment(self.settings.environ))
        return machine.missing(languages=languages, packages=self._system_packages(recipes))

    def provide(self, names: Sequence[str] | None) -> None:
        """Install what `missing` says, when we are root; a compiler's version is part of the build key.

        Raises:
            SystemPackageError: when something is missing and we may not or cannot install it.
        """
        lacking = self.missing(names)
        if lacking:
            logs = self.settings.work / "logs"
            try:
                logs.mkdir(parents=True, exist_ok=True)
            except OSError as problem:
                raise SystemPackageError(
                    "cannot write the log", where=str(logs), why=problem.strerror
                ) from problem
            machine = Machine(system_environment(self.settings.environ))
            machine.install(lacking, log=logs / "system-packages.log")

    def services(self, plan: Plan, listener: RunListener) -> BuildServices:
        """What the builds of a plan use."""
        return BuildServices(
            settings=self.settings,
            plan=plan,
            recipes=self.recipes,
            engine=self._with_compiler_cache(plan),
            wheelhouse=self.wheelhouse,
            published=self.published,
            listener=listener,
        )

    def _with_compiler_cache(self, plan: Plan) -> Engine:
        """The engine with its compiler cache made ready, or without one when that cannot be used."""
        cache = self.engine.compiler_cache
        problem = cache.make({build.id.name for build in plan.builds}) if cache else None
        if problem is not None:
            logger.warning("builds go without the compiler cache: %s", problem)
            return self.engine.with_compiler_cache(None)
        if cache and cache.remote and (problem := cache.remote.problem()):
            logger.warning("builds go without the remote compiler cache: %s", problem)
            return self.engine.with_compiler_cache(replace(cache, remote=None))
        return self.engine

    @property
    def _budget(self) -> Budget:
        return Budget(cpus=self.settings.jobs, memory=self.settings.memory or memory())

    def _runner(self, durations: Mapping[BuildId, Duration]) -> Runner:
        return Runner(budget=self._budget, need=need, durations=durations)

    def tasks(self, plan: Plan) -> tuple[Task[BuildId], ...]:
        """The builds of a plan as a schedule takes them, each with the time that it will take now."""
        return self._runner(self.estimates.expected(plan, self.wheelhouse, self.published)).tasks(plan)

    def tasks_of_builds(self, builds: Sequence[Build]) -> tuple[Task[BuildId], ...]:
        """Some builds of a plan as a schedule takes them, as if no wheel was stored."""
        return self._runner(self.estimates.of_builds(builds)).tasks(Plan(tuple(builds)))

    def simulate(self, tasks: Sequence[Task[BuildId]]) -> Mapping[BuildId, tuple[float, float]]:
        """When each build begins in a run on this machine, and how many seconds it takes there."""
        return simulate(tasks, self._budget)

    def expected(self, plan: Plan) -> Mapping[BuildId, float]:
        """How many seconds each build of a plan will take now, with its share of the processors."""
        return {build_id: seconds for build_id, (_, seconds) in self.simulate(self.tasks(plan)).items()}

    @contextmanager
    def _performer(self, services: BuildServices) -> Iterator[tuple[Perform, Budget | None]]:
        """What performs the builds of a plan, and what they may use: this machine, or a cluster's workers."""
        if self.settings.workers in {None, "none"}:
            yield partial(run_build, services), None
            return
        from wheelfarm.run.cluster.pipeline import connect  # noqa: PLC0415 - it needs an extra

        with connect(self) as run:
            yield partial(run.perform, services), run.open(services.plan)

    def run(
        self, plan: Plan, listener: RunListener, *, expected: Mapping[BuildId, float] | None = None
    ) -> tuple[Outcome, ...]:
        """Run a plan to its end, whatever fails.

        Args:
            plan: the builds.
            listener: receives the progress of the builds.
            expected: seconds by build, where the caller has them already.

        Raises:
            Interrupted: when the run was interrupted; whatever ran has ended.
        """
        use_one_heap()
        expected = self.expected(plan) if expected is None else expected
        services = self.services(plan, listener)
        runner = replace(
            self._runner({key: Duration(seconds) for key, seconds in expected.items()}),
            retry=self.retry,
            cancel=services.cancelled.set,
        )
        outcomes: tuple[Outcome, ...] = ()
        try:
            with self._performer(services) as (perform, budget):
                outcomes = replace(runner, budget=budget or runner.budget).run(plan, perform, listener)
        except Interrupted as interrupt:
            outcomes = interrupt.outcomes
            raise
        finally:
            self.estimates.remember(outcomes)
        return outcomes
