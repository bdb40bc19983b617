"""What the jobs of the workflow run, through the nox sessions `ci-*`: `python -m wheelfarm.cli.ci_run plan`.

What only the CI host knows, such as the results of other jobs, comes in environment variables.
"""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, Final

from invoke.exceptions import Exit

from wheelfarm.ci.github import FARM, PUBLISHED, RECORDS_ARTIFACT, compiler_paths
from wheelfarm.ci.github_runs import check_commit, check_environment, check_fork, find_last_run
from wheelfarm.ci.matrix import MatrixEntry, make_jobs
from wheelfarm.ci.pull_request import open_pull_request, write_changes
from wheelfarm.ci.selection import Filter, JobResults, dump_selection, load_selection, select_entries
from wheelfarm.cli.recipe_bump import make_bumper, select_recipes
from wheelfarm.cli.release_options import make_policy
from wheelfarm.cli.task import Invocation, exit_codes, parse_packages
from wheelfarm.errors import ChainFailedError, Collector, UsageError, WorkflowError, counted
from wheelfarm.model import EngineName, parse_name
from wheelfarm.recipes.farm_settings import PLATFORMS
from wheelfarm.recipes.strict import suggestion
from wheelfarm.report.build import outcome_data
from wheelfarm.report.bump import request_message
from wheelfarm.report.index import comparison_lines
from wheelfarm.report.workflow import growth_summary, job_summary, workflow_summary
from wheelfarm.run.bump_files import CHANGELOG
from wheelfarm.run.ci_artifacts import CiArtifacts
from wheelfarm.run.publication import Publication, choose_index_name

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from wheelfarm.recipes.loaded_recipe import LoadedRecipe
    from wheelfarm.run.bump import Bump
    from wheelfarm.run.newer_source import NewerSource


def _set_outputs(call: Invocation, **outputs: str) -> None:
    """Set the outputs of the step, and print them."""
    lines = [f"{name.replace('_', '-')}={value}" for name, value in outputs.items()]
    call.append("GITHUB_OUTPUT", "".join(f"{line}\n" for line in lines))
    call.screen.result(lines)


def _write_summary(call: Invocation, text: str) -> None:
    """Write on the page of the run; on standard output where there is none."""
    if not call.append("GITHUB_STEP_SUMMARY", text):
        call.screen.result(text.splitlines())


def _split(text: str) -> list[str] | None:
    """Words between commas; None for none, as for an input of a dispatched run that is left empty."""
    return [word.strip() for word in text.split(",") if word.strip()] or None


def find_last() -> None:
    """Find the last full run whose builds all succeeded, and whose wheels later runs use again."""
    call = Invocation({})
    settings = call.farm.settings
    # A push builds everything from nothing, and publishes it: no other run's wheels go into that.
    is_push = settings.environ.get("GITHUB_EVENT_NAME") == "push"
    run = None if is_push else find_last_run(settings, FARM, RECORDS_ARTIFACT)
    _set_outputs(call, run_id=run or "")


def plan(*, packages: str, variant: str, platforms: str, last_run: str) -> None:
    """Select the matrix entries to run: of a pull request, those that something changed for."""
    call = Invocation({})
    farm = call.farm
    check_fork(farm.settings)
    jobs = make_jobs(farm.recipes, farm.settings)
    names = parse_packages(packages) if packages else None
    requested = Filter(names=names, variants=_split(variant), platforms=_split(platforms))
    requested.check(jobs)
    engine = farm.settings.engine or EngineName.CIBUILDWHEEL
    unchanged = CiArtifacts(farm).find_unchanged_builds(jobs, engine)
    full = farm.settings.environ.get("GITHUB_EVENT_NAME") != "pull_request"
    selected = select_entries(jobs, requested, unchanged, full=full)
    total = sum(len(job.entries) for job in jobs)
    call.screen.say(
        f"builds to run: {len(selected)} of {total}; unchanged since the last full run: {len(unchanged)}"
    )
    call.screen.lines(f"  {entry.slug}" for job in jobs for entry in job.entries if entry in selected)
    _set_outputs(call, jobs=dump_selection(jobs, selected, last_run))


def _identifier(platform: str) -> str:
    """The second half of the build identifiers of a workflow's platform."""
    if platform not in PLATFORMS:
        hint = suggestion(platform, PLATFORMS)
        raise UsageError(f"the workflow has no platform {platform!r}", hint=hint)
    return PLATFORMS[platform]


def prepare(*, package: str, platform: str) -> None:
    """Put compilers that a runner has elsewhere first on the PATH of later steps."""
    call = Invocation({"platform": _identifier(platform)})
    paths = compiler_paths(platform, call.farm.recipes.find(package).table.languages)
    call.append("GITHUB_PATH", "".join(f"{path}\n" for path in paths))
    call.screen.result(paths)


def build(*, package: str, platform: str, variant: str, python: str) -> None:
    """Build one matrix entry from nothing, with the wheels of other jobs."""
    selection = {"variant": variant, "python": python, "platform": _identifier(platform)}
    call = Invocation({**selection, "release": True})
    farm = call.farm
    (target, *others) = farm.targets()
    if others:
        raise UsageError("a matrix entry has one Python", hint="--python 3.11")
    name = parse_name(package)
    jobs = make_jobs(farm.recipes, farm.settings)
    job = next((job for job in jobs if (job.name, job.platform) == (name, platform)), None)
    if job is None:
        raise UsageError(f"the workflow builds no {name} for {platform}", hint="inv ci.render")
    entry = MatrixEntry(name=name, platform=platform, variant=farm.settings.variant, python=target.python)
    artifacts = CiArtifacts(farm)
    artifacts.import_wheels(job.dependencies_of(entry))
    farm.provide([name])
    whole = farm.plan([name])
    artifacts.check_dependencies(whole, name)
    (own,) = whole.only([name]).builds
    outcome = next(each for each in call.run(whole) if each.build.id == own.id)
    _write_summary(call, job_summary([outcome]))
    artifacts.export_report(own, entry, outcome_data(outcome))
    if not outcome.state.good:
        raise Exit(code=outcome.error.exit_code if outcome.error else ChainFailedError.exit_code)
    artifacts.export_wheels(own, entry)


