"""The host engine: the build frontend and the repair tool on this machine, in an environment made for it."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Final

from wheelfarm.build.blas_provider import library_path
from wheelfarm.build.build_cache import BuildCache
from wheelfarm.build.compiler_cache import PROGRAM, compilers_path, compilers_words
from wheelfarm.build.directory import ENVIRONMENT
from wheelfarm.build.engine import BUILT, Phase, Rendering, Step
from wheelfarm.build.environment import build_environment, config_settings
from wheelfarm.build.environment_report import ENVIRONMENT_REPORT, LIBRARY_PROVENANCE
from wheelfarm.build.repair import TOOLS
from wheelfarm.errors import EngineError
from wheelfarm.model import EngineName
from wheelfarm.plan.build import Toolchain
from wheelfarm.recipes.farm_settings import Provider
from wheelfarm.system.environment import allowed, which
from wheelfarm.system.machine import Machine, glibc

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from wheelfarm.build.compiler_cache import CompilerCache
    from wheelfarm.build.directory import BuildDirectory
    from wheelfarm.model import Python, Target
    from wheelfarm.recipes.settings import Settings

_BIN: Final = "Scripts" if os.name == "nt" else "bin"
_PYTHON: Final = "python.exe" if os.name == "nt" else "python"


def _python_of(root: Path) -> Path:
    """The interpreter of a stage's build environment."""
    return root / ENVIRONMENT / _BIN / _PYTHON


def programs_environment(settings: Settings) -> dict[str, str]:
    """What the host shows to programs, with the programs that came with the farm first on the path."""
    env = allowed(settings.environ)
    here = Path(sys.executable).parent
    return env | {"PATH": f"{here}{os.pathsep}{env.get('PATH', os.defpath)}"}


