"""GitHub Actions from the graph: the jobs, and the files that hold them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from wheelfarm.ci.runners import runner
from wheelfarm.ci.service_jobs import Duties, reading_runs
from wheelfarm.ci.steps import Steps
from wheelfarm.ci.yaml_document import Noted, row, write
from wheelfarm.errors import WorkflowError
from wheelfarm.recipes.ci_settings import PLATFORMS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from wheelfarm.ci.action_pins import Pin
    from wheelfarm.ci.matrix import Job
    from wheelfarm.recipes.settings import Settings


Document = dict[str, Any]
FARM: Final = "farm.yml"
HEADER: Final = """\
Drawn by `inv ci.render` from recipes/ and [tool.wheelfarm] in pyproject.toml: change those, and render
again; `inv ci.check` fails when this file is stale. Only the commits of actions are taken from this file, so
that dependabot's updates stay. A job builds one recipe on one platform, and needs the jobs whose wheels it
uses and no others; its matrix is the variants and Pythons, without those that the plan leaves out."""
_WANTED: Final = "${{ !cancelled() && !failure() && contains(fromJSON(%s.jobs), '%s') }}"
"""A job that was left out does not stop those that need it: they take its wheels from the last run."""

_GROUP: Final = "farm-${{ github.event_name == 'pull_request' && github.ref || github.run_id }}"
"""A pull request's runs replace each other. Others have a group of their own: one that waits for somebody to
approve its publishing would hold up all that came after it."""

_JOB: Final = 120
"""What `toJSON(needs)` says of a job beside its name and outputs: bytes, at most."""
_LEG: Final = 84
"""The same of a leg beside its name: the digest, marks and spaces."""


@dataclass(frozen=True)
class Limits:
    """What GitHub takes: https://docs.github.com/actions/reference/limits."""

    legs: int = 256
    """Jobs of a matrix."""
    size: int = 500_000
    """Bytes of a workflow's file."""
    called: int = 20
    """Reusable workflows that one file calls."""
    told: int = 128 * 1024
    """Bytes of a variable on Linux (MAX_ARG_STRLEN), which holds what all jobs tell: `toJSON(needs)`."""


