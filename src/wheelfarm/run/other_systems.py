"""Tests a wheel for a system that it was not built on: by what its binaries need, and in an image."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from wheelfarm.build.cibuildwheel_engine import Cibuildwheel
from wheelfarm.build.containers import container_engine, interpreter_in_image
from wheelfarm.build.engine import SilentListener
from wheelfarm.errors import EngineError, ProcessError
from wheelfarm.gate.clean_environment import CleanEnvironment, supported_pythons, write_environment
from wheelfarm.gate.expectations import tag_architectures
from wheelfarm.gate.systems import compare, find_system
from wheelfarm.gate.tested_code import run_tested
from wheelfarm.model import PinnedWheel, Python, Target
from wheelfarm.run.companions import find_companions
from wheelfarm.system.files import sha256_of_file
from wheelfarm.wheels.archive import open_wheel
from wheelfarm.wheels.contents import contents
from wheelfarm.wheels.linkage import linkage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wheelfarm.build.engine import Step
    from wheelfarm.gate.systems import System
    from wheelfarm.run.farm import Farm
    from wheelfarm.wheels.archive import Wheel
    from wheelfarm.wheels.examination import Finding

_TIME_LIMIT: Final = 600.0
_NO_PYTHON: Final = "the image has no Python"
_FIND_PYTHON: Final = f"""\
for python in /opt/python/cp*/bin/python /var/lang/bin/python3 "python$0" python3; do
"$python" -c 'import sys; sys.exit("%d.%d" % sys.version_info[:2] != sys.argv[1])' "$0" 2>/dev/null &&
exec "$python" "$@"; done; echo "{_NO_PYTHON} $0"; exit 127"""
"""For the shell of an image, with a version and the arguments of the Python that has it."""


@dataclass(frozen=True, kw_only=True)
class SystemResult:
    """How a wheel fares on a system."""

    title: str
    findings: tuple[Finding, ...]
    beside: tuple[str, ...] = ()
    """The wheels that are installed with it."""
    missing: tuple[str, ...] = ()
    """The run requirements that neither the wheelhouse nor a lock has."""
    image: str
    tried: str = ""
    """What passed in the image; empty when nothing was tried there, or failed."""
    not_tried: str = ""
    """Why nothing was tried there."""
    failure: str = ""
    """Why it failed there."""


@dataclass(frozen=True)
class _ImageEngine(Cibuildwheel):
    """Runs clean environments in any image that has a Python."""

    test_image: str = ""

    def image(self, target: Target) -> str:
        del target
        return self.test_image

    def clean_environment(self, directory: Path, target: Target, out: Path | None = None) -> Step:
        step = super().clean_environment(directory, target, out)
        at = step.argv.index(str(interpreter_in_image(target.python)))
        python, options = str(target.python), ("--pull=never", "--entrypoint=sh")
        start = (*step.argv[: at - 1], *options, self.test_image, "-c", _FIND_PYTHON, python)
        return replace(step, argv=(*start, *step.argv[at + 1 :]))


def check_on_system(farm: Farm | None, wheel: Wheel, name: str, image: str) -> SystemResult:
    """Compare a wheel with a system, and test it in an image of it where that is on this machine.

    Args:
        farm: its wheelhouse and locks have the run requirements; without one, nothing is tested in an image.
        wheel: the wheel.
        name: of the system.
        image: the image; empty for that of the settings or of the system.

    Raises:
        UsageError: for a name that no system has.
        WheelError: when a binary cannot be read, or the wheel is for another operating system.
    """
    system = find_system(name)
    if farm is None:
        return SystemResult(
            title=_title(system),
            findings=compare(system, wheel, linkage(wheel), {}),
            missing=wheel.metadata.requires_dist,
            image=system.image,
            not_tried="the run requirements come from a farm, and this is none",
        )
    for each in farm.settings.system_images:
        find_system(each, f"system-images.{each}")
    target = _target(wheel, system, farm.settings.pythons)
    beside, missing = find_companions(farm, [wheel], target, system.glibc)
    linked = {each.path.name: linkage(open_wheel(each.path)) for each in beside}
    result = SystemResult(
        title=_title(system),
        findings=compare(system, wheel, linkage(wheel), linked),
        beside=tuple(linked),
        missing=tuple(missing),
        image=image or farm.settings.system_images.get(name, system.image),
    )
    container = container_engine(farm.settings)
    if container is None:
        return replace(result, not_tried="neither podman nor docker answers here")
    try:
        container.image_id(result.image, where=result.image)
    except EngineError:
        pull = f"{container.program} pull {result.image}, or name another one with --image"
        return replace(result, not_tried=f"the image {result.image} is not on this machine: {pull}")
    if missing:
        return replace(result, not_tried=f"the wheelhouse has no {', '.join(missing)}")
    engine = _ImageEngine(farm.settings, container, test_image=result.image)
    return _try(engine, wheel, beside, target=target, farm=farm, result=result)


def _title(system: System) -> str:
    return f"{system.title}, {system.libc}"


def _try(
    engine: _ImageEngine,
    wheel: Wheel,
    beside: Sequence[PinnedWheel],
    *,
    target: Target,
    farm: Farm,
    result: SystemResult,
) -> SystemResult:
    """Install a wheel with those beside it in a container, import it, and run its recipe's smoke test."""
    own = PinnedWheel(
        name=wheel.name, version=wheel.version, path=wheel.path, sha256=sha256_of_file(wheel.path), farm=True
    )
    recipe = farm.recipes.by_name.get(wheel.name)
    with tempfile.TemporaryDirectory(prefix="wheelfarm-system-") as scratch:
        directory, log, limit = Path(scratch, "environment"), Path(scratch, "log"), _TIME_LIMIT
        if recipe is not None:
            resolved = recipe.resolve(variant=farm.settings.variant, target=target)
            environment = CleanEnvironment(
                recipe=recipe, resolved=resolved, target=target, wheel=own, run_with=tuple(beside)
            )
            environment.write(directory)
            limit = environment.time_limit
        else:
            tests = {"imports": [*contents(wheel).packages], "smoke": None, "cpu": False}
            write_environment(directory, (own, *beside), {"environment": {}, **tests}, time_limit=limit)
        step = engine.clean_environment(directory, target)
        try:
            report = run_tested(engine, step, directory, log=log, time_limit=limit, listener=SilentListener())
        except ProcessError as problem:
            output = log.read_text(encoding="utf-8", errors="replace") if log.exists() else ""
            if _NO_PYTHON in output:
                return replace(result, not_tried=f"{_NO_PYTHON} {target.python}: name one with --image")
            return replace(result, failure=f"it does not install: {problem.why or problem.what}")
    failure = report.failure(limit)
    if failure or report.result is None:
        return replace(result, failure=failure[0] if failure else "there is no result")
    parts = [f"import {name}" for name in report.result.imported]
    return replace(result, tried=", ".join([*parts, *(["smoke test"] if report.result.smoke else [])]))


def _target(wheel: Wheel, system: System, pythons: Sequence[Python]) -> Target:
    """The Python of the system, else one of the farm's, else the wheel's own, and the wheel's processor."""
    own = [
        Python.parse(f"{tag.interpreter[2]}.{tag.interpreter[3:]}")
        for tag in sorted(wheel.tags, key=str)
        if tag.interpreter.startswith("cp3") and tag.interpreter[3:].isdigit()
    ]
    wanted = [Python.parse(system.python)] if system.python else [*pythons, *own]
    python = next(iter(supported_pythons(wheel, wanted)), wanted[0])
    arch = min(tag_architectures(wheel.platform_tag), default="x86_64")
    return Target(python=python, system="musllinux" if system.musl else "manylinux", arch=arch)
