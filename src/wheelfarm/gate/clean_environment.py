"""Clean environments: the wheels, and nothing of the build. The gate imports and tests a wheel in them."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Final

from packaging.specifiers import SpecifierSet
from packaging.tags import compatible_tags, cpython_tags

from wheelfarm.errors import Collector, GateTestError, ProcessError, RecipeError
from wheelfarm.gate.check import Check, Result, require
from wheelfarm.gate.examination import check_findings
from wheelfarm.gate.tested_code import run_tested
from wheelfarm.recipes.strict import suggestion
from wheelfarm.wheels.archive import open_wheel
from wheelfarm.wheels.contents import contents
from wheelfarm.wheels.examination import Finding
from wheelfarm.wheels.rules import RUN_TIME, parse_allowance

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from wheelfarm.build.engine import Engine, ProgressListener
    from wheelfarm.model import PinnedWheel, Python, Target
    from wheelfarm.plan.build import Build
    from wheelfarm.recipes.layers import ResolvedRecipe
    from wheelfarm.recipes.loaded_recipe import LoadedRecipe
    from wheelfarm.wheels.archive import Wheel

GATE: Final = "gate"
"""The directory of a build directory with its clean environments."""
_TIME_LIMIT: Final = 600.0
_SYSTEM: Final = (
    *("libc.so", "libm.so", "libdl.so", "librt.so", "libpthread.so", "libutil.so", "libresolv.so"),
    *("ld-linux", "ld-musl", "libgcc_s.so", "libstdc++.so", "libz.so", "libexpat.so", "libnsl.so"),
    *("libmvec.so", "libatomic.so", "libnss_", "libX11.so", "libXext.so", "libXrender.so", "libICE.so"),
    *("libSM.so", "libGL.so", "libgobject-2.0.so", "libgthread-2.0.so", "libglib-2.0.so"),
)
"""What manylinux (PEP 600) lets a wheel use from the system."""


def supported_pythons(wheel: Wheel, pythons: Iterable[Python]) -> tuple[Python, ...]:
    """Select the Pythons into which an installer puts a wheel, by its tags (PEP 425) and Requires-Python.

    The platform is not compared, nor the bug-fix release: `>=3.11.3` means 3.11 too.
    """
    platforms = sorted({tag.platform for tag in wheel.tags})
    requires = SpecifierSet(wheel.metadata.requires_python)
    return tuple(
        python
        for python in pythons
        if requires.contains(python.last_release)
        if not wheel.tags.isdisjoint(
            (
                *cpython_tags(python.version, [python.tag], platforms),
                *compatible_tags(python.version, python.tag.removesuffix("t"), platforms),
            )
        )
    )


def is_for_one_python(wheel: Wheel) -> bool:
    """Whether a wheel is for the Python of its build alone."""
    return all(tag.abi not in {"abi3", "none"} for tag in wheel.tags)


@dataclass(frozen=True, kw_only=True)
class CleanEnvironment:
    """What goes into one clean environment.

    Args:
        recipe: the recipe whose imports and smoke script run.
        resolved: its values here.
        target: whose Python the environment has.
        wheel: the wheel whose import packages are imported.
        run_with: the wheels that are installed with it.
        downstream: whether the wheel is a stored one that is tested with a new one of `run_with`.
    """

    recipe: LoadedRecipe
    resolved: ResolvedRecipe
    target: Target
    wheel: PinnedWheel
    run_with: tuple[PinnedWheel, ...] = ()
    downstream: bool = False

    @classmethod
    def of(cls, build: Build, wheel: PinnedWheel, run_with: tuple[PinnedWheel, ...] = ()) -> CleanEnvironment:
        """The environment of a build's own wheel and Python."""
        return cls(
            recipe=build.recipe,
            resolved=build.resolved,
            target=build.id.target,
            wheel=wheel,
            run_with=run_with,
        )

    def with_python(self, python: Python, run_with: tuple[PinnedWheel, ...]) -> CleanEnvironment:
        return replace(self, target=replace(self.target, python=python), run_with=run_with)

    @property
    def name(self) -> str:
        python = f"Python {self.target.python}"
        return f"{self.wheel.name} {self.wheel.version}, {python}" if self.downstream else python

    @property
    def slug(self) -> str:
        return f"{self.wheel.name}-{self.target.python.tag}"

    @property
    def time_limit(self) -> float:
        return self.resolved.test.time_limit or _TIME_LIMIT

    def imports(self) -> list[str]:
        """The import packages of the wheel, and what the recipe lists.

        Raises:
            RecipeError: where the recipe skips a module that would not be imported anyway, or that it lists.
        """
        packages = contents(open_wheel(self.wheel.path)).packages
        listed, skipped = self.resolved.test.imports or (), self.resolved.test.skip_imports or {}
        problems, key = Collector(), "test.skip-imports"
        for module in skipped:
            where = f"{self.resolved.origins.get(f'{key}.{module}', self.recipe.where)}: {key}.{module}"
            if module in listed:
                problems.add(RecipeError(f"{module} is in test.imports too", where=where, hint="remove one"))
            elif module not in packages:
                what = f"{module} is no import package of {self.wheel.path.name}"
                hint = suggestion(module, packages)
                problems.add(RecipeError(what, where=where, why="nothing would import it", hint=hint))
        problems.check()
        return [each for each in dict.fromkeys([*packages, *listed]) if each not in skipped]

    def write(
        self,
        directory: Path,
        *,
        layer: Path | None = None,
        variables: Mapping[str, str] | None = None,
        shell: Sequence[str] = (),
    ) -> None:
        """Write the wheels, the scripts of gate/inside and their manifest into a new directory.

        Args:
            directory: it is replaced.
            layer: the ZIP file of a layer, whose content takes the place of the wheels.
            variables: those of an image that has the content of the wheels at its PYTHONPATH.
            shell: the words of a program that runs in the environment in place of the tests.
        """
        test, expect = self.resolved.test, self.resolved.expect
        manifest: dict[str, object] = {
            "environment": {"PYTHONDONTWRITEBYTECODE": "1", **(variables or {})},
            "imports": self.imports(),
            "smoke": "smoke.py" if test.smoke else None,
            "cpu": expect.cpu_dispatch is not None,
        }
        manifest |= {"shell": list(shell)} if shell else {}
        wheels = () if layer or variables else (self.wheel, *self.run_with)
        manifest |= {"layer": layer.name} if layer else {}
        manifest |= {"path": [variables["PYTHONPATH"]]} if variables else {}
        write_environment(directory, wheels, manifest, time_limit=self.time_limit)
        if layer:
            shutil.copyfile(layer, directory / layer.name)
        if test.smoke:
            shutil.copyfile(self.recipe.file(test.smoke), directory / "smoke.py")


