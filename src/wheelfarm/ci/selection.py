"""What the jobs before have told: their results, and the digests of what they made."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Self

from wheelfarm.errors import UsageError
from wheelfarm.model import sha256_of_json
from wheelfarm.plan.build import BuildId, gate_parts
from wheelfarm.recipes.strict import suggestion

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from wheelfarm.ci.matrix import Job, Leg
    from wheelfarm.plan.build import Build
    from wheelfarm.provenance.record import Record


_OF_MACHINES: Final = ("toolchain.", "compiler.", "program.", "system-package.")
"""Parts of a key that only the machine knows which builds."""
_KNOWN: Final = "toolchain.cibuildwheel"
"""The one of them that is the same everywhere: the farm's lock pins it."""


@dataclass(frozen=True, kw_only=True)
class Wish:
    """What a person asks of a run; None means all."""

    names: Collection[str] | None = None
    variants: Collection[str] | None = None
    platforms: Collection[str] | None = None

    def takes(self, leg: Leg) -> bool:
        """Whether a leg was asked for."""
        return (
            (self.names is None or leg.name in self.names)
            and (self.variants is None or leg.variant in self.variants)
            and (self.platforms is None or leg.platform in self.platforms)
        )

    def check(self, jobs: Sequence[Job]) -> None:
        """Refuse words that mean nothing in this workflow.

        Raises:
            UsageError: naming the first, with the nearest that there is.
        """
        legs = [leg for job in jobs for leg in job.legs]
        for said, known, noun in (
            (self.names, {str(leg.name) for leg in legs}, "package"),
            (self.variants, {leg.variant for leg in legs}, "variant"),
            (self.platforms, {leg.platform for leg in legs}, "platform"),
        ):
            for word in sorted(set(said or ()) - known):
                raise UsageError(f"the workflow has no {noun} {word!r}", hint=suggestion(word, known))


def build_id(leg: Leg) -> BuildId:
    """What a plan calls a leg."""
    return BuildId(name=leg.name, variant=leg.variant, target=leg.target)


def _known_parts(parts: Mapping[str, str]) -> dict[str, str]:
    """The parts of a key that no machine is needed for; of upstream wheels the names alone."""
    return {
        name: "" if name.startswith("upstream.") else value
        for name, value in parts.items()
        if name == _KNOWN or not name.startswith(_OF_MACHINES)
    }


def unchanged(builds: Iterable[Build], records: Mapping[BuildId, Record]) -> frozenset[BuildId]:
    """The builds that an earlier run has made from the same, and whose gate would ask the same.

    What only the building machine knows, such as its compilers, does not count: a full run looks at that.

    Args:
        builds: each after all that it needs, planned for no machine in particular.
        records: what the earlier run has made.
    """
    found: set[BuildId] = set()
    for build in builds:
        record = records.get(build.id)
        upstream = {*build.upstream, *build.run}
        if record is None or not upstream <= found:
            continue
        parts = gate_parts(build, {up.name: records[up].key for up in build.run})
        gate_key = sha256_of_json(dict(parts) | {"build": record.key})
        if _known_parts(record.key_parts) == _known_parts(build.key_parts) and record.gate_key == gate_key:
            found.add(build.id)
    return frozenset(found)


def select(jobs: Sequence[Job], wish: Wish, held: Collection[BuildId], *, full: bool) -> frozenset[Leg]:
    """The legs to run.

    Args:
        jobs: the graph, each job after those that it needs.
        wish: what was asked for.
        held: what the last run has made and nothing changed for.
        full: whether what was asked for is run even if nothing changed for it.
    """
    selected: set[Leg] = set()
    # Backwards, so that whoever needs a job has been looked at before it.
    for job in reversed(jobs):
        for leg in job.legs:
            is_held = build_id(leg) in held
            if leg in selected or (wish.takes(leg) and (full or not is_held)):
                selected.add(leg)
                selected |= {up for up in job.upstream_of(leg) if build_id(up) not in held}
    return frozenset(selected)


def outputs(jobs: Sequence[Job], selected: Collection[Leg]) -> dict[str, str]:
    """What the plan's job tells the others: which jobs run, and what is left out of the matrix of each."""
    left_out = {
        job.id: [
            {"variant": variant, "python": str(python)}
            for variant in job.variants
            for python in job.pythons
            if not any((leg.variant, leg.python) == (variant, python) for leg in job.legs if leg in selected)
        ]
        for job in jobs
    }
    wanted = [job.id for job in jobs if any(leg in selected for leg in job.legs)]
    return {"jobs": _line(wanted), "left-out": _line(left_out)}


def _line(value: object) -> str:
    """JSON in one line, as outputs must be."""
    return json.dumps(value, separators=(",", ":"))


def read_outputs(jobs: Sequence[Job], told: Mapping[str, str]) -> frozenset[Leg]:
    """The legs that `outputs` told of."""
    wanted, left_out = json.loads(told.get("jobs") or "[]"), json.loads(told.get("left-out") or "{}")
    return frozenset(
        leg
        for job in jobs
        if job.id in wanted
        for leg in job.legs
        if {"variant": leg.variant, "python": str(leg.python)} not in left_out.get(job.id, [])
    )


def _object(text: str, where: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except ValueError as error:
        raise UsageError(
            f"{where} is not JSON", why=str(error), hint="a job of the workflow sets it"
        ) from error
    if not isinstance(value, dict):
        raise UsageError(f"{where} is no object", hint="a job of the workflow sets it: toJSON(needs)")
    return value


def digests(text: str, where: str) -> dict[str, str]:
    """The outputs of one job: by leg, the digest of what it made; a job that was left out has none.

    Raises:
        UsageError: when it is something else than a job's outputs.
    """
    return {name: str(value) for name, value in _object(text, where).items() if value}


@dataclass(frozen=True)
class Results:
    """`toJSON(needs)`: by job, its result and its outputs."""

    jobs: Mapping[str, Mapping[str, Any]]

    @classmethod
    def read(cls, text: str, where: str = "NEEDS") -> Self:
        """Read it.

        Raises:
            UsageError: when it is something else.
        """
        jobs = _object(text, where)
        if not all(isinstance(each, dict) for each in jobs.values()):
            raise UsageError(
                f"{where} is no object of jobs", hint="a job of the workflow sets it: toJSON(needs)"
            )
        return cls(jobs)

    @property
    def well(self) -> bool:
        """Whether every job ended well or was left out."""
        return all(self.result(job) in {"success", "skipped"} for job in self.jobs)

    def result(self, job: str) -> str:
        """How a job ended; nothing for one of a file that was called: only how the call ended is told."""
        found = self.jobs.get(job) or {}
        return str(found.get("result", ""))

    def outputs(self, job: str) -> dict[str, str]:
        """What a job told."""
        return dict((self.jobs.get(job) or {}).get("outputs") or {})

    def parts(self, jobs: Sequence[Job]) -> dict[str, str]:
        """The digest of what each leg made, by its slug; legs that made nothing are not there."""
        found: dict[str, str] = {}
        for name in self.jobs:
            if "parts" in self.outputs(name):  # a file that was called tells of all its jobs at once
                found |= digests(self.outputs(name)["parts"] or "{}", f"{name}: parts")
        for job in jobs:
            told = self.outputs(job.id)
            found |= {leg.slug: told[leg.output] for leg in job.legs if told.get(leg.output)}
        return found
