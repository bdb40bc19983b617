"""A pull request with changed files: one job writes what changed, another one, which may write, opens it.

The first job runs the code of sources and has no right to write; the second one runs nothing of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from wheelfarm.errors import WorkflowError
from wheelfarm.system.files import read_text, write_atomically
from wheelfarm.system.process import Command, run

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from wheelfarm.recipes.settings import Settings

BUMP: Final = "ci-artifacts/bump"
"""Directory of the checkout with the two files."""
BRANCH: Final = "bump-recipes"
"""The branch of the pull request, which each run writes anew."""
_DIFF: Final = "changes.patch"
_MESSAGE: Final = "message.md"
_AUTHOR: Final = ("github-actions[bot]", "41898282+github-actions[bot]@users.noreply.github.com")


def write_changes(settings: Settings, paths: Sequence[Path], message: str) -> bool:
    """Write what differs from the commit below some paths, and the message; give whether anything does.

    Raises:
        ProcessError: when this is no repository of git.
    """
    directory = settings.root / BUMP
    present = [str(path) for path in paths if path.exists()]
    diff = directory / _DIFF
    write_atomically(diff, b"", "the artifact")
    if present:  # for git, no path is the whole tree
        _git(settings, "add", "--all", "--", *present)
        _git(settings, "diff", "--cached", "--binary", f"--output={diff}", "--", *present)
    write_atomically(directory / _MESSAGE, message.encode(), "the artifact")
    return diff.stat().st_size > 0


def open_pull_request(settings: Settings) -> str:
    """Commit the changes to the branch, push it, and open its pull request, or renew the one that is open.

    Returns:
        The url of the pull request.

    Raises:
        WorkflowError: when the files of the first job are missing.
        ProcessError: when git or gh fails.
    """
    directory = settings.root / BUMP
    diff, message = directory / _DIFF, directory / _MESSAGE
    if not (diff.is_file() and message.is_file()):
        hint = "nox -s ci-bump writes them"
        raise WorkflowError("there are no changes to open a pull request with", where=BUMP, hint=hint)
    title, _, body = read_text(message, WorkflowError).partition("\n")
    _git(settings, "checkout", "--quiet", "-B", BRANCH)
    _git(settings, "apply", "--index", "--whitespace=nowarn", str(diff))
    name, email = _AUTHOR
    author = ("-c", f"user.name={name}", "-c", f"user.email={email}")
    _git(settings, *author, "commit", "--quiet", "--cleanup=verbatim", f"--message={title}\n{body}")
    # git asks gh for the token then.
    _run(settings, "gh", "auth", "setup-git")
    _git(settings, "push", "--quiet", "--force", "origin", f"HEAD:refs/heads/{BRANCH}")
    known = _run(
        settings, *_GH, "list", "--head", BRANCH, "--state", "open", "--json", "url", "--jq", ".[].url"
    )
    words = ("--title", title, "--body", body.strip())
    if known:
        _run(settings, *_GH, "edit", known.splitlines()[0], *words)
        return known.splitlines()[0]
    return _run(settings, *_GH, "create", "--base", settings.ci.branch, "--head", BRANCH, *words)


_GH: Final = ("gh", "pr")


def _git(settings: Settings, *words: str) -> str:
    return _run(settings, "git", *words)


def _run(settings: Settings, *words: str) -> str:
    environ = settings.environ
    secrets = tuple(filter(None, (environ.get("GH_TOKEN"), environ.get("GITHUB_TOKEN"))))
    command = Command(argv=words, env=environ, cwd=settings.root, secrets=secrets, time_limit=600)
    return run(command).output.strip()