def summary() -> None:
    """Write the table of the run on its page, and collect the records; fail unless every build succeeded."""
    call = Invocation({})
    farm = call.farm
    text = farm.settings.environ.get("NEEDS")
    if text is None:
        raise UsageError("the results of the jobs are missing", hint="NEEDS: ${{ toJSON(needs) }}")
    needs, jobs, artifacts = JobResults.parse(text), make_jobs(farm.recipes, farm.settings), CiArtifacts(farm)
    entries = [entry for job in jobs for entry in job.entries]
    results = {entry.slug: needs.result(job.id) for job in jobs for entry in job.entries}
    selected = load_selection(jobs, needs.output("plan", "jobs"))
    table = workflow_summary(entries, selected, artifacts.read_outcomes(), results)
    grown = growth_summary(artifacts.find_grown_wheels())
    _write_summary(call, "\n".join(filter(None, (table, grown))))
    if needs.failed:
        what, why = "not every job of the run succeeded", ", ".join(needs.failed)
        raise WorkflowError(what, why=why, hint="their logs say why")
    farm.recipes.check()
    # A run with records is one whose builds all succeeded.
    artifacts.collect_records()


def collect() -> None:
    """Store the wheels of all jobs of a full run; fail for each that is missing."""
    farm = Invocation({}).farm
    farm.recipes.check()
    jobs = make_jobs(farm.recipes, farm.settings)
    CiArtifacts(farm).import_wheels(entry for job in jobs for entry in job.entries)


def verify() -> None:
    """Check that a full run may publish: a commit of the main branch, and reviewers."""
    settings = Invocation({}).farm.settings
    publishing = settings.ci.publish
    if publishing is None:
        raise UsageError("the workflow publishes nothing", hint="add [tool.wheelfarm.ci.publish]")
    check_commit(settings)
    if publishing.reviewers:
        check_environment(settings, publishing.environment)


def publish(*, index: str, dry_run: bool, prepare: bool) -> None:
    """Publish the wheels of all variants, with build numbers where they are needed: all, or none.

    With `--prepare` only write them under their published names.
    """
    call, problems = Invocation({}), Collector()
    farm, screen = call.farm, call.screen
    name = choose_index_name(farm, index or None)
    table = farm.settings.choose_index(name)
    variants = [variant for variant in farm.wheelhouse.variants() if table.path(variant) is not None]
    directory = farm.settings.root / PUBLISHED
    publications = [
        Publication(farm=farm, index_name=name, variant=variant, directory=directory / variant)
        for variant in variants
    ]
    # All variants are compared before the first file of any is sent.
    for publication in publications:
        found = publication.compare()
        screen.result(comparison_lines(found))
        with problems.collect():
            found.check(name)
    problems.check()
    if prepare:
        counts = [len(publication.prepare().to_upload) for publication in publications]
        _set_outputs(call, wheels=str(sum(counts)))
        return
    for publication in () if dry_run else publications:
        done = publication.publish(None)
        screen.say(f"{counted(len(done.to_upload), 'wheel')} published and listed by {name}")


def bump() -> None:
    """Move all recipes to their newest versions, and write what changes for the next job."""
    call = Invocation({})
    settings = call.farm.settings
    found: list[tuple[LoadedRecipe, Bump | NewerSource]] = []
    bumper = make_bumper(call, make_policy(settings, command="inv recipe.bump", enforced=True))
    for recipe in select_recipes(call, None):
        with call.problems.collect():
            found.append((recipe, bumper.bump(recipe)))
    message = request_message(found, [line for each in call.problems.errors for line in each.lines()])
    paths = [settings.recipes, settings.patches, settings.root / CHANGELOG]
    changed = write_changes(settings, paths, message)
    _write_summary(call, message)
    _set_outputs(call, changed=str(changed).lower())
    call.problems.check()


def pull_request() -> None:
    """Open the pull request with what another job has written, or renew the one that is open."""
    call = Invocation({})
    call.screen.result([open_pull_request(call.farm.settings)])


_COMMANDS: Final[Mapping[str, tuple[Callable[..., None], str]]] = {
    "last": (find_last, ""),
    "plan": (plan, "--packages --variant --platforms --last-run"),
    "prepare": (prepare, "package --platform"),
    "build": (build, "package --platform --variant --python"),
    "summary": (summary, ""),
    "collect": (collect, ""),
    "verify": (verify, ""),
    "publish": (publish, "--index --dry-run --prepare"),
    "bump": (bump, ""),
    "pull-request": (pull_request, ""),
}
_FLAGS: Final = {"--dry-run", "--prepare"}


def main(words: Sequence[str]) -> int:
    """Run a command; returns its exit code."""
    parser = argparse.ArgumentParser(prog="wheelfarm.cli.ci_run")
    commands = parser.add_subparsers(dest="command", required=True)
    for name, (function, options) in _COMMANDS.items():
        command = commands.add_parser(name, help=function.__doc__)
        for option in options.split():
            if option in _FLAGS:
                command.add_argument(option, action="store_true")
            else:
                command.add_argument(option, default="")
    values = vars(parser.parse_args(words))
    function, _ = _COMMANDS[values.pop("command")]
    try:
        with exit_codes():
            function(**values)
    except Exit as end:
        return int(end.code)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
