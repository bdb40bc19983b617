"""One leg of a workflow on its machine: upstream wheels come in by digest, and what was made goes out."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING, Final

from wheelfarm.ci.selection import build_id, unchanged
from wheelfarm.ci.steps import ARRIVED, LAST, MADE, RECORDS, TOLD
from wheelfarm.errors import ChainError, Collector, RecordError
from wheelfarm.plan.build import BuildId, Toolchain
from wheelfarm.plan.graph import make_plan
from wheelfarm.provenance.record import Record
from wheelfarm.run.decision import Action, decide
from wheelfarm.system.files import write_atomically
from wheelfarm.wheelhouse.artifacts import export_artifact, find_artifacts, import_artifact, verify_artifact

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from wheelfarm.ci.matrix import Job, Leg
    from wheelfarm.model import EngineName
    from wheelfarm.plan.build import Build
    from wheelfarm.plan.graph import Plan
    from wheelfarm.run.farm import Farm
    from wheelfarm.wheelhouse.artifacts import Artifact

DIGESTS: Final = "parts.json"
"""Beside the records of a run: by leg, the digest of what it made."""
OUTCOME: Final = "outcome.json"
"""What a leg tells of its end."""


@dataclass(frozen=True)
class Parts:
    """What goes between the machines of a workflow, in the checkout of one of them."""

    farm: Farm

    def place(self, name: str) -> Path:
        """A directory of the workflow."""
        return self.farm.settings.root / name

    def last_digests(self) -> dict[str, str]:
        """The digest of each leg's part in the last run; nothing where its records are not here."""
        found: dict[str, str] = {}
        for path in sorted(self.place(LAST).rglob(DIGESTS)):
            found |= json.loads(path.read_text(encoding="utf-8"))
        return found

    def take(self, legs: Iterable[Leg], told: Mapping[str, str]) -> None:
        """Bring the wheels of some legs into the wheelhouse, each as its job has told.

        Args:
            legs: whose wheels.
            told: the digest that a job of this run has told, by slug; of others, the last run's counts.

        Raises:
            ChainError: for each leg whose wheels are not here.
            HashError: for each whose wheels are other ones than its job made.
        """
        parts: dict[str, list[Artifact]] = {}
        for name in (ARRIVED, LAST):
            for part in find_artifacts(self.place(name)):
                parts.setdefault(part.slug, []).append(part)
        last, problems = self.last_digests(), Collector()
        for leg in legs:
            with problems.collect():
                self._take(leg, parts.get(leg.slug, []), told.get(leg.slug) or last.get(leg.slug))
        problems.check()

    def _take(self, leg: Leg, found: Sequence[Artifact], expected: str | None) -> None:
        hint = f"run the job of {leg.slug} again"
        if expected is None:
            why = "neither a job of this run nor the last full run tells of them"
            raise ChainError(f"there are no wheels of {leg.slug}", why=why, hint=hint)
        if not found:
            raise ChainError(
                f"the wheels of {leg.slug} have not arrived",
                where=f"{ARRIVED} and {LAST}",
                why="the artifact is missing: it has expired, or was not fetched",
                hint=hint,
            )
        part = next((each for each in found if each.sha256 == expected), found[0])
        verify_artifact(part, expected)
        for stored in import_artifact(self.farm.wheelhouse, part):
            self.farm.say(f"took {stored.path.name} ({stored.sha256[:12]})")

    def check_upstream(self, plan: Plan, name: str) -> None:
        """Refuse to build upstream wheels here: those that came are not what this machine would make.

        Raises:
            ChainError: for each, with the parts of the key that differ.
        """
        problems = Collector()
        for build in plan.builds:
            if build.id.name == name:
                continue
            decision = decide(self.farm.wheelhouse, build)
            if decision.action not in {Action.NOTHING, Action.ACTIVATE}:
                problems.add(
                    ChainError(
                        f"the wheel of {build.id} that came is not the one that belongs here",
                        where=str(build.id),
                        why="; ".join(decision.why),
                        hint="runners of one platform must be alike: run all jobs again",
                    )
                )
        problems.check()

    def give(self, build: Build, leg: Leg, place: str = MADE) -> Artifact:
        """Cut out what a build has made, for other machines.

        Args:
            build: what was built.
            leg: the leg that it was built as.
            place: the directory that is sent on.

        Raises:
            WheelhouseError: when it cannot be written.
        """
        keys = [build.key_of(name) for name in build.distributions]
        return export_artifact(self.farm.wheelhouse, build.id.variant, keys, self.place(place), leg.slug)

    def tell(self, leg: Leg, outcome: Mapping[str, object], build: Build) -> None:
        """Leave what is to be known of a leg: how it ended, its log and its records."""
        place = self.place(TOLD) / leg.slug
        shutil.rmtree(place, ignore_errors=True)
        document = {**outcome, "leg": leg.slug}
        write_atomically(place / OUTCOME, (json.dumps(document, indent=1, sort_keys=True) + "\n").encode())
        for log in sorted((self.farm.settings.work / "logs").glob("*.log")):
            shutil.copyfile(log, place / log.name)
        for name in build.distributions:
            key = build.key_of(name)
            if self.farm.wheelhouse.find(build.id.variant, key):
                record = self.farm.wheelhouse.record(build.id.variant, key)
                write_atomically(_record(place, build.id.variant, key), record.encode())

    def outcomes(self) -> dict[str, dict[str, object]]:
        """What legs have told of their end, by slug."""
        documents = (json.loads(path.read_text(encoding="utf-8")) for path in self._told())
        return {str(document["leg"]): document for document in documents}

    def gather(self, digests: Mapping[str, str]) -> None:
        """Put together what all legs have told: the records for later runs.

        Args:
            digests: of all parts of this run, by slug.
        """
        target = self.place(RECORDS)
        shutil.rmtree(target, ignore_errors=True)
        for path in self._told():
            for record in sorted(path.parent.glob("*/records/*.json")):
                write_atomically(target / record.relative_to(path.parent), record.read_bytes())
        text = json.dumps(dict(digests), indent=1, sort_keys=True) + "\n"
        write_atomically(target / DIGESTS, text.encode())

    def _told(self) -> list[Path]:
        return sorted(self.place(ARRIVED).rglob(OUTCOME))

    def held(self, jobs: Sequence[Job], engine: EngineName) -> frozenset[BuildId]:
        """The builds that the last run has made and that nothing has changed for since."""
        records = self._last_records()
        held: set[BuildId] = set()
        for plan in self._plans(jobs, engine):
            held |= unchanged(plan.builds, records)
        told = self.last_digests()
        slugs = {build_id(leg): leg.slug for job in jobs for leg in job.legs}
        return frozenset(each for each in held if slugs.get(each) in told)

    def _last_records(self) -> dict[BuildId, Record]:
        found: dict[BuildId, Record] = {}
        for path in sorted(self.place(LAST).rglob("records/*.json")):
            try:
                record = Record.from_json(path.read_bytes(), str(path))
            except RecordError as error:
                # What cannot be read proves nothing: its leg is run.
                self.farm.say(f"{path.name}: {error.what}")
                continue
            if record.distribution == record.recipe:
                found[BuildId(name=record.recipe, variant=record.variant, target=record.target)] = record
        return found

    def _plans(self, jobs: Sequence[Job], engine: EngineName) -> list[Plan]:
        """A plan for each variant, for no machine in particular."""
        facts = {"cibuildwheel": version("cibuildwheel")} if engine == "cibuildwheel" else {}
        farm, legs = self.farm, [leg for job in jobs for leg in job.legs]
        plans = []
        for variant in dict.fromkeys(leg.variant for leg in legs):
            targets = sorted({leg.target for leg in legs if leg.variant == variant})
            toolchains = [
                Toolchain(engine=engine, target=target, facts=facts, compilers={}, packages={})
                for target in targets
            ]
            plans.append(
                make_plan(
                    farm.recipes, settings=farm.settings, names=None, variant=variant, toolchains=toolchains
                )
            )
        return plans


def _record(place: Path, variant: str, key: str) -> Path:
    return place / variant / "records" / f"{key}.json"
