"""The cibuildwheel engine: one flat configuration a build, and one run of the program.

cibuildwheel is told everything by a file of ours and nothing by the environment, so that neither the source's
own `[tool.cibuildwheel]` nor a variable of this machine has an effect.
"""

from __future__ import annotations

import configparser
import re
import shlex
import subprocess
from dataclasses import dataclass
from importlib.metadata import distribution, version
from pathlib import Path, PurePath, PurePosixPath
from typing import TYPE_CHECKING, Any, Final

import tomlkit

from wheelfarm.engine import TESTIMONY, Phase, Rendering, Step, build_environment, config_settings
from wheelfarm.errors import EngineError, ProcessError, RecipeError
from wheelfarm.host import Host, programs_environment
from wheelfarm.model import EngineName, Platform
from wheelfarm.plan import Toolchain
from wheelfarm.process import Command, run, which
from wheelfarm.repair import TOOLS
from wheelfarm.settings.tables import Provider
from wheelfarm.stage import library_path

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from wheelfarm.model import Target
    from wheelfarm.plan import Build
    from wheelfarm.settings import Settings
    from wheelfarm.stage import Stage

CONFIG: Final = "cibuildwheel.toml"
PROJECT: Final = PurePosixPath("/project")
"""Where cibuildwheel copies the stage to in a container."""
# A docker client without a daemon is common: only the server's answer counts.
_ASK: Final = {"podman": ("version",), "docker": ("version", "--format", "{{.Server.Version}}")}
# cibuildwheel's own headlines, by which a failure is told.
_HEADLINES: Final = {
    "Running before_all...": Phase.PROVIDER,
    "Running before_build...": Phase.ENVIRONMENT,
    "Building wheel...": Phase.BUILD,
    "Repairing wheel...": Phase.REPAIR,
}
_GLIBC: Final = (2, 28)
"""The level of cibuildwheel's default images: wheels for it run in those and in newer ones."""
OWNED: Final = frozenset(
    {
        *("build", "skip", "archs", "enable", "environment", "environment-pass", "config-settings"),
        *("build-frontend", "before-all", "before-build", "repair-wheel-command", "container-engine"),
        *("test-command", "test-requires", "test-sources", "before-test", "overrides", "inherit"),
    }
)
"""Options that the farm renders from the recipe; a recipe that set them itself would undo an invariant."""


def quote_value(name: str, value: str, *, where: str) -> str:
    r"""One assignment of CIBW_ENVIRONMENT, which is parsed by bashlex and not by a shell.

    Within double quotes everything survives when `\`, `"`, `$` and the backtick are escaped, but `<(` and
    `>(` are read as process substitution wherever they stand.

    Raises:
        RecipeError: for a value that cannot be said to cibuildwheel.
    """
    forbidden = next((text for text in ("<(", ">(", "\0", "\n", "\r") if text in value), None)
    if forbidden or not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
        raise RecipeError(
            f"{name} cannot be passed through cibuildwheel",
            where=where,
            why=f"the value holds {forbidden!r}" if forbidden else "it is not a variable's name",
            hint="set it in a patch or a config setting instead",
        )
    escaped = re.sub(r'([\\"$`])', r"\\\1", value)
    return f'{name}="{escaped}"'


def escape_placeholders(text: str) -> str:
    """Text in which cibuildwheel replaces nothing: it would fill in {project} and {package}."""
    return re.sub(r"\{(project|package)\}", r"#{\1}", text)


def container_engine(settings: Settings) -> str | None:
    """The container engine that answers here; None when there is none."""
    env = programs_environment(settings)
    for program in (settings.container_engine,) if settings.container_engine else tuple(_ASK):
        if which(program, env) is not None:
            try:
                run(Command(argv=(program, *_ASK[program]), env=env, time_limit=30))
            except ProcessError:
                continue
            return program
    return None


def default_image(target: Target) -> str:
    """The image that this cibuildwheel pins for a target, by digest or dated tag."""
    package = distribution("cibuildwheel")
    parser = configparser.ConfigParser()
    parser.read(str(package.locate_file("cibuildwheel/resources/pinned_docker_images.cfg")))
    level = "musllinux_1_2" if target.system == "musllinux" else "manylinux_2_28"
    return parser[target.arch][level]


def schema_path() -> Path:
    """The JSON Schema of its options that cibuildwheel ships."""
    package = distribution("cibuildwheel")
    return Path(str(package.locate_file("cibuildwheel/resources/cibuildwheel.schema.json")))


@dataclass(frozen=True)
class Cibuildwheel:
    """Builds with cibuildwheel: in a container on Linux, natively on macOS and Windows."""

    settings: Settings
    container: str | None
    """The container engine; None on macOS and Windows."""
    name: EngineName = EngineName.CIBUILDWHEEL

    def inside(self, root: Path, target: Target) -> PurePath:
        """Where cibuildwheel puts the stage: a fixed path in a container, the same path elsewhere."""
        return PROJECT if target.platform is Platform.LINUX else root

    def image(self, target: Target) -> str:
        """The builder image: the settings' or the one that cibuildwheel pins."""
        return self.settings.images.get(f"{target.system}_{target.arch}") or default_image(target)

    def toolchain(self, target: Target, packages: Mapping[str, Iterable[str]]) -> Toolchain:
        """The image's digest and cibuildwheel's version; off Linux, this machine's compilers.

        Raises:
            EngineError: when no container engine answers.
        """
        facts = {"cibuildwheel": version("cibuildwheel")}
        if target.platform is not Platform.LINUX:
            machine = Host(self.settings).machine
            return Toolchain(
                engine=self.name, target=target, facts=facts, compilers=machine.compilers(), packages={}
            )
        del packages  # They are installed in the container, from what the image's digest pins.
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
        image = self.image(target)
        argv = (str(self.container), "image", "inspect", "--format", "{{.Id}}", image)
        command = Command(argv=argv, env=programs_environment(self.settings), time_limit=60)
        finished = run(command, check=False)
        # Not here yet: cibuildwheel pulls it, and its reference is pinned by a dated tag.
        return finished.output.strip() if finished.returncode == 0 else image

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
            "before-build": _join(
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
            commands.append(f"{tests}; else echo 'no package manager that we know' >&2; exit 1; fi")
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
        witness = ("python", "-I", str(inside / "inside" / "witness.py"), "{wheel}", str(testimony))
        if variables:
            words = ("env", *(f"{name}={value}" for name, value in variables.items()), *words)
        return f"{_join(witness, target=target)} && {_join(words, target=target)}"

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


def _join(*parts: Sequence[str], target: Target) -> str:
    """Words as one command line of the target's shell; cibuildwheel's placeholders stay bare."""
    words = [word for part in parts for word in part]
    if target.platform is Platform.WINDOWS:
        return subprocess.list2cmdline(words)
    return " ".join(word if word in {"{wheel}", "{dest_dir}"} else shlex.quote(word) for word in words)


def check_options(build: Build) -> None:
    """Refuse options of the recipe's `cibuildwheel` table that are the farm's own.

    Raises:
        RecipeError: naming them.
    """
    owned = sorted(OWNED & build.resolved.cibuildwheel.keys())
    if owned:
        raise RecipeError(
            f"{', '.join(owned)} may not be set through cibuildwheel",
            where=build.resolved.origins[f"cibuildwheel.{owned[0]}"],
            why="the farm renders it from the recipe",
            hint="use the recipe's own keys: environment, config-settings, system-packages, test",
        )
