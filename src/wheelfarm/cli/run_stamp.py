"""Writes the stamps of finished runs and of plans, which `wheelfarm.cli.stamp` reads."""

from __future__ import annotations

import json
import os
import sys
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from wheelfarm.build.cibuildwheel_engine import Cibuildwheel
from wheelfarm.build.host_engine import programs_environment
from wheelfarm.cli.stamp import Stamp, environment_digest, file_state, output_digest
from wheelfarm.errors import FarmError
from wheelfarm.model import EngineName, sha256_of_bytes
from wheelfarm.report.build import outcome_line
from wheelfarm.run.decision import Action
from wheelfarm.run.outcome import Outcome, State
from wheelfarm.system.environment import allowed, system_environment, which
from wheelfarm.system.files import write_atomically
from wheelfarm.system.machine import PROGRAMS, Machine
from wheelfarm.system.process import Command, run

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from wheelfarm.plan.build import Build
    from wheelfarm.plan.graph import Plan
    from wheelfarm.recipes.settings import Settings
    from wheelfarm.run.decision import Decision
    from wheelfarm.run.farm import Farm

# Debian's and Fedora's package databases: any system package that comes or goes changes one of them.
_DATABASES = ("/var/lib/dpkg/status", "/var/lib/rpm/rpmdb.sqlite", "/usr/lib/sysimage/rpm/rpmdb.sqlite")

LARGE: Final = 100
"""Builds of a plan that is worth a stamp; a smaller one is made in less than a second."""

# A docker client is of no use until its daemon is there.
_DOCKER_SOCKET = Path("/var/run/docker.sock")


def input_states(settings: Settings) -> dict[str, list[int] | None]:
    """The states of all files of the farm that a plan may read.

    Taken before the plan reads them: a file that is edited while the farm runs then has another state in the
    end, and no stamp is written.
    """
    root = settings.root
    files = [root / "pyproject.toml", root / "requirements" / "farm.txt"]
    files += [root / variant.lock for variant in settings.variants.values() if variant.lock]
    files += settings.base_farm.files() if settings.base_farm else []
    for directory in (settings.recipes, settings.patches):
        files += [directory, *directory.rglob("*")]
    return {str(file): file_state(file) for file in files}


def _stored(farm: Farm, wheels: Iterable[tuple[Build, Path | None]]) -> Iterator[Path]:
    for build, wheel in wheels:
        wheelhouse = farm.settings.wheelhouse / build.id.variant
        yield wheelhouse / "records" / f"{build.key}.json"
        yield wheelhouse / "simple" / build.id.name / "index.json"
        if wheel is not None:
            yield wheel


def _machine(farm: Farm) -> Iterator[Path]:
    yield from (Path(path) for path in _DATABASES if Path(path).exists())
    yield Path(sys.executable).resolve()
    if farm.engine.name is EngineName.HOST:
        machine = Machine(allowed(farm.settings.environ))
        yield from (machine.python(target.python).resolve() for target in farm.targets())
        if farm.settings.engine is None:
            yield from _container_engines(farm.settings)
    package = Path(__file__).parents[1]
    yield from package.rglob("*.py")


def _container_engines(settings: Settings) -> Iterator[Path]:
    """Where a container engine may appear: with one, this machine's engine of choice is another."""
    yield _DOCKER_SOCKET
    for directory in programs_environment(settings)["PATH"].split(os.pathsep):
        if directory:
            yield from (Path(directory, program) for program in ("podman", "docker"))


def _commands(farm: Farm, plan: Plan) -> Iterator[tuple[str, ...]]:
    """Commands whose output must stay the same: what the builder images are, or which compilers are found."""
    if isinstance(farm.engine, Cibuildwheel) and farm.engine.container:
        for image in sorted({farm.engine.image(build.id.target) for build in plan.builds}):
            yield (farm.engine.container.program, "image", "inspect", "--format", "{{.Id}}", image)
    else:
        env = system_environment(farm.settings.environ)
        found = (which(program, env) for program in PROGRAMS.values())
        yield from ((str(path), "--version") for path in found if path)


def write_stamp(
    path: Path,
    farm: Farm,
    plan: Plan,
    outcomes: Sequence[Outcome],
    inputs: Mapping[str, list[int] | None],
) -> None:
    """Write the stamp of a run that ended well."""
    lines = []
    for outcome in outcomes:
        stored = outcome.wheel.name if outcome.wheel else ""
        why = f"nothing changed: key {outcome.build.key[:12]}, {stored}"
        cached = Outcome(build=outcome.build, state=State.CACHED, why=why, wheel=outcome.wheel)
        lines.append(outcome_line(cached))
    files = _stored(farm, ((outcome.build, outcome.wheel) for outcome in outcomes))
    _write(path, farm, plan, inputs, files, lines=lines)


def read_plan_stamp(path: Path, settings: Settings) -> Stamp | None:
    """The stamp of a plan; None where something changed since, or there is none."""
    env = programs_environment(settings)
    stamp = Stamp.read(path)
    return stamp if stamp and stamp.is_valid(settings.environ, partial(_output, env)) else None


def _output(env: Mapping[str, str], words: Sequence[str]) -> str:
    """What a program prints; nothing when it is gone."""
    try:
        return run(Command(argv=tuple(words), env=env), check=False).output
    except FarmError:
        return ""


def plan_stamp(settings: Settings, words: Mapping[str, object]) -> Path:
    """The file for the stamp of a plan with these words and options."""
    text = json.dumps(words, sort_keys=True)
    return settings.work / "plans" / f"{sha256_of_bytes(text.encode())[:16]}.json"


def write_plan_stamp(
    path: Path,
    farm: Farm,
    plan: Plan,
    decisions: Sequence[Decision],
    inputs: Mapping[str, list[int] | None],
    **lines: list[str],
) -> None:
    """Write the stamp of a large plan with its lines, unless it depends on more than this machine's files.

    An index may have more wheels by now: it counts where no wheel has a build's own key. Estimates are those
    of the first plan. A plan needs no stamp: one that cannot be written is left out.
    """
    building = any(
        each.action in {Action.BUILD, Action.REUSE} or each.build.has_stored_inputs for each in decisions
    )
    if len(decisions) < LARGE or plan.refused or (building and farm.published.indexes):
        return
    stored = ((each.build, each.stored.path if each.stored else None) for each in decisions)
    files = (farm.estimates.file, *_stored(farm, stored))
    with suppress(OSError, FarmError):
        _write(path, farm, plan, inputs, files, **lines)


def _write(
    path: Path,
    farm: Farm,
    plan: Plan,
    inputs: Mapping[str, list[int] | None],
    others: Iterable[Path],
    **lines: list[str],
) -> None:
    """Write a stamp, unless one of the `input_states` has changed meanwhile."""
    if input_states(farm.settings) != inputs:
        return
    env = programs_environment(farm.settings)
    files = {*others, *_machine(farm)}
    stamp = Stamp(
        files={**inputs, **{str(file): file_state(file) for file in sorted(files)}},
        environment=environment_digest(farm.settings.environ),
        commands={"\0".join(words): output_digest(_output(env, words)) for words in _commands(farm, plan)},
        **lines,
    )
    write_atomically(path, stamp.to_json().encode(), "the stamp")