@dataclass(frozen=True)
class Host:
    """Builds on this machine; its wheels get the tag that auditwheel finds them fit for."""

    settings: Settings
    compiler_cache: CompilerCache | None = None
    name: EngineName = EngineName.HOST

    @property
    def machine(self) -> Machine:
        """This machine as a build sees it."""
        return Machine(allowed(self.settings.environ))

    @property
    def stages(self) -> Path:
        """One place on every machine: its path ends up in wheels, and in the compiler cache."""
        return self.settings.stages

    def without_compiler_cache(self) -> Host:
        """The same engine without one."""
        return replace(self, compiler_cache=None)

    def inside(self, root: Path, target: Target) -> PurePath:
        """The same path: nothing stands between the build and this machine."""
        del target
        return root

    def toolchain(
        self, target: Target, packages: Mapping[str, Iterable[str]], programs: Iterable[str]
    ) -> Toolchain:
        """The interpreter, the compilers, the system packages and the tools of this machine.

        Raises:
            EngineError: when the interpreter or a tool is missing.
        """
        machine = self.machine
        python = machine.python(target.python)
        if not machine.has_headers(python):
            raise EngineError(
                f"{python} has no headers",
                why="extension modules are compiled against Python.h",
                hint=f"apt-get install python{target.python}-dev, or dnf install python{target.python}-devel",
            )
        for program in ("uv", TOOLS[target.platform].program):
            if which(program, programs_environment(self.settings)) is None:
                raise EngineError(
                    f"there is no {program} here",
                    hint="python -m pip install -e '.[programs]', or run it through nox",
                )
        manager = machine.manager()
        facts = {
            "python": machine.describe_python(python),
            "glibc": ".".join(map(str, glibc())),
            TOOLS[target.platform].distribution: version(TOOLS[target.platform].distribution),
            "linker": machine.describe("ld"),
            "patchelf": Machine(programs_environment(self.settings)).describe("patchelf"),
            "stages": str(self.stages),
        }
        return Toolchain(
            engine=self.name,
            target=target,
            facts=facts,
            compilers=machine.compilers(),
            packages=machine.packages(manager, packages.get(manager, ())) if manager else {},
            programs={program: machine.describe(program) for program in programs},
            manager=manager,
            glibc=glibc(),
        )

    def render(self, stage: BuildDirectory) -> Rendering:
        """An environment from the stage's wheels alone, the build in it, the witness, and the repair."""
        root, target, source = stage.root, stage.build.id.target, stage.tree.path
        host, variables = programs_environment(self.settings), build_environment(stage)
        build_env = self._build_env(stage, variables)
        python = str(_python_of(root))
        steps = self._environment_steps(stage, build_env)
        if stage.provider is Provider.NETLIB:
            argv = (python, str(root / "inside" / "netlib.py"), str(root / "provider"))
            steps.append(Step(phase=Phase.PROVIDER, argv=argv, env=host, cwd=root))
        settings = config_settings(stage).for_build()
        frontend = (python, "-m", "build", "--no-isolation", "--wheel", "--outdir", str(stage.built))
        witness = (
            *(
                python,
                "-I",
                str(root / "inside" / "environment_report.py"),
                BUILT,
                str(stage.dist / ENVIRONMENT_REPORT),
            ),
            *stage.build.all_system_packages,
        )
        libraries = library_path(stage.provider, inside=root)
        repair, repair_env = TOOLS[target.platform].command(
            wheel=BUILT, dest=str(stage.dist), arch=target.arch, libraries=libraries
        )
        owners = (
            *(
                python,
                "-I",
                str(root / "inside" / "library_provenance.py"),
                str(stage.dist),
                str(stage.dist / LIBRARY_PROVENANCE),
            ),
            *([libraries] if libraries else []),
        )
        steps += [
            Step(phase=Phase.BUILD, argv=(*frontend, *settings, str(source)), env=build_env, cwd=source),
            Step(phase=Phase.ENVIRONMENT_REPORT, argv=witness, env=host | variables, cwd=root),
            Step(phase=Phase.REPAIR, argv=repair, env=host | variables | repair_env, cwd=root),
            Step(phase=Phase.ENVIRONMENT_REPORT, argv=owners, env=host | variables, cwd=root),
        ]
        return Rendering(steps=tuple(steps))

    def _build_env(self, stage: BuildDirectory, variables: Mapping[str, str]) -> dict[str, str]:
        """All that the build sees: little of this machine, and nothing of the user's home."""
        root = stage.root
        # What lies in a home directory, such as setuptools' own settings, is no part of the key.
        host = allowed(self.settings.environ).items()
        env = {name: value for name, value in host if not name.startswith("XDG_")} | dict(variables)
        env |= {"HOME": str(root / "home"), "TMPDIR": str(root / "tmp")}
        first = [str(_python_of(root).parent)]
        cache = self.compiler_cache
        if cache is not None:
            env |= cache.environment(storage=cache.storage, stage=root)
            first.append(compilers_path(root))
        return env | {"PATH": os.pathsep.join([*first, env.get("PATH", os.defpath)])}

    def _environment_steps(self, stage: BuildDirectory, build_env: Mapping[str, str]) -> list[Step]:
        """The build environment, and in it the compiler cache and the kept build directory made ready."""
        root, cache = stage.root, self.compiler_cache
        host, python = programs_environment(self.settings), str(_python_of(root))
        interpreter = str(self.machine.python(stage.build.id.target.python))
        uv = ("uv", "--offline", "--no-config")
        install = ("pip", "install", "--python", python, "--no-index", "--no-cache", "--link-mode=copy")
        commands: list[tuple[tuple[str, ...], Mapping[str, str]]] = [
            ((*uv, "venv", "--no-project", "--python", interpreter, str(root / ENVIRONMENT)), host),
            ((*uv, *install, "--require-hashes", "--requirements", str(root / "requirements.txt")), host),
        ]
        if cache is not None:
            words = compilers_words(cache.tools / PROGRAM, root, stage.build.resolved.environment)
            commands.append(((python, *words), build_env))
        if self.build_cache(stage):
            settle = (python, "-I", str(root / "inside" / "prepare_build_cache.py"), str(stage.build_dir))
            commands.append((settle, host))
        return [Step(phase=Phase.ENVIRONMENT, argv=argv, env=env, cwd=root) for argv, env in commands]

    def build_cache(self, stage: BuildDirectory) -> BuildCache | None:
        if self.compiler_cache is None or stage.build_dir is None:
            return None
        return BuildCache.beside(stage.root, Path(stage.build_dir))

    def worker(self, line: str, root: Path) -> int | None:
        """What was started does the work."""
        del line, root
        return None

    def sweep(self, root: Path) -> None:
        """It makes no containers."""

    def phase(self, step: Step, lines: Iterable[str]) -> Phase:
        """The step's own phase: every step here is one program."""
        del lines
        return step.phase

    def pythons(self, target: Target) -> tuple[Python, ...]:
        """Those of this machine."""
        del target
        return self.machine.pythons()

    def clean_environment(self, directory: Path, target: Target, out: Path | None = None) -> Step:
        """A fresh environment on this machine, without the build's paths; what it maps is checked."""
        del out
        env = programs_environment(self.settings)
        interpreter = str(self.machine.python(target.python))
        uv = str(which("uv", env))
        env = {key: value for key, value in env.items() if not key.startswith(("LD_", "DYLD_"))}
        return Step(
            phase=Phase.ENVIRONMENT_REPORT,
            argv=(interpreter, "-I", str(directory / "enter.py"), str(directory), uv),
            env=env | {"TMPDIR": str(directory)},
            cwd=directory,
        )
