"""The steps of a workflow's jobs: fetch what others made, run one nox session, send on what came of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from wheelfarm.ci.runners import compiler_paths
from wheelfarm.ci.yaml_document import Step, uses

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wheelfarm.ci.action_pins import Pin
    from wheelfarm.ci.matrix import Job
    from wheelfarm.recipes.settings import Settings

ARRIVED: Final = "parts/arrived"
"""Where what this run's jobs have made arrives, in the checkout."""
LAST: Final = "parts/last"
"""Where what the last run has made arrives."""
MADE: Final = "parts/made"
"""What a job has made for others."""
TOLD: Final = "parts/told"
"""What a job tells of itself, also when it fails: logs, records, how the build ended."""
KEPT: Final = "records"
"""What the artifact with the records of a run is called."""
RECORDS: Final = "parts/records"
"""The records of all builds of a run, for the plan of later ones."""
PARTS: Final = "PARTS_"
"""How the variables begin by which a job is told the digests of what others have made."""

INSTALL: Final = "python3 -m pip install --require-hashes --requirement requirements/nox.txt"
"""How a job gets nox: with hashes, as all else that is installed beside a secret or an identity."""
_SLUG: Final = "${{ matrix.variant }}-${{ matrix.python }}"


def variable(name: str) -> str:
    """The variable with the digests of a distribution's parts, or with the digest of a leg's."""
    return PARTS + name.upper().replace("-", "_").replace(".", "_")


@dataclass(frozen=True)
class Steps:
    """Makes steps, with the pins of one farm."""

    pins: Mapping[str, Pin]
    settings: Settings

    def setup(self) -> list[Step]:
        """The farm's own files, without credentials, and nox."""
        return [
            {"uses": uses("actions/checkout", self.pins), "with": {"persist-credentials": False}},
            {
                "uses": uses("actions/setup-python", self.pins),
                "with": {"python-version": str(min(self.settings.pythons))},
            },
            {"name": "install nox", "run": INSTALL},
        ]

    def download(self, name: str, pattern: str, path: str, *, run: str | None = None) -> Step:
        """Fetch artifacts by pattern, which may match none: what must be there, the session knows."""
        words: dict[str, Any] = {"pattern": pattern, "path": path}
        step: Step = {"name": name}
        if run is not None:
            # Both are asked for whenever artifacts are another run's.
            step["if"] = f"{run.removeprefix('${{ ').removesuffix(' }}')} != ''"
            words |= {"run-id": run, "github-token": "${{ github.token }}"}
        return step | {"uses": uses("actions/download-artifact", self.pins), "with": words}

    def upload(self, name: str, artifact: str, path: str, *, missing: str = "error") -> Step:
        """Send on what a job has made; wheels are packed already."""
        words = {
            "name": artifact,
            "path": path,
            "if-no-files-found": missing,
            "compression-level": 1,
            "overwrite": True,  # what the job sent on before it was run again
        }
        return {"name": name, "uses": uses("actions/upload-artifact", self.pins), "with": words}

    def fetch_upstream(self, job: Job, last_run: str) -> list[Step]:
        """The wheels that a job builds and tests with: this run's, and the last run's of what is left out."""
        if not job.upstream:
            return []
        names = f"{{{','.join(job.upstream)}}}" if len(job.upstream) > 1 else job.upstream[0]
        wheels = f"wheels-{names}-{job.platform}-{_SLUG}"
        return [
            self.download("fetch wheels of this run", wheels, ARRIVED),
            self.download(
                "fetch wheels of the last run, where nothing changed",
                f"{{{KEPT},{wheels}}}",
                LAST,
                run=last_run,
            ),
        ]

    def build(self, job: Job, place: str, *, last_run: str) -> list[Step]:
        """One leg of a job's matrix, from upstream wheels to an artifact."""
        env = {"VARIANT": "${{ matrix.variant }}", "PYTHON": "${{ matrix.python }}"}
        env |= {
            variable(name): f"${{{{ toJSON(needs.{needed}.outputs) }}}}"
            for name, needed in zip(job.upstream, job.needs, strict=True)
        }
        slug = f"{job.name}-{job.platform}-{_SLUG}"
        words = f'{job.name} --place {place} --variant "$VARIANT" --python "$PYTHON"'
        prepare: Step = {"name": "find compilers", "run": f"nox -s ci-prepare -- {job.name} --place {place}"}
        return [
            *self.fetch_upstream(job, last_run),
            *([prepare] if compiler_paths(job.platform, job.languages) else []),
            {"name": "build", "id": "build", "run": f"nox -s ci-build -- {words}", "env": env},
            self.upload("send the wheels on", f"wheels-{slug}", MADE),
            {"if": "always()"} | self.upload("keep logs and records", f"told-{slug}", TOLD, missing="ignore"),
        ]
