"""The host engine: runs the build frontend and the repair tool on this machine."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, replace
from functools import cached_property
from importlib.metadata import version
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Final

from wheelfarm.build.build_cache import BuildCache
from wheelfarm.build.commands import PROFILE, build_commands, host_step
from wheelfarm.build.compiler_cache import PROGRAM, compilers_path
from wheelfarm.build.directory import ENVIRONMENT, WRITABLE
from wheelfarm.build.engine import Phase, Rendering, Step
from wheelfarm.build.environment import build_environment, config_settings
from wheelfarm.build.refused_programs import visible_programs
from wheelfarm.build.remote_cache import SOCKET
from wheelfarm.build.repair import TOOLS
from wheelfarm.errors import EngineError
from wheelfarm.model import EngineName, Isolation, Platform
from wheelfarm.plan.build import Toolchain
from wheelfarm.system.environment import allowed, backend_environment, system_environment, which
from wheelfarm.system.install_hints import install_headers, install_programs
from wheelfarm.system.machine import Machine, glibc, processor
from wheelfarm.system.sandbox import View, isolation_here, prefix_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from wheelfarm.build.commands import BuildCommand
    from wheelfarm.build.compiler_cache import CompilerCache
    from wheelfarm.build.directory import BuildDirectory
    from wheelfarm.model import Python, Target
    from wheelfarm.plan.build import Build
    from wheelfarm.recipes.settings import Settings

_BIN: Final = "Scripts" if os.name == "nt" else "bin"
_PYTHON: Final = "python.exe" if os.name == "nt" else "python"


def _python_of(root: Path) -> Path:
    """The interpreter of the build environment."""
    return root / ENVIRONMENT / _BIN / _PYTHON


def programs_environment(settings: Settings) -> dict[str, str]:
    """The environment of the farm's programs, with the farm's own ones first on PATH."""
    env = allowed(settings.environ)
    here, path = str(Path(sys.executable).parent), env.get("PATH", os.defpath)
    return env | {"PATH": path if path.split(os.pathsep)[0] == here else f"{here}{os.pathsep}{path}"}


@dataclass(frozen=True)
class Host:
    """Builds on this machine; auditwheel decides on the tag of the wheels."""

    settings: Settings
    compiler_cache: CompilerCache | None = None
    name: EngineName = EngineName.HOST
    container: None = None

    @cached_property
    def machine(self) -> Machine:
        return Machine(allowed(self.settings.environ))

    @property
    def _system(self) -> dict[str, str]:
        """The environment of the compilers and tools that a build finds on this machine."""
        return system_environment(self.settings.environ)

    @property
    def stages(self) -> Path:
        """The same path on every machine: it ends up in wheels and in the compiler cache."""
        return self.settings.stages

    def isolation(self, build: Build) -> Isolation:
        return Isolation.NONE if build.recipe.table.isolation else isolation_here()

    def with_compiler_cache(self, cache: CompilerCache | None) -> Host:
        return replace(self, compiler_cache=cache)

    def inside(self, root: Path, target: Target) -> PurePath:
        del target
        return root

    def toolchain(
        self, target: Target, packages: Mapping[str, Iterable[str]], programs: Iterable[str]
    ) -> Toolchain:
        """The interpreter, the compilers, the system packages and the tools of this machine."""
        machine, builder = self.machine, Machine(self._system)
        python = machine.python(target.python)
        if not machine.has_headers(python):
            raise EngineError(
                f"{python} has no headers",
                why="extension modules are compiled against Python.h",
                hint=install_headers(target.python),
            )
        tool = TOOLS[target.platform]
        for program in ("uv", tool.program):
            if which(program, programs_environment(self.settings)) is None:
                raise EngineError(
                    f"{program} is not installed",
                    hint=f"{install_programs()}, or run it through nox",
                )
        manager = builder.manager()
        facts = {
            "python": machine.describe_python(python),
            "glibc": ".".join(map(str, glibc())),
            tool.distribution: version(tool.distribution),
            "linker": builder.describe("ld"),
            "patchelf": Machine(programs_environment(self.settings)).describe("patchelf"),
            "stages": str(self.stages),
        }
        return Toolchain(
            engine=self.name,
            target=target,
            facts=facts,
            compilers=builder.compilers(),
            packages=builder.packages(manager, packages.get(manager, ())) if manager else {},
            programs={program: builder.describe(program) for program in programs},
            manager=manager,
            glibc=glibc(),
            processor=processor(),
        )

    def render(self, directory: BuildDirectory) -> Rendering:
        """A new environment of the pinned wheels, the build in it, the report, and the repair."""
        root, cache = directory.root, self.compiler_cache
        python, source = str(_python_of(root)), directory.tree.project
        interpreter = self.machine.python(directory.build.id.target.python)
        # What a killed program leaves there is removed with the build directory.
        host = programs_environment(self.settings) | {"TMPDIR": str(root / "tmp")}
        variables = build_environment(directory)
        build_env = self._build_env(directory, variables, self.machine.linkers(interpreter, variables))
        commands = build_commands(
            directory,
            scripts=root / "inside",
            ccache=cache.tools / PROGRAM if cache else None,
            build_cache=self.build_cache(directory) is not None,
            output=directory.dist,
        )
        # The report describes the compilers that the backend has found.
        system = host | variables | {"PATH": self._system["PATH"]}

        def env(command: BuildCommand) -> Mapping[str, str]:
            if command.as_backend:
                return build_env
            return system if command.phase is Phase.ENVIRONMENT_REPORT else host | variables

        steps = [host_step(each, directory, python=str(interpreter), env=env(each)) for each in commands]
        settings = config_settings(directory).for_build()
        frontend = (python, "-m", "build", "--no-isolation", "--wheel", "--outdir", str(directory.built))
        argv = (*frontend, *settings, str(source))
        before = sum(step.phase in {Phase.ENVIRONMENT, Phase.PROVIDER, Phase.PROFILE} for step in steps)
        view = None if directory.build.recipe.table.isolation else self._view(directory, interpreter)
        steps = [replace(step, view=view) if step.phase is Phase.PROFILE else step for step in steps]
        steps.insert(before, Step(phase=Phase.BUILD, argv=argv, env=build_env, cwd=source, view=view))
        return Rendering(steps=(*self._environment_steps(directory, interpreter, host, build_env), *steps))

    def _view(self, directory: BuildDirectory, interpreter: Path) -> View:
        """What the backend sees: the build directory, of which it may change the parts that are its own."""
        root, cache = directory.root, self.compiler_cache
        read, write = [root, *prefix_of(interpreter)], [root / name for name in WRITABLE]
        if directory.build_dir is not None:
            write.append(Path(directory.build_dir))
        if directory.build.training is not None:
            write.append(root / PROFILE)
        if cache is not None:
            read.append(cache.tools)
            write.append(cache.storage_of(directory.build.id.name))
        return View(read=tuple(read), write=tuple(write), hidden=self.settings.private)

    def _build_env(
        self, directory: BuildDirectory, variables: Mapping[str, str], linkers: Mapping[str, str]
    ) -> dict[str, str]:
        """The environment of the backend: little of this machine, and nothing of the user's home."""
        root, cache = directory.root, self.compiler_cache
        env = backend_environment(self.settings.environ) | dict(linkers) | dict(variables)
        env |= {"HOME": str(root / "home"), "TMPDIR": str(root / "tmp")}
        path = [str(_python_of(root).parent), str(root / "programs"), compilers_path(root)]
        if cache is not None:
            build = directory.build
            storage = cache.storage_of(build.id.name)
            env |= cache.environment(storage=storage, directory=root, socket=root / SOCKET)
            env |= cache.namespace(build)
        return env | {"PATH": os.pathsep.join([*path, env.get("PATH", os.defpath)])}

    def _environment_steps(
        self,
        directory: BuildDirectory,
        interpreter: Path,
        host: Mapping[str, str],
        build_env: Mapping[str, str],
    ) -> list[Step]:
        """The steps that make the build environment, and that hide programs of this machine from it."""
        root, python = directory.root, str(_python_of(directory.root))
        uv = ("uv", "--offline", "--no-config")
        install = ("pip", "install", "--python", python, "--no-index", "--no-cache", "--link-mode=copy")
        commands = (
            (*uv, "venv", "--no-project", "--python", str(interpreter), str(root / ENVIRONMENT)),
            (*uv, *install, "--require-hashes", "--requirements", str(root / "requirements.txt")),
        )
        steps = [Step(phase=Phase.ENVIRONMENT, argv=argv, env=host, cwd=root) for argv in commands]
        if directory.build.id.target.platform is Platform.LINUX:
            script, build = str(root / "inside" / "programs.py"), directory.build
            visible = (*visible_programs(build), "--", *build.all_system_packages)
            argv = (str(interpreter), "-I", "-S", script, *visible)
            env = {**build_env, "PATH": self._system["PATH"]}
            steps.append(Step(phase=Phase.ENVIRONMENT, argv=argv, env=env, cwd=root))
        return steps

    def build_cache(self, directory: BuildDirectory) -> BuildCache | None:
        if self.compiler_cache is None or directory.reusable_build_dir is None:
            return None
        return BuildCache.beside(directory.root, Path(directory.reusable_build_dir))

    def shell(self, directory: BuildDirectory, words: tuple[str, ...], *, terminal: bool) -> Step:
        """The backend's step with another program: the same environment, and it sees the same."""
        del terminal
        (step,) = (each for each in self.render(directory).steps if each.phase is Phase.BUILD)
        return replace(step, argv=words)

    def pythons(self, target: Target) -> tuple[Python, ...]:
        del target
        return self.machine.pythons()

    def clean_environment(self, directory: Path, target: Target, out: Path | None = None) -> Step:
        """A new environment on this machine, without the build's paths; the test checks what it loads."""
        env = programs_environment(self.settings)
        interpreter = self.machine.python(target.python)
        uv = str(which("uv", env))
        env = {key: value for key, value in env.items() if not key.startswith(("LD_", "DYLD_"))}
        scratch = directory / "scratch"
        return Step(
            phase=Phase.ENVIRONMENT_REPORT,
            argv=(str(interpreter), "-I", str(directory / "enter.py"), str(directory), uv),
            env=env | {"TMPDIR": str(scratch)},
            cwd=directory,
            view=View(
                read=(directory, Path(uv), *prefix_of(interpreter)),
                write=(scratch, *((out,) if out else ())),
                hidden=self.settings.private,
            ),
        )
