"""Making the wheels of one build: source → patch → stage → build → repair → split, up to the gate."""

from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from wheelfarm.build.backends import check_settings
from wheelfarm.build.directory import SOURCE, BuildDirectory, make_directory, newest
from wheelfarm.build.environment_report import (
    read_environment_report,
    read_library_provenance,
    verify_environment,
)
from wheelfarm.build.host_engine import programs_environment
from wheelfarm.build.repair import only_wheel
from wheelfarm.build.splits import divide
from wheelfarm.build.steps import run_rendering
from wheelfarm.errors import CancelledRunError, FarmError
from wheelfarm.model import PatchedTree, RepairedWheel
from wheelfarm.plan.build import check_unchanged
from wheelfarm.provenance.record import EMBEDDED
from wheelfarm.provenance.sbom_embedding import embed
from wheelfarm.recipes.farm_settings import Provider
from wheelfarm.run.build_lock import keep
from wheelfarm.run.recording import embedded_record
from wheelfarm.sources.patches import PatchFile, apply
from wheelfarm.sources.unpacking import check_pkg_info, unpack
from wheelfarm.system.files import sha256_of_file
from wheelfarm.wheels.archive import open_wheel, verify

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from wheelfarm.build.engine import Engine
    from wheelfarm.build.progress import ProgressListener
    from wheelfarm.model import Name, PinnedWheel
    from wheelfarm.plan.build import Build
    from wheelfarm.recipes.settings import Settings
    from wheelfarm.run.result import Clock
    from wheelfarm.sources.fetcher import Fetcher


_SPLIT: Final = "split"
"""The directory of the wheels that the repaired one is divided into, in the stage."""
_FINISHED: Final = "finished"
"""The directory of the wheels as the gate gets them, in the stage."""
_TESTED: Final = frozenset({"dist", _SPLIT, _FINISHED, "gate", "tmp"})
"""What is tested, and where."""


