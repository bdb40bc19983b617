"""The engine: a stage as one flat configuration file and one command."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, Final

import tomlkit

from wheelfarm.cibuildwheel.container import default_image
from wheelfarm.cibuildwheel.quoting import command_line, escape_placeholders, quote_value
from wheelfarm.engine import PROXIES, TESTIMONY, Phase, Rendering, Step, build_environment, config_settings
from wheelfarm.errors import EngineError
from wheelfarm.host import Host, programs_environment
from wheelfarm.model import EngineName, Platform
from wheelfarm.plan import Toolchain
from wheelfarm.process import Command, run, which
from wheelfarm.repair import TOOLS
from wheelfarm.settings.tables import Provider
from wheelfarm.stage import library_path

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path, PurePath

    from wheelfarm.model import Target
    from wheelfarm.settings import Settings
    from wheelfarm.stage import Stage

CONFIG: Final = "cibuildwheel.toml"
PROJECT: Final = PurePosixPath("/project")
"""Where cibuildwheel copies the stage to in a container."""
# cibuildwheel's own headlines, by which a failure is told.
_HEADLINES: Final = {
    "Running before_all...": Phase.PROVIDER,
    "Running before_build...": Phase.ENVIRONMENT,
    "Building wheel...": Phase.BUILD,
    "Repairing wheel...": Phase.REPAIR,
}
_GLIBC: Final = (2, 28)
"""The level of cibuildwheel's default images: wheels for it run in those and in newer ones."""


def _with_network(line: str) -> str:
    """A shell's line with the proxies of the container itself: those of the build lead nowhere."""
    inner = shlex.quote(line)
    proxies = 'grep -zi _proxy= /proc/1/environ | xargs -0 sh -c \'exec env "$@" sh -c "$0"\''
    return f"unset {' '.join(PROXIES)}; {proxies} {inner}"


