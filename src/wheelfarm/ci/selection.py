"""Selects the matrix entries of a run: what changed, what a person requested, and what those need."""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any, Final, Self

from wheelfarm.errors import UsageError
from wheelfarm.model import sha256_of_json
from wheelfarm.plan.build import gate_parts
from wheelfarm.recipes.strict import suggestion
from wheelfarm.system.files import parse_json

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from wheelfarm.ci.matrix import Job, MatrixEntry
    from wheelfarm.plan.build import Build, BuildId
    from wheelfarm.provenance.record import Record

_MACHINE_PARTS: Final = ("toolchain.", "compiler.", "program.", "system-package.")
"""Parts of a build key that only the building machine knows."""
_LOCKED_PART: Final = "toolchain.cibuildwheel"
"""The one of them that the farm's lock pins for every machine."""


@dataclass(frozen=True, kw_only=True)
class Filter:
    """What a person requests of a run; None means all."""

    names: Collection[str] | None = None
    variants: Collection[str] | None = None
    platforms: Collection[str] | None = None

    def matches(self, entry: MatrixEntry) -> bool:
        return (
            (self.names is None or entry.name in self.names)
            and (self.variants is None or entry.variant in self.variants)
            and (self.platforms is None or entry.platform in self.platforms)
        )

    def check(self, jobs: Sequence[Job]) -> None:
        """Raise for a value that matches nothing in the workflow."""
        entries = [entry for job in jobs for entry in job.entries]
        for values, known, noun in (
            (self.names, {str(entry.name) for entry in entries}, "package"),
            (self.variants, {entry.variant for entry in entries}, "variant"),
            (self.platforms, {entry.platform for entry in entries}, "platform"),
        ):
            for value in sorted(set(values or ()) - known):
                raise UsageError(f"the workflow has no {noun} {value!r}", hint=suggestion(value, known))


def _comparable_parts(parts: Mapping[str, str]) -> dict[str, str]:
    """The parts of a build key that no machine is needed for; of dependencies the names alone."""
    return {
        name: "" if name.startswith("upstream.") else value
        for name, value in parts.items()
        if name == _LOCKED_PART or not name.startswith(_MACHINE_PARTS)
    }


def find_unchanged(builds: Iterable[Build], records: Mapping[BuildId, Record]) -> frozenset[BuildId]:
    """Find the builds whose inputs and gate are those of an earlier run.

    What only the building machine knows, such as its compilers, does not count: a full run compares that.

    Args:
        builds: each after all that it needs, planned for no machine in particular.
        records: of the earlier run.
    """
    found: set[BuildId] = set()
    for build in builds:
        record = records.get(build.id)
        if record is None or not {*build.upstream, *build.run} <= found:
            continue
        parts = gate_parts(build, {each.name: records[each].key for each in build.run})
        gate_key = sha256_of_json(dict(parts) | {"build": record.key})
        same_inputs = _comparable_parts(record.key_parts) == _comparable_parts(build.key_parts)
        if same_inputs and record.gate_key == gate_key:
            found.add(build.id)
    return frozenset(found)


def select_entries(
    jobs: Sequence[Job], requested: Filter, unchanged: Collection[BuildId], *, full: bool
) -> frozenset[MatrixEntry]:
    """Select the entries to run.

    Args:
        jobs: the graph, each job after those that it needs.
        requested: what a person requests.
        unchanged: builds whose wheels the last full run has.
        full: whether a requested entry runs even if nothing changed for it.
    """
    selected: set[MatrixEntry] = set()
    # Backwards, so that the dependents of a job come before it.
    for job in reversed(jobs):
        for entry in job.entries:
            wanted = requested.matches(entry) and (full or entry.build_id not in unchanged)
            if wanted or entry in selected:
                selected.add(entry)
                selected |= {each for each in job.dependencies_of(entry) if each.build_id not in unchanged}
    return frozenset(selected)


def dump_selection(jobs: Sequence[Job], selected: Collection[MatrixEntry], last_run: str) -> str:
    """Render the output of the plan's job: the input `plan` of build-wheel.yml, by job id.

    GitHub multiplies the axes of a matrix and drops what `exclude` lists:
    https://docs.github.com/actions/how-tos/write-workflows/choose-what-workflows-do/run-job-variations
    """
    plans = {}
    for job in jobs:
        pairs = [(entry.variant, str(entry.python)) for entry in job.entries if entry in selected]
        if not pairs:
            continue
        variants, pythons = (list(dict.fromkeys(axis)) for axis in zip(*pairs, strict=True))
        exclude = [
            {"variant": variant, "python": python}
            for variant, python in product(variants, pythons)
            if (variant, python) not in pairs
        ]
        matrix = {"variant": variants, "python": pythons, "exclude": exclude}
        # The pattern of the artifacts that build-wheel.yml downloads has the requirements.
        plans[job.id] = {"matrix": matrix, "requires": "|".join(job.dependencies), "last-run": last_run}
    return json.dumps(plans, separators=(",", ":"))


def load_selection(jobs: Sequence[Job], text: str) -> frozenset[MatrixEntry]:
    """Read the entries from what `dump_selection` wrote; none from an empty text."""
    selected = set()
    try:
        plans = parse_json(text or "{}")
        for job in jobs:
            matrix = plans.get(job.id, {}).get("matrix", {"variant": [], "python": [], "exclude": []})
            for entry in job.entries:
                pair = {"variant": entry.variant, "python": str(entry.python)}
                if all(value in matrix[axis] for axis, value in pair.items()) and (
                    pair not in matrix["exclude"]
                ):
                    selected.add(entry)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        hint = "the job `plan` of the workflow has it as an output"
        raise UsageError("the selected jobs cannot be read", why=f"{error!r:.200}", hint=hint) from error
    return frozenset(selected)


@dataclass(frozen=True)
class JobResults:
    """`toJSON(needs)`: by job, its result and its outputs."""

    jobs: Mapping[str, Mapping[str, Any]]

    @classmethod
    def parse(cls, text: str, where: str = "NEEDS") -> Self:
        """Parse the value of a variable."""
        hint = "the workflow sets it to toJSON(needs)"
        try:
            jobs = parse_json(text)
        except ValueError as error:
            raise UsageError(f"{where} is not JSON", why=str(error), hint=hint) from error
        if not isinstance(jobs, dict) or not all(
            isinstance(each, dict) and isinstance(each.get("outputs") or {}, dict) for each in jobs.values()
        ):
            raise UsageError(f"{where} is no object of jobs", hint=hint)
        return cls(jobs)

    @property
    def failed(self) -> list[str]:
        """The jobs that neither succeeded nor were skipped."""
        return [job for job in self.jobs if self.result(job) not in {"success", "skipped"}]

    def result(self, job: str) -> str:
        """GitHub's word for how a job ended; empty for an unknown one."""
        return str(self.jobs.get(job, {}).get("result", ""))

    def output(self, job: str, name: str) -> str:
        """One output of a job; empty without it."""
        return str((self.jobs.get(job, {}).get("outputs") or {}).get(name, ""))
