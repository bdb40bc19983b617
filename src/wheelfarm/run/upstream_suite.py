"""The upstream suite of a stored wheel, in a test environment of its own."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

from wheelfarm.errors import ChainError
from wheelfarm.gate.clean_environment import GATE
from wheelfarm.gate.suite import run_suite, tests_name
from wheelfarm.run.build_lock import BuildLock
from wheelfarm.run.test_environments import pinned

if TYPE_CHECKING:
    from pathlib import Path

    from wheelfarm.gate.suite import Selection, SuiteResult
    from wheelfarm.model import PinnedWheel, StoredWheel
    from wheelfarm.plan.build import Build
    from wheelfarm.recipes.recipe import Suite
    from wheelfarm.run.build_pipeline import BuildPipeline


@dataclass(frozen=True)
class UpstreamSuite:
    """The upstream suite of one build's stored wheel."""

    pipeline: BuildPipeline

    @property
    def build(self) -> Build:
        """The build."""
        return self.pipeline.build

    @property
    def log(self) -> Path:
        """The file of its output; its results as JUnit XML are next to it."""
        log = self.pipeline.log
        return log.with_name(f"{log.stem}-suite.log")

    @property
    def tests(self) -> StoredWheel | None:
        """The stored wheel with the upstream tests; None when there is none of this version and target."""
        build, wheelhouse = self.build, self.pipeline.services.wheelhouse
        name = tests_name(build.id.name)
        stored = wheelhouse.current(build.id.variant, name, build.version, build.id.target)
        return stored[-1] if stored else None

    def run(self, suite: Suite, selection: Selection) -> SuiteResult:
        """Run it.

        Raises:
            FarmError: when a wheel is missing, or the suite does not come to its end.
        """
        pipeline, build, engine = self.pipeline, self.build, self.pipeline.services.engine
        lock = BuildLock(engine.stages, f"{build.id.slug}-suite")
        with pipeline.locked(lock):
            try:
                return run_suite(
                    build,
                    suite,
                    engine,
                    lock.root / GATE / "suite",
                    wheels=self._wheels(),
                    selection=selection,
                    jobs=pipeline.jobs,
                    log=self.log,
                    listener=pipeline.listener,
                )
            finally:
                shutil.rmtree(lock.root, ignore_errors=True)

    def _wheels(self) -> list[PinnedWheel]:
        """The wheel, its tests, and what the two need: from the farm, and from the index by hash."""
        pipeline, build, tests = self.pipeline, self.build, self.tests
        if tests is None:
            raise ChainError(f"the wheelhouse has no {tests_name(build.id.name)} for {build.id}")
        fetcher, target, planner = pipeline.fetcher, build.id.target, pipeline.planner
        wheel = pinned(planner.stored(build.id))
        wheels = [wheel, pinned(tests), *planner.companions(build)]
        present = {each.name for each in wheels}
        locked = [each for each in build.recipe.suite_requirements(target) if each.name not in present]
        return [*wheels, *(fetcher.wheel(each, target, build.toolchain.glibc) for each in locked)]
