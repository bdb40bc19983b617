"""Asks the backend of a source for its further build requirements: PEP 517's get_requires_for_build_wheel."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from wheelfarm.recipes.build_requirements import read_build_system
from wheelfarm.system.environment import backend_environment
from wheelfarm.system.process import Command, run

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wheelfarm.recipes.layers import ResolvedRecipe

VERSION_VARIABLES: Final = {
    **dict.fromkeys(("setuptools-scm", "hatch-vcs", "flit-scm"), "SETUPTOOLS_SCM_PRETEND_VERSION"),
    "pdm-backend": "PDM_BUILD_SCM_VERSION",
    "pbr": "PBR_VERSION",
}
"""Build requirement → the variable by which it takes the version of a source that is no repository."""
_BIN: Final = "Scripts" if os.name == "nt" else "bin"
_TOOLS: Final = frozenset(
    {
        *("cmake", "cmake3", "ctest", "cpack", "ninja", "ninja-build", "samu", "patchelf"),
        *("meson", "scons", "swig", "cython", "cython3", "cythonize"),
    }
)
"""Programs of the machine that a backend would take instead of a requirement."""
_SCRIPT: Final = """\
import json, subprocess, sys
from pyproject_hooks import BuildBackendHookCaller
question = json.load(sys.stdin)
caller = BuildBackendHookCaller(question["tree"], question["backend"], question["path"])
try:
    answer = caller.get_requires_for_build_wheel(question["settings"])
except subprocess.CalledProcessError:
    sys.exit(1)  # the backend's traceback is the message
with open(question["answer"], "w", encoding="utf-8") as file:
    json.dump([str(each) for each in answer], file)
"""


def ask_backend(
    tree: Path,
    requirements: str,
    scratch: Path,
    resolved: ResolvedRecipe,
    *,
    version: str,
    env: Mapping[str, str],
) -> list[str]:
    """What the backend requires beside the static requirements, each as a text that may be anything.

    Args:
        tree: the patched source tree; the backend may write into it.
        requirements: the static requirements and pypa/build, pinned with hashes.
        scratch: an empty directory.
        resolved: the recipe's values, of which the backend sees the config settings and the environment.
        version: the recipe's.
        env: the environment of uv.

    Raises:
        ProcessError: when the environment cannot be made, or the backend fails.
        BuildDirectoryError: when pyproject.toml is not valid.
    """
    environment, lock, answer = scratch / "env", scratch / "requirements.txt", scratch / "answer.json"
    python = environment / _BIN / f"python{'.exe' if os.name == 'nt' else ''}"
    lock.write_text(requirements, encoding="utf-8")
    interpreter = getattr(sys, "_base_executable", sys.executable)
    install = ("--require-hashes", "--only-binary", ":all:", "--requirements", str(lock))
    for words in (
        ("venv", "--no-project", "--python", interpreter, str(environment)),
        ("pip", "install", "--python", str(python), *install),
    ):
        run(Command(argv=("uv", "--no-config", "--quiet", *words), env=env, time_limit=600))
    build_system = read_build_system(tree)
    question = {
        "tree": str(tree),
        "backend": build_system.build_backend,
        "path": build_system.backend_path,
        "settings": {
            key: values[0] if len(values) == 1 else list(values)
            for key, values in resolved.config_settings.items
        },
        "answer": str(answer),
    }
    command = Command(
        argv=(str(python), "-I", "-c", _SCRIPT),
        env=_hook_environment(scratch, python.parent, env)
        | dict.fromkeys(VERSION_VARIABLES.values(), version)
        | dict(resolved.environment),
        cwd=tree,
        stdin=json.dumps(question),
        time_limit=600,
    )
    run(command)
    found: list[str] = json.loads(answer.read_text(encoding="utf-8"))
    return found


def _hook_environment(scratch: Path, programs: Path, environ: Mapping[str, str]) -> dict[str, str]:
    """The environment of the backend: as that of a build, without the tools that it may require.

    A backend that finds CMake, Ninja or patchelf on this machine does not require them.
    """
    env = backend_environment(environ)
    path = env.get("PATH", os.defpath)
    if os.name == "posix":
        links = scratch / "programs"
        links.mkdir()
        for directory in filter(Path.is_dir, map(Path, path.split(os.pathsep))):
            for program in directory.iterdir():
                link = links / program.name
                if program.name not in _TOOLS and not os.path.lexists(link):
                    link.symlink_to(program)
        path = str(links)
    for name in ("home", "tmp"):
        (scratch / name).mkdir()
    return env | {
        "PATH": f"{programs}{os.pathsep}{path}",
        "HOME": str(scratch / "home"),
        "TMPDIR": str(scratch / "tmp"),
        "PIP_NO_INDEX": "1",
    }
