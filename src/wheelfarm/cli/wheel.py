"""wheel.inspect, .diff, .repair, .gate: one step alone, on any wheel; and .search."""

from __future__ import annotations

import sys
import tempfile
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from wheelfarm.build.diagnosis import classify
from wheelfarm.build.engine import SilentListener
from wheelfarm.build.hints import lost_library
from wheelfarm.build.host_engine import programs_environment
from wheelfarm.build.repair import architecture, check_repaired, library_source, only_wheel, tool_for
from wheelfarm.cli.task import PLANNING, Invocation, task
from wheelfarm.cli.wheel_search import search  # noqa: F401 - a task of this collection
from wheelfarm.errors import (
    ExpectationError,
    GateTestError,
    ProcessError,
    RecordError,
    RepairError,
    UsageError,
    WheelError,
)
from wheelfarm.gate.gate import pass_gates
from wheelfarm.gate.systems import REMEDIES, find_system
from wheelfarm.model import PinnedWheel, Platform, parse_name
from wheelfarm.provenance.record import Record
from wheelfarm.provenance.record_comparison import input_difference
from wheelfarm.provenance.sbom_reader import read_components
from wheelfarm.recipes.settings import split_words
from wheelfarm.report.difference import difference_lines
from wheelfarm.report.wheel import inspection_lines, system_lines
from wheelfarm.run.build_pipeline import BuildPipeline
from wheelfarm.run.other_systems import check_on_system
from wheelfarm.run.services import SilentRunListener, make_fetcher
from wheelfarm.sources.archive_checks import check_size
from wheelfarm.system.files import sha256_of_file, write_atomically
from wheelfarm.system.process import Command, run
from wheelfarm.wheels.archive import open_wheel, verify
from wheelfarm.wheels.comparison import difference
from wheelfarm.wheels.description import describe
from wheelfarm.wheels.linkage import linkage

if TYPE_CHECKING:
    from wheelfarm.plan.build import Build
    from wheelfarm.wheels.archive import Wheel

PUBLIC: Final = "public"
"""The word for the wheel that the configured index has of the same distribution."""
_HERE: Final = {"linux": Platform.LINUX, "darwin": Platform.MACOS, "win32": Platform.WINDOWS}
_PLATFORMS: Final = {
    "manylinux": Platform.LINUX,
    "musllinux": Platform.LINUX,
    "linux": Platform.LINUX,
    "macosx": Platform.MACOS,
    "win": Platform.WINDOWS,
}


def _is_file(word: str) -> bool:
    return word.endswith(".whl")


def _wheel_file(call: Invocation, path: str) -> Wheel:
    file = Path(path)
    if not file.is_file():
        raise UsageError(
            f"there is no file {path}", hint="name a wheel; wheelhouse/*/wheels/ holds the farm's"
        )
    check_size(file, call.limits)
    return open_wheel(file)


def _build_of(call: Invocation, name: str) -> Build:
    """The build of one distribution."""
    _, builds = call.select(name)
    return next(build for build in builds if build.id.name == parse_name(name))


def _stored_wheel(call: Invocation, name: str) -> Wheel:
    """The wheel of a distribution that the wheelhouse's index lists."""
    build = _build_of(call, name)
    variant, target = build.id.variant, build.id.target
    stored = call.farm.wheelhouse.current(variant, build.id.name, build.version, target)
    if not stored:
        raise UsageError(f"the wheelhouse has no wheel of {build.id}", hint=f"nox -s build-{name}")
    return open_wheel(stored[-1].path)


def _public_wheel(call: Invocation, name: str) -> Wheel:
    """The wheel that the configured index has for the version and target of the farm's."""
    build = _build_of(call, name)
    fetcher = make_fetcher(call.farm.settings)
    glibc, version = build.toolchain.glibc, build.recipe.table.version
    return open_wheel(fetcher.published(build.id.name, version, build.id.target, glibc).path)


def _named_wheel(call: Invocation, word: str) -> Wheel:
    return _wheel_file(call, word) if _is_file(word) else _stored_wheel(call, word)


