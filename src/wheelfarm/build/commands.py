"""The commands around the backend of a build: described once, rendered for the host and for cibuildwheel."""

from __future__ import annotations

import shlex
import subprocess
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from wheelfarm.build.compiler_cache import wrapper_arguments
from wheelfarm.build.directory import ENVIRONMENT as ENVIRONMENT_DIRECTORY
from wheelfarm.build.directory import SOURCE, TRAINING
from wheelfarm.build.engine import WHEEL, Phase, Step
from wheelfarm.build.environment import config_settings
from wheelfarm.build.environment_report import COMPILED_OBJECTS, ENVIRONMENT_REPORT, LIBRARY_PROVENANCE
from wheelfarm.build.provider_files import OPENBLAS, PLAIN_NAMES
from wheelfarm.build.repair import TOOLS
from wheelfarm.model import Platform
from wheelfarm.recipes.providers import Provider
from wheelfarm.wheels.rules import allowed_members

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import PurePath

    from wheelfarm.build.directory import BuildDirectory
    from wheelfarm.model import Target
    from wheelfarm.plan.build import Build

PYTHON: Final = "{python}"
"""Stands for an interpreter that no file of the build environment can change."""
ENVIRONMENT: Final = "{environment}"
"""Stands for the directory of the build environment, as the argument of a script."""
_SCRIPT: Final = (PYTHON, "-I", "-S")
"""Without site: it would execute what .pth files of the environment say."""
DEST: Final = "{dest_dir}"
"""Stands for the directory of the repaired wheel. This and `WHEEL` are cibuildwheel's own placeholders."""

PROFILE: Final = "profile"
"""The directory of the counts that a profile consists of, below the directory that a build runs in."""
_COPY: Final = "import shutil, sys; shutil.copy2(*sys.argv[1:])"


@dataclass(frozen=True, kw_only=True)
class BuildCommand:
    """A command that runs before or after the backend."""

    phase: Phase
    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    """Variables that only this command needs."""
    as_backend: bool = False
    """Whether it must find the same programs as the backend."""


def records_calls(build: Build) -> bool:
    """Whether scripts stand before the compilers: MSVC is not called by a name on the PATH."""
    return build.recipe.table.compiled and build.id.target.platform is not Platform.WINDOWS


