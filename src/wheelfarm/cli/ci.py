"""ci.render and ci.check: the workflow files that come from the recipes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from wheelfarm import __version__
from wheelfarm.ci import gitlab
from wheelfarm.ci.github import BUILD_WHEEL, FARM, render_github
from wheelfarm.ci.matrix import make_jobs
from wheelfarm.ci.workflow_file import read_pins
from wheelfarm.cli.task import task
from wheelfarm.errors import Collector, SettingsError, UsageError, WorkflowError, counted
from wheelfarm.run.new_farm import REQUIREMENTS, is_pinned
from wheelfarm.system.files import read_text, write_atomically, write_new
from wheelfarm.system.shipped import installed_record, shipped_farm

if TYPE_CHECKING:
    from pathlib import Path

    from wheelfarm.cli.task import Invocation
    from wheelfarm.run.farm import Farm

_WORKFLOWS: Final = ".github/workflows"
_PROVIDER: Final = "github, which is the default, or gitlab"


def render_workflow(farm: Farm, provider: str) -> tuple[Path, str]:
    """The path and the text of the rendered file."""
    settings = farm.settings
    if provider not in {"github", "gitlab"}:
        raise UsageError(f"unknown provider {provider!r}", hint="say github or gitlab")
    farm.recipes.check()
    jobs = make_jobs(farm.recipes, settings)
    if settings.ci.publish is not None:
        name = settings.ci.publish.index
        if settings.choose_index(name).sign_key and provider == "github":
            raise SettingsError(
                f"the publishing job of GitHub has no private key for index {name}",
                where="pyproject.toml: tool.wheelfarm.ci.publish",
                why=f"tool.wheelfarm.index.{name} has a sign-key, and that job runs on a machine of GitHub",
                hint="publish on a machine that has the key; see docs/how-to/sign.md",
            )
    if provider == "gitlab":
        return settings.root / gitlab.FILE, gitlab.render_gitlab(jobs, settings)
    directory = settings.root / _WORKFLOWS
    paths = [*directory.glob("*.yml"), *directory.glob("*.yaml")]
    # The rendered file last: its own pins win.
    paths.sort(key=lambda path: (path.name == FARM, path.name))
    pins = read_pins({f"{_WORKFLOWS}/{path.name}": read_text(path, WorkflowError) for path in paths})
    return directory / FARM, render_github(jobs, settings, pins)


@task("dry_run", "json", provider=_PROVIDER)
def render(call: Invocation, *, provider: str = "github") -> None:
    """Render the CI workflow from the recipes: a job per recipe and platform, with exact edges."""
    path, text = render_workflow(call.farm, provider)
    if not call.dry_run:
        write_atomically(path, text.encode(), "the workflow")
        if provider == "github":
            called = shipped_farm() / _WORKFLOWS / BUILD_WHEEL
            write_new(path.with_name(BUILD_WHEEL), called.read_bytes(), "the workflow")
    file, lines = str(path.relative_to(call.farm.settings.root)), len(text.splitlines())
    call.show({"file": file, "lines": lines}, [f"{file}: {counted(lines, 'line')}"])


@task("json", provider=_PROVIDER)
def check(call: Invocation, *, provider: str = "github") -> None:
    """Fail when the rendered workflow is stale, or any workflow uses an action that is not pinned."""
    farm, problems = call.farm, Collector()
    path, text = render_workflow(farm, provider)
    where = str(path.relative_to(farm.settings.root))
    found = read_text(path, WorkflowError) if path.is_file() else None
    if found != text:
        problems.add(
            WorkflowError(
                "the workflow is stale" if found is not None else "the workflow is missing",
                where=where,
                why=_first_difference(found or "", text),
                hint="inv ci.render, and commit what it writes",
            )
        )
    if provider == "github" and not path.with_name(BUILD_WHEEL).is_file():
        problems.add(
            WorkflowError(
                f"{FARM} calls a workflow that is missing",
                where=f"{_WORKFLOWS}/{BUILD_WHEEL}",
                hint="inv ci.render writes it",
            )
        )
    with problems.collect():
        _check_requirements(farm)
    problems.check()
    if call.json:
        call.screen.data({"file": where})
    call.screen.say(f"current: {path.name}")


def _check_requirements(farm: Farm) -> None:
    """Raise a WorkflowError where jobs would install a lock that is not there, or one without wheelfarm."""
    path, root = farm.settings.root / REQUIREMENTS, farm.settings.root
    if not path.is_file():
        what = "the workflow installs a file that is missing"
        raise WorkflowError(what, where=REQUIREMENTS, hint="wheelfarm init writes it")
    # Wheelfarm's own repository has its source.
    if installed_record() and not is_pinned(read_text(path, WorkflowError)):
        raise WorkflowError(
            "the jobs of the workflow would not install wheelfarm",
            where=f"{root.name}/{REQUIREMENTS}",
            hint=f"add a line with the digest of its wheel: wheelfarm=={__version__} --hash=sha256:…",
        )


def _first_difference(found: str, wanted: str) -> str:
    """The first line that a new render changes."""
    new, old = wanted.splitlines(), found.splitlines()
    for number, line in enumerate(new, 1):
        if number > len(old) or old[number - 1] != line:
            return f"line {number} would be {line.strip()!r}"
    return f"line {len(new) + 1} would not be there"
