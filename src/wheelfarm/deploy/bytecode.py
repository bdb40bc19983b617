"""Compiles a tree for its Python: a layer cannot be written to, so each start would compile it again.

The bytecode does not look at the time of its source (PEP 552, unchecked hash), which a ZIP file rounds.
"""

from __future__ import annotations

import tempfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from wheelfarm.system.process import Command, run

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wheelfarm.deploy.tree import Tree
    from wheelfarm.model import Python

PREFIX: Final = "/opt"
"""Where Lambda has a layer, and an image its packages: tracebacks name their files."""
_TIME_LIMIT: Final = 600.0
_COMPILE: Final = """\
import sys
from pathlib import Path
from py_compile import PyCompileError, PycInvalidationMode, compile

root, prefix = Path(sys.argv[1]), sys.argv[2]
for path in sorted(root.rglob("*.py")):
    try:
        shown = f"{prefix}/{path.relative_to(root).as_posix()}"
        compile(path, dfile=shown, doraise=True, invalidation_mode=PycInvalidationMode.UNCHECKED_HASH)
    except PyCompileError:
        pass  # a template, or for another version
"""


def bytecode_path(path: str, python: Python) -> str:
    """The path of a module's bytecode (PEP 3147)."""
    directory, _, file = path.rpartition("/")
    return f"{directory}/__pycache__/{file.removesuffix('.py')}.cpython-{python.major}{python.minor}.pyc"


def compile_tree(tree: Tree, interpreter: Path, env: Mapping[str, str]) -> dict[str, bytes]:
    """The bytecode of the modules of a tree, by path; a module that does not compile has none.

    Raises:
        ProcessError: when the interpreter fails.
    """
    with tempfile.TemporaryDirectory(prefix="wheelfarm-bytecode-") as scratch:
        root = Path(scratch)
        modules = [entry for entry in tree.entries if entry.path.endswith(".py") and not entry.link]
        for wheel in {entry.wheel.path for entry in modules}:
            with zipfile.ZipFile(wheel) as archive:
                for entry in (each for each in modules if each.wheel.path == wheel):
                    (root / entry.path).parent.mkdir(parents=True, exist_ok=True)
                    (root / entry.path).write_bytes(archive.read(entry.member))
        # With its variables: the order of a set of constants is in the bytecode.
        words = (str(interpreter), "-s", "-S", "-P", "-c", _COMPILE, scratch, PREFIX)
        run(Command(argv=words, env={**env, "PYTHONHASHSEED": "0"}, cwd=root, time_limit=_TIME_LIMIT))
        names = (bytecode_path(entry.path, tree.target.python) for entry in modules)
        return {name: (root / name).read_bytes() for name in names if (root / name).is_file()}
