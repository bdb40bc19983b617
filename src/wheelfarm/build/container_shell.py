"""A shell in a container of the builder image, as a build of cibuildwheel has it."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from wheelfarm.build.commands import records_calls, shell_lines
from wheelfarm.build.compiler_cache import compilers_path
from wheelfarm.build.containers import interpreter_in_image
from wheelfarm.build.engine import Phase, Step

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from wheelfarm.build.commands import BuildCommand
    from wheelfarm.build.containers import ContainerEngine
    from wheelfarm.build.directory import BuildDirectory


def render_shell(
    directory: BuildDirectory,
    container: ContainerEngine,
    image: str,
    words: tuple[str, ...],
    *,
    options: Sequence[str],
    commands: Sequence[BuildCommand],
    install: str,
    variables: Mapping[str, str],
    env: Mapping[str, str],
    terminal: bool,
) -> Step:
    """The step that installs the build requirements in a container, and runs a program in it.

    The build directory is mounted to be written, so that edits stay.

    Args:
        directory: the build directory.
        container: runs the container.
        image: the builder image.
        words: the program and its arguments.
        options: of the container.
        commands: those around the backend.
        install: the shell's line that installs the build requirements.
        variables: of the build.
        env: the environment of the container engine.
        terminal: whether this process has one.
    """
    target, root, inside = directory.build.id.target, directory.root, directory.inside
    project = (inside / directory.tree.project.relative_to(root)).as_posix()
    own = [f'export PATH="{compilers_path(inside)}:$PATH"'] if records_calls(directory.build) else []
    lines = [
        "set -e",
        f"cd {inside}",
        f'export PATH="{interpreter_in_image(target.python).parent}:$PATH"',
        "{",
        *shell_lines(commands, Phase.PROVIDER, target=target),
        install,
        *shell_lines(commands, Phase.ENVIRONMENT, target=target),
        "} >&2",
        *own,
        f"cd {shlex.quote(project)}",
        'exec "$@"',
    ]
    argv = (
        *(container.program, "run", "--rm", "--interactive", *(["--tty"] if terminal else [])),
        *("--pull=never", "--security-opt=label=disable", *options, f"--volume={root}:{inside}"),
        *(f"--env={name}={value}" for name, value in variables.items()),
        *(image, "sh", "-c", "\n".join(lines), "sh", *words),
    )
    return Step(phase=Phase.BUILD, argv=argv, env=env, cwd=root)