def write_environment(
    directory: Path, wheels: Iterable[PinnedWheel], manifest: Mapping[str, object], *, time_limit: float
) -> None:
    """Write wheels, a manifest and the scripts of gate/inside into a new directory."""
    shutil.rmtree(directory, ignore_errors=True)
    (directory / "driver").mkdir(parents=True)
    listed = []
    for wheel in wheels:
        shutil.copyfile(wheel.path, directory / wheel.path.name)
        listed.append({"name": wheel.name, "file": wheel.path.name, "sha256": wheel.sha256})
    scripts = files("wheelfarm.gate").joinpath("inside")
    for path in ("enter.py", "driver/driver.py", "driver/wheelfarm_suite.py"):
        (directory / path).write_bytes(scripts.joinpath(path.rpartition("/")[2]).read_bytes())
    text = json.dumps({"wheels": listed, "time-limit": time_limit, **manifest}, indent=1)
    (directory / "manifest.json").write_text(text, encoding="utf-8")


def run_wheel_tests(
    build: Build,
    environment: CleanEnvironment,
    engine: Engine,
    directory: Path,
    *,
    log: Path,
    listener: ProgressListener,
) -> tuple[Result, ...]:
    """Install and import a wheel and run the smoke script in a clean environment.

    Args:
        build: the build of the wheel in the gate.
        environment: what to install.
        engine: runs it.
        directory: for the environment; it is replaced.
        log: receives the tests' output.
        listener: receives it too, and may cancel the test.

    Raises:
        GateTestError: when a test fails, or the wheel uses a library of this machine.
        ExpectationError: when the CPU features differ from the expected ones, or a module enables the GIL.
    """
    environment.write(directory)
    step, limit = engine.clean_environment(directory, environment.target), environment.time_limit
    try:
        report = run_tested(engine, step, directory, log=log, time_limit=limit, listener=listener)
    except ProcessError as problem:
        what = "the wheel does not install in a fresh environment"
        why, hint = problem.why or problem.what, _edits_hint(environment)
        raise _error(build, environment, what, why=why, hint=hint, log=log) from problem
    failure, result = report.failure(limit), report.result
    if failure or result is None:
        why, hint = failure or ("there is no result", None)
        raise _error(build, environment, "the test failed", why=why, hint=hint, log=log)
    outside = system_libraries(result.outside)
    if outside:
        why = "they were loaded from outside the environment, so another machine may not have them"
        what = "the wheel uses libraries of this machine"
        raise _error(build, environment, what, where=", ".join(outside), why=why, log=log)
    imported = ", ".join(result.imported) or "none"
    results = [Result(check="imports", expected=imported, found=imported)]
    for module, reason in (environment.resolved.test.skip_imports or {}).items():
        results.append(Result(check="imports", expected=module, found=f"not imported: {reason}"))
    if result.smoke:
        results.append(Result(check="smoke", expected="passed", found=result.smoke))
    if not environment.downstream:
        checks = [*_cpu_dispatch(build, result.cpu), *check_gil(environment, result.gil)]
        results += require(build, checks, wheel=environment.wheel.path.name)
    return tuple(replace(result, environment=environment.name) for result in results)


