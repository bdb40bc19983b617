"""The farm as the doors see it: from words to a plan, and from a plan to wheels."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from wheelfarm.cibuildwheel import Cibuildwheel, check_effect, check_options, container_engine
from wheelfarm.engine import check_environment, check_programs
from wheelfarm.errors import Collector, EngineError, SystemPackageError
from wheelfarm.host import Host
from wheelfarm.machine import Machine, native_target
from wheelfarm.model import EngineName
from wheelfarm.pipeline.line import Line
from wheelfarm.plan import make_plan, named_programs, order
from wheelfarm.process import allowed
from wheelfarm.recipes import read_shelf
from wheelfarm.schedule import run_plan
from wheelfarm.wheelhouse import Wheelhouse

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from wheelfarm.engine import Engine
    from wheelfarm.model import Target
    from wheelfarm.plan import Build, Plan
    from wheelfarm.recipes import Entry, Resolved, Shelf
    from wheelfarm.schedule import Outcome
    from wheelfarm.settings import Settings


def choose_engine(settings: Settings) -> Engine:
    """The engine that was asked for, or the best that this machine has.

    Raises:
        EngineError: when the one that was asked for cannot work here.
    """
    if settings.engine is EngineName.HOST:
        return Host(settings)
    container = container_engine(settings) if sys.platform == "linux" else None
    wanted = settings.engine is EngineName.CIBUILDWHEEL
    if container is None and sys.platform == "linux":
        if wanted:
            raise EngineError(
                "neither podman nor docker answers here",
                where=settings.origins.get("engine"),
                why="cibuildwheel builds Linux wheels in containers",
                hint="apt-get install podman, or say --engine host",
            )
        return Host(settings)
    return Cibuildwheel(settings, container)


@dataclass(frozen=True, kw_only=True)
class Farm:
    """Recipes, engine and wheelhouse of one run."""

    settings: Settings
    say: Callable[[str], None] = field(default=lambda _line: None)

    @cached_property
    def shelf(self) -> Shelf:
        """All recipes.

        Raises:
            RecipeError: with everything that is wrong in any of them.
        """
        return read_shelf(self.settings)

    @cached_property
    def engine(self) -> Engine:
        """What runs builds here.

        Raises:
            EngineError: when the one that was asked for cannot work here.
        """
        return choose_engine(self.settings)

    @cached_property
    def house(self) -> Wheelhouse:
        """The wheelhouse."""
        return Wheelhouse(self.settings.wheelhouse, tell=self.say)

    def targets(self) -> tuple[Target, ...]:
        """This machine's target for each Python asked for."""
        return tuple(native_target(python) for python in self.settings.pythons)

    def plan(self, names: Sequence[str] | None) -> Plan:
        """The builds for some distributions, or all, and what they need.

        Raises:
            FarmError: for anything wrong in recipes, words or this machine; before any work.
        """
        entries = order(self.shelf, names)
        packages = self._system_packages(entries)
        programs = {name for each in self._resolved(entries) for name in named_programs(each.environment)}
        toolchains = [self.engine.toolchain(target, packages, sorted(programs)) for target in self.targets()]
        plan = make_plan(
            self.shelf,
            settings=self.settings,
            names=names,
            variant=self.settings.variant,
            toolchains=toolchains,
        )
        problems = Collector()
        for build in plan.builds:
            with problems.collect():
                check_environment(build)
            with problems.collect():
                check_options(build)
            with problems.collect():
                check_effect(build)
            with problems.collect():
                check_programs(build)
        problems.check()
        return plan

    def _system_packages(self, entries: Sequence[Entry]) -> Mapping[str, list[str]]:
        """System packages of the host per package manager, for the recipes of a plan."""
        variant = self.settings.choose_variant(self.settings.variant)
        wanted: dict[str, list[str]] = {"apt": [], "dnf": []}
        tables = [each.system_packages for each in self._resolved(entries)]
        if any(entry.recipe.blas for entry in entries):
            tables.append(variant.system_packages)
        for table in tables:
            wanted["apt"] += table.apt
            wanted["dnf"] += table.dnf
        return wanted

    def _resolved(self, entries: Iterable[Entry]) -> list[Resolved]:
        """What the recipes come to, for each target."""
        variant = self.settings.variant
        return [
            entry.resolve(variant=variant, target=target) for entry in entries for target in self.targets()
        ]

    def missing(self, names: Sequence[str] | None) -> tuple[str, ...]:
        """System packages that the host engine needs and this machine lacks; none for containers.

        Raises:
            SystemPackageError: when it cannot be told on this machine.
        """
        if self.engine.name is not EngineName.HOST:
            return ()
        entries = order(self.shelf, names)
        languages = {language for entry in entries for language in entry.recipe.compilers}
        machine = Machine(allowed(self.settings.environ))
        return machine.missing(languages=languages, packages=self._system_packages(entries))

    def provide(self, names: Sequence[str] | None) -> None:
        """Install what `missing` says, when we are root; a compiler's version is part of the rebuild key.

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
            machine = Machine(allowed(self.settings.environ))
            machine.install(lacking, say=self.say, log=logs / "system-packages.log")

    def line(self, plan: Plan, hear: Callable[[Build, str], None]) -> Line:
        """The steps, for the builds of a plan."""
        return Line(settings=self.settings, plan=plan, engine=self.engine, house=self.house, say=hear)

    def run(
        self, plan: Plan, *, hear: Callable[[Build, str], None], tell: Callable[[Outcome], None]
    ) -> tuple[Outcome, ...]:
        """Run a plan to its end, whatever fails."""
        return run_plan(plan, self.line(plan, hear).perform, tell=tell)
