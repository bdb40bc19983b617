"""The jobs of a workflow that build nothing: they plan, sum up, publish, and say whether all is well."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from wheelfarm.ci.runners import OWN
from wheelfarm.ci.steps import ARRIVED, KEPT, LAST, RECORDS, Steps
from wheelfarm.ci.yaml_document import Noted, uses

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wheelfarm.recipes.ci_settings import CiTable, Publishing

    Document = dict[str, Any]


def reading_runs() -> Document:
    """The permissions of a job that may fetch what the last run has made."""
    return {
        "contents": Noted("read", "checkout"),
        "actions": Noted("read", "wheels and records of the last run"),
    }


@dataclass(frozen=True)
class Duties:
    """Draws these jobs.

    Args:
        steps: what makes their steps.
        ci: what the farm says of its workflow.
    """

    steps: Steps
    ci: CiTable

    def plan(self) -> Document:
        """Tells which legs are run, from what the last run has made."""
        env = {name.upper(): f"${{{{ inputs.{name} }}}}" for name in ("packages", "variant", "platforms")}
        run = 'nox -s ci-plan -- --packages "$PACKAGES" --variant "$VARIANT" --platforms "$PLATFORMS"'
        last = "${{ steps.last.outputs.run-id }}"
        return {
            "name": "plan",
            "runs-on": OWN,
            "timeout-minutes": 20,
            "permissions": reading_runs(),
            "outputs": {
                "jobs": "${{ steps.plan.outputs.jobs }}",
                "left-out": "${{ steps.plan.outputs.left-out }}",
                "last-run": last,
            },
            "steps": [
                *self.steps.setup(),
                {
                    "name": "find the last full run",
                    "id": "last",
                    "run": "nox -s ci-last",
                    "env": {"GITHUB_TOKEN": "${{ github.token }}"},
                },
                self.steps.download("fetch its records", KEPT, LAST, run=last),
                {"name": "tell what changed", "id": "plan", "run": run, "env": env},
            ],
        }

    def summary(self, builds: Sequence[str]) -> Document:
        """Writes the table of the run; runs also when builds failed."""
        return {
            "name": "summary",
            "needs": ["plan", *builds],
            "if": "${{ !cancelled() && needs.plan.result == 'success' }}",
            "runs-on": OWN,
            "timeout-minutes": 20,
            "permissions": {"contents": "read"},
            "steps": [
                *self.steps.setup(),
                self.steps.download("fetch what the builds tell", "told-*", ARRIVED),
                {"name": "summarise", "run": "nox -s ci-summary", "env": {"NEEDS": "${{ toJSON(needs) }}"}},
                self.steps.upload("keep the records for later runs", KEPT, RECORDS, missing="ignore"),
            ],
        }

    def publish(self, publish: Publishing, builds: Sequence[str]) -> Document:
        """Brings all wheels of a full run into an index, once someone has approved; it uses no caches."""
        env = {"TWINE_USERNAME": publish.username} if publish.username else {}
        if publish.secret:
            env["TWINE_PASSWORD"] = f"${{{{ secrets.{publish.secret} }}}}"
        signs = self.steps.settings.choose_index(publish.index).sign
        ref = f"(github.ref == 'refs/heads/{self.ci.branch}' || startsWith(github.ref, 'refs/tags/'))"
        step: Document = {"name": "publish", "run": f"nox -s ci-publish -- --index {publish.index}"}
        # Afterwards: a rebuild gets its build number, and so its bytes, when it is published.
        attest: Document = {
            "name": "attest",
            "uses": uses("actions/attest-build-provenance", self.steps.pins),
            "with": {"subject-path": "wheelhouse/*/wheels/*/*.whl"},
        }
        return {
            "name": "publish",
            "needs": ["plan", *builds, "summary"],
            "if": f"github.event_name == 'push' && {ref}",
            "runs-on": OWN,
            "timeout-minutes": 60,
            "environment": publish.environment,
            "concurrency": {"group": "publish", "cancel-in-progress": False},
            "permissions": {
                "contents": Noted("read", "checkout"),
                **({"id-token": Noted("write", "who signs provenance")} if signs or publish.attest else {}),
                **({"attestations": Noted("write", "keeps the host's own")} if publish.attest else {}),
            },
            "steps": [
                *self.steps.setup(),
                self.steps.download("fetch all wheels of this run", "wheels-*", ARRIVED),
                {
                    "name": "put them together",
                    "run": "nox -s ci-collect",
                    "env": {"NEEDS": "${{ toJSON(needs) }}"},
                },
                step | ({"env": env} if env else {}),
                *([attest] if publish.attest else []),
            ],
        }

    def green(self, builds: Sequence[str]) -> Document:
        """The one job that a branch's protection has to name."""
        return {
            "name": "all green",
            "needs": ["plan", *builds, "summary"],
            "if": "always()",
            "runs-on": OWN,
            "timeout-minutes": 5,
            "permissions": {"contents": "read"},
            "steps": [
                *self.steps.setup(),
                {
                    "name": "look at all results",
                    "run": "nox -s ci-green",
                    "env": {
                        "PLAN": "${{ needs.plan.result }}",
                        "RESULTS": "${{ join(needs.*.result, ' ') }}",
                    },
                },
            ],
        }

    def parts(self, builds: Sequence[str]) -> Document:
        """In a file that others call: tells them the digests of all that its jobs have made."""
        return {
            "name": "parts",
            "needs": list(builds),
            "if": "${{ !cancelled() }}",
            "runs-on": OWN,
            "timeout-minutes": 5,
            "permissions": {"contents": "read"},
            "outputs": {"parts": "${{ steps.parts.outputs.parts }}"},
            "steps": [
                *self.steps.setup(),
                {
                    "name": "tell what was made",
                    "id": "parts",
                    "run": "nox -s ci-parts",
                    "env": {"NEEDS": "${{ toJSON(needs) }}"},
                },
            ],
        }
