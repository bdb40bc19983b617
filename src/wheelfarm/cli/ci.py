"""ci.render, ci.check: the workflow drawn from the recipes, and whether it is current."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from invoke.tasks import task

from wheelfarm.ci.action_pins import read_pins
from wheelfarm.ci.github import GitHub
from wheelfarm.ci.gitlab import GitLab
from wheelfarm.ci.matrix import draw
from wheelfarm.cli.task import farm_task, open_farm, words
from wheelfarm.errors import Collector, UsageError, WorkflowError
from wheelfarm.report.screen import Screen
from wheelfarm.system.files import write_atomically

if TYPE_CHECKING:
    from pathlib import Path

    from invoke.context import Context

    from wheelfarm.recipes.settings import Settings

_WORKFLOWS: Final = ".github/workflows"
_OURS: Final = "Drawn by `inv ci.render`"
"""By which a file is known that was rendered: one that is not rendered any more is stale."""
_PROVIDER: Final = "github, which is the default, or gitlab"


def _github(settings: Settings) -> dict[Path, str]:
    """The files of GitHub's workflow, with the actions' commits that stand in the files there are."""
    directory = settings.root / _WORKFLOWS
    texts = {
        f"{_WORKFLOWS}/{path.name}": path.read_text(encoding="utf-8")
        for path in sorted([*directory.glob("*.yml"), *directory.glob("*.yaml")])
    }
    # Rendered files last: what stands in them is what is kept.
    ordered = dict(sorted(texts.items(), key=lambda item: _OURS in item[1]))
    pins = read_pins(ordered)
    farm, publish = open_farm(), settings.ci.publish
    if publish is not None:
        settings.choose_index(publish.index)
    drawn = GitHub(jobs=draw(farm.recipes, settings), settings=settings, pins=pins).files()
    return {directory / name: text for name, text in drawn.items()}


def _left(settings: Settings, wanted: dict[Path, str]) -> list[Path]:
    """Files for GitHub that were rendered once and would not be now."""
    if all(path.parent == settings.root for path in wanted):
        return []
    found = sorted((settings.root / _WORKFLOWS).glob("farm*.yml"))
    return [path for path in found if path not in wanted and _OURS in path.read_text(encoding="utf-8")]


def _files(settings: Settings, provider: str) -> dict[Path, str]:
    if provider == "github":
        return _github(settings)
    if provider == "gitlab":
        drawn = GitLab(jobs=draw(open_farm().recipes, settings), settings=settings).files()
        return {settings.root / name: text for name, text in drawn.items()}
    raise UsageError(f"unknown provider {provider!r}", hint="say github or gitlab")


@task(help=words(provider=_PROVIDER))
@farm_task
def render(_context: Context, provider: str = "github") -> None:
    """Draw the CI workflow from the recipes: a job per recipe and platform, with exact edges."""
    settings = open_farm().settings
    screen, files = Screen.standard(), _files(settings, provider)
    for path, text in files.items():
        write_atomically(path, text.encode(), "the workflow")
        screen.result([f"{path.relative_to(settings.root)}: {text.count(chr(10))} lines"])
    for path in _left(settings, files):
        path.unlink()
        screen.result([f"{path.relative_to(settings.root)}: removed"])


@task(help=words(provider=_PROVIDER))
@farm_task
def check(_context: Context, provider: str = "github") -> None:
    """Fail when a rendered workflow is stale, or any workflow uses an action that is not pinned."""
    settings, problems = open_farm().settings, Collector()
    files = _files(settings, provider)
    for path, text in files.items():
        where = str(path.relative_to(settings.root))
        found = path.read_text(encoding="utf-8") if path.is_file() else None
        if found != text:
            problems.add(
                WorkflowError(
                    "the workflow is stale" if found is not None else "the workflow is missing",
                    where=where,
                    why=_first_difference(found or "", text),
                    hint="inv ci.render, and commit what it writes",
                )
            )
    for path in _left(settings, files):
        problems.add(
            WorkflowError(
                "the workflow is of no more use",
                where=str(path.relative_to(settings.root)),
                hint="inv ci.render removes it",
            )
        )
    problems.check()
    Screen.standard().say(f"current: {', '.join(path.name for path in files)}")


def _first_difference(found: str, wanted: str) -> str:
    """The first line that would be another one."""
    ours, theirs = wanted.splitlines(), found.splitlines()
    for number, line in enumerate(ours, 1):
        if number > len(theirs) or theirs[number - 1] != line:
            return f"line {number} would be {line.strip()!r}"
    return f"line {len(ours) + 1} would not be there"
