"""The cibuildwheel engine: renders a build to one flat configuration file and one command."""

from __future__ import annotations

import hashlib
import sys
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, Final

import tomlkit

from wheelfarm.build.build_cache import BuildCache
from wheelfarm.build.cibuildwheel_options import escape_placeholders, quote_value
from wheelfarm.build.commands import build_commands, records_calls, shell_lines
from wheelfarm.build.compiler_cache import PROGRAM, compilers_path
from wheelfarm.build.container_packages import UV_INSIDE, requirements_line, system_packages_line
from wheelfarm.build.container_shell import render_shell
from wheelfarm.build.containers import ContainerEngine, default_image, interpreter_in_image, site_packages
from wheelfarm.build.engine import Phase, Rendering, Step
from wheelfarm.build.environment import PROXIES, build_environment, config_settings
from wheelfarm.build.environment_report import ENVIRONMENT_REPORT
from wheelfarm.build.host_engine import Host, programs_environment
from wheelfarm.build.pure_container import render_in_container
from wheelfarm.build.remote_cache import SOCKET
from wheelfarm.errors import EngineError
from wheelfarm.model import EngineName, Isolation, Platform
from wheelfarm.plan.build import Toolchain
from wheelfarm.system.environment import which
from wheelfarm.system.install_hints import install_command
from wheelfarm.system.machine import processor

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path, PurePath

    from wheelfarm.build.compiler_cache import CompilerCache
    from wheelfarm.build.directory import BuildDirectory
    from wheelfarm.model import Python, Target
    from wheelfarm.plan.build import Build
    from wheelfarm.recipes.settings import Settings

CONFIG: Final = "cibuildwheel.toml"
TOOLS_INSIDE: Final = PurePosixPath("/wheelfarm/ccache")
STORAGE_INSIDE: Final = PurePosixPath("/wheelfarm/ccache-storage")
SOCKET_INSIDE: Final = PurePosixPath("/wheelfarm/cache.socket")
SCRIPTS_INSIDE: Final = PurePosixPath("/wheelfarm/scripts")
"""Where a container gets the compiler cache, the socket file of the remote one, and the farm's scripts."""
OVERLAID: Final = "overlaid"
"""Below the build directory: the working directory of cibuildwheel with an overlay mount.

cibuildwheel copies its working directory into the container, ten thousand files of it. With an overlay mount
this one holds just the files that cibuildwheel recognizes a project by, and reads.
"""
_PROJECT_FILES: Final = ("pyproject.toml", "setup.cfg", "setup.py")
PROJECT: Final = PurePosixPath("/project")
"""Where cibuildwheel copies its working directory to in a container."""
_HEADLINES: Final = {
    "Running before_all...": Phase.PROVIDER,
    "Running before_build...": Phase.ENVIRONMENT,
    "profile: ": Phase.PROFILE,
    "Building wheel...": Phase.BUILD,
    "Repairing wheel...": Phase.REPAIR,
}
"""What cibuildwheel prints; before the first headline it starts the container."""
_CONFINED: Final = ("--security-opt=no-new-privileges",)
_NO_NETWORK: Final = ("--network=none", *(f"--env={name}=" for name in PROXIES))
"""Without proxies too: podman gives a container those of this machine, with their passwords."""
_REPORT: Final = "environment_report.py"
_GLIBC: Final = (2, 28)
"""The level of cibuildwheel's default images: wheels for it run in those and in newer ones."""


def volumes_of(settings: Settings) -> str:
    """The prefix of the names of a farm's volumes."""
    return f"wheelfarm-{hashlib.sha256(str(settings.work).encode()).hexdigest()[:12]}-"


