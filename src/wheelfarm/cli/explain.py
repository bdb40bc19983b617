"""explain, why: what a build would be told, and why it would be made again."""

from __future__ import annotations

import shlex
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from invoke.tasks import task

from wheelfarm.cli.task import farm_task, selected, words
from wheelfarm.report.screen import Screen
from wheelfarm.run.decision import decide
from wheelfarm.run.explanation import explanation

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from invoke.context import Context


def _shown(name: str, value: str) -> str:
    """A variable's value without the password that a proxy's url may hold."""
    scheme, mark, rest = value.partition("://")
    secret = name.lower().endswith("_proxy") and mark and "@" in rest
    return f"{scheme}://***@{rest.rpartition('@')[2]}" if secret else value


def _recorded(record: Mapping[str, Any] | None) -> Iterator[str]:
    """What the build record says of the build that was."""
    if record is None:
        yield "not built yet"
        return
    yield f"built by {record['finished']}: {record['wheel']['filename']}"
    yield from (f"  on {each['filename']}, sha256 {each['sha256']}" for each in record["upstream"])
    yield from (f"  with {name}: {version}" for name, version in sorted(record["toolchain"].items()))


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
    farm, _, builds = selected(packages, variant=variant, python=python, engine=engine)
    data = [explanation(farm, build) for build in builds]
    screen = Screen.standard()
    if json:
        screen.data(data)
        return
    for each in data:
        screen.result([f"# {each['id']}, key {each['key']}", *_recorded(each["record"]), ""])
        screen.result(f"{path} <- {origin}" for path, origin in each["origins"].items())
        screen.result(
            f"{name} gets {key} {' '.join(values)}"
            for name, split in each["splits"].items()
            for key, values in split.items()
        )
        for name, text in each["files"].items():
            screen.result(["", f"# {PurePosixPath(name)}", text.rstrip()])
        for step in each["steps"]:
            assignments = " ".join(
                f"{key}={shlex.quote(_shown(key, value))}" for key, value in step["env"].items()
            )
            unless = f", unless there is {step['unless']}" if step["unless"] else ""
            screen.result(["", f"# {step['phase']}, in {step['cwd']}{unless}"])
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
    farm, _, builds = selected(packages, variant=variant, python=python, engine=engine)
    screen = Screen.standard()
    for build in builds:
        decision = decide(farm.wheelhouse, build, from_nothing=farm.settings.from_nothing)
        screen.result([f"{decision.action.value}: {build.id}", *(f"  {line}" for line in decision.why)])
