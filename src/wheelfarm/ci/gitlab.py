"""GitLab CI from the graph: a job for each leg, since there an edge can lead from leg to leg."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from wheelfarm.ci.steps import ARRIVED, INSTALL, TOLD
from wheelfarm.ci.yaml_document import row, write
from wheelfarm.recipes.ci_settings import PLATFORMS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wheelfarm.ci.matrix import Job, Leg
    from wheelfarm.recipes.settings import Settings

Document = dict[str, Any]
FILE: Final = ".gitlab-ci.yml"
DOTENV: Final = "parts/outputs.env"
"""Where a job leaves variables for those that need it (`artifacts:reports:dotenv`)."""
HEADER: Final = """\
Drawn by `inv ci.render --provider gitlab` from recipes/ and [tool.wheelfarm] in pyproject.toml: change those,
and render again; `inv ci.check --provider gitlab` fails when this file is stale. A job builds one recipe for
one platform, variant and Python, on a runner with the tag of the platform; it needs the jobs whose wheels
it uses."""


@dataclass(frozen=True, kw_only=True)
class GitLab:
    """Draws the pipeline of one farm."""

    jobs: Sequence[Job]
    settings: Settings

    def files(self) -> dict[str, str]:
        """The one file, by its name in the repository."""
        ci = self.settings.ci
        document: Document = {
            "stages": row(["build", "publish"]),
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
        for job in self.jobs:
            for leg in job.legs:
                document[leg.slug] = self._build(job, leg)
        if ci.publish is not None:
            document["publish"] = self._publish(ci.publish.index, ci.publish.environment)
        return {FILE: write(document, header=HEADER)}

    def _tags(self, platform: str) -> Any:  # noqa: ANN401 - a list in one line
        return row([self.settings.ci.runners.get(platform, platform)])

    def _timeout(self) -> str:
        """A build and its gate, the programs' installation, and the artifacts."""
        return f"{round(self.settings.time_limit / 60) + 30} minutes"

    def _build(self, job: Job, leg: Leg) -> Document:
        words = f"{leg.name} --place {PLATFORMS[leg.platform]} --variant {leg.variant} --python {leg.python}"
        return {
            "stage": "build",
            "tags": self._tags(leg.platform),
            "needs": row(up.slug for up in job.upstream_of(leg)),
            "timeout": self._timeout(),
            "script": [f"nox -s ci-build -- {words}"],
            "artifacts": {
                "when": "always",
                "paths": [f"{ARRIVED}/{leg.slug}", f"{TOLD}/{leg.slug}"],
                "reports": {"dotenv": DOTENV},
            },
        }

    def _publish(self, index: str, environment: str) -> Document:
        """Once someone has started it; without `needs`, it waits for all builds and has all their wheels."""
        branch, signs = self.settings.ci.branch, self.settings.choose_index(index).sign
        return {
            "stage": "publish",
            "tags": self._tags("linux-x86_64"),
            "rules": [
                {"if": f'$CI_COMMIT_BRANCH == "{branch}" || $CI_COMMIT_TAG', "when": "manual"},
            ],
            "interruptible": False,
            "resource_group": "publish",
            "environment": {"name": environment, "action": "access"},
            # The variable in which Sigstore looks for the job's identity.
            **({"id_tokens": {"SIGSTORE_ID_TOKEN": {"aud": "sigstore"}}} if signs else {}),
            "timeout": "1 hour",
            "script": ["nox -s ci-collect", f"nox -s ci-publish -- --index {index}"],
        }
