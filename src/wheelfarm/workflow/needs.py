"""What the jobs before have told: their results, and the digests of what they made."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from wheelfarm.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from wheelfarm.workflow.legs import Job


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
