"""Finds the last full run of a workflow through GitHub's API."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from wheelfarm.errors import NetworkError, UsageError

if TYPE_CHECKING:
    from wheelfarm.recipes.settings import Settings

_SECONDS: Final = 30
_OK: Final = 200
_NOT_FOUND: Final = 404
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
    environ = settings.environ
    api, repository, token = map(environ.get, ("GITHUB_API_URL", "GITHUB_REPOSITORY", "GITHUB_TOKEN"))
    if not (api and repository and token):
        what = "this is no job of GitHub Actions that may read its runs"
        raise UsageError(what, hint="GITHUB_TOKEN: ${{ github.token }}")
    actions = f"{api}/repos/{repository}/actions"
    query = {"branch": settings.ci.branch, "event": "push", "per_page": str(_RUNS)}
    for run in _get_list(f"{actions}/workflows/{quote(file)}/runs", query, token, "workflow_runs"):
        found = _get_list(f"{actions}/runs/{run['id']}/artifacts", {"name": artifact}, token, "artifacts")
        if any(not each.get("expired") for each in found):
            return str(run["id"])
    return None


def _get_list(url: str, query: dict[str, str], token: str, key: str) -> list[dict[str, Any]]:
    """Get a list of objects with an id; an empty one when GitHub does not know the URL."""
    import requests  # noqa: PLC0415 - heavy, and only a workflow's plan needs it

    what = "the runs of the workflow cannot be listed"
    headers = {"Accept": "application/vnd.github+json", "Authorization": f"Bearer {token}"}
    try:
        response = requests.get(url, params=query, headers=headers, timeout=_SECONDS)
        if response.status_code == _NOT_FOUND:
            return []  # the workflow has never run
        if response.status_code != _OK:
            why = f"the answer has status {response.status_code}"
            raise NetworkError(what, where=url, why=why, hint="the job needs `permissions: actions: read`")
        return [{**each, "id": int(each["id"])} for each in response.json()[key]]
    except (requests.RequestException, ValueError, KeyError, TypeError) as error:
        raise NetworkError(what, where=url, why=str(error)) from error
