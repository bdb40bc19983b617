"""GitHub: its runners, and farm.yml, with a job per recipe and platform that calls build-wheel.yml."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from wheelfarm.ci.workflow_file import (
    CommentedValue,
    Document,
    dump_yaml,
    flow_list,
    flow_map,
    pinned_action,
)
from wheelfarm.errors import WorkflowError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from wheelfarm.ci.matrix import Job
    from wheelfarm.ci.workflow_file import ActionPin
    from wheelfarm.recipes.farm_settings import Publishing
    from wheelfarm.recipes.settings import Settings

FARM: Final = "farm.yml"
BUILD_WHEEL: Final = "build-wheel.yml"
"""The reusable workflow, which is written by hand."""
BUMP: Final = "bump.yml"
"""The workflow that proposes newer versions, which is written by hand."""
HEADER: Final = """\
Rendered by `inv ci.render` from recipes/ and [tool.wheelfarm] in pyproject.toml: change those, and render
again; `inv ci.check` fails when this file is stale. The commits of actions alone are taken from this file, so
that dependabot's updates stay. A job builds one recipe on one platform. It needs the jobs whose wheels it
uses and no others."""

WHEELS: Final = "ci-artifacts/wheels"
"""Directory of the checkout with the wheels of this run's jobs, one's own among them."""
LAST_RUN: Final = "ci-artifacts/last-run"
"""The wheels and records of the last full run."""
REPORTS: Final = "ci-artifacts/reports"
"""Result, log and records of each build, also of one that failed."""
PUBLISHED: Final = "ci-artifacts/published"
"""The wheels under their published names, by variant: their bytes are what GitHub attests."""
RECORDS: Final = "ci-artifacts/records"
"""The records of all builds of a run, for the plan of later runs."""
RECORDS_ARTIFACT: Final = "records"
INSTALL: Final = "python3 -m pip install --require-hashes --requirement requirements/nox.txt"
"""Installs nox by hash, like everything that runs near a secret or an identity."""

SERVICE_RUNNER: Final = "ubuntu-24.04"
"""For the jobs that build nothing."""
RUNNERS: Final[Mapping[str, str]] = {
    "linux-x86_64": "ubuntu-24.04",
    "linux-aarch64": "ubuntu-24.04-arm",
    "musllinux-x86_64": "ubuntu-24.04",
    "musllinux-aarch64": "ubuntu-24.04-arm",
    "macos-arm64": "macos-15",
    "macos-x86_64": "macos-15-intel",
    "windows-amd64": "windows-2025",
    "windows-arm64": "windows-11-arm",
}
"""Each has the platform's own processor: nothing is emulated or cross-compiled.

https://docs.github.com/actions/reference/runners/github-hosted-runners
"""
_COMPILERS: Final[Mapping[tuple[str, str], str]] = {
    # Rtools, whose MinGW numpy and scipy use too. Since Rtools 4.2 its compilers are here:
    # https://cran.r-project.org/bin/windows/Rtools/rtools45/rtools.html
    ("windows-amd64", "fortran"): "C:/rtools45/x86_64-w64-mingw32.static.posix/bin",
    ("windows-arm64", "c"): "C:/Program Files/LLVM/bin",  # clang-cl
}
"""Directories of compilers that a runner's image has and its PATH lacks, by platform and language."""

MATRIX_LIMIT: Final = 256
"""Jobs of a matrix: https://docs.github.com/actions/reference/limits."""
SIZE_LIMIT: Final = 500_000
"""Bytes of a workflow file."""
_FOR_LAST_RUN: Final = "checkout; wheels and records of the last full run"
"""Why a job may read."""
_SELECTION: Final = "fromJSON(needs.plan.outputs.jobs)['%s']"
_RUN_WHEN: Final = f"${{{{ !cancelled() && !failure() && {_SELECTION} }}}}"
"""A job that was skipped does not stop its dependents: they use its wheels of the last run."""
_GROUP: Final = "farm-${{ github.event_name == 'pull_request' && github.ref || github.run_id }}"
"""The runs of a pull request replace each other. Every other run has its own group: one that waits for an
approval would hold up all later ones."""
_CALLED: Final = CommentedValue(
    f"./.github/workflows/{BUILD_WHEEL}",
    # zizmor wants $/, a file of the same commit, which actionlint refuses: rhysd/actionlint#711
    "zizmor: ignore[self-repository]",
)
_DISPATCH: Final = {
    "packages": "distributions, separated by commas; all when empty",
    "variant": "one variant; all when empty",
    "platforms": "such as linux-x86_64,macos-arm64; all when empty",
}


def compiler_paths(platform: str, languages: Iterable[str]) -> tuple[str, ...]:
    """List what a job puts first on PATH to compile some languages."""
    found = (_COMPILERS.get((platform, language)) for language in languages)
    return tuple(dict.fromkeys(path for path in found if path))