@task(*PLANNING, "json", public="the wheel that the index has of the distribution")
def inspect(call: Invocation, wheel: str, *, public: bool = False) -> None:
    """Show a wheel's contents by kind, linkage, BLAS, tags and SBOM, and what could be removed."""
    opened = _public_wheel(call, wheel) if public and not _is_file(wheel) else _named_wheel(call, wheel)
    verify(opened)
    (record,) = _records(call, opened)
    known = (record.compiled, record.instruction_set) if record else ()
    description = describe(opened, *known) | {"sbom": list(read_components(opened))}
    call.show(description, inspection_lines(description, call.screen.width))


@task(
    *PLANNING,
    "json",
    before=f"a wheel file, a distribution, or `{PUBLIC}`: the index's wheel of the other one",
    after="the same",
)
def diff(call: Invocation, before: str, after: str) -> None:
    """Show what differs in two wheels: options, files, sizes, sections and lines, linkage, metadata."""
    one, other = _two_wheels(call, before, after)
    if one.name != other.name:
        raise WheelError(f"{one.name} and {other.name} are two distributions", where=other.path.name)
    found: dict[str, Any] = {"before": one.path.name, "after": other.path.name}
    options = input_difference(*_records(call, one, other))
    found |= {"options": options} if options else {}
    found |= difference(one, other)
    call.show(found, difference_lines(found, call.screen.width))


def _two_wheels(call: Invocation, *words: str) -> tuple[Wheel, ...]:
    names = [word for word in words if not _is_file(word) and word != PUBLIC]
    if len(names) > 1 or (not names and PUBLIC in words):
        raise UsageError(
            "only one of the two can be a distribution" if names else f"`{PUBLIC}` of which distribution?",
            hint=f"inv wheel.diff {PUBLIC} scipy, or name a file",
        )
    return tuple(
        _public_wheel(call, names[0]) if word == PUBLIC else _named_wheel(call, word) for word in words
    )


def _records(call: Invocation, *wheels: Wheel) -> list[Record | None]:
    """The build records of wheels that are this farm's; None for any other."""
    try:
        wheelhouse = call.farm.wheelhouse
    except UsageError:
        # Two files can be compared anywhere.
        return [None for _ in wheels]
    digests = [sha256_of_file(wheel.path) for wheel in wheels]
    found: dict[str, Record] = {}
    for variant in wheelhouse.variants():
        for key, text in wheelhouse.records(variant):
            # Parsing every record is slow; a broken one is nobody's.
            if any(digest in text for digest in digests):
                with suppress(RecordError):
                    record = Record.from_json(text, key)
                    found[record.wheel.sha256] = record
    return [found.get(digest) for digest in digests]


def _platform(wheel: Wheel) -> Platform:
    tag = wheel.platform_tag
    for prefix, platform in _PLATFORMS.items():
        if tag.startswith(prefix):
            return platform
    raise WheelError(f"{wheel.path.name} is for any platform", hint="a pure wheel needs no repair")


@task(
    *("dry_run", "json"),
    wheel="a wheel file",
    libraries="a directory with its libraries",
    exclude="globs of libraries to leave out, separated by commas",
    output="a directory",
)
def repair(
    call: Invocation,
    wheel: str,
    *,
    libraries: str | None = None,
    exclude: str = "",
    output: str = "repaired",
) -> None:
    """Run the repair tool of a wheel's platform on it; for another system than this one, repairwheel."""
    globs = split_words(exclude)
    opened, settings = _wheel_file(call, wheel), call.farm.settings
    tool = tool_for(_platform(opened), _HERE.get(sys.platform, Platform.LINUX))
    arch = architecture(opened.platform_tag)
    with tempfile.TemporaryDirectory(prefix="wheelfarm-repair-") as scratch:
        argv, variables = tool.command(
            wheel=str(opened.path), dest=scratch, arch=arch, libraries=libraries, exclude=globs
        )
        env = programs_environment(settings) | variables
        output_lines: list[str] = []

        def follow(line: str) -> None:
            output_lines.append(line)
            call.screen.say(line)

        try:
            run(Command(argv=argv, env=env, time_limit=settings.time_limit), on_line=follow)
        except ProcessError as problem:
            raise _refusal(problem, output_lines, tool.program, opened) from problem
        found = only_wheel(Path(scratch), name=opened.name, version=opened.version, made_by=tool.program)
        repaired = open_wheel(found)
        verify(repaired)
        check_repaired(linkage(repaired), repaired.platform_tag, globs)
        path = Path(output) / found.name
        if not call.dry_run:
            write_atomically(path, found.read_bytes(), "the repaired wheel")
    call.show({"wheel": str(path)}, [str(path)])


