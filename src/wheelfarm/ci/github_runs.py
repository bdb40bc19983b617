"""Reads from the repository of a job: its last full run, its publishing environment, its main branch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from wheelfarm.errors import NetworkError, UsageError, WorkflowError
from wheelfarm.system.files import parse_json, read_text
from wheelfarm.system.process import Command, run

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wheelfarm.recipes.settings import Settings

_SECONDS: Final = 30
_OK: Final = 200
_NOT_FOUND: Final = 404
_FORK_LABEL: Final = "build-wheels"
_RUNS: Final = 20
"""Number of past runs to look through."""


def find_last_run(settings: Settings, file: str, artifact: str) -> str | None:
    """Find the last run of a workflow file for a push to the main branch whose builds all succeeded.

    Only such a run has an artifact with its records. Its conclusion does not say this: it is empty while
    publishing waits for an approval.

    https://docs.github.com/rest/actions/workflow-runs#list-workflow-runs-for-a-workflow and
    https://docs.github.com/rest/actions/artifacts#list-workflow-run-artifacts

    Returns:
        The id of the run; None without one.

    Raises:
        UsageError: outside a GitHub runner.
        NetworkError: when the API does not answer or refuses.
    """
    api = _Api.of(settings)
    query = {"branch": settings.ci.branch, "event": "push", "per_page": str(_RUNS)}
    for each_run in api.get_all(f"actions/workflows/{quote(file)}/runs", query, "workflow_runs"):
        found = api.get_all(f"actions/runs/{each_run['id']}/artifacts", {"name": artifact}, "artifacts")
        if any(not each.get("expired") for each in found):
            return str(each_run["id"])
    return None


def check_fork(settings: Settings) -> None:
    """Check that somebody wants a fork's pull request to be built: a full matrix costs hours of machines.

    https://docs.github.com/webhooks/webhook-events-and-payloads#pull_request

    Raises:
        WorkflowError: for a pull request of another repository that lacks the label.
    """
    path = settings.environ.get("GITHUB_EVENT_PATH")
    event = parse_json(read_text(Path(path), WorkflowError)) if path else {}
    pull = event.get("pull_request") or {}
    source = ((pull.get("head") or {}).get("repo") or {}).get("full_name")
    labels = {label.get("name") for label in pull.get("labels") or ()}
    if pull and source != settings.environ.get("GITHUB_REPOSITORY") and _FORK_LABEL not in labels:
        raise WorkflowError(
            "nothing is built of a fork's pull request before somebody has looked at it",
            where=f"pull request {pull.get('number')} of {source or 'a fork that was deleted'}",
            hint=f"look at what it changes, then give it the label {_FORK_LABEL}",
        )


def check_commit(settings: Settings) -> None:
    """Check that the commit is on the main branch: whoever may push a tag could publish any commit otherwise.

    Raises:
        WorkflowError: when it is not, or when the checkout does not have that branch.
    """
    branch = f"origin/{settings.ci.branch}"
    argv = ("git", "-C", str(settings.root), "merge-base", "--is-ancestor", "HEAD", branch)
    finished = run(Command(argv=argv, env=settings.environ), check=False)
    if finished.returncode:
        raise WorkflowError(
            f"the commit is not on the branch {settings.ci.branch}",
            where=settings.environ.get("GITHUB_REF", "HEAD"),
            why=finished.output.strip() or "a tag publishes only what that branch has",
            hint=f"merge it into {settings.ci.branch}, and tag the merged commit",
        )


def check_environment(settings: Settings, name: str) -> None:
    """Check that an environment exists and has reviewers: GitHub makes a missing one, without any.

    https://docs.github.com/rest/deployments/environments#get-an-environment

    Raises:
        WorkflowError: when it is missing, or when nobody has to approve its jobs.
        UsageError, NetworkError: see `find_last_run`.
    """
    api = _Api.of(settings)
    environment = api.get(f"environments/{quote(name, safe='')}", {})
    where = f"environment {name} of {api.repository}"
    hint = "make it, with required reviewers: Settings, Environments"
    if environment is None:
        raise WorkflowError(
            "the environment of the publishing job does not exist",
            where=where,
            why="GitHub would make it when the job starts, and nobody would have to approve",
            hint=hint,
        )
    rules = environment.get("protection_rules") or []
    if not any(rule.get("type") == "required_reviewers" and rule.get("reviewers") for rule in rules):
        raise WorkflowError(
            "nobody has to approve what is published",
            where=where,
            why="the environment has no required reviewers",
            hint=f"{hint}; or say that none are needed: [tool.wheelfarm.ci.publish] reviewers = false",
        )


@dataclass(frozen=True)
class _Api:
    """GitHub's API for the repository of a job."""

    url: str
    repository: str
    token: str

    @classmethod
    def of(cls, settings: Settings) -> _Api:
        environ = settings.environ
        url, repository, token = map(environ.get, ("GITHUB_API_URL", "GITHUB_REPOSITORY", "GITHUB_TOKEN"))
        if not (url and repository and token):
            what = "this is no job of GitHub Actions that may read the repository's API"
            raise UsageError(what, hint="GITHUB_TOKEN: ${{ github.token }}")
        return cls(url, repository, token)

    def get(self, path: str, query: Mapping[str, str]) -> dict[str, Any] | None:
        """Get an object; None when GitHub does not know the URL."""
        import requests  # noqa: PLC0415 - heavy, and only a workflow needs it

        what, url = "the answer of GitHub's API cannot be used", f"{self.url}/repos/{self.repository}/{path}"
        headers = {"Accept": "application/vnd.github+json", "Authorization": f"Bearer {self.token}"}
        try:
            response = requests.get(url, params=query, headers=headers, timeout=_SECONDS)
            if response.status_code == _NOT_FOUND:
                return None
            if response.status_code != _OK:
                why = f"the answer has status {response.status_code}"
                raise NetworkError(
                    what, where=url, why=why, hint="the job needs `permissions: actions: read`"
                )
            return dict(response.json())
        except (requests.RequestException, ValueError, TypeError) as error:
            raise NetworkError(what, where=url, why=str(error)) from error

    def get_all(self, path: str, query: Mapping[str, str], key: str) -> list[dict[str, Any]]:
        """Get a list of objects with an id; an empty one when GitHub does not know the URL."""
        found = self.get(path, query)
        if found is None:
            return []  # the workflow has never run
        try:
            return [{**each, "id": int(each["id"])} for each in found[key]]
        except (ValueError, KeyError, TypeError) as error:
            raise NetworkError(
                "the answer of GitHub's API cannot be used", where=path, why=str(error)
            ) from error
