"""chain, plan, explain, why, test: the plan and its run."""

from __future__ import annotations

import shlex
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from invoke.exceptions import Exit
from invoke.tasks import task

from wheelfarm.errors import ChainFailedError, UsageError
from wheelfarm.machine import peak_memory
from wheelfarm.model import FetchedSource, Name, PatchedTree, PinnedWheel
from wheelfarm.pipeline import decide, decide_all
from wheelfarm.report import ChainReport, Screen, decision_lines, summary_lines
from wheelfarm.report.chain import outcome_data
from wheelfarm.stage import Stage
from wheelfarm.tasks.door import farm_root, farm_task, open_farm, packages_word, split_names, words
from wheelfarm.tasks.stamp import write_stamp

if TYPE_CHECKING:
    from collections.abc import Sequence

    from invoke.context import Context

    from wheelfarm.pipeline import Farm
    from wheelfarm.plan import Build, Plan
    from wheelfarm.schedule import Outcome


def _farm(
    variant: str | None, python: str | None, engine: str | None, jobs: str | None, *, offline: bool
) -> Farm:
    return open_farm(
        farm_root(Path.cwd()),
        variant=variant,
        pythons=python,
        engine=engine,
        jobs=jobs,
        offline="true" if offline else None,
    )


def _names(packages: str | None, *, everything: bool) -> list[str] | None:
    names = split_names(packages)
    if names is None and not everything:
        raise UsageError("say which packages", hint="inv chain scipy, or inv chain --all")
    return None if everything else names


@task(
    help=words(
        *("packages", "variant", "python", "engine", "jobs", "offline", "dry_run", "json", "all"),
        stamp="a file for what this run depended on",
    ),
    positional=packages_word("chain"),
)
@farm_task
def chain(  # noqa: PLR0917
    _context: Context,
    packages: str | None = None,
    variant: str | None = None,
    python: str | None = None,
    engine: str | None = None,
    jobs: str | None = None,
    stamp: str | None = None,
    offline: bool = False,  # noqa: FBT001, FBT002
    dry_run: bool = False,  # noqa: FBT001, FBT002
    json: bool = False,  # noqa: FBT001, FBT002
    all: bool = False,  # noqa: A002, FBT001, FBT002
) -> None:
    """Build packages and all that they need, against each other's wheels, into the wheelhouse."""
    names = _names(packages, everything=all)
    farm = _farm(variant, python, engine, jobs, offline=offline)
    screen = Screen.standard()
    if dry_run:
        lacking = farm.missing(names)
        if lacking:
            screen.say(f"would install system packages: {' '.join(lacking)}")
        _show(farm, farm.plan(names), screen, json=json)
        return
    farm.provide(names)
    plan = farm.plan(names)
    report = ChainReport(screen)
    outcomes = farm.run(plan, hear=report.hear, tell=report.tell)
    screen.lines(summary_lines(outcomes))
    if json:
        screen.data({"outcomes": [outcome_data(each) for each in outcomes], "peak-memory": peak_memory()})
    _end(outcomes, screen)
    if stamp:
        write_stamp(Path(stamp), farm, plan, outcomes)


def _end(outcomes: Sequence[Outcome], screen: Screen) -> None:
    """Nothing when all is there; else the exit code of the one cause, or the one for several."""
    missing = [str(outcome.build.id) for outcome in outcomes if not outcome.state.good]
    if missing:
        screen.say(f"missing: {', '.join(missing)}")
        codes = {outcome.error.exit_code for outcome in outcomes if outcome.error is not None}
        raise Exit(code=codes.pop() if len(codes) == 1 else ChainFailedError.exit_code)


def _show(farm: Farm, plan: Plan, screen: Screen, *, json: bool) -> None:
    decisions = decide_all(farm.house, plan)
    if json:
        screen.data(
            [
                {
                    "id": str(d.build.id),
                    "key": d.build.key,
                    "action": d.action,
                    "why": d.why,
                    "reason": d.build.reason,
                }
                for d in decisions
            ]
        )
    else:
        screen.result(decision_lines(decisions))


@task(
    help=words("packages", "variant", "python", "engine", "json"),
    positional=packages_word("plan"),
    auto_shortflags=False,
)
@farm_task
def plan(  # noqa: PLR0917
    _context: Context,
    packages: str | None = None,
    variant: str | None = None,
    python: str | None = None,
    engine: str | None = None,
    json: bool = False,  # noqa: FBT001, FBT002
    all: bool = False,  # noqa: A002, FBT001, FBT002
) -> None:
    """Show what a chain would do, in order, and why."""
    farm = _farm(variant, python, engine, None, offline=False)
    _show(farm, farm.plan(_names(packages, everything=all)), Screen.standard(), json=json)