def build_commands(
    directory: BuildDirectory,
    *,
    scripts: PurePath,
    ccache: PurePath | None,
    build_cache: bool,
    output: PurePath,
) -> list[BuildCommand]:
    """All commands around the backend, in the order of their phases.

    Args:
        directory: the build directory.
        scripts: the directory of the scripts as the build sees it.
        ccache: the program of the compiler cache as the build sees it; None without a compiler cache.
        build_cache: whether the build has a build cache.
        output: the directory that reports are written to, as the build sees it.
    """
    target = directory.build.id.target

    def script(name: str) -> str:
        return str(scripts / name)

    commands, compiled = [], directory.build.recipe.table.compiled
    compiler_flags = directory.build.resolved.compiler_flags
    if records_calls(directory.build):
        words = wrapper_arguments(ccache, directory.build.resolved.environment)
        flags = [f"--flags={glob}={' '.join(each)}" for glob, each in compiler_flags.items()]
        profile = [] if directory.build.training is None else ["--profile"]
        argv = (*_SCRIPT, script("compilers.py"), ENVIRONMENT, *words, *flags, *profile)
        commands.append(BuildCommand(phase=Phase.ENVIRONMENT, argv=argv, as_backend=True))
    if build_cache:
        argv = (*_SCRIPT, script("prepare_build_cache.py"), ENVIRONMENT, str(directory.build_dir))
        commands.append(BuildCommand(phase=Phase.ENVIRONMENT, argv=argv))
    if directory.provider is Provider.NETLIB:
        argv = (*_SCRIPT, script("netlib.py"), str(directory.provider_dir))
        commands.append(BuildCommand(phase=Phase.PROVIDER, argv=argv))
    if directory.provider in PLAIN_NAMES and target.platform is Platform.LINUX:
        words = (str(directory.provider_dir), OPENBLAS[directory.provider].library)
        commands.append(BuildCommand(phase=Phase.PROVIDER, argv=(*_SCRIPT, script("plain_names.py"), *words)))
    libraries = [path.as_posix() for path in directory.library_path]
    if directory.build.training is not None:
        project = directory.tree.project.relative_to(directory.root).as_posix()
        words = (SOURCE, project, str(directory.build_dir or "-"), script(TRAINING), ":".join(libraries))
        options = config_settings(directory).for_build()
        argv = (*_SCRIPT, script("profile.py"), ENVIRONMENT, *words, *options)
        commands.append(BuildCommand(phase=Phase.PROFILE, argv=argv, as_backend=True))
    excluded = directory.build.resolved.repair.exclude
    repair, variables = TOOLS[target.platform].command(
        wheel=WHEEL,
        dest=DEST,
        arch=target.arch,
        libraries=target.platform.path_separator.join(libraries),
        exclude=excluded,
        examined=True,
    )
    packages = directory.build.all_system_packages
    if not compiled:
        # There is nothing to repair, and the tools refuse a pure wheel.
        repair, variables = (*_SCRIPT, "-c", _COPY, WHEEL, DEST), {}
    report = (
        *(*_SCRIPT, script("environment_report.py"), ENVIRONMENT, WHEEL),
        str(output / ENVIRONMENT_REPORT),
    )
    allowed = allowed_members(directory.build.resolved.expect.allow or (), "rpath")
    options = [word for glob in excluded for word in ("--exclude", glob)]
    options += [word for glob in allowed for word in ("--allow", glob)]
    rpaths = (*_SCRIPT, script("edit_rpaths.py"), DEST, ENVIRONMENT, *options)
    has_rpaths = compiled and target.platform is Platform.LINUX
    provided = f"{directory.provider_dir}/lib"
    strip = (*_SCRIPT, script("strip_libraries.py"), provided, str(output / LIBRARY_PROVENANCE))
    strips = directory.provider in OPENBLAS and target.platform is Platform.LINUX
    objects = (
        *_SCRIPT,
        script("compiled_objects.py"),
        WHEEL,
        str(output / COMPILED_OBJECTS),
        *compiler_flags,
    )
    provenance = (*_SCRIPT, script("library_provenance.py"), DEST, str(output / LIBRARY_PROVENANCE))
    return [
        *commands,
        BuildCommand(phase=Phase.ENVIRONMENT_REPORT, argv=(*report, *packages)),
        *(
            [BuildCommand(phase=Phase.ENVIRONMENT_REPORT, argv=objects)]
            if records_calls(directory.build)
            else []
        ),
        BuildCommand(phase=Phase.REPAIR, argv=(*_SCRIPT, script("check_record.py"), WHEEL)),
        # Netlib's come stripped from the system and are found by their digest; MKL's stay out.
        *([BuildCommand(phase=Phase.REPAIR, argv=strip)] if strips else []),
        BuildCommand(phase=Phase.REPAIR, argv=repair, env=variables),
        # delocate does this itself.
        *([BuildCommand(phase=Phase.REPAIR, argv=rpaths)] if has_rpaths else []),
        BuildCommand(phase=Phase.REPAIR, argv=(*provenance, *libraries, "--", *packages)),
    ]


def host_step(
    command: BuildCommand, directory: BuildDirectory, *, python: str, env: Mapping[str, str]
) -> Step:
    """A command as a step of the host engine; the built wheel is filled in when the step runs."""
    environment = str(directory.root / ENVIRONMENT_DIRECTORY)
    values = {PYTHON: python, ENVIRONMENT: environment, DEST: str(directory.dist)}
    argv = tuple(values.get(word, word) for word in command.argv)
    return Step(phase=command.phase, argv=argv, env={**env, **command.env}, cwd=directory.root)


def shell_lines(commands: Iterable[BuildCommand], *phases: Phase, target: Target) -> list[str]:
    """The commands of some phases as lines of the target's shell, in which cibuildwheel runs them."""
    lines = []
    for command in commands:
        if command.phase in phases:
            variables = [f"{name}={value}" for name, value in command.env.items()]
            words = [*(["env", *variables] if variables else []), *command.argv]
            values = {PYTHON: "python", ENVIRONMENT: "-"}
            lines.append(shell_line([values.get(word, word) for word in words], target=target))
    return lines


def shell_line(words: Sequence[str], *, target: Target) -> str:
    """Words as one command line of the target's shell.

    cibuildwheel fills its placeholders in as they are. In a container their values are fixed and plain; on a
    machine they are below its temporary directory, whose path may hold a space.
    """
    placeholder = "{}" if target.platform is Platform.LINUX else '"{}"'
    windows = target.platform is Platform.WINDOWS

    def quote(word: str) -> str:
        if word in {WHEEL, DEST}:
            return placeholder.format(word)
        return subprocess.list2cmdline([word]) if windows else shlex.quote(word)

    return " ".join(map(quote, words))
