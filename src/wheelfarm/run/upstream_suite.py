"""The upstream suite of a stored wheel: from the wheelhouse and the locks into its room."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

from wheelfarm.errors import ChainError
from wheelfarm.gate.clean_environment import GATE
from wheelfarm.gate.suite import run_suite, tests_name
from wheelfarm.run.build_lock import Place
from wheelfarm.run.test_environments import pinned

if TYPE_CHECKING:
    from pathlib import Path

    from wheelfarm.gate.suite import Selection, SuiteResult
    from wheelfarm.model import PinnedWheel, StoredWheel
    from wheelfarm.plan.build import Build
    from wheelfarm.recipes.recipe import Suite
    from wheelfarm.run.build_pipeline import Line


@dataclass(frozen=True)
class Upstream:
    """The upstream suite of one build of a line."""

    line: Line
    build: Build

    @property
    def log(self) -> Path:
        """Where its output goes; its results as JUnit XML lie beside it."""
        log = self.line.log(self.build)
        return log.with_name(f"{log.stem}-suite.log")

    @property
    def tests(self) -> StoredWheel | None:
        """The stored wheel with the upstream tests; None when there is none of this version and target."""
        build = self.build
        name, wheelhouse = tests_name(build.id.name), self.line.wheelhouse
        stored = wheelhouse.current(build.id.variant, name, build.version, build.id.target)
        return stored[-1] if stored else None

    def run(self, suite: Suite, selection: Selection) -> SuiteResult:
        """Run it.

        Raises:
            FarmError: when a wheel is missing, or the suite does not come to its end.
        """
        line, build = self.line, self.build
        place = Place(line.engine.stages, f"{build.id.slug}-suite")
        self.log.parent.mkdir(parents=True, exist_ok=True)
        listener = line.listener(build)
        with place.hold(listener.on_line, line.engine.sweep) as root:
            try:
                return run_suite(
                    build,
                    suite,
                    line.engine,
                    root / GATE / "suite",
                    wheels=self._wheels(),
                    selection=selection,
                    jobs=line.settings.jobs,
                    log=self.log,
                    listener=listener,
                )
            finally:
                shutil.rmtree(root, ignore_errors=True)

    def _wheels(self) -> list[PinnedWheel]:
        """The wheel, its tests, and what the two need: from the farm, and from outside by hash."""
        line, build, tests = self.line, self.build, self.tests
        if tests is None:
            raise ChainError(f"the wheelhouse has no {tests_name(build.id.name)} for {build.id}")
        fetcher, target = line.fetcher(), build.id.target
        wheels = [pinned(line.stored(build.id)), pinned(tests), *line.companions(build, fetcher)]
        present = {each.name for each in wheels}
        locked = [each for each in build.recipe.suite_requirements(target) if each.name not in present]
        return [*wheels, *(fetcher.wheel(each, target, build.toolchain.glibc) for each in locked)]
