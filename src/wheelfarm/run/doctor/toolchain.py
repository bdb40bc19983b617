"""Checks of interpreters, compilers, and the programs that the farm runs."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from packaging.version import Version

from wheelfarm.build.compiler_cache import PROGRAM as CCACHE
from wheelfarm.build.host_engine import programs_environment
from wheelfarm.build.repair import TOOLS
from wheelfarm.errors import EngineError
from wheelfarm.model import Isolation
from wheelfarm.run.doctor.check import Check, Status
from wheelfarm.system.environment import which
from wheelfarm.system.install_hints import (
    install_command,
    install_compilers,
    install_headers,
    install_programs,
    missing_sandbox,
)
from wheelfarm.system.machine import PROGRAMS, Machine, native_target
from wheelfarm.system.sandbox import isolation_here

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wheelfarm.model import Python
    from wheelfarm.run.doctor.check import Setup

_MANAGED: Final = "EXTERNALLY-MANAGED"
"""The file by which a system's Python refuses installations (PEP 668)."""


def check_environment(setup: Setup) -> Iterator[Check]:
    """The Python that runs the farm, and its environment."""
    del setup
    version = ".".join(map(str, sys.version_info[:3]))
    in_environment = sys.prefix != sys.base_prefix
    details = (sys.executable, f"prefix {sys.prefix}")
    if in_environment or not Path(os.__file__).with_name(_MANAGED).exists():
        kind = "a virtual environment" if in_environment else "an interpreter of its own"
        finding = f"Python {version} runs the farm in {kind}"
        yield Check(name="python", status=Status.OK, finding=finding, details=details)
        return
    yield Check(
        name="python",
        status=Status.WARNING,
        finding=f"the system's Python {version} runs the farm, and pip installs nothing into it (PEP 668)",
        command=f"{Path(sys.executable).name} -m venv .venv && . .venv/bin/activate",
        details=details,
    )


def check_interpreters(setup: Setup) -> Iterator[Check]:
    """The interpreters that builds on this machine are for: there, with headers, and without an RPATH."""
    if not setup.builds_in_containers:
        yield from (_check_interpreter(setup, python) for python in setup.farm.settings.pythons)


def _check_interpreter(setup: Setup, python: Python) -> Check:
    name, machine = f"python {python}", setup.machine
    try:
        interpreter = machine.python(python)
    except EngineError as error:
        return Check(name=name, status=Status.FAULT, finding=error.what, command=install_headers(python))
    details = (str(interpreter), machine.describe_python(interpreter))
    if not machine.has_headers(interpreter):
        return Check(
            name=name,
            status=Status.FAULT,
            finding=f"{interpreter} has no headers, and extension modules need Python.h",
            command=install_headers(python),
            details=details,
        )
    if rpaths := machine.rpaths(interpreter):
        return Check(
            name=name,
            status=Status.WARNING,
            finding=f"the LDFLAGS of {interpreter} have an RPATH, {rpaths[0]}: builds of the farm leave it "
            "out, other builds with it do not",
            command=f"{install_headers(python)}, and put that Python first on PATH",
            details=(*details, *rpaths),
        )
    return Check(name=name, status=Status.OK, finding=f"{interpreter}, with headers", details=details)


def check_compilers(setup: Setup) -> Iterator[Check]:
    """The compilers of the recipes' languages, and whether they are new enough."""
    if setup.builds_in_containers:
        return
    machine, languages = setup.machine, setup.languages
    present = machine.compilers()
    missing = {each: names for each, names in languages.items() if each not in present}
    details = [f"{language}: {text}" for language, text in sorted(present.items())]
    if missing:
        needed = "; ".join(f"{each} for {', '.join(names)}" for each, names in sorted(missing.items()))
        installs = setup.installs_packages
        yield Check(
            name="compilers",
            status=Status.WARNING if installs else Status.FAULT,
            finding=f"compilers are missing: {needed}{'; a build installs them' if installs else ''}",
            command=install_compilers(missing, machine.manager()),
            details=tuple(details),
        )
    old = list(_old_compilers(setup, present))
    yield from old
    if not missing and not old:
        shown = ", ".join(sorted(languages)) or "no language"
        finding = f"{shown}: as the recipes need it"
        yield Check(name="compilers", status=Status.OK, finding=finding, details=tuple(details))


def _old_compilers(setup: Setup, present: dict[str, str]) -> Iterator[Check]:
    versions = {
        language: setup.machine.compiler_version(program)
        for language, program in PROGRAMS.items()
        if language in present
    }
    for recipe in setup.recipes:
        for language in recipe.table.languages:
            family, version = versions.get(language) or ("", "")
            oldest = recipe.table.minimum_compilers.get(family)  # type: ignore[call-overload]
            if oldest and Version(version) < Version(oldest):
                yield Check(
                    name="compilers",
                    status=Status.FAULT,
                    finding=f"{PROGRAMS[language]} is {family} {version}, and {recipe.name} needs {oldest}",
                    command=install_compilers([language], setup.machine.manager()),
                    details=(present[language], recipe.where),
                )


def check_programs(setup: Setup) -> Iterator[Check]:
    """The programs that the engine runs."""
    env = programs_environment(setup.farm.settings)
    if setup.builds_in_containers:
        needed = ["cibuildwheel", "uv"]
    else:
        platform = native_target(setup.farm.settings.pythons[0]).platform
        needed = ["uv", TOOLS[platform].program]
        needed += ["patchelf"] if platform.value == "linux" else ["cibuildwheel"]
    found = {program: which(program, env) for program in needed}
    missing = [program for program, path in found.items() if path is None]
    machine = Machine(env)
    details = tuple(
        f"{program}: {path} ({machine.describe(program)})" for program, path in found.items() if path
    )
    if missing:
        finding = f"{', '.join(missing)} cannot be found, which the engine runs"
        command = install_programs()
        yield Check(name="programs", status=Status.FAULT, finding=finding, command=command, details=details)
    else:
        yield Check(name="programs", status=Status.OK, finding=", ".join(needed), details=details)
    wanted = setup.farm.settings.compiler_cache and sys.platform != "win32"
    if wanted and which(CCACHE, env) is None:
        yield Check(
            name=CCACHE,
            status=Status.WARNING,
            finding="ccache cannot be found, so each build compiles everything again",
            command=install_programs(),
        )


def check_git(setup: Setup) -> Iterator[Check]:
    """Git, which fetches sources and applies patches."""
    settings = setup.farm.settings
    users = [
        recipe.name for recipe in setup.recipes if recipe.table.patches or recipe.table.source.kind == "git"
    ]
    text = Machine(programs_environment(settings)).describe("git")
    if text.startswith("git"):
        yield Check(name="git", status=Status.OK, finding=text)
        return
    needed = f", and these have patches or git sources: {', '.join(users)}" if users else ""
    yield Check(
        name="git",
        status=Status.FAULT if users else Status.WARNING,
        finding=f"git is not installed{needed}",
        command=install_command("git", setup.machine.manager()),
    )


def check_sandbox(setup: Setup) -> Iterator[Check]:
    """What isolates the builds of the host engine."""
    if setup.builds_in_containers:
        return
    isolation = isolation_here()
    if isolation is Isolation.NONE:
        why, command = missing_sandbox()
        finding = f"builds are not isolated: {why}"
        yield Check(name="sandbox", status=Status.WARNING, finding=finding, command=command)
    else:
        yield Check(name="sandbox", status=Status.OK, finding=f"builds are isolated by {isolation}")