def rendered(farm: Farm, build: Build) -> dict[str, Any]:
    """What the engine would be told, with placeholders for what only a build knows."""
    root = farm.settings.work / "stages" / build.id.slug
    source = FetchedSource(name=build.id.name, version=build.version, path=Path("source"), sha256=build.key)
    wheels = [
        PinnedWheel(name=r.name, version=r.version, path=Path(f"{r.name}.whl"), sha256=build.key)
        for r in build.requirements
    ]
    stage = Stage(
        build=build,
        root=root,
        inside=farm.engine.inside(root, build.id.target),
        tree=PatchedTree(source=source, path=root / "source"),
        requirements=tuple(wheels),
        backend="mesonpy" if any(r.name == Name("meson-python") for r in build.requirements) else "",
        build_requires=(),
        epoch=0,
    )
    rendering = farm.engine.render(stage)
    return {
        "id": str(build.id),
        "source": build.entry.recipe.source.model_dump(),
        "patches": [path.name for path in build.patches],
        "requirements": [f"{r.name}=={r.version}" for r in build.requirements],
        "upstream": [str(each) for each in build.upstream],
        "origins": dict(build.resolved.origins),
        "key": build.key,
        "key-parts": dict(build.key_parts),
        "files": dict(rendering.files),
        "steps": [
            {"phase": step.phase, "argv": step.argv, "cwd": str(step.cwd), "env": dict(step.env)}
            for step in rendering.steps
        ],
    }


@task(
    help=words("packages", "variant", "python", "engine", "json"),
    positional=["packages"],
    auto_shortflags=False,
)
@farm_task
def explain(
    _context: Context,
    packages: str,
    variant: str | None = None,
    python: str | None = None,
    engine: str | None = None,
    json: bool = False,  # noqa: FBT001, FBT002
) -> None:
    """Show the exact commands, files and environment of a build, and where each value comes from."""
    farm = _farm(variant, python, engine, None, offline=False)
    names = [Name(name) for name in split_names(packages) or ()]
    builds = farm.plan(names).only(names).builds
    data = [rendered(farm, build) for build in builds]
    screen = Screen.standard()
    if json:
        screen.data(data)
        return
    for each in data:
        screen.result([f"# {each['id']}, key {each['key']}", ""])
        screen.result(f"{path} <- {origin}" for path, origin in each["origins"].items())
        for name, text in each["files"].items():
            screen.result(["", f"# {PurePosixPath(name)}", text.rstrip()])
        for step in each["steps"]:
            assignments = " ".join(f"{key}={shlex.quote(value)}" for key, value in step["env"].items())
            screen.result(["", f"# {step['phase']}, in {step['cwd']}"])
            screen.result([f"env -i {assignments} {shlex.join(step['argv'])}"])


@task(help=words("packages", "variant", "python", "engine"), positional=["packages"], auto_shortflags=False)
@farm_task
def why(
    _context: Context,
    packages: str,
    variant: str | None = None,
    python: str | None = None,
    engine: str | None = None,
) -> None:
    """Say why a package would be rebuilt, key part by key part."""
    farm = _farm(variant, python, engine, None, offline=False)
    names = [Name(name) for name in split_names(packages) or ()]
    screen = Screen.standard()
    for build in farm.plan(names).only(names).builds:
        decision = decide(farm.house, build)
        screen.result([f"{decision.action.value}: {build.id}", *(f"  {line}" for line in decision.why)])


@task(
    name="test",
    help=words("packages", "variant", "python", "engine"),
    positional=["packages"],
    auto_shortflags=False,
)
@farm_task
def gate_again(
    _context: Context,
    packages: str,
    variant: str | None = None,
    python: str | None = None,
    engine: str | None = None,
) -> None:
    """Put stored wheels through their gate again: expectations, and tests in a clean room."""
    farm = _farm(variant, python, engine, None, offline=False)
    names = [Name(name) for name in split_names(packages) or ()]
    whole = farm.plan(names)
    screen = Screen.standard()
    line = farm.line(whole, ChainReport(screen).hear)
    for build in whole.only(names).builds:
        for result in line.check(build):
            screen.result([f"{build.id}: {result.check}: {result.found}"])