@dataclass(frozen=True, kw_only=True)
class GitHub:
    """Draws the workflow of one farm."""

    jobs: Sequence[Job]
    settings: Settings
    pins: Mapping[str, Pin]
    limits: Limits = Limits()

    @property
    def steps(self) -> Steps:
        """What makes the steps."""
        return Steps(self.pins, self.settings)

    @property
    def duties(self) -> Duties:
        """What draws the jobs that build nothing."""
        return Duties(self.steps, self.settings.ci)

    def files(self) -> dict[str, str]:
        """The files for .github/workflows, by name: one, or one that calls one for each platform.

        Raises:
            WorkflowError: for more jobs, files or outputs than GitHub and its runners take.
        """
        self._check_told()
        for job in self.jobs:
            if len(job.variants) * len(job.pythons) > self.limits.legs:
                raise WorkflowError(
                    f"the matrix of {job.id} is too large",
                    where="pyproject.toml: tool.wheelfarm",
                    why=f"{len(job.variants)} variants by {len(job.pythons)} Pythons are more than the "
                    f"{self.limits.legs} jobs that a matrix may hold",
                    hint="have fewer Pythons in [tool.wheelfarm.ci], or a farm of its own for some variants",
                )
        whole = _text(self._farm({job.id: self._build(job, "needs.plan.outputs") for job in self.jobs}))
        if len(whole.encode()) <= self.limits.size:
            return {FARM: whole}
        return self._split()

    def _check_told(self) -> None:
        """Refuse legs whose digests no job could be given."""
        legs = [leg for job in self.jobs for leg in job.legs]
        told = sum(len(job.id) + _JOB for job in self.jobs) + sum(len(leg.slug) + _LEG for leg in legs)
        if told > self.limits.told:
            raise WorkflowError(
                f"{len(legs)} legs are more than a workflow may have",
                where="pyproject.toml: tool.wheelfarm.ci",
                why=f"the digests of what they make are some {told} bytes, and a job's variable holds "
                f"{self.limits.told}",
                hint="divide the recipes or the platforms between two farms",
            )

    def _split(self) -> dict[str, str]:
        """A file for each platform: no edge of the graph leads from one platform to another."""
        files, calls = {}, {}
        for platform in dict.fromkeys(job.platform for job in self.jobs):
            name = f"farm-{platform}.yml"
            jobs = [job for job in self.jobs if job.platform == platform]
            files[name] = _text(self._called(platform, jobs))
            if len(files[name].encode()) > self.limits.size:
                raise WorkflowError(
                    f"{len(jobs)} recipes on one platform are more than a workflow may hold",
                    where=f".github/workflows/{name}",
                    why=f"it would have {len(files[name].encode())} of at most {self.limits.size} bytes",
                    hint="divide the recipes between two farms",
                )
            calls[f"build-{platform}"] = self._call(platform, name)
        if len(calls) > self.limits.called:
            raise WorkflowError(
                f"{len(calls)} platforms are more than a workflow may call",
                where="pyproject.toml: tool.wheelfarm.ci.platforms",
                why=f"GitHub takes {self.limits.called} reusable workflows",
                hint="divide the platforms between two farms",
            )
        return {FARM: _text(self._farm(calls))} | files

    def _farm(self, builds: Mapping[str, Document]) -> Document:
        ci = self.settings.ci
        jobs: Document = {"plan": self.duties.plan(), **builds, "summary": self.duties.summary([*builds])}
        if ci.publish is not None:
            jobs["publish"] = self.duties.publish(ci.publish, [*builds])
        jobs["all-green"] = self.duties.green([*builds])
        inputs = {
            "packages": "distributions, separated by commas; all when empty",
            "variant": "one variant; all when empty",
            "platforms": "such as linux-x86_64,macos-arm64; all when empty",
        }
        return {
            "name": "farm",
            "on": {
                "push": {"branches": row([ci.branch]), "tags": row([ci.tags])},
                "pull_request": {"branches": row([ci.branch])},
                "workflow_dispatch": {
                    "inputs": {
                        name: {"description": text, "type": "string", "default": ""}
                        for name, text in inputs.items()
                    }
                },
            },
            **_SHELL,
            "concurrency": {"group": _GROUP, "cancel-in-progress": True},
            "jobs": jobs,
        }

    def _build(self, job: Job, plan: str, *, called: bool = False) -> Document:
        """A job of the graph.

        Args:
            job: which.
            plan: the expression whose members are what the plan's job tells.
            called: whether it stands in a file that others call, where the plan's job is not.
        """
        matrix: Document = {
            "variant": row(job.variants),
            "python": row(map(str, job.pythons)),
            "exclude": f"${{{{ fromJSON({plan}.left-out)['{job.id}'] }}}}",
        }
        needs = [*([] if called else ["plan"]), *job.needs]
        return {
            "name": f"{job.name}, {job.platform} (${{{{ matrix.variant }}}}, ${{{{ matrix.python }}}})",
            **({"needs": row(needs)} if needs else {}),
            "if": _WANTED % (plan, job.id),
            "runs-on": runner(job.platform, self.settings),
            "timeout-minutes": self._minutes(),
            "permissions": reading_runs(),
            "strategy": {"fail-fast": False, "matrix": matrix},
            "outputs": {leg.output: f"${{{{ steps.build.outputs.{leg.output} }}}}" for leg in job.legs},
            "steps": [
                *self.steps.setup(),
                *self.steps.build(job, PLATFORMS[job.platform], last_run=f"${{{{ {plan}.last-run }}}}"),
            ],
        }

    def _minutes(self) -> int:
        """What a job may take: a build and its gate, the programs' installation, and the artifacts."""
        return min(360, round(self.settings.time_limit / 60) + 30)

    def _call(self, platform: str, file: str) -> Document:
        """The job that calls a platform's file."""
        return {
            "name": platform,
            "needs": row(["plan"]),
            "permissions": reading_runs(),
            "uses": Noted(f"./.github/workflows/{file}", _CALL_NOTE),
            "with": {
                name: f"${{{{ needs.plan.outputs.{name} }}}}" for name in ("jobs", "left-out", "last-run")
            },
        }

    def _called(self, platform: str, jobs: Sequence[Job]) -> Document:
        """The file of a platform, which ends by telling the digests of all that it has made."""
        builds = {job.id: self._build(job, "inputs", called=True) for job in jobs}
        inputs = {name: {"type": "string", "required": True} for name in ("jobs", "left-out", "last-run")}
        outputs = {"parts": {"value": "${{ jobs.parts.outputs.parts }}"}}
        return {
            "name": f"farm, {platform}",
            "on": {"workflow_call": {"inputs": inputs, "outputs": outputs}},
            **_SHELL,
            "jobs": builds | {"parts": self.duties.parts([*builds])},
        }


# zizmor asks for $/, which names a file of the same commit. actionlint refuses that, and looks into files
# that it knows: https://github.com/rhysd/actionlint/issues/711
_CALL_NOTE: Final = "zizmor: ignore[self-repository] actionlint knows no $/"
_SHELL: Final[Document] = {"permissions": {}, "defaults": {"run": {"shell": "bash"}}}


def _text(document: Document) -> str:
    return write(document, header=HEADER, spaced="jobs")
