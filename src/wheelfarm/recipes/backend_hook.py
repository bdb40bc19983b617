"""Asks the backend of a source for its further build requirements, and for the metadata of its wheel.

By the hooks of PEP 517: get_requires_for_build_wheel and prepare_metadata_for_build_wheel.
"""

from __future__ import annotations

import json
import os
import stat
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pydantic import TypeAdapter

from wheelfarm.errors import LockError
from wheelfarm.model import Isolation
from wheelfarm.recipes.build_requirements import read_build_system
from wheelfarm.system.environment import backend_environment
from wheelfarm.system.files import parse_json
from wheelfarm.system.process import Command, run
from wheelfarm.system.sandbox import View, confine, isolation_here, prefix_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wheelfarm.recipes.layers import ResolvedRecipe
    from wheelfarm.recipes.loaded_recipe import LoadedRecipe

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
import json, os, subprocess, sys
from pyproject_hooks import BuildBackendHookCaller
question = json.load(sys.stdin)
caller = BuildBackendHookCaller(question["tree"], question["backend"], question["path"])
try:
    if question["metadata"]:
        found = caller.prepare_metadata_for_build_wheel(
            question["metadata"], question["settings"], _allow_fallback=False
        )
        with open(os.path.join(question["metadata"], found, "METADATA"), encoding="utf-8") as file:
            answer = [file.read()]
    else:
        answer = [str(each) for each in caller.get_requires_for_build_wheel(question["settings"])]
except subprocess.CalledProcessError:
    sys.exit(1)  # the backend's traceback is the message
with open(question["answer"], "w", encoding="utf-8") as file:
    json.dump(answer, file)
"""
_LONGEST: Final = 1_000_000
"""Bytes of an answer that are read."""


def ask_backend(
    recipe: LoadedRecipe,
    resolved: ResolvedRecipe,
    tree: Path,
    requirements: str,
    scratch: Path,
    *,
    env: Mapping[str, str],
    hidden: tuple[Path, ...],
    metadata: bool = False,
) -> list[str]:
    """What the backend requires beside the static requirements, each as a text that may be anything.

    With `metadata`, in place of that the one text METADATA of its wheel, of which nothing is compiled.

    The backend runs the code of the source: it is confined as in a build, unless the recipe says otherwise.

    Args:
        recipe: the recipe.
        resolved: its values, of which the backend sees the config settings and the environment.
        tree: the patched source tree, inside `scratch`.
        requirements: the static requirements and pypa/build, pinned with hashes; for the metadata, those
            that the backend names too.
        scratch: a directory of its own, which the backend may change.
        env: the environment of uv.
        hidden: directories that the backend does not see.
        metadata: whether to ask for the metadata.

    Raises:
        ProcessError: when the environment cannot be made, or the backend fails.
        LockError: when its answer cannot be read.
        BuildDirectoryError: when pyproject.toml is not valid.
    """
    scratch = scratch / ("metadata-hook" if metadata else "requires-hook")
    for directory in (scratch, scratch / "metadata"):
        directory.mkdir()
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
        "metadata": str(scratch / "metadata") if metadata else None,
    }
    command = Command(
        argv=(str(python), "-I", "-c", _SCRIPT),
        env=_hook_environment(scratch, python.parent, env)
        | dict.fromkeys(VERSION_VARIABLES.values(), recipe.table.version)
        | dict(resolved.environment),
        cwd=tree,
        stdin=json.dumps(question),
        time_limit=600,
    )
    isolation = Isolation.NONE if recipe.table.isolation else isolation_here()
    view = View(read=prefix_of(Path(interpreter)), write=(scratch.parent,), hidden=hidden)
    run(confine(command, view, isolation))
    return _read_answer(answer, recipe)


def _read_answer(path: Path, recipe: LoadedRecipe) -> list[str]:
    """The list of texts in a file that the code of the source may have replaced by anything."""
    try:
        found = path.lstat()
        if not stat.S_ISREG(found.st_mode) or found.st_size > _LONGEST:
            raise ValueError("it is no file, or a very long one")  # noqa: TRY301
        return TypeAdapter(list[str]).validate_python(parse_json(path.read_bytes()), strict=True)
    except (OSError, ValueError) as problem:
        what = f"the backend of {recipe.name} gives no valid answer about what it requires"
        raise LockError(what, where=recipe.where, why=str(problem)) from problem


def _hook_environment(scratch: Path, programs: Path, environ: Mapping[str, str]) -> dict[str, str]:
    """The environment of the backend: as that of a build, without the tools that it may require.

    A backend that finds CMake, Ninja or patchelf on this machine does not require them.
    """
    env = {key: value for key, value in backend_environment(environ).items() if key.lower()[-6:] != "_proxy"}
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