@dataclass(frozen=True, kw_only=True)
class Maker:
    """Makes the wheels of one build in its place."""

    build: Build
    settings: Settings
    engine: Engine
    root: Path
    """The stage's directory, which is held."""
    jobs: int
    log: Path
    clock: Clock
    fetcher: Fetcher
    listener: ProgressListener

    @property
    def waiting(self) -> Path:
        """Where what was built waits until the gate lets it pass."""
        return self.settings.work / "waiting" / self.build.key

    def make(
        self, upstream: Sequence[PinnedWheel], *, before: Callable[[], None]
    ) -> tuple[BuildDirectory, dict[Name, RepairedWheel]]:
        """The stage, and the finished wheels by distribution, with proof of what they were built with.

        Args:
            upstream: wheels of the farm for the build environment.
            before: called before anything is compiled.

        Raises:
            FarmError: whatever goes wrong.
        """
        stage = self._stage(upstream)
        repaired = self._earlier(stage)
        if repaired is None:
            before()
            repaired = self._run_in_cache(stage)
        with self.clock.step("split"):
            plan = read_environment_report(stage).install_plan
            wheels = divide(self.build, repaired, plan, self.root / _SPLIT)
        with self.clock.step("document"):
            provenance, finished = read_library_provenance(stage), self.root / _FINISHED
            records = {name: embedded_record(stage, name, wheel) for name, wheel in wheels.items()}
            return stage, {
                name: embed(
                    stage, wheel, provenance, finished, members={EMBEDDED: records[name].to_json().encode()}
                )
                for name, wheel in wheels.items()
            }

    @contextmanager
    def shedding(self) -> Iterator[None]:
        """Meanwhile, remove what only the build needed: ten thousand files take as long as a test.

        What is tested, and where, stays; so does all of the stage when the build itself fails.
        """
        useless = [path for path in self.root.iterdir() if path.name not in _TESTED]
        with ThreadPoolExecutor(max_workers=1) as pool:
            for path in useless:
                if path.is_dir():
                    pool.submit(shutil.rmtree, path, ignore_errors=True)
            yield

    def clear(self) -> None:
        """Remove what is of no more use, now that the wheel is stored."""
        shutil.rmtree(self.root, ignore_errors=True)
        shutil.rmtree(self.waiting, ignore_errors=True)

    def _stage(self, upstream: Sequence[PinnedWheel]) -> BuildDirectory:
        build, fetcher, root = self.build, self.fetcher, self.root
        target, glibc = build.id.target, build.toolchain.glibc
        with self.clock.step("fetch"):
            source = fetcher.source(build.id.name, build.recipe.source)
            locked = [fetcher.wheel(requirement, target, glibc) for requirement in build.requirements]
            provider = None
            if build.recipe.table.blas and build.variant.provider is Provider.SCIPY_OPENBLAS32:
                wheels = [fetcher.wheel(line, target, glibc) for line in build.provider_requirements]
                provider = wheels[0] if wheels else None
        with self.clock.step("stage"):
            shutil.rmtree(root, ignore_errors=True)
            tree = unpack(source, root / "unpacked").rename(root / SOURCE)
            check_pkg_info(source, tree)
            epoch = newest(tree)
            series = [PatchFile(path=path) for path in build.patches]
            check_unchanged(build)
            patches = apply(tree, series, recipe=build.id.name, environ=self.settings.environ)
            # The programs that know a project's options take as long as laying out the rest.
            with ThreadPoolExecutor(max_workers=1) as pool:
                env = programs_environment(self.settings)
                unchecked = pool.submit(check_settings, build, tree, env)
                stage = make_directory(
                    build,
                    root=root,
                    inside=self.engine.inside(root, target),
                    tree=PatchedTree(source=source, path=tree, patches=patches),
                    requirements=[*locked, *upstream],
                    provider=provider,
                    epoch=epoch,
                    jobs=self.jobs,
                )
            for why in unchecked.result():
                self.listener.on_line(f"{build.recipe.where}: {why}")
            return stage

    def _earlier(self, stage: BuildDirectory) -> RepairedWheel | None:
        """What an earlier run made and its gate refused: nothing that is compiled has changed since."""
        if not self.waiting.is_dir():
            return None
        shutil.copytree(self.waiting, stage.dist, dirs_exist_ok=True)
        try:
            repaired = self._repaired(stage)
            read_library_provenance(stage)
            verify(open_wheel(repaired.path))
        except CancelledRunError:
            raise
        except FarmError:
            # It is damaged, or what it was built on has other bytes by now.
            repaired = None
        if repaired is None or (self.settings.from_nothing and not repaired.from_nothing):
            for directory in (self.waiting, stage.dist):
                shutil.rmtree(directory)
            stage.dist.mkdir()
            return None
        self.listener.on_line("taking the wheel that an earlier run has built")
        return repaired

    def _run_in_cache(self, stage: BuildDirectory) -> RepairedWheel:
        """Build, from the build cache where there is one."""
        cache = self.engine.build_cache(stage)
        if cache is None:
            return self._run(stage)
        with self.clock.step("cache"):
            cached = cache.restore(stage)
        repaired = self._run(stage)
        with self.clock.step("cache"):
            cache.save(cached)
        return repaired

    def _run(self, stage: BuildDirectory) -> RepairedWheel:
        """Let the engine build and repair; keep what came of it until the gate lets it pass."""
        self.log.write_bytes(b"")
        with self.clock.step("build"):
            run_rendering(
                self.engine,
                self.engine.render(stage),
                stage,
                log=self.log,
                time_limit=self.settings.time_limit,
                listener=self.listener,
            )
        with self.clock.step("prove"):
            repaired = self._repaired(stage)
            keep(stage.dist, self.waiting)
        return repaired

    def _repaired(self, stage: BuildDirectory) -> RepairedWheel:
        """The one repaired wheel, with proof of what it was built with."""
        build = stage.build
        report = read_environment_report(stage)
        path = only_wheel(stage.dist, name=build.id.name, version=build.version, made_by="the repair tool")
        return RepairedWheel(
            path=path,
            sha256=sha256_of_file(path),
            built_sha256=report.built.sha256,
            environment=verify_environment(stage, report),
            toolchain=report.toolchain,
            cache_use=report.compiler_cache,
            kept_build=report.build_cache,
        )
