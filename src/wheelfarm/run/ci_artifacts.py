"""Moves wheels, reports and records between a farm and the artifacts of a CI run."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING, Final

from wheelfarm.ci.github import LAST_RUN, RECORDS, REPORTS, WHEELS
from wheelfarm.ci.selection import find_unchanged
from wheelfarm.errors import ChainError, Collector, RecordError
from wheelfarm.plan.build import BuildId, Toolchain
from wheelfarm.plan.graph import make_plan
from wheelfarm.provenance.record import Record
from wheelfarm.run.decision import Action, decide
from wheelfarm.run.stored_sizes import growth
from wheelfarm.system.files import parse_json, write_atomically
from wheelfarm.system.logs import get_logger
from wheelfarm.wheelhouse.artifacts import export_artifact, find_artifacts, import_artifact

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from wheelfarm.ci.matrix import Job, MatrixEntry
    from wheelfarm.model import EngineName
    from wheelfarm.plan.build import Build
    from wheelfarm.plan.graph import Plan
    from wheelfarm.run.farm import Farm
    from wheelfarm.run.stored_sizes import Growth
    from wheelfarm.wheelhouse.artifacts import Artifact

logger = get_logger(__name__)

OUTCOME: Final = "outcome.json"


@dataclass(frozen=True)
class CiArtifacts:
    """The artifacts in the checkout of one job."""

    farm: Farm

    def _directory(self, name: str) -> Path:
        return self.farm.settings.root / name

    def import_wheels(self, entries: Iterable[MatrixEntry]) -> None:
        """Store the wheels of some entries: this run's, and else the last full run's.

        Raises:
            ChainError: for each entry whose artifact is missing.
            HashError: for each artifact that differs from its manifest.
        """
        found: dict[str, Artifact] = {}
        for name in (LAST_RUN, WHEELS):
            found |= {artifact.name: artifact for artifact in find_artifacts(self._directory(name))}
        problems = Collector()
        for entry in entries:
            artifact = found.get(entry.slug)
            if artifact is None:
                problems.add(
                    ChainError(
                        f"the wheels of {entry.slug} are missing",
                        where=f"{WHEELS} and {LAST_RUN}",
                        why="neither this run nor the last full run has an artifact with them",
                        hint=f"run the job of {entry.slug} again; artifacts expire",
                    )
                )
                continue
            with problems.collect():
                for stored in import_artifact(self.farm.wheelhouse, artifact):
                    logger.info("imported %s (%s)", stored.path.name, stored.sha256[:12])
        problems.check()

    def check_dependencies(self, plan: Plan, name: str) -> None:
        """Raise if this machine would build the imported wheels differently.

        Raises:
            ChainError: for each, with the parts of the build key that differ.
        """
        problems = Collector()
        for build in plan.builds:
            decision = decide(self.farm.wheelhouse, build)
            if build.id.name != name and decision.action not in {Action.NOTHING, Action.ACTIVATE}:
                problems.add(
                    ChainError(
                        f"this machine would build {build.id} differently from the wheel of its job",
                        where=str(build.id),
                        why="; ".join(decision.why),
                        hint="the runners of a platform must be alike: run all jobs again",
                    )
                )
        problems.check()

    def export_wheels(self, build: Build, entry: MatrixEntry) -> None:
        """Copy the wheels of a build to where the job uploads them from.

        Raises:
            WheelhouseError: when a wheel is missing or damaged, or the copy cannot be written.
        """
        keys = [build.key_of(name) for name in build.distributions]
        directory = self._directory(WHEELS) / entry.slug
        export_artifact(self.farm.wheelhouse, build.id.variant, keys, directory, entry.slug)

    def export_report(self, build: Build, entry: MatrixEntry, outcome: Mapping[str, object]) -> None:
        """Write the outcome of a build with its log and its records, also when it failed."""
        directory = self._directory(REPORTS) / entry.slug
        shutil.rmtree(directory, ignore_errors=True)
        document = {**outcome, "entry": entry.slug}
        write_atomically(
            directory / OUTCOME, (json.dumps(document, indent=1, sort_keys=True) + "\n").encode()
        )
        for log in sorted((self.farm.settings.work / "logs").glob("*.log")):
            shutil.copyfile(log, directory / log.name)
        variant = build.id.variant
        for key in map(build.key_of, build.distributions):
            if self.farm.wheelhouse.find(variant, key):
                record = self.farm.wheelhouse.record(variant, key)
                write_atomically(directory / variant / "records" / f"{key}.json", record.encode())

    def read_outcomes(self) -> dict[str, dict[str, object]]:
        """Read the outcomes of all reports, by the slug of their entry."""
        documents = (parse_json(path.read_bytes()) for path in self._outcome_files())
        return {str(document["entry"]): document for document in documents}

    def collect_records(self) -> None:
        """Copy the records of all reports to where the summary's job uploads them from."""
        target = self._directory(RECORDS)
        shutil.rmtree(target, ignore_errors=True)
        for path in self._outcome_files():
            for record in sorted(path.parent.glob("*/records/*.json")):
                write_atomically(target / record.relative_to(path.parent), record.read_bytes())

    def _outcome_files(self) -> list[Path]:
        return sorted(self._directory(REPORTS).rglob(OUTCOME))

    def find_unchanged_builds(self, jobs: Sequence[Job], engine: EngineName) -> frozenset[BuildId]:
        """Find the builds that the last full run has, and whose inputs have not changed since."""
        records = self._last_records()
        entries = [entry for job in jobs for entry in job.entries]
        facts = {"cibuildwheel": version("cibuildwheel")} if engine == "cibuildwheel" else {}
        unchanged: set[BuildId] = set()
        for variant in dict.fromkeys(entry.variant for entry in entries):
            # Planned for no machine in particular.
            toolchains = [
                Toolchain(engine=engine, target=target, facts=facts, compilers={}, packages={})
                for target in sorted({each.build_id.target for each in entries if each.variant == variant})
            ]
            recipes, settings = self.farm.recipes, self.farm.settings
            plan = make_plan(recipes, settings=settings, names=None, variant=variant, toolchains=toolchains)
            unchanged |= find_unchanged(plan.builds, records)
        return frozenset(unchanged)

    def find_grown_wheels(self) -> list[Growth]:
        """Find the wheels of all reports that are larger than those of the last full run."""
        before = {_slot(record): record for record in self._records(LAST_RUN)}
        found = [growth(record, before.get(_slot(record))) for record in self._records(REPORTS)]
        return [each for each in found if each is not None]

    def _last_records(self) -> dict[BuildId, Record]:
        return {
            BuildId(name=record.recipe, variant=record.variant, target=record.target): record
            for record in self._records(LAST_RUN)
            if record.distribution == record.recipe
        }

    def _records(self, directory: str) -> Iterator[Record]:
        """The records among some artifacts that can be read."""
        for path in sorted(self._directory(directory).rglob("records/*.json")):
            try:
                yield Record.from_json(path.read_bytes(), str(path))
            except RecordError as error:
                logger.info("%s: %s; it counts as missing", path.name, error.what)


def _slot(record: Record) -> BuildId:
    """What a wheel takes the place of."""
    return BuildId(name=record.distribution, variant=record.variant, target=record.target)
