"""Renders .gitlab-ci.yml: a job per matrix entry, since GitLab's `needs` can name one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from wheelfarm.ci.github import INSTALL, REPORTS, WHEELS
from wheelfarm.ci.workflow_file import Document, dump_yaml, flow_list

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wheelfarm.ci.matrix import Job, MatrixEntry
    from wheelfarm.recipes.settings import Settings

FILE: Final = ".gitlab-ci.yml"
HEADER: Final = """\
Rendered by `inv ci.render --provider gitlab` from recipes/ and [tool.wheelfarm] in pyproject.toml: change
those, and render again; `inv ci.check --provider gitlab` fails when this file is stale. A job builds one
recipe for one platform, variant and Python, on a runner with the tag of the platform. It needs the jobs
whose wheels it uses."""


def render_gitlab(jobs: Sequence[Job], settings: Settings) -> str:
    """Render the pipeline."""
    ci = settings.ci
    document: Document = {
        "stages": flow_list(["build", "publish"]),
        "workflow": {
            "rules": [
                {"if": '$CI_PIPELINE_SOURCE == "merge_request_event"'},
                {"if": f'$CI_COMMIT_BRANCH == "{ci.branch}"'},
                {"if": "$CI_COMMIT_TAG"},
                {"if": '$CI_PIPELINE_SOURCE == "web"'},
            ]
        },
        "default": {"interruptible": True, "before_script": [INSTALL]},
    }
    for job in jobs:
        for entry in job.entries:
            document[entry.slug] = _build(job, entry, settings)
    if ci.publish is not None:
        document["publish"] = _publish(ci.publish.index, ci.publish.environment, settings)
    return dump_yaml(document, header=HEADER)


def _tags(platform: str, settings: Settings) -> object:
    return flow_list([settings.ci.runners.get(platform, platform)])


def _build(job: Job, entry: MatrixEntry, settings: Settings) -> Document:
    words = f"{entry.name} --platform {entry.platform} --variant {entry.variant} --python {entry.python}"
    return {
        "stage": "build",
        "tags": _tags(entry.platform, settings),
        "needs": flow_list(each.slug for each in job.dependencies_of(entry)),
        # A build and its gate, the installation of the programs, and the artifacts.
        "timeout": f"{round(settings.time_limit / 60) + 30} minutes",
        "script": [f"nox -s ci-build -- {words}"],
        "artifacts": {"when": "always", "paths": [f"{WHEELS}/{entry.slug}", f"{REPORTS}/{entry.slug}"]},
    }


def _publish(index: str, environment: str, settings: Settings) -> Document:
    """A job that a person starts; without `needs`, it waits for all builds and has all their wheels."""
    signs = settings.choose_index(index).sign
    rule = {"if": f'$CI_COMMIT_BRANCH == "{settings.ci.branch}" || $CI_COMMIT_TAG', "when": "manual"}
    return {
        "stage": "publish",
        "tags": _tags("linux-x86_64", settings),
        "rules": [rule],
        "interruptible": False,
        "resource_group": "publish",
        "environment": {"name": environment, "action": "access"},
        # Sigstore looks for the job's identity in this variable.
        **({"id_tokens": {"SIGSTORE_ID_TOKEN": {"aud": "sigstore"}}} if signs else {}),
        "timeout": "1 hour",
        "script": ["nox -s ci-collect", f"nox -s ci-publish -- --index {index}"],
    }
