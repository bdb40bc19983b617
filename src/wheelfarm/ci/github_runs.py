"""The last full run of a workflow, as its host tells."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from wheelfarm.errors import NetworkError, UsageError

if TYPE_CHECKING:
    from wheelfarm.recipes.settings import Settings

_SECONDS: Final = 30
_OK: Final = 200
_MISSING: Final = 404
_RUNS: Final = 20
"""So many runs back somebody looks for one whose builds all ended well."""
_WHAT: Final = "the runs of the workflow cannot be asked for"


def last_run(settings: Settings, file: str, artifact: str) -> str | None:
    """The id of the last run of a push to the branch of full runs whose builds ended well; None without one.

    It is known by its records, which such a run alone keeps. How the run as a whole ended says something
    else: one that waits for somebody to approve its publishing, or where nobody did, has built all the same.

    The host tells where to ask and with what token, in the variables that its runners have:
    https://docs.github.com/rest/actions/workflow-runs#list-workflow-runs-for-a-workflow and
    https://docs.github.com/rest/actions/artifacts#list-workflow-run-artifacts

    Args:
        settings: for the environment and the branch.
        file: the workflow's file.
        artifact: what the artifact with a run's records is called.

    Raises:
        UsageError: outside such a host.
        NetworkError: when it does not answer, or says that we may not ask.
    """
    said = settings.environ
    api, repository, token = (
        said.get(name) for name in ("GITHUB_API_URL", "GITHUB_REPOSITORY", "GITHUB_TOKEN")
    )
    if not (api and repository and token):
        hint = "GITHUB_TOKEN: ${{ github.token }}"
        raise UsageError("this is no job of GitHub Actions that may read its runs", hint=hint)
    actions = f"{api}/repos/{repository}/actions"
    wanted = {"branch": settings.ci.branch, "event": "push", "per_page": str(_RUNS)}
    for run in _listed(f"{actions}/workflows/{quote(file)}/runs", wanted, token, "workflow_runs"):
        kept = _listed(f"{actions}/runs/{run['id']}/artifacts", {"name": artifact}, token, "artifacts")
        if any(not each.get("expired") for each in kept):
            return str(run["id"])
    return None


def _listed(url: str, wanted: dict[str, str], token: str, key: str) -> list[dict[str, Any]]:
    """What the host lists, each with an id; nothing where it knows of none.

    Raises:
        NetworkError: when it does not answer, or says that we may not ask.
    """
    import requests  # noqa: PLC0415 - heavy, and only a workflow's plan asks

    headers = {"Accept": "application/vnd.github+json", "Authorization": f"Bearer {token}"}
    try:
        answer = requests.get(url, params=wanted, headers=headers, timeout=_SECONDS)
        if answer.status_code == _MISSING:
            return []  # the workflow has never run
        if answer.status_code != _OK:
            why = f"it answers with status {answer.status_code}"
            raise NetworkError(_WHAT, where=url, why=why, hint="the job needs `permissions: actions: read`")
        return [{**each, "id": int(each["id"])} for each in answer.json()[key]]
    except (requests.RequestException, ValueError, KeyError, TypeError) as error:
        raise NetworkError(_WHAT, where=url, why=str(error)) from error
