"""The engine: a stage as one flat configuration file and one command."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, Final

import tomlkit

from wheelfarm.build.build_cache import BuildCache
from wheelfarm.build.cibuildwheel_commands import (
    STORAGE_INSIDE,
    TOOLS_INSIDE,
    UV_INSIDE,
    before_all,
    before_build,
    cache_words,
    repair,
)
from wheelfarm.build.cibuildwheel_options import escape_placeholders, quote_value
from wheelfarm.build.containers import ContainerEngine, default_image
from wheelfarm.build.engine import Phase, Rendering, Step
from wheelfarm.build.environment import build_environment, config_settings
from wheelfarm.build.host_engine import Host, programs_environment
from wheelfarm.errors import EngineError
from wheelfarm.model import EngineName, Platform
from wheelfarm.plan.build import Toolchain
from wheelfarm.system.environment import which

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path, PurePath

    from wheelfarm.build.compiler_cache import CompilerCache
    from wheelfarm.build.directory import BuildDirectory
    from wheelfarm.model import Python, Target
    from wheelfarm.recipes.settings import Settings

CONFIG: Final = "cibuildwheel.toml"
LENT: Final = "lent"
"""Below the stage: the working directory of a cibuildwheel that needs to copy nothing."""
_PROJECT_FILES: Final = ("pyproject.toml", "setup.cfg", "setup.py")
"""By which it knows a project, and what it reads of it."""
PROJECT: Final = PurePosixPath("/project")
"""Where cibuildwheel copies the stage to in a container."""
# cibuildwheel's own headlines, by which a failure is told.
_HEADLINES: Final = {
    "Running before_all...": Phase.PROVIDER,
    "Running before_build...": Phase.ENVIRONMENT,
    "Building wheel...": Phase.BUILD,
    "Repairing wheel...": Phase.REPAIR,
}
_IN_CONTAINER: Final = "Running before_build..."
"""The first headline after which the container does lasting work; there is a before-build in every build."""
_GLIBC: Final = (2, 28)
"""The level of cibuildwheel's default images: wheels for it run in those and in newer ones."""