def _refusal(problem: ProcessError, output: list[str], program: str, wheel: Wheel) -> RepairError:
    """The error of a repair tool, with what provides the library that it lacks."""
    failure = classify(problem, "\n".join(output) or problem.why, "repair")
    library = lost_library(failure.cause)
    provider = library_source(library) if library else None
    return RepairError(
        f"{program} refuses {wheel.path.name}" + (f": {failure.cause}" if failure.cause else ""),
        why="\n".join(failure.lines) or problem.what,
        hint=f"it comes from {provider}; or --libraries DIRECTORY"
        if provider
        else failure.hint or "name a directory with its libraries: --libraries",
    )


@task(
    *("variant", "engine", "json"),
    wheel="a wheel file of a recipe's distribution; with --like any wheel file, or a distribution",
    like="a system, such as rhel9 or alpine3.20, to compare the wheel with instead",
    image="with --like: the image to test it in, if it is on this machine",
)
def gate(call: Invocation, wheel: str, *, like: str = "", image: str = "") -> None:
    """Put any wheel through the gate of its recipe: expectations, then tests in a clean environment."""
    if like:
        find_system(like)
        _gate_like(call, _named_wheel(call, wheel), like, image)
        return
    if image:
        raise UsageError("--image names the image of a system", hint="name the system too: --like debian12")
    opened = _wheel_file(call, wheel)
    verify(opened)
    pythons = sorted({tag.interpreter[2:] for tag in opened.tags if tag.interpreter.startswith("cp")})
    if not pythons:
        raise WheelError(f"{opened.path.name} is not for CPython")
    call = Invocation({**call.options, "python": f"{pythons[0][0]}.{pythons[0][1:]}"})
    plan, (build,) = call.select(opened.name)
    services = call.farm.services(plan, SilentRunListener())
    planner = BuildPipeline(services=services, build=build).planner
    with tempfile.TemporaryDirectory(prefix="wheelfarm-gate-") as scratch:
        pinned = PinnedWheel(
            name=opened.name,
            version=opened.version,
            path=opened.path,
            sha256=sha256_of_file(opened.path),
            farm=True,
        )
        results = pass_gates(
            [(build, planner.plan_tests(build, pinned))],
            call.farm.engine,
            Path(scratch) / "environments",
            log=Path(scratch) / "gate.log",
            listener=SilentListener(),
            jobs=call.farm.settings.jobs,
        )
    lines = [str(result) for result in results[build.id.name]]
    call.show(lines, lines)


def _gate_like(call: Invocation, wheel: Wheel, like: str, image: str) -> None:
    """Compare a wheel with another system, and test it there."""
    verify(wheel)
    try:
        farm = call.farm
    except UsageError:
        # A file can be compared anywhere.
        farm = None
    result = check_on_system(farm, wheel, like, image)
    lines = system_lines(result, REMEDIES, call.screen.width)
    call.show({"wheel": wheel.path.name, "system": like} | asdict(result), lines)
    if result.findings:
        first = result.findings[0]
        call.problems.add(
            ExpectationError(
                f"{wheel.path.name} does not work on {result.title}",
                where=first.member,
                why=f"{first.rule}: {first.detail}",
                hint=REMEDIES[first.rule],
            )
        )
    if result.failure:
        what = f"{wheel.path.name} fails in the image {result.image}"
        call.problems.add(GateTestError(what, where=result.title, why=result.failure))
