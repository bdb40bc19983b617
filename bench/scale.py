"""Farms of 500 and of 1,500 recipes: times and memory of commands, the schedule, and 24,000 stored wheels.

The generated recipes have four variants and four Pythons. Run as a program it does one step in a process of
its own, so that the memory is that step's alone.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import uuid
from dataclasses import asdict, replace
from http.client import HTTPConnection
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

ROOT: Final = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "bench"), str(ROOT / "tests"), str(ROOT / "src")]

from clients import CLIENTS, clients  # noqa: E402
from figures import Figure  # noqa: E402
from generated_farm import PYTHONS, VARIANTS, generated_farm  # noqa: E402

from support.records import sample_embedded, sample_record  # noqa: E402
from support.wheels import make_wheel  # noqa: E402
from wheelfarm.index.serve import serving  # noqa: E402
from wheelfarm.model import EngineName, Name, Target  # noqa: E402
from wheelfarm.plan.graph import make_plan  # noqa: E402
from wheelfarm.provenance.record import EMBEDDED, RecordedWheel  # noqa: E402
from wheelfarm.provenance.sbom_reader import MEMBER  # noqa: E402
from wheelfarm.recipes.settings import load  # noqa: E402
from wheelfarm.run.farm import Farm  # noqa: E402
from wheelfarm.run.schedule import Budget, Duration, Task, simulate  # noqa: E402
from wheelfarm.system.files import sha256_of_file  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from wheelfarm.plan.build import Build, BuildId
    from wheelfarm.wheelhouse.wheelhouse import Wheelhouse

SIZES: Final = (500, 1500)
RUNS: Final = 3
WORKERS: Final = (1, 16, 256)
VARIANT: Final = "plain"
_NOX: Final = ("-m", "nox", "-l")
_INVOKE: Final = ("-m", "invoke")
COMMANDS: Final[Mapping[str, tuple[tuple[str, ...], float | None]]] = {
    "nox -l": (_NOX, 1.0),
    "inv recipe.list": ((*_INVOKE, "recipe.list"), None),
    "inv recipe.check all": ((*_INVOKE, "recipe.check", "all"), None),
    "inv plan all --engine host": ((*_INVOKE, "plan", "all", "--engine", "host"), 5.0),
    "the same, nothing changed": ((*_INVOKE, "plan", "all", "--engine", "host"), 1.0),
}
"""What is measured → the words after Python, and seconds at most."""


def measured(*words: str, cwd: Path) -> tuple[float, float]:
    """Seconds and megabytes of a process that must succeed."""
    started = time.perf_counter()
    environ = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    with subprocess.Popen(
        [sys.executable, *words], cwd=cwd, env=environ, stdout=subprocess.DEVNULL
    ) as process:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(words)} has failed")
    return time.perf_counter() - started, usage.ru_maxrss / 1e3


def commands(farm: Path, recipes: int) -> Iterator[Figure]:
    """The commands in a farm where nothing is built, each the best of some runs."""
    most = 0.0
    for what, (words, target) in COMMANDS.items():
        runs = []
        for _ in range(RUNS):
            if "nothing changed" not in what:
                for stamp in (farm / ".wheelfarm" / "plans").glob("*.json"):
                    stamp.unlink()
            runs.append(measured(*words, cwd=farm))
        most = max(most, *(memory for _, memory in runs))
        yield Figure(f"{what}, {recipes} recipes", min(seconds for seconds, _ in runs), "s", target)
    yield Figure(f"memory at most, {recipes} recipes", most, "MB", 400.0)


def whole_plan(farm: Farm) -> list[Build]:
    """The builds for all variants and Pythons, as `nox -s ci-plan` plans them."""
    suffix = farm.targets()[0].platform_suffix
    (here,) = farm.plan(["tinybase"]).builds
    toolchains = [
        replace(here.toolchain, target=Target.parse(f"cp{python.replace('.', '')}-{suffix}"))
        for python in PYTHONS
    ]
    return [
        build
        for variant in VARIANTS
        for build in make_plan(
            farm.recipes, settings=farm.settings, names=None, variant=variant, toolchains=toolchains
        ).builds
    ]


def tasks_of(builds: list[Build]) -> list[Task[BuildId]]:
    """The builds as tasks that take as long as the recipes say, one worker each."""
    durations = {}
    for build in builds:
        number, unit = (build.recipe.table.cost or "60 s").split()
        durations[build.id] = float(number) * (60 if unit == "min" else 1)
    return [
        Task(key=build.id, after=(*build.upstream, *build.run), duration=Duration(durations[build.id]))
        for build in builds
    ]


def schedules(tasks: list[Task[BuildId]]) -> Iterator[Figure]:
    """Simulated runs as multiples of the lower bound: the longest path, or the work of each worker."""
    ends: dict[BuildId, float] = {}
    for task in tasks:
        ends[task.key] = task.duration.seconds + max((ends[key] for key in task.after), default=0)
    work = sum(task.duration.seconds for task in tasks)
    for workers in WORKERS:
        started = time.perf_counter()
        spans = simulate(tasks, Budget(cpus=workers, largest=1))
        seconds = time.perf_counter() - started
        least = max(*ends.values(), work / workers)
        longest = max(map(sum, spans.values()))
        what = f"{len(tasks)} builds on {workers} workers, {longest / 3600:.1f} h"
        yield Figure(f"{what}: times the lower bound", longest / least, "x", 1.05)
        yield Figure(f"{what}: simulated in", seconds, "s")


def bill_of(name: str, version: str) -> dict[str, Any]:
    """An SBOM with the distribution and some vendored libraries."""
    files = {"libgfortran5": "libgfortran-040039e1.so.5.0.0", "libssl3": "libssl-3c1e2a3b.so.3"}
    libraries = [
        {
            "type": "library",
            "bom-ref": f"pkg:deb/debian/{package}@12.2.0-14",
            "name": package,
            "version": "12.2.0-14",
            "purl": f"pkg:deb/debian/{package}@12.2.0-14",
            "scope": "required",
            "components": [{"type": "file", "name": f"{name}.libs/{file}"}],
        }
        for package, file in files.items()
    ]
    own = f"pkg:pypi/{name}@{version}"
    package = {"type": "library", "bom-ref": own, "name": name, "version": version, "purl": own}
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, own)}",
        "metadata": {"component": package},
        "components": libraries,
    }


def store(wheelhouse: Wheelhouse, build: Build, made: Path) -> float:
    """Store a made-up wheel of a build with its record; the seconds of the store alone."""
    name, version = str(build.id.name), build.version
    embedded = sample_embedded(name, build.inputs)
    module = name.replace("-", "_")
    info = f"{module}-{version}.dist-info"
    files = {
        f"{module}.py": "",
        f"{info}/{EMBEDDED}": embedded.to_json(),
        f"{info}/{MEMBER}": json.dumps(bill_of(name, version)),
    }
    tag = "py3-none-any"
    if build.recipe.table.compiled:
        python, _, suffix = build.id.target.identifier.partition("-")
        tag = f"{python}-{python}-{suffix.replace('manylinux', 'manylinux_2_28')}"
    wheel = make_wheel(made, name, version, files, tag=tag)
    sha256 = sha256_of_file(wheel)
    size = wheel.stat().st_size
    record = sample_record(
        recipe=build.id.name,
        distribution=build.id.name,
        version=version,
        variant=build.id.variant,
        target=build.id.target,
        engine=EngineName.HOST,
        key=build.key,
        key_parts=dict(build.key_parts),
        gate_key=build.gate_key,
        upstream=(),
        wheel=RecordedWheel(filename=wheel.name, sha256=sha256, size=size, built_sha256=None),
    )
    text = record.to_json()
    started = time.perf_counter()
    wheelhouse.store(wheel, sha256=sha256, variant=build.id.variant, key=build.key, record=text)
    seconds = time.perf_counter() - started
    wheel.unlink()
    return seconds


def wheelhouse_of(farm: Farm, builds: list[Build], made: Path) -> Iterator[Figure]:
    """A wheelhouse with the wheels of all builds: stores, listings, garbage and a server."""
    made.mkdir()
    wheelhouse, edge = farm.wheelhouse, 50
    times = [store(wheelhouse, build, made) for build in builds]
    fresh = [
        replace(build, id=replace(build.id, name=Name(f"new-{build.id.name}"))) for build in builds[-edge:]
    ]
    new = median(store(wheelhouse, build, made) for build in fresh)
    first, last = median(times[:edge]), median(times[-edge:])
    yield Figure(f"store one more wheel than {len(builds):,}", last, "s")
    yield Figure("the same: times the first ones", last / first, "x", 1.5)
    yield Figure("store the first wheel of a project: times the first ones", new / first, "x", 1.5)
    started = time.perf_counter()
    listed = sum(
        len(wheelhouse.current(each, name)) for each in VARIANTS for name in wheelhouse.projects(each)
    )
    yield Figure(f"list {listed:,} wheels", time.perf_counter() - started, "s")
    started = time.perf_counter()
    for variant in VARIANTS:
        if wheelhouse.collect_garbage(variant, [], dry_run=True):
            raise SystemExit("listed wheels are no garbage")
    yield Figure("find the garbage among them", time.perf_counter() - started, "s")
    with serving(wheelhouse.root, host="127.0.0.1", port=0) as url:
        for what, path in (("all projects", ""), ("one project", "package-0001/")):
            yield Figure(f"serve the page of {what}", _answer(url, f"/{VARIANT}/simple/{path}"), "s")
        here = f"cp{sys.version_info.major}{sys.version_info.minor}"
        installable = [
            build.id.name
            for build in builds
            if build.id.variant == VARIANT and build.id.target.identifier.startswith(f"{here}-")
        ]
        yield from clients(f"{url}/{VARIANT}/simple/", installable[:CLIENTS])


def _answer(url: str, path: str) -> float:
    """The median seconds of a request that must succeed."""
    found = []
    for _ in range(21):
        started = time.perf_counter()
        connection = HTTPConnection(str(urlsplit(url).hostname), urlsplit(url).port)
        connection.request("GET", path)
        answer = connection.getresponse()
        answer.read()
        found.append(time.perf_counter() - started)
        connection.close()
        if answer.status != 200:  # noqa: PLR2004 - OK
            raise SystemExit(f"{path}: {answer.status}")
    return median(found)


def searches(farm: Path, wheels: int) -> Iterator[Figure]:
    """Searches in the wheelhouse: the first one reads every record and wheel, a later one what is new."""
    words = (*_INVOKE, "wheel.search", "--built-with", "numpy<3", "--contains")
    for what, name, most in (
        (f"inv wheel.search, the first one, {wheels:,} wheels", "package-0001", None),
        ("the same again", "package-0001", 3.0),
        ("inv wheel.search that finds every wheel", "package-*", None),
    ):
        seconds, memory = measured(*words, name, cwd=farm)
        yield Figure(what, seconds, "s", most)
    yield Figure("its memory", memory, "MB", 400.0)


def with_wheels(farm: Path) -> Iterator[Figure]:
    """The commands where the wheel of each recipe is stored."""
    words = (*_INVOKE, "chain", "all", "--engine", "host")
    seconds, memory = measured(*words, cwd=farm)
    yield Figure("inv chain all, nothing to do", seconds, "s")
    yield Figure("its memory", memory, "MB", 400.0)
    for what, words in {
        "inv plan all, all wheels stored": (*_INVOKE, "plan", "all", "--engine", "host"),
        "the same, nothing changed since": (*_INVOKE, "plan", "all", "--engine", "host"),
        "inv clean --wheels --dry-run": (*_INVOKE, "clean", "--wheels", "--dry-run"),
        "inv index.status all, none published": (*_INVOKE, "index.status", "all", "--variant", VARIANT),
        "inv index.publish all": (*_INVOKE, "index.publish", "all", "--variant", VARIANT),
        "inv index.status all, all published": (*_INVOKE, "index.status", "all", "--variant", VARIANT),
    }.items():
        yield Figure(what, measured(*words, cwd=farm)[0], "s")
    yield from searches(farm, sum(1 for _ in (farm / "wheelhouse").glob("*/records/*.json")))


def step(name: str, root: Path) -> list[Figure]:
    """What a process of its own measures in a farm."""
    farm = Farm(settings=load(root, options={"engine": "host"}))
    started = time.perf_counter()
    builds = whole_plan(farm)
    seconds = time.perf_counter() - started
    if name == "plan":
        figures = [Figure(f"plan {len(builds):,} builds: four variants, four Pythons", seconds, "s")]
        return [*figures, *schedules(tasks_of(builds))]
    return list(wheelhouse_of(farm, builds, root.parent / "made"))


def scale(work: Path) -> list[Figure]:
    """Everything about large farms."""
    figures: list[Figure] = []
    for recipes in SIZES:
        farm = generated_farm(work / f"scale-{recipes}", recipes).root
        figures += commands(farm, recipes)
    for name in ("plan", "wheels"):
        figures += _apart(name, farm)
    return [*figures, *with_wheels(farm)]


def _apart(name: str, farm: Path) -> list[Figure]:
    """Do a step in a process of its own, whose memory is a figure too."""
    output = farm.parent / f"{name}.json"
    _, memory = measured(__file__, name, str(farm), str(output), cwd=farm)
    found: list[dict[str, Any]] = json.loads(output.read_text())
    return [*(Figure(**each) for each in found), Figure(f"memory of that process ({name})", memory, "MB")]


def main() -> None:
    """Do one step, and write its figures as JSON."""
    name, root, output = sys.argv[1:]
    Path(output).write_text(json.dumps([asdict(each) for each in step(name, Path(root))]))


if __name__ == "__main__":
    main()