def render_github(jobs: Sequence[Job], settings: Settings, pins: Mapping[str, ActionPin]) -> str:
    """Render farm.yml; exceeding a limit of GitHub is an error."""
    for job in jobs:
        if len(job.entries) > MATRIX_LIMIT:
            raise WorkflowError(
                f"the matrix of {job.id} is too large",
                where="pyproject.toml: tool.wheelfarm",
                why=f"{len(job.entries)} builds are more than the {MATRIX_LIMIT} jobs that a matrix may hold",
                hint="list fewer Pythons in [tool.wheelfarm.ci], or move some variants to another farm",
            )
    text = dump_yaml(_Renderer(jobs, settings, pins).document(), header=HEADER, spaced="jobs")
    if len(text.encode()) > SIZE_LIMIT:
        raise WorkflowError(
            f"{len(jobs)} jobs are more than a workflow file may hold",
            where=f".github/workflows/{FARM}",
            why=f"it would have {len(text.encode())} of at most {SIZE_LIMIT} bytes",
            hint="divide the recipes or the platforms between two farms",
        )
    return text


@dataclass(frozen=True)
class _Renderer:
    jobs: Sequence[Job]
    settings: Settings
    pins: Mapping[str, ActionPin]

    def document(self) -> Document:
        ci = self.settings.ci
        builds = [job.id for job in self.jobs]
        jobs = {"plan": self._plan(), **{job.id: self._build(job) for job in self.jobs}}
        jobs["summary"] = self._summary(builds)
        if ci.publish is not None:
            jobs |= {"verify": self._verify(), "publish": self._publish(ci.publish)}
        jobs["all-green"] = _ALL_GREEN
        inputs = {name: flow_map({"description": text, "type": "string"}) for name, text in _DISPATCH.items()}
        return {
            "name": "farm",
            "on": {
                "push": {"branches": flow_list([ci.branch]), "tags": flow_list([ci.tags])},
                "pull_request": {
                    "branches": flow_list([ci.branch]),
                    "types": flow_list(["opened", "synchronize", "reopened", "labeled"]),
                },
                "workflow_dispatch": {"inputs": inputs},
            },
            "permissions": {},
            "concurrency": {"group": _GROUP, "cancel-in-progress": True},
            "jobs": jobs,
        }

    def _build(self, job: Job) -> Document:
        inputs = {
            "recipe": str(job.name),
            "platform": job.platform,
            "runner": self.settings.ci.runners.get(job.platform) or RUNNERS[job.platform],
            "plan": f"${{{{ toJSON({_SELECTION % job.id}) }}}}",
        }
        return {
            "needs": flow_list(["plan", *job.needs]),
            "if": _RUN_WHEN % job.id,
            "permissions": _read_only(_FOR_LAST_RUN),
            "uses": _CALLED,
            "with": inputs,
        }

    def _plan(self) -> Document:
        run_id = "steps.last.outputs.run-id"
        environment = {name.upper(): f"${{{{ inputs.{name} }}}}" for name in _DISPATCH}
        words = " ".join(f'--{name} "${name.upper()}"' for name in (*_DISPATCH, "last-run"))
        find: Document = {
            "name": "find the last full run",
            "id": "last",
            "run": "nox -s ci-last",
            "env": {"GITHUB_TOKEN": "${{ github.token }}"},
        }
        select: Document = {
            "name": "select what to build",
            "id": "plan",
            "run": f"nox -s ci-plan -- {words}".replace("$LAST-RUN", "$LAST_RUN"),
            "env": environment | {"LAST_RUN": f"${{{{ {run_id} }}}}"},
        }
        fetch = self._download_of(run_id, "download its records")
        return {
            "name": "plan",
            "runs-on": SERVICE_RUNNER,
            "timeout-minutes": 20,
            "permissions": _read_only(_FOR_LAST_RUN),
            "outputs": {"jobs": "${{ steps.plan.outputs.jobs }}", "last-run": f"${{{{ {run_id} }}}}"},
            "steps": [*self._setup(), find, fetch, select],
        }

    def _summary(self, builds: Sequence[str]) -> Document:
        """The table of the run; the job fails when a build did."""
        upload: Document = {
            "name": "upload the records for later runs",
            "uses": pinned_action("actions/upload-artifact", self.pins),
            "with": {
                "name": RECORDS_ARTIFACT,
                "path": RECORDS,
                "if-no-files-found": "ignore",
                "overwrite": True,
            },
        }
        return {
            "name": "summary",
            "needs": flow_list(["plan", *builds]),
            "if": "${{ !cancelled() && needs.plan.result == 'success' }}",
            "runs-on": SERVICE_RUNNER,
            "timeout-minutes": 20,
            "permissions": _read_only("checkout; records of the last full run"),
            "steps": [
                *self._setup(),
                self._download("download the reports", "report-*", REPORTS),
                self._download_of("needs.plan.outputs.last-run", "download the records to compare with"),
                {"name": "summarize", "run": "nox -s ci-summary", "env": {"NEEDS": "${{ toJSON(needs) }}"}},
                upload,
            ],
        }

    def _verify(self) -> Document:
        """Check that the run may publish, before anybody has to approve: without secrets and identity."""
        ci = self.settings.ci
        ref = f"(github.ref == 'refs/heads/{ci.branch}' || startsWith(github.ref, 'refs/tags/'))"
        return {
            "name": "verify",
            "needs": flow_list(["summary"]),
            "if": f"github.event_name == 'push' && {ref}",
            "runs-on": SERVICE_RUNNER,
            "timeout-minutes": 20,
            "permissions": _read_only("checkout; the environment and its reviewers"),
            "steps": [
                *self._setup(history=True),
                {"name": "verify", "run": "nox -s ci-verify", "env": {"GITHUB_TOKEN": "${{ github.token }}"}},
            ],
        }

    def _publish(self, publish: Publishing) -> Document:
        """All wheels of a full run to an index, after an approval; without caches.

        They are attested first: a wheel in the index is never without its attestation.
        """
        environment = {"TWINE_USERNAME": publish.username} if publish.username else {}
        if publish.secret:
            environment["TWINE_PASSWORD"] = f"${{{{ secrets.{publish.secret} }}}}"
        with_secret = {"env": environment} if environment else {}
        permissions = {"contents": CommentedValue("read", "checkout")}
        if publish.attest or self.settings.choose_index(publish.index).sign:
            permissions["id-token"] = CommentedValue("write", "the identity that signs provenance")
        if publish.attest:
            permissions["attestations"] = CommentedValue("write", "GitHub stores its own")
        send = f"nox -s ci-publish -- --index {publish.index}"
        # The published files, not the stored ones: the build tag in name and WHEEL changes their bytes.
        attest: list[Document] = [
            {"name": "prepare", "id": "prepare", "run": f"{send} --prepare", **with_secret},
            {
                "name": "attest",
                "if": "steps.prepare.outputs.wheels != '0'",
                "uses": pinned_action("actions/attest-build-provenance", self.pins),
                "with": {"subject-path": f"{PUBLISHED}/*/*.whl"},
            },
        ]
        return {
            "name": "publish",
            "needs": flow_list(["verify"]),
            "runs-on": SERVICE_RUNNER,
            "timeout-minutes": 60,
            "environment": publish.environment,
            "concurrency": flow_map({"group": "publish", "queue": "max"}),
            "permissions": permissions,
            "steps": [
                *self._setup(),
                self._download("download all wheels of this run", "wheels-*", WHEELS),
                {"name": "collect", "run": "nox -s ci-collect"},
                *(attest if publish.attest else []),
                {"name": "publish", "run": send, **with_secret},
            ],
        }

    def _setup(self, *, history: bool = False) -> list[Document]:
        checkout = pinned_action("actions/checkout", self.pins)
        python = pinned_action("actions/setup-python", self.pins)
        options = {"persist-credentials": False} | ({"fetch-depth": 0} if history else {})
        return [
            {"uses": checkout, "with": flow_map(options)},
            {"uses": python, "with": flow_map({"python-version": "3.11"})},
            {"name": "install nox", "run": INSTALL},
        ]

    def _download_of(self, run_id: str, name: str) -> Document:
        """A step that downloads the records of another run, if there is one."""
        fetch = self._download(name, RECORDS_ARTIFACT, LAST_RUN)
        token = {"run-id": f"${{{{ {run_id} }}}}", "github-token": "${{ github.token }}"}
        return {"if": f"{run_id} != ''", **fetch, "with": dict(fetch["with"]) | token}

    def _download(self, name: str, pattern: str, path: str) -> Document:
        """A step; the pattern may match nothing: the session checks what must be there."""
        words = {"pattern": pattern, "path": path, "digest-mismatch": "error"}
        return {
            "name": name,
            "uses": pinned_action("actions/download-artifact", self.pins),
            "with": flow_map(words),
        }


def _read_only(reason: str) -> CommentedValue:
    """Permissions to read the repository, and its runs and environments."""
    return CommentedValue(flow_map({"contents": "read", "actions": "read"}), reason)


_ALL_GREEN: Final[Document] = {
    "name": "all green",
    "needs": flow_list(["plan", "summary"]),
    # A skipped job satisfies a branch's protection, so this one always runs.
    "if": "always()",
    "runs-on": SERVICE_RUNNER,
    "timeout-minutes": 5,
    "permissions": {},
    "steps": [
        {
            "name": "check the results",
            "run": 'test "$RESULTS" = "success success"',
            "env": {"RESULTS": "${{ join(needs.*.result, ' ') }}"},
        }
    ],
}
"""The one job that a branch's protection has to name."""
