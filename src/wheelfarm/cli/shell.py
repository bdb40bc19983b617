"""shell: a program where a build runs."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from invoke.exceptions import Exit

from wheelfarm.cli.task import PLANNING, task
from wheelfarm.errors import UsageError, counted
from wheelfarm.recipes.strict import suggestion
from wheelfarm.run.build_pipeline import BuildPipeline
from wheelfarm.run.shell import BuildShell, Moment

if TYPE_CHECKING:
    from wheelfarm.cli.task import Invocation
    from wheelfarm.plan.build import Build
    from wheelfarm.report.screen import Screen
    from wheelfarm.run.outcome import Outcome

_SHOWN = 5
"""Edited files that a line names."""


class _Echo:
    """Shows the output of a build as it comes."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen

    def on_line(self, build: Build, line: str) -> None:
        del build
        self._screen.say(line)

    def on_outcome(self, outcome: Outcome) -> None:
        del outcome


def one_build(call: Invocation, package: str) -> BuildPipeline:
    """The pipeline of the one build of a package.

    Raises:
        UsageError: when there are several.
    """
    plan, builds = call.select(package)
    if len(builds) != 1:
        found = ", ".join(str(build.id) for build in builds) or None
        what = f"{package} has {counted(len(builds), 'build')} here"
        raise UsageError(what, why=found, hint="name one package, and one Python: --python")
    services = call.farm.services(plan, _Echo(call.screen))
    return BuildPipeline(services=services, build=builds[0], jobs=call.farm.settings.jobs)


@task(
    *PLANNING,
    *("offline", "jobs", "dry_run", "json"),
    name="shell",
    package="one distribution",
    at="where it begins: configure (before the backend runs), build (after it) or test (as the gate tests)",
    run="a command line for the shell, which ends with it",
    discard="make the build directory anew, also when it has edits that no patch has",
)
def open_shell(
    call: Invocation, package: str, *, at: str = "build", run: str = "", discard: bool = False
) -> None:
    """Open a shell where a build runs: its directory, engine, environment and sandbox."""
    if at not in set(Moment):
        raise UsageError(
            f"bad value {at!r}", where="--at", hint=suggestion(at, [each.value for each in Moment])
        )
    terminal = sys.stdin.isatty() and sys.stdout.isatty()
    if not run and not terminal and not call.dry_run:
        raise UsageError("a shell needs a terminal", hint="give a command line: --run='python -V'")
    pipeline = one_build(call, package)
    name, data = pipeline.build.id.name, {"directory": str(pipeline.root), "at": at}
    if call.dry_run:
        call.show(data, [f"would open a shell in {pipeline.root}, at {at}"])
        return
    ended = BuildShell(pipeline, terminal).open(Moment(at), run=run, discard=discard)
    lines = []
    if ended.edited:
        more = ", ..." if len(ended.edited) > _SHOWN else ""
        lines = [f"{counted(len(ended.edited), 'edited file')}: {', '.join(ended.edited[:_SHOWN])}{more}"]
        lines += [f"next: inv patch.save {name} --from-build, or inv shell {name} --discard"]
    if call.json:
        call.screen.data({**data, "returncode": ended.returncode, "edited": list(ended.edited)})
    call.screen.lines(lines)
    if ended.returncode:
        raise Exit(code=ended.returncode if ended.returncode > 0 else 128 - ended.returncode)
