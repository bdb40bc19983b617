"""The process of one build on a worker: `python -m wheelfarm.run.cluster.child DIRECTORY`.

The directory holds the request and the farm's files. The process plans the build here, refuses it when its
key is another than at the farm, and else takes it through the pipeline as every farm does.
"""

from __future__ import annotations

import os
import shutil
import sys
import threading
import time
import zipfile
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Final

from wheelfarm.errors import FarmError, SourceError
from wheelfarm.model import Name, Target
from wheelfarm.plan.build import BuildId
from wheelfarm.provenance.record_comparison import compare_keys
from wheelfarm.recipes.nightly import NightlyCommit
from wheelfarm.recipes.settings import load
from wheelfarm.run.build_files import SentFile, SentWheel
from wheelfarm.run.build_pipeline import BuildPipeline, run_build
from wheelfarm.run.cluster.request import (
    REQUEST,
    RESULT,
    BuildRequest,
    BuildResult,
    ErrorData,
)
from wheelfarm.run.farm import Farm
from wheelfarm.run.services import SilentRunListener
from wheelfarm.sources.cache import Cache
from wheelfarm.system.files import explain_os_errors, write_atomically
from wheelfarm.system.logs import report_unexpected
from wheelfarm.system.signals import interruptible

if TYPE_CHECKING:
    from wheelfarm.plan.build import Build
    from wheelfarm.run.services import BuildServices

_POLL: Final = 0.5
"""Seconds between two looks at the worker's process."""


class _Printer(SilentRunListener):
    """Prints the lines of the build, which the worker reads."""

    def on_line(self, build: Build, line: str) -> None:
        del build
        print(line, flush=True)  # noqa: T201 - this is how they reach the worker


@dataclass(frozen=True)
class WorkerBuild:
    """One build in its directory on a worker."""

    directory: Path
    cache: Path
    work: Path

    @cached_property
    def request(self) -> BuildRequest:
        return BuildRequest.model_validate_json((self.directory / REQUEST).read_bytes())

    def run(self) -> BuildResult:
        """Build, or refuse to; errors are part of the result."""
        request, root = self.request, self.directory / "farm"
        moved = (str(root), request.options["root"])
        try:
            with report_unexpected(), explain_os_errors(root, "the directory of the build"):
                self._unpack(root)
                farm = self._farm(root)
                # A plan may depend on what is stored.
                self._fill(farm)
                try:
                    plan = farm.plan(request.names, strict=False)
                    plan.check()
                except FarmError as error:
                    # The farm has planned the same files.
                    return BuildResult(refused=tuple(error.lines()))
                target = Target.parse(request.target)
                wanted = BuildId(name=Name(request.name), variant=request.variant, target=target)
                build = next((each for each in plan.builds if each.id == wanted), None)
                if build is None:
                    return BuildResult(refused=(f"it does not plan {wanted} from the farm's files",))
                if build.key_parts != request.key_parts:
                    return BuildResult(refused=tuple(compare_keys(request.key_parts, build.key_parts)))
                services = farm.services(plan, _Printer())
                _follow_parent(services)
                return self._build(services, build, moved)
        except FarmError as error:
            return BuildResult(error=ErrorData.of(error, moved))

    def _unpack(self, root: Path) -> None:
        with zipfile.ZipFile(self._cached(self.request.farm)) as archive:
            archive.extractall(root)

    def _cached(self, file: SentFile) -> Path:
        path = Cache(self.cache).find(file.sha256)
        if path is None:
            raise SourceError(f"{file.filename} is missing in the worker's cache", where=str(self.cache))
        return path

    def _farm(self, root: Path) -> Farm:
        """The farm on this machine: its settings but for what belongs to the worker, and no network."""
        request = self.request
        for answer in request.answers:
            Cache(self.cache).remember(answer.question, answer.sha256)
        own = {"wheelhouse": str(self.directory / "wheelhouse"), "work": str(self.work)}
        own |= {"cache": str(self.cache), "offline": "true", "remote": "false", "workers": "none"}
        options = {key: value for key, value in request.options.items() if key != "root"}
        settings = load(root, options={**options, **own})
        commits = tuple(NightlyCommit(**each) for each in request.commits)
        settings = settings.replace(versions=dict(request.versions))
        return Farm(settings=settings, commits=commits, others=request.toolchains)

    def _fill(self, farm: Farm) -> None:
        """Store the wheels of the farm that the build needs."""
        for wheel in self.request.stored:
            farm.wheelhouse.store(
                self._cached(wheel.file),
                sha256=wheel.file.sha256,
                variant=self.request.variant,
                key=wheel.key,
                record=wheel.record,
            )

    def _build(self, services: BuildServices, build: Build, moved: tuple[str, str]) -> BuildResult:
        log = BuildPipeline(services=services, build=build).log
        log.unlink(missing_ok=True)
        try:
            outcome = run_build(services, build, self.request.jobs)
        except FarmError as error:
            return BuildResult(error=ErrorData.of(error, moved), log=self._sent(log))
        wheels = []
        for name, path in zip(build.distributions, (outcome.wheel, *outcome.splits), strict=True):
            assert path is not None  # noqa: S101 - a good outcome has wheels
            key = build.key_of(name)
            record = services.wheelhouse.record(build.id.variant, key)
            file = self._sent(path)
            assert file is not None  # noqa: S101 - it was stored
            wheels.append(SentWheel(file=file, key=key, record=record))
        return BuildResult(
            state=outcome.state, wheels=tuple(wheels), log=self._sent(log), times=dict(outcome.times)
        )

    def _sent(self, path: Path) -> SentFile | None:
        """A file that the farm gets, in the directory of this build."""
        if not path.is_file():
            return None
        sent = self.directory / "out" / path.name
        sent.parent.mkdir(exist_ok=True)
        shutil.copyfile(path, sent)
        return SentFile.of(sent)


def _follow_parent(services: BuildServices) -> None:
    """End the build when the worker that started this process is gone."""
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(_POLL)
        services.cancelled.set()

    threading.Thread(target=watch, daemon=True).start()


def main(directory: Path, cache: Path, work: Path) -> None:
    """Build what a directory asks for, and write the result there."""
    with interruptible():
        result = WorkerBuild(directory, cache, work).run()
    write_atomically(directory / RESULT, result.model_dump_json().encode(), "the result")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:4]))