@dataclass(frozen=True)
class Cibuildwheel:
    """Builds with cibuildwheel: in a container on Linux, natively on macOS and Windows."""

    settings: Settings
    container: ContainerEngine | None
    """None on macOS and Windows."""
    compiler_cache: CompilerCache | None = None
    name: EngineName = EngineName.CIBUILDWHEEL

    @property
    def stages(self) -> Path:
        """The farm's own directory where containers give a fixed path, else that of the host engine."""
        return self.settings.work / "stages" if self.container else self.settings.stages

    def isolation(self, build: Build) -> Isolation:
        """Of a container; on macOS and Windows there is none."""
        container = self._container_for(build.id.target)
        return Isolation.CONTAINER if container and not build.recipe.table.isolation else Isolation.NONE

    def with_compiler_cache(self, cache: CompilerCache | None) -> Cibuildwheel:
        return replace(self, compiler_cache=cache)

    def inside(self, root: Path, target: Target) -> PurePath:
        """A fixed path in a container, the same path elsewhere."""
        return PROJECT if target.platform is Platform.LINUX else root

    def image(self, target: Target) -> str:
        """The builder image of the settings, or the one that cibuildwheel pins."""
        return self.settings.images.get(f"{target.system}_{target.arch}") or default_image(target)

    def toolchain(
        self, target: Target, packages: Mapping[str, Iterable[str]], programs: Iterable[str]
    ) -> Toolchain:
        """The image's digest and cibuildwheel's version; off Linux, this machine's compilers."""
        facts = {"cibuildwheel": version("cibuildwheel")}
        if target.platform is not Platform.LINUX:
            machine = Host(self.settings).machine
            return Toolchain(
                engine=self.name,
                target=target,
                facts=facts | {"stages": str(self.stages)},
                compilers=machine.compilers(),
                packages={},
                programs={program: machine.describe(program) for program in programs},
                processor=processor(),
            )
        # The image pins them; the build record holds what is installed on top.
        del packages, programs
        if self.container is None:
            raise EngineError(
                "neither podman nor docker answers here",
                why="cibuildwheel builds Linux wheels in containers",
                hint=f"{install_command('podman')}, or use --engine host",
            )
        where, image = f"images.{target.platform_suffix}", self.image(target)
        facts["image"] = self.container.image_id(image, where=where, arch=target.arch)
        self.container.check_architecture(image, target, where=where)
        return Toolchain(
            engine=self.name,
            target=target,
            facts=facts,
            compilers={},
            packages={},
            glibc=_GLIBC,
            processor=processor(),
        )

    def render(self, directory: BuildDirectory) -> Rendering:
        """The configuration file, and the command with the steps around it; for a pure wheel steps alone."""
        target, root, source = directory.build.id.target, directory.root, directory.tree.project
        package = source.relative_to(root).as_posix()
        container = self._container_for(target)
        if not directory.build.recipe.table.compiled:
            return self._render_pure(directory, container)
        overlay = container is not None and container.can_overlay(root)
        argv = (
            *("cibuildwheel", package, "--config-file", str(root / CONFIG)),
            *("--only", target.identifier, "--output-dir", str(directory.dist)),
        )
        env = programs_environment(self.settings) | {"TMPDIR": str(root / "tmp")}
        cwd = root / OVERLAID if overlay else root
        if container is not None:
            # The container remains, with no process in it: the environment report is made from its files.
            env["CIBW_DEBUG_KEEP_CONTAINER"] = "1"
        step = Step(phase=Phase.BUILD, argv=argv, env=env, cwd=cwd, headlines=_HEADLINES)
        steps = self._around(container, directory, step) if container is not None else [step]
        files = {CONFIG: tomlkit.dumps({"tool": {"cibuildwheel": self.options(directory)}})}
        read = (source / name for name in (_PROJECT_FILES if overlay else ()))
        copies = {f"{OVERLAID}/{package}/{path.name}": path for path in read if path.is_file()}
        return Rendering(files=files, copies=copies, steps=tuple(steps))

    def _around(self, container: ContainerEngine, directory: BuildDirectory, step: Step) -> list[Step]:
        """The step of a container with those around it: system packages before, environment report after.

        Both are outside of it, since it has no network, and its build may have changed any program in it.
        """
        root, target = directory.root, directory.build.id.target
        line, image, report = (
            system_packages_line(directory),
            self.image(target),
            str(root / "inside" / _REPORT),
        )
        commands = container.install_packages(root, image, line) if line else ()
        before = [Step(phase=Phase.PROVIDER, argv=argv, env=container.env, cwd=root) for argv in commands]
        after = Step(
            phase=Phase.ENVIRONMENT_REPORT,
            argv=(sys.executable, "-I", "-S", report, str(directory.dist / ENVIRONMENT_REPORT)),
            env=container.env,
            cwd=root,
            archived=site_packages(target.python),
        )
        return [*before, step, after]

    def _render_pure(self, directory: BuildDirectory, container: ContainerEngine | None) -> Rendering:
        """The steps of the host engine, in containers where this engine has them."""
        if container is None:
            return Host(self.settings).render(directory)
        if any(directory.build.system_packages.values()):
            raise EngineError(
                f"{directory.build.id}: a pure recipe cannot install system packages in a container",
                where=f"{directory.build.recipe.where}: system-packages",
                hint="put them into the builder image (images), or use --engine host",
            )
        return render_in_container(
            directory,
            container,
            self.image(directory.build.id.target),
            options=(*self._uv(), *_CONFINED, *_network(directory.build)),
            uv=UV_INSIDE,
            install=requirements_line(directory),
            env=programs_environment(self.settings),
        )

    def options(self, directory: BuildDirectory) -> dict[str, Any]:
        """All options as one flat table: cibuildwheel's platform tables would replace it, not add to it."""
        target, cache = directory.build.id.target, self.compiler_cache
        linux = target.platform is Platform.LINUX
        commands = build_commands(
            directory,
            scripts=SCRIPTS_INSIDE if linux else directory.root / "inside",
            ccache=(TOOLS_INSIDE if linux else cache.tools) / PROGRAM if cache else None,
            build_cache=self.build_cache(directory) is not None,
            output=PurePosixPath("/output") if linux else directory.dist,
        )

        def lines(*phases: Phase) -> list[str]:
            return shell_lines(commands, *phases, target=target)

        options: dict[str, Any] = {
            "build-frontend": {"name": "build", "args": ["--no-isolation"]},
            "config-settings": escape_placeholders(config_settings(directory).for_cibuildwheel()),
            "environment": self._environment(directory),
            "before-build": " && ".join(
                [requirements_line(directory), *lines(Phase.ENVIRONMENT, Phase.PROFILE)]
            ),
            "repair-wheel-command": " && ".join(lines(Phase.ENVIRONMENT_REPORT, Phase.REPAIR)),
            "test-command": "",
            # Its default would install abi3audit from the index, whatever it is that day.
            "audit-command": "",
        }
        if first := lines(Phase.PROVIDER):
            options["before-all"] = " && ".join(first)
        container = self._container_for(target)
        if container is not None:
            options["container-engine"] = {
                "name": container.program,
                "create-args": self._create_args(directory, container),
                "disable-host-mount": True,
            }
            own = container.image_of(directory.root) if system_packages_line(directory) else None
            options[f"{target.system}-{target.arch}-image"] = own or self.image(target)
        return options | dict(directory.build.resolved.cibuildwheel)

    def _variables(self, directory: BuildDirectory) -> dict[str, str]:
        """The variables of the build and of the compiler cache."""
        cache, linux = self.compiler_cache, directory.build.id.target.platform is Platform.LINUX
        variables = build_environment(directory)
        if cache:
            variables |= cache.namespace(directory.build) | cache.environment(
                storage=STORAGE_INSIDE if linux else cache.storage_of(directory.build.id.name),
                directory=directory.inside,
                socket=SOCKET_INSIDE if linux else directory.root / SOCKET,
            )
        return variables

    def _environment(self, directory: BuildDirectory) -> str:
        """The same as assignments, with the path of the compilers."""
        where, variables = directory.build.recipe.where, self._variables(directory)
        words = [quote_value(name, value, where=where) for name, value in variables.items()]
        if records_calls(directory.build):
            path = quote_value("PATH", f"{compilers_path(directory.inside)}:", where="stages")
            words.append(f'{path.removesuffix(chr(34))}$PATH"')
        return " ".join(words)

    def shell(self, directory: BuildDirectory, words: tuple[str, ...], *, terminal: bool) -> Step:
        """A container of the same image with the same mounts, variables, packages and network.

        What cibuildwheel itself does in its container is not done: its own environment for a Python, and
        `before-build` and the like of a recipe's cibuildwheel table. The build cache stays with the build.
        """
        build = directory.build
        container = self._container_for(build.id.target)
        if container is None or not build.recipe.table.compiled:
            why = "the recipe is pure" if container else "cibuildwheel makes its environment itself"
            what = f"the cibuildwheel engine has no shell for {build.id}"
            raise EngineError(what, why=why, hint="inv shell with --engine=host")
        commands = build_commands(
            directory,
            scripts=SCRIPTS_INSIDE,
            ccache=TOOLS_INSIDE / PROGRAM if self.compiler_cache else None,
            build_cache=False,
            output=PurePosixPath("/output"),
        )
        own = container.image_of(directory.root) if system_packages_line(directory) else None
        return render_shell(
            directory,
            container,
            own or self.image(build.id.target),
            words,
            options=self._create_args(directory, container, for_shell=True),
            commands=commands,
            install=requirements_line(directory),
            variables=self._variables(directory),
            env=programs_environment(self.settings),
            terminal=terminal,
        )

    def _create_args(
        self, directory: BuildDirectory, container: ContainerEngine, *, for_shell: bool = False
    ) -> list[str]:
        """The options of the container: its label, mounts and volumes."""
        cache = self.compiler_cache
        words = [container.label(directory.root), *self._uv(), *_CONFINED]
        words.append(f"--volume={directory.root / 'inside'}:{SCRIPTS_INSIDE}:ro")
        words += _network(directory.build)
        if not for_shell and container.can_overlay(directory.root):
            words += container.overlay_mount(directory.root, directory.inside)
        if cache is not None:
            words.append(f"--volume={cache.tools}:{TOOLS_INSIDE}:ro")
            words.append(f"--volume={cache.storage_of(directory.build.id.name)}:{STORAGE_INSIDE}")
            # A shell has none: it outlives the step that listens.
            if cache.remote and not for_shell:
                words.append(f"--volume={directory.root / SOCKET}:{SOCKET_INSIDE}")
        if self.build_cache(directory) and not for_shell:
            # One for each farm and build.
            volume = f"{volumes_of(self.settings)}{directory.build.id.slug}"
            words.append(f"--volume={volume}:{directory.build_dir}")
        return words

    def build_cache(self, directory: BuildDirectory) -> BuildCache | None:
        """In containers only: elsewhere cibuildwheel's environments have another path each time."""
        if self.container is None or self.compiler_cache is None or directory.reusable_build_dir is None:
            return None
        return BuildCache.beside(directory.root, None)

    def _uv(self) -> list[str]:
        """The option that mounts this machine's uv; none without a uv."""
        found = which("uv", programs_environment(self.settings))
        return [f"--volume={found}:{UV_INSIDE}:ro"] if found else []

    def _container_for(self, target: Target) -> ContainerEngine | None:
        return self.container if target.platform is Platform.LINUX else None

    def pythons(self, target: Target) -> tuple[Python, ...]:
        """Those of the builder image; off Linux, those of this machine."""
        container = self._container_for(target)
        if container is None:
            return Host(self.settings).pythons(target)
        return container.pythons(self.image(target))

    def clean_environment(self, directory: Path, target: Target, out: Path | None = None) -> Step:
        """A new container of the same image, without network and without the build's packages."""
        container = self._container_for(target)
        if container is None:
            return Host(self.settings).clean_environment(directory, target)
        writable = ("--volume", f"{out}:/gate/{out.name}") if out else ()
        argv = (
            *(container.program, "run", "--rm", "--interactive", container.label(directory)),
            *(*_CONFINED, *_NO_NETWORK),
            *("--volume", f"{directory}:/gate:ro", *writable),
            *(*self._uv(), "--env", "OPENBLAS_NUM_THREADS=2", self.image(target)),
            *(str(interpreter_in_image(target.python)), "-I"),
            *("/gate/enter.py", "/gate", str(UV_INSIDE)),
        )
        env = programs_environment(self.settings)
        return Step(phase=Phase.ENVIRONMENT_REPORT, argv=argv, env=env, cwd=directory)


def _network(build: Build) -> tuple[str, ...]:
    """The options that keep a build from the network, unless its recipe says that it needs it."""
    return () if build.recipe.table.isolation else _NO_NETWORK