def _edits_hint(environment: CleanEnvironment) -> str | None:
    """What to correct where the recipe edits the requirements of a wheel that an installer refuses."""
    recipe = environment.recipe
    if environment.downstream or recipe.table.metadata.requires.is_empty:
        return None
    return (
        "metadata.requires edits what it requires, and only requires.run and test.lock are installed: "
        f"correct one of them in {recipe.where}, then inv recipe.lock {recipe.name}"
    )


def system_libraries(outside: Iterable[str]) -> list[str]:
    """The libraries outside the environment that no wheel may use."""
    return [path for path in outside if not PurePosixPath(path).name.startswith(_SYSTEM)]


def _error(
    build: Build,
    environment: CleanEnvironment,
    what: str,
    *,
    why: str,
    log: Path,
    where: str | None = None,
    hint: str | None = None,
) -> GateTestError:
    where = where or environment.recipe.where
    if not environment.downstream:
        where = f"{where}, {environment.name}"
        return GateTestError(f"{build.id}: {what}", where=where, why=why, hint=hint, log=log)
    name = environment.wheel.name
    return GateTestError(
        f"{build.id}: the stored wheel of {name} {environment.wheel.version} does not work with it: {what}",
        where=where,
        why=why,
        hint=f"inv chain {name} builds both, {name} on the new {build.id.name}; if its test is to blame, "
        f"fix that, or leave it out of test.downstream in {build.recipe.where}",
        log=log,
    )


def _cpu_dispatch(build: Build, features: Mapping[str, Sequence[str]] | None) -> Iterator[Check]:
    """Compare the CPU features for which the imported package has code: in its dispatch, or its baseline."""
    wanted = build.resolved.expect.cpu_dispatch
    if wanted is not None:
        reported = None
        if features is not None:
            reported = {*features["dispatch"], *set(wanted).intersection(features["baseline"])}
        yield Check.of(
            "cpu-dispatch",
            expected=" ".join(sorted(wanted)) or "none",
            found="nothing reported" if reported is None else " ".join(sorted(reported)) or "none",
            ok=reported == set(wanted),
            cause="the option cpu-dispatch in setup-args, or what the compiler can do"
            if reported is not None
            else "only numpy reports its CPU features",
        )


def check_gil(environment: CleanEnvironment, modules: Iterable[str]) -> Iterator[Check]:
    """The wheel's modules that have enabled the GIL; only the first of a process is known."""
    packages = {"", *contents(open_wheel(environment.wheel.path)).packages}
    found = [
        Finding("gil", module.replace(".", "/")) for module in modules if module.split(".")[0] in packages
    ]
    allow = (environment.resolved.expect.allow or {}).items()
    allowed = {key: reason for key, reason in allow if parse_allowance(key)[0] in RUN_TIME}
    yield from check_findings(allowed, found)
