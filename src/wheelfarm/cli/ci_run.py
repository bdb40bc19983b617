"""ci.last, .plan, .build, .parts, .summary, .collect, .publish: what the jobs of the workflow do.

The rendered workflow calls these through nox sessions, and passes what only the host knows in variables.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from invoke.exceptions import Exit
from invoke.tasks import task

from wheelfarm.ci.github import FARM
from wheelfarm.ci.github_runs import last_run
from wheelfarm.ci.gitlab import DOTENV
from wheelfarm.ci.matrix import Leg, draw
from wheelfarm.ci.runners import compiler_paths
from wheelfarm.ci.selection import Results, Wish, digests, outputs, read_outputs, select
from wheelfarm.ci.steps import ARRIVED, KEPT, variable
from wheelfarm.cli.task import farm_task, open_farm, positional_words, split_names, words
from wheelfarm.errors import ChainFailedError, Collector, UsageError
from wheelfarm.model import EngineName, parse_name
from wheelfarm.recipes.ci_settings import PLATFORMS
from wheelfarm.report.actions import job_summary
from wheelfarm.report.chain import ChainReport
from wheelfarm.report.index import comparison_lines
from wheelfarm.report.outcome import outcome_data
from wheelfarm.report.screen import Screen
from wheelfarm.report.workflow import workflow_summary
from wheelfarm.run.ci_artifacts import Parts
from wheelfarm.run.publication import Publication, choose_index_name
from wheelfarm.system.files import write_atomically

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from invoke.context import Context

    from wheelfarm.ci.matrix import Job
    from wheelfarm.run.farm import Farm


def _output(farm: Farm, values: Mapping[str, str]) -> None:
    """Tell the jobs that come after; without a host, whoever reads standard output."""
    lines = [f"{name}={value}" for name, value in values.items()]
    file = farm.settings.environ.get("GITHUB_OUTPUT")
    if file:
        with Path(file).open("a", encoding="utf-8", newline="\n") as stream:
            stream.writelines(f"{line}\n" for line in lines)
    Screen.standard().result(lines)


def _page(farm: Farm, text: str) -> None:
    """Write on the page of the run; without a host, on standard output."""
    file = farm.settings.environ.get("GITHUB_STEP_SUMMARY")
    if file:
        with Path(file).open("a", encoding="utf-8", newline="\n") as stream:
            stream.write(text)
    else:
        Screen.standard().result(text.splitlines())


def _results(farm: Farm) -> Results:
    text = farm.settings.environ.get("NEEDS")
    if text is None:
        raise UsageError("nothing is told of the jobs before", hint="NEEDS: ${{ toJSON(needs) }}")
    return Results.read(text)


def _split(text: str | None) -> list[str] | None:
    """Words between commas; None for none, as an input has that nobody filled in."""
    return [word.strip() for word in (text or "").split(",") if word.strip()] or None


@task
@farm_task
def last(_context: Context) -> None:
    """Find the last full run of the workflow whose builds ended well, whose wheels may be used again."""
    farm = open_farm()
    # What is pushed is built from nothing, and published: no other run's wheels have a part in that.
    pushed = farm.settings.environ.get("GITHUB_EVENT_NAME") == "push"
    _output(farm, {"run-id": "" if pushed else last_run(farm.settings, FARM, KEPT) or ""})


@task(help=words(packages="what to run; all when empty", variant="one; all when empty", platforms="the same"))
@farm_task
def plan(
    _context: Context,
    packages: str | None = None,
    variant: str | None = None,
    platforms: str | None = None,
) -> None:
    """Tell which legs of the workflow to run: on a pull request, those that something changed for."""
    farm = open_farm()
    jobs = draw(farm.recipes, farm.settings)
    wish = Wish(names=split_names(packages or None), variants=_split(variant), platforms=_split(platforms))
    wish.check(jobs)
    held = Parts(farm).held(jobs, farm.settings.engine or EngineName.CIBUILDWHEEL)
    full = farm.settings.environ.get("GITHUB_EVENT_NAME") != "pull_request"
    selected = select(jobs, wish, held, full=full)
    legs = sum(len(job.legs) for job in jobs)
    screen = Screen.standard()
    screen.say(f"{len(selected)} of {legs} legs are run; the last run holds {len(held)} unchanged")
    screen.lines(f"  {leg.slug}" for job in jobs for leg in job.legs if leg in selected)
    _output(farm, outputs(jobs, selected))


def _platform(place: str | None) -> str:
    """What jobs call a place."""
    return next((name for name, known in PLATFORMS.items() if known == place), str(place))


@task(
    positional=positional_words("ci.prepare", "package"),
    help=words("place", package="a distribution"),
    auto_shortflags=False,
)
@farm_task
def prepare(_context: Context, package: str, place: str | None = None) -> None:
    """Put compilers first on the path of later steps, which a runner has and does not find by itself."""
    farm = open_farm()
    paths = compiler_paths(_platform(place), farm.recipes.find(package).table.compilers)
    file = farm.settings.environ.get("GITHUB_PATH")
    if file:
        with Path(file).open("a", encoding="utf-8", newline="\n") as stream:
            stream.writelines(f"{path}\n" for path in paths)
    Screen.standard().result(paths)


@task(
    positional=positional_words("ci.build", "package"),
    help=words("variant", "python", "place", package="a distribution"),
    auto_shortflags=False,
)
@farm_task
def build(
    _context: Context,
    package: str,
    place: str | None = None,
    variant: str | None = None,
    python: str | None = None,
) -> None:
    """Build one leg of the workflow against the wheels that came from other jobs, from nothing."""
    farm = open_farm(variant=variant, python=python, place=place, release="true")
    (target, *others) = farm.targets()
    if others:
        raise UsageError("a leg is for one Python", hint="--python 3.11")
    name, platform = parse_name(package), _platform(target.identifier.partition("-")[2])
    job = _job(draw(farm.recipes, farm.settings), name, platform)
    leg = Leg(name=name, platform=platform, variant=farm.settings.variant, python=target.python)
    parts = Parts(farm)
    parts.take(job.upstream_of(leg), _told(farm, job, leg))
    farm.provide([name])
    whole = farm.plan([name])
    parts.check_upstream(whole, name)
    screen, (own,) = Screen.standard(), whole.only([name]).builds
    expected = farm.outlook.expected(whole, farm.wheelhouse)
    with ChainReport(screen, builds=whole.builds, expected=expected, environ=farm.settings.environ) as report:
        outcomes = farm.run(whole, hear=report.hear, tell=report.tell, watch=report.watch, expected=expected)
    outcome = next(each for each in outcomes if each.build.id == own.id)
    _page(farm, job_summary([outcome]))
    parts.tell(leg, outcome_data(outcome), own)
    if not outcome.state.good:
        code = outcome.error.exit_code if outcome.error else ChainFailedError.exit_code
        raise Exit(code=code)
    if farm.settings.environ.get("GITLAB_CI"):
        # There, what jobs send on keeps its path, and what they tell are variables.
        part = parts.give(own, leg, f"{ARRIVED}/{leg.slug}")
        dotenv = f"{variable(leg.slug)}={part.sha256}\n"
        write_atomically(parts.place(DOTENV), dotenv.encode(), "the outputs")
    else:
        _output(farm, {leg.output: parts.give(own, leg).sha256})


def _job(jobs: Sequence[Job], name: str, platform: str) -> Job:
    found = next((job for job in jobs if (job.name, job.platform) == (name, platform)), None)
    if found is None:
        raise UsageError(f"the workflow builds no {name} for {platform}", hint="inv ci.render")
    return found


def _told(farm: Farm, job: Job, leg: Leg) -> dict[str, str]:
    """The digests that the jobs before have told, by slug, out of the variables of this one."""
    told = _said(farm, job.upstream_of(leg))
    for up in job.upstream_of(leg):
        text = farm.settings.environ.get(variable(up.name))
        found = digests(text, variable(up.name)) if text else {}
        if up.output in found:
            told[up.slug] = found[up.output]
    return told


def _said(farm: Farm, legs: Iterable[Leg]) -> dict[str, str]:
    """The digests that are told in a variable for each leg, by slug, as on GitLab."""
    said = {leg.slug: farm.settings.environ.get(variable(leg.slug)) for leg in legs}
    return {slug: digest for slug, digest in said.items() if digest}


@task
@farm_task
def parts(_context: Context) -> None:
    """Tell in one output the digests of all that the jobs of this file have made."""
    farm = open_farm()
    found = _results(farm).parts(draw(farm.recipes, farm.settings))
    text = ",".join(f'"{slug}":"{digest}"' for slug, digest in sorted(found.items()))
    _output(farm, {"parts": f"{{{text}}}"})


@task
@farm_task
def summary(_context: Context) -> None:
    """Write the table of the run on its page, and put the records together if all of it ended well."""
    farm = open_farm()
    needs = _results(farm)
    jobs = draw(farm.recipes, farm.settings)
    parts = Parts(farm)
    # By its records a run is known for one whose builds all ended well.
    if needs.well:
        parts.gather(needs.parts(jobs))
    legs = [leg for job in jobs for leg in job.legs]
    results = {leg.slug: needs.result(job.id) for job in jobs for leg in job.legs}
    selected = read_outputs(jobs, needs.outputs("plan"))
    _page(farm, workflow_summary(legs, selected, parts.outcomes(), results))


@task
@farm_task
def collect(_context: Context) -> None:
    """Bring the wheels of all legs of a full run into the wheelhouse, or fail for each that is missing."""
    farm = open_farm()
    jobs = draw(farm.recipes, farm.settings)
    legs = [leg for job in jobs for leg in job.legs]
    told = _said(farm, legs) if farm.settings.environ.get("GITLAB_CI") else _results(farm).parts(jobs)
    Parts(farm).take(legs, told)


@task(help=words("index", "dry_run"))
@farm_task
def publish(_context: Context, index: str | None = None, dry_run: bool = False) -> None:  # noqa: FBT001, FBT002
    """Bring the wheels of all variants into an index, rebuilt ones by the next build number: all, or none."""
    farm, screen, problems = open_farm(), Screen.standard(), Collector()
    name = choose_index_name(farm, index)
    table = farm.settings.choose_index(name)
    variants = [variant for variant in farm.wheelhouse.variants() if table.path(variant) is not None]
    publications = [Publication(farm=farm, index_name=name, variant=variant) for variant in variants]
    # Every variant is looked at before the first file of any is sent.
    for publication in publications:
        found = publication.look(publication.transaction(None))
        screen.result(comparison_lines(found))
        with problems.collect():
            found.check(name)
    problems.check()
    for publication in () if dry_run else publications:
        done = publication.publish(None)
        screen.say(f"{len(done.to_upload)} published, and {name} lists them")