@dataclass(frozen=True)
class Cibuildwheel:
    """Builds with cibuildwheel: in a container on Linux, natively on macOS and Windows."""

    settings: Settings
    container: str | None
    """The container engine; None on macOS and Windows."""
    name: EngineName = EngineName.CIBUILDWHEEL

    @property
    def stages(self) -> Path:
        """In the farm's own directory where a container gives them a fixed path, else in that of the host."""
        return self.settings.work / "stages" if self.container else self.settings.stages

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
        facts["image"] = self._image_id(target)
        return Toolchain(
            engine=self.name, target=target, facts=facts, compilers={}, packages={}, glibc=_GLIBC
        )

    def _image_id(self, target: Target) -> str:
        """What the image is, by digest: a tag can come to mean another one."""
        image = self.image(target)
        if "@sha256:" in image:
            return image
        argv = (str(self.container), "image", "inspect", "--format", "{{.Id}}", image)
        command = Command(argv=argv, env=programs_environment(self.settings), time_limit=60)
        finished = run(command, check=False)
        if finished.returncode != 0:
            raise EngineError(
                f"the builder image {image} is not here",
                where=f"images.{target.system}_{target.arch}",
                why="a tag can come to mean another image, so what it means must be known before the build",
                hint=f"{self.container} pull {image}, or name the image by digest",
            )
        return finished.output.strip()

    def render(self, stage: Stage) -> Rendering:
        """The configuration file and the one command."""
        argv = (
            *("cibuildwheel", stage.tree.path.name, "--config-file", CONFIG),
            *("--only", stage.build.id.target.identifier, "--output-dir", stage.dist.name),
        )
        env = programs_environment(self.settings)
        text = tomlkit.dumps({"tool": {"cibuildwheel": self.options(stage)}})
        step = Step(phase=Phase.BUILD, argv=argv, env=env, cwd=stage.root)
        return Rendering(files={CONFIG: text}, steps=(step,))

    def options(self, stage: Stage) -> dict[str, Any]:
        """All that cibuildwheel is told, as one flat table: its platform tables would replace, not add."""
        target, inside, where = stage.build.id.target, stage.inside, stage.build.entry.where
        environment = build_environment(stage, jobs=self.settings.jobs)
        settings = config_settings(stage, jobs=self.settings.jobs).for_cibuildwheel()
        options: dict[str, Any] = {
            "build-frontend": {"name": "build", "args": ["--no-isolation"]},
            "config-settings": escape_placeholders(settings),
            "environment": " ".join(quote_value(k, v, where=where) for k, v in environment.items()),
            "before-build": command_line(
                (
                    "python",
                    "-m",
                    "pip",
                    "--isolated",
                    "install",
                    "--no-index",
                    "--require-hashes",
                    "--force-reinstall",
                ),
                ("-r", (inside / "requirements.txt").as_posix()),
                target=target,
            ),
            "repair-wheel-command": self._repair(stage),
            "test-command": "",
            # Its default would install abi3audit from the index, whatever it is that day.
            "audit-command": "",
        }
        before_all = self._before_all(stage)
        if before_all:
            options["before-all"] = before_all
        if target.platform is Platform.LINUX:
            options["container-engine"] = {"name": str(self.container), "disable-host-mount": True}
            options[f"{target.system}-{target.arch}-image"] = self.image(target)
        return options | dict(stage.build.resolved.cibuildwheel)

    def _before_all(self, stage: Stage) -> str:
        """System packages, then netlib: with whatever package manager the image has."""
        if stage.build.id.target.platform is not Platform.LINUX:
            return ""
        commands = []
        packages = stage.build.system_packages
        apt, dnf = (shlex.join(packages[manager]) for manager in ("apt", "dnf"))
        if apt or dnf:
            branches = (
                (
                    "apt-get",
                    f"apt-get update -qq && apt-get install -y --no-install-recommends {apt}" if apt else ":",
                ),
                ("dnf", f"dnf install -y {dnf}" if dnf else ":"),
                ("yum", f"yum install -y {dnf}" if dnf else ":"),
            )
            tests = "; el".join(
                f"if command -v {program} >/dev/null; then {line}" for program, line in branches
            )
            line = f"{tests}; else echo 'no package manager that we know' >&2; exit 1; fi"
            commands.append(_with_network(line))
        if stage.provider is Provider.NETLIB:
            script, provider = (stage.inside / part for part in ("inside/netlib.py", "provider"))
            commands.append(f"python {shlex.quote(str(script))} {shlex.quote(str(provider))}")
        return " && ".join(commands)

    def _repair(self, stage: Stage) -> str:
        """The witness, then the repair tool."""
        target, inside = stage.build.id.target, stage.inside
        container = target.platform is Platform.LINUX
        testimony = PurePosixPath("/output", TESTIMONY) if container else stage.dist / TESTIMONY
        words, variables = TOOLS[target.platform].command(
            wheel="{wheel}",
            dest="{dest_dir}",
            arch=target.arch,
            libraries=library_path(stage.provider, inside=inside),
        )
        witness = (
            *("python", "-I", str(inside / "inside" / "witness.py"), "{wheel}", str(testimony)),
            *stage.build.all_system_packages,
        )
        if variables:
            words = ("env", *(f"{name}={value}" for name, value in variables.items()), *words)
        return f"{command_line(witness, target=target)} && {command_line(words, target=target)}"

    def phase(self, step: Step, output: str) -> Phase:
        """The part that cibuildwheel announced last."""
        found = [(output.rfind(headline), phase) for headline, phase in _HEADLINES.items()]
        at, phase = max(found)
        return phase if at >= 0 else step.phase

    def clean_room(self, directory: Path, target: Target) -> Step:
        """A fresh container of the same image, without network and without the build's packages."""
        env = programs_environment(self.settings)
        if target.platform is not Platform.LINUX:
            return Host(self.settings).clean_room(directory, target)
        uv = str(which("uv", env))
        python = f"/opt/python/{target.python.tag.removesuffix('t')}-{target.python.tag}/bin/python"
        argv = (
            *(str(self.container), "run", "--rm", "--network=none", "--volume", f"{directory}:/gate:ro"),
            *("--volume", f"{uv}:/uv:ro", "--env", "OPENBLAS_NUM_THREADS=2", self.image(target)),
            *(python, "-I", "/gate/enter.py", "/gate", "/uv"),
        )
        return Step(phase=Phase.WITNESS, argv=argv, env=env, cwd=directory)
