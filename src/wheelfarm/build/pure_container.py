"""Builds a pure wheel in a container, by the steps of the host engine: cibuildwheel refuses pure wheels."""

from __future__ import annotations

import os
import shlex
from typing import TYPE_CHECKING

from wheelfarm.build import commands as around
from wheelfarm.build.commands import DEST, PYTHON, build_commands
from wheelfarm.build.containers import interpreter_in_image
from wheelfarm.build.directory import ENVIRONMENT, SOURCE, WRITABLE
from wheelfarm.build.engine import WHEEL, Phase, Rendering, Step
from wheelfarm.build.environment import build_environment, config_settings

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import PurePath

    from wheelfarm.build.containers import ContainerEngine
    from wheelfarm.build.directory import BuildDirectory


def render_in_container(
    directory: BuildDirectory,
    container: ContainerEngine,
    image: str,
    *,
    options: Sequence[str],
    uv: PurePath,
    install: str,
    env: Mapping[str, str],
) -> Rendering:
    """A container for each step: the environment, the build, and the reports.

    Args:
        directory: the build directory, of which each container may change what is its own.
        container: runs the containers.
        image: the builder image.
        options: further options of each container, such as those that confine it.
        uv: the program in the container, if it runs there.
        install: the shell's line that installs the build requirements.
        env: the environment of the container engine.
    """
    inside = directory.inside
    interpreter = str(interpreter_in_image(directory.build.id.target.python))
    made, built = inside / ENVIRONMENT, inside / "built"
    variables = {**build_environment(directory), "HOME": str(inside / "home"), "TMPDIR": str(inside / "tmp")}
    user = (f"--user={os.getuid()}:{os.getgid()}",) if container.program == "docker" else ()

    def step(phase: Phase, lines: Iterable[str], write: Iterable[str]) -> Step:
        volumes = [f"--volume={directory.root}:{inside}:ro"]
        volumes += [f"--volume={directory.root / name}:{inside / name}" for name in write]
        script = "\n".join(["set -e", f"PATH={made}/bin:$PATH", f"cd {inside}", *lines])
        argv = (
            *(container.program, "run", "--rm", container.label(directory.root), *user),
            *(*options, *volumes, *(f"--env={name}={value}" for name, value in variables.items())),
            *(image, "sh", "-c", script),
        )
        return Step(phase=phase, argv=argv, env=env, cwd=directory.root)

    # pip takes most of the time of an environment, and uv needs none.
    make = f"{interpreter} -m venv $({uv} --version >/dev/null 2>&1 && echo --without-pip) {made}"
    frontend = ("python", "-m", "build", "--no-isolation", "--wheel", "--outdir", str(built))
    project = inside / SOURCE / directory.tree.subdirectory
    build = shlex.join((*frontend, *config_settings(directory).for_build(), str(project)))
    values = {PYTHON: interpreter, around.ENVIRONMENT: str(made), WHEEL: '"$1"', DEST: str(inside / "dist")}
    commands = [
        " ".join(values.get(word) or shlex.quote(word) for word in command.argv)
        for command in build_commands(
            directory, scripts=inside / "inside", ccache=None, build_cache=False, output=inside / "dist"
        )
    ]
    return Rendering(
        directories=tuple(directory.root / name for name in (ENVIRONMENT, "built")),
        steps=(
            step(Phase.ENVIRONMENT, [make, install], [ENVIRONMENT, "home", "tmp"]),
            step(Phase.BUILD, [f"cd {shlex.quote(str(project))}", build], WRITABLE),
            step(Phase.REPAIR, [f"set -- {built}/*.whl", *commands], ["dist"]),
        ),
    )
