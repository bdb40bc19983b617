"""inspect, repair, gate: one step alone, on any wheel."""

from __future__ import annotations

import re
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from invoke.tasks import task

from wheelfarm.build.diagnosis.classify import classify
from wheelfarm.build.host_engine import programs_environment
from wheelfarm.build.progress import SilentListener
from wheelfarm.build.repair import architecture, check_repaired, only_wheel, provider_of, tool_for
from wheelfarm.cli.named_wheels import Distribution, is_file, wheel_file
from wheelfarm.cli.task import farm_task, open_farm, words
from wheelfarm.errors import ProcessError, RepairError, WheelError
from wheelfarm.gate.gate import pass_gate
from wheelfarm.model import PinnedWheel, Platform
from wheelfarm.provenance.sbom_reading import components
from wheelfarm.report.screen import Screen
from wheelfarm.report.wheel import inspection_lines
from wheelfarm.system.files import sha256_of_file
from wheelfarm.system.process import Command, run
from wheelfarm.wheels.archive import open_wheel, verify
from wheelfarm.wheels.description import describe
from wheelfarm.wheels.linkage import linkage

if TYPE_CHECKING:
    from invoke.context import Context

    from wheelfarm.wheels.wheel import Wheel

_HERE = {"linux": Platform.LINUX, "darwin": Platform.MACOS, "win32": Platform.WINDOWS}
_PLATFORMS = {
    "manylinux": Platform.LINUX,
    "musllinux": Platform.LINUX,
    "linux": Platform.LINUX,
    "macosx": Platform.MACOS,
    "win": Platform.WINDOWS,
}


def _platform(wheel: Wheel) -> Platform:
    tag = wheel.platform_tag
    for prefix, platform in _PLATFORMS.items():
        if tag.startswith(prefix):
            return platform
    raise WheelError(f"{wheel.path.name} is for any platform", hint="a pure wheel needs no repair")


@task(
    positional=["wheel"],
    help=words(
        *("variant", "python", "engine", "json"),
        wheel="a wheel file, or a distribution: the farm's wheel of it",
        public="the wheel that the index has of the distribution",
    ),
    auto_shortflags=False,
)
@farm_task
def inspect(  # noqa: PLR0917
    _context: Context,
    wheel: str,
    variant: str | None = None,
    python: str | None = None,
    engine: str | None = None,
    public: bool = False,  # noqa: FBT001, FBT002
    json: bool = False,  # noqa: FBT001, FBT002
) -> None:
    """Show a wheel's contents by kind, linkage, BLAS, tags and SBOM, and what could be removed."""
    if is_file(wheel):
        opened = wheel_file(wheel)
    else:
        distribution = Distribution.of(wheel, variant=variant, python=python, engine=engine)
        opened = distribution.public() if public else distribution.ours()
    verify(opened)
    description = describe(opened) | {"sbom": list(components(opened))}
    screen = Screen.standard()
    if json:
        screen.data(description)
    else:
        screen.result(inspection_lines(description))


def _refusal(problem: ProcessError, said: list[str], program: str, wheel: Wheel) -> RepairError:
    """What a repair tool has said, with what has the library that it lacks."""
    told = classify(problem, "\n".join(said) or problem.why, "repair")
    library = re.search(r"does not find (\S+)$", told.cause or "")
    provider = provider_of(library[1]) if library else None
    return RepairError(
        f"{program} refuses {wheel.path.name}" + (f": {told.cause}" if told.cause else ""),
        why="\n".join(told.lines) or problem.what,
        hint=f"it comes from {provider}; or --libraries DIRECTORY"
        if provider
        else told.hint or "name a directory with its libraries: --libraries",
    )


@task(
    positional=["wheel"],
    help={"wheel": "a wheel file", "libraries": "a directory with its libraries", "output": "a directory"},
)
@farm_task
def repair(_context: Context, wheel: str, libraries: str | None = None, output: str = "repaired") -> None:
    """Run the repair tool of a wheel's platform on it; for another system than this one, repairwheel."""
    opened = wheel_file(wheel)
    farm = open_farm()
    tool = tool_for(_platform(opened), _HERE.get(sys.platform, Platform.LINUX))
    arch = architecture(opened.platform_tag)
    dest = Path(output)
    with tempfile.TemporaryDirectory(prefix="wheelfarm-repair-") as scratch:
        argv, variables = tool.command(wheel=str(opened.path), dest=scratch, arch=arch, libraries=libraries)
        env = programs_environment(farm.settings) | variables
        screen, said = Screen.standard(), list[str]()

        def hear(line: str) -> None:
            said.append(line)
            screen.say(line)

        try:
            run(Command(argv=argv, env=env, time_limit=farm.settings.time_limit), on_line=hear)
        except ProcessError as problem:
            raise _refusal(problem, said, tool.program, opened) from problem
        found = only_wheel(Path(scratch), name=opened.name, version=opened.version, made_by=tool.program)
        repaired = open_wheel(found)
        verify(repaired)
        check_repaired(linkage(repaired), repaired.platform_tag)
        try:
            dest.mkdir(parents=True, exist_ok=True)
            (dest / found.name).write_bytes(found.read_bytes())
        except OSError as problem:
            raise RepairError(
                "cannot write the repaired wheel", where=str(dest), why=problem.strerror
            ) from problem
    screen.result([str(dest / found.name)])


@task(
    positional=["wheel"],
    help=words("variant", "engine", wheel="a wheel file of a recipe's distribution"),
)
@farm_task
def gate(_context: Context, wheel: str, variant: str | None = None, engine: str | None = None) -> None:
    """Put any wheel through the gate of its recipe: expectations, then tests in a clean room."""
    opened = wheel_file(wheel)
    verify(opened)
    pythons = sorted({tag.interpreter[2:] for tag in opened.tags if tag.interpreter.startswith("cp")})
    if not pythons:
        raise WheelError(f"{opened.path.name} is not for CPython")
    python = f"{pythons[0][0]}.{pythons[0][1:]}"
    farm = open_farm(variant=variant, engine=engine, python=python)
    plan = farm.plan([opened.name])
    build = next(build for build in plan.builds if build.id.name == opened.name)
    screen = Screen.standard()
    line = farm.line(plan, lambda _build, text: screen.status(text))
    with tempfile.TemporaryDirectory(prefix="wheelfarm-gate-") as scratch:
        pinned = PinnedWheel(
            name=opened.name,
            version=opened.version,
            path=opened.path,
            sha256=sha256_of_file(opened.path),
            farm=True,
        )
        results = pass_gate(
            build,
            farm.engine,
            Path(scratch) / "rooms",
            line.trial(build, pinned),
            log=Path(scratch) / "gate.log",
            listener=SilentListener(),
            jobs=farm.settings.jobs,
        )
    screen.result(str(result) for result in results)
