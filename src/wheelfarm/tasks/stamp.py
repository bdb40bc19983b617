"""The stamp of a finished run: what it depended on, so that a run with nothing to do is told at once.

The sessions read it without any of the farm's libraries; see `wheelfarm.stamp` for the form. It only
ever saves time: whatever differs, even by a file's time, leads to the full plan with its digests.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from wheelfarm.cibuildwheel import Cibuildwheel
from wheelfarm.host import programs_environment
from wheelfarm.process import Command, allowed, run, which
from wheelfarm.report.chain import outcome_line
from wheelfarm.schedule import Outcome, State
from wheelfarm.stamp import Stamp, environment_digest, file_state, output_digest
from wheelfarm.wheelhouse import write_atomically

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from wheelfarm.pipeline import Farm
    from wheelfarm.plan import Plan

# Debian's and Fedora's package databases: any system package that comes or goes changes one of them.
_DATABASES = ("/var/lib/dpkg/status", "/var/lib/rpm/rpmdb.sqlite", "/usr/lib/sysimage/rpm/rpmdb.sqlite")


def _recipes(farm: Farm, plan: Plan) -> Iterator[Path]:
    yield farm.settings.root / "pyproject.toml"
    yield farm.settings.recipes
    for variant in farm.settings.variants.values():
        if variant.lock:
            yield farm.settings.root / variant.lock
    for build in plan.builds:
        for directory in (build.entry.directory, build.entry.patches):
            if directory.is_dir():
                yield directory
                yield from directory.rglob("*")


def _stored(farm: Farm, outcomes: Sequence[Outcome]) -> Iterator[Path]:
    for outcome in outcomes:
        house = farm.settings.wheelhouse / outcome.build.id.variant
        yield house / "records" / f"{outcome.build.key}.json"
        yield house / "simple" / outcome.build.id.name / "index.json"
        if outcome.wheel is not None:
            yield outcome.wheel


def _machine(farm: Farm) -> Iterator[Path]:
    yield from (Path(path) for path in _DATABASES if Path(path).exists())
    yield Path(sys.executable).resolve()
    env = allowed(farm.settings.environ)
    for program in ("cc", "c++", "gfortran"):
        found = which(program, env)
        if found:
            yield found.resolve()
    package = Path(__file__).parents[1]
    yield from package.rglob("*.py")


def _commands(farm: Farm, plan: Plan) -> Iterator[tuple[str, ...]]:
    """Commands whose output must stay the same: the identity of the builder images."""
    if isinstance(farm.engine, Cibuildwheel) and farm.engine.container:
        for image in sorted({farm.engine.image(build.id.target) for build in plan.builds}):
            yield (farm.engine.container, "image", "inspect", "--format", "{{.Id}}", image)


def write_stamp(path: Path, farm: Farm, plan: Plan, outcomes: Sequence[Outcome]) -> None:
    """Write the stamp of a run that ended well.

    Args:
        path: the file.
        farm: the farm that ran.
        plan: what it ran.
        outcomes: what came of it.
    """
    env = programs_environment(farm.settings)
    files = {*_recipes(farm, plan), *_stored(farm, outcomes), *_machine(farm)}
    lines = []
    for outcome in outcomes:
        stored = outcome.wheel.name if outcome.wheel else ""
        why = f"nothing changed: key {outcome.build.key[:12]}, {stored}"
        again = Outcome(build=outcome.build, state=State.CACHED, why=why, wheel=outcome.wheel)
        lines.append(outcome_line(again))
    stamp = Stamp(
        files={str(file): file_state(file) for file in sorted(files)},
        environment=environment_digest(farm.settings.environ),
        commands={
            "\0".join(words): output_digest(run(Command(argv=words, env=env), check=False).output)
            for words in _commands(farm, plan)
        },
        lines=lines,
    )
    write_atomically(path, stamp.to_json().encode())