def volumes_of(settings: Settings) -> str:
    """How the names of a farm's volumes begin."""
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
        """In the farm's own directory where a container gives them a fixed path, else in that of the host."""
        return self.settings.work / "stages" if self.container else self.settings.stages

    def without_compiler_cache(self) -> Cibuildwheel:
        """The same engine without one."""
        return replace(self, compiler_cache=None)

    def inside(self, root: Path, target: Target) -> PurePath:
        """Where cibuildwheel puts the stage: a fixed path in a container, the same path elsewhere."""
        return PROJECT if target.platform is Platform.LINUX else root

    def image(self, target: Target) -> str:
        """The builder image: the settings' or the one that cibuildwheel pins."""
        return self.settings.images.get(f"{target.system}_{target.arch}") or default_image(target)

    def toolchain(
        self, target: Target, packages: Mapping[str, Iterable[str]], programs: Iterable[str]
    ) -> Toolchain:
        """The image's digest and cibuildwheel's version; off Linux, this machine's compilers.

        Raises:
            EngineError: when no container engine answers, or an image without digest is not here.
        """
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
            )
        # They stand in the container, which the image pins; what is installed on top, the record tells.
        del packages, programs
        if self.container is None:
            raise EngineError(
                "neither podman nor docker answers here",
                why="cibuildwheel builds Linux wheels in containers",
                hint="install podman, or say --engine host",
            )
        where = f"images.{target.system}_{target.arch}"
        facts["image"] = self.container.image_id(self.image(target), where=where)
        return Toolchain(
            engine=self.name, target=target, facts=facts, compilers={}, packages={}, glibc=_GLIBC
        )

    def render(self, stage: BuildDirectory) -> Rendering:
        """The configuration file and the one command.

        cibuildwheel copies its working directory into the container, ten thousand files of it. Where the
        container gets the stage in another way, that directory holds just what cibuildwheel itself reads.
        """
        target = stage.build.id.target
        container = self._container_for(target)
        lent = container is not None and container.lends(stage.root)
        cwd = stage.root / LENT if lent else stage.root
        argv = (
            *("cibuildwheel", stage.tree.path.name, "--config-file", str(stage.root / CONFIG)),
            *("--only", target.identifier, "--output-dir", str(stage.dist)),
        )
        env = programs_environment(self.settings) | {"TMPDIR": str(stage.root / "tmp")}
        step = Step(phase=Phase.BUILD, argv=argv, env=env, cwd=cwd)
        files = {CONFIG: tomlkit.dumps({"tool": {"cibuildwheel": self.options(stage)}})}
        read = (stage.tree.path / name for name in (_PROJECT_FILES if lent else ()))
        copies = {f"{LENT}/{stage.tree.path.name}/{path.name}": path for path in read if path.is_file()}
        return Rendering(files=files, copies=copies, steps=(step,))

    def options(self, stage: BuildDirectory) -> dict[str, Any]:
        """All that cibuildwheel is told, as one flat table: its platform tables would replace, not add."""
        target, where = stage.build.id.target, stage.build.recipe.where
        environment = build_environment(stage)
        words = [quote_value(name, value, where=where) for name, value in environment.items()]
        if self.compiler_cache is not None:
            words += cache_words(stage, self.compiler_cache)
        settings = config_settings(stage).for_cibuildwheel()
        options: dict[str, Any] = {
            "build-frontend": {"name": "build", "args": ["--no-isolation"]},
            "config-settings": escape_placeholders(settings),
            "environment": " ".join(words),
            "before-build": before_build(
                stage, self.compiler_cache, build_cache=self.build_cache(stage) is not None
            ),
            "repair-wheel-command": repair(stage),
            "test-command": "",
            # Its default would install abi3audit from the index, whatever it is that day.
            "audit-command": "",
        }
        first = before_all(stage)
        if first:
            options["before-all"] = first
        container = self._container_for(target)
        if container is not None:
            options["container-engine"] = {
                "name": container.program,
                "create-args": self._create_args(stage, container),
                "disable-host-mount": True,
            }
            options[f"{target.system}-{target.arch}-image"] = self.image(target)
        return options | dict(stage.build.resolved.cibuildwheel)

    def _create_args(self, stage: BuildDirectory, container: ContainerEngine) -> list[str]:
        """What a container is created with: its label, the stage, the compiler cache, the kept build."""
        cache = self.compiler_cache
        words = [container.label(stage.root), *self._uv()]
        if container.lends(stage.root):
            words += container.lend(stage.root, stage.inside)
        if cache is not None:
            words.append(f"--volume={cache.tools}:{TOOLS_INSIDE}:ro")
            words.append(f"--volume={cache.storage}:{STORAGE_INSIDE}")
        if self.build_cache(stage):
            words.append(f"--volume={self._volume(stage)}:{stage.build_dir}")
        return words

    def _volume(self, stage: BuildDirectory) -> str:
        """The volume that keeps a build directory: one a farm and build, since two must not share one."""
        return f"{volumes_of(self.settings)}{stage.build.id.slug}"

    def build_cache(self, stage: BuildDirectory) -> BuildCache | None:
        """In containers only: elsewhere cibuildwheel's environments have another path each time."""
        if self.container is None or self.compiler_cache is None or stage.build_dir is None:
            return None
        return BuildCache.beside(stage.root, None)

    def _uv(self) -> list[str]:
        """The option by which a container gets this machine's uv; none where there is no uv."""
        found = which("uv", programs_environment(self.settings))
        return [f"--volume={found}:{UV_INSIDE}:ro"] if found else []

    def _container_for(self, target: Target) -> ContainerEngine | None:
        return self.container if target.platform is Platform.LINUX else None

    def worker(self, line: str, root: Path) -> int | None:
        """The first process of the container, once that is there: it is no descendant of cibuildwheel."""
        if self.container is None or line.strip() != _IN_CONTAINER:
            return None
        return self.container.worker(root)

    def sweep(self, root: Path) -> None:
        """Remove the containers of a stage, whatever they are at."""
        if self.container is not None:
            self.container.sweep(root)

    def phase(self, step: Step, lines: Iterable[str]) -> Phase:
        """The part that cibuildwheel announced last; before the first one it starts the container."""
        del step
        phase = Phase.START
        for line in lines:
            phase = next((each for headline, each in _HEADLINES.items() if headline in line), phase)
        return phase

    def pythons(self, target: Target) -> tuple[Python, ...]:
        """Those of the builder image; off Linux, those of this machine."""
        container = self._container_for(target)
        if container is None:
            return Host(self.settings).pythons(target)
        return container.pythons(self.image(target))

    def clean_environment(self, directory: Path, target: Target, out: Path | None = None) -> Step:
        """A fresh container of the same image, without network and without the build's packages."""
        env = programs_environment(self.settings)
        container = self._container_for(target)
        if container is None:
            return Host(self.settings).clean_environment(directory, target)
        python = f"/opt/python/{target.python.tag.removesuffix('t')}-{target.python.tag}/bin/python"
        writable = ("--volume", f"{out}:/gate/{out.name}") if out else ()
        argv = (
            *(container.program, "run", "--rm", container.label(directory)),
            "--network=none",
            *("--volume", f"{directory}:/gate:ro", *writable),
            *(*self._uv(), "--env", "OPENBLAS_NUM_THREADS=2", self.image(target)),
            *(python, "-I", "/gate/enter.py", "/gate", str(UV_INSIDE)),
        )
        return Step(phase=Phase.ENVIRONMENT_REPORT, argv=argv, env=env, cwd=directory)
