"""The last full run of a workflow, as its host tells."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from wheelfarm.errors import NetworkError, UsageError

if TYPE_CHECKING:
    from wheelfarm.settings import Settings

_SECONDS: Final = 30
_OK: Final = 200
_MISSING: Final = 404


def last_run(settings: Settings, file: str) -> str | None:
    """The id of the last run of a push to the branch of full runs that ended well; None when there is none.

    The host tells where to ask and with what token, in the variables that its runners have:
    https://docs.github.com/rest/actions/workflow-runs#list-workflow-runs-for-a-workflow

    Args:
        settings: for the environment and the branch.
        file: the workflow's file.

    Raises:
        UsageError: outside such a host.
        NetworkError: when it does not answer, or says that we may not ask.
    """
    import requests  # noqa: PLC0415 - heavy, and only a workflow's plan asks

    said = settings.environ
    api, repository, token = (
        said.get(name) for name in ("GITHUB_API_URL", "GITHUB_REPOSITORY", "GITHUB_TOKEN")
    )
    if not (api and repository and token):
        hint = "GITHUB_TOKEN: ${{ github.token }}"
        raise UsageError("this is no job of GitHub Actions that may read its runs", hint=hint)
    url = f"{api}/repos/{repository}/actions/workflows/{quote(file)}/runs"
    wanted = {"branch": settings.ci.branch, "event": "push", "status": "success", "per_page": "1"}
    headers = {"Accept": "application/vnd.github+json", "Authorization": f"Bearer {token}"}
    try:
        answer = requests.get(url, params=wanted, headers=headers, timeout=_SECONDS)
        if answer.status_code == _MISSING:
            return None  # the workflow has never run
        document: Any = answer.json() if answer.status_code == _OK else None
        runs = document["workflow_runs"] if document is not None else None
        found = [str(int(run["id"])) for run in runs] if runs is not None else None
    except (requests.RequestException, ValueError, KeyError, TypeError) as error:
        raise NetworkError(
            "the runs of the workflow cannot be asked for", where=url, why=str(error)
        ) from error
    if found is None:
        why = f"it answers with status {answer.status_code}"
        hint = "the job needs `permissions: actions: read`"
        raise NetworkError("the runs of the workflow cannot be asked for", where=url, why=why, hint=hint)
    return found[0] if found else None
