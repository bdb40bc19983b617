"""Writes the smoke test of a new recipe: version, imports, extension modules."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

FILE: Final = "smoke.py"
_HEAD: Final = '''\
"""{name} has its version, and its modules can be imported."""

# Question: what does it compute? Add lines whose result you know.

import importlib
from importlib.metadata import version

assert version("{name}") == "{version}", version("{name}")
'''
_IMPORTS: Final = """\

for module in {modules}:
    importlib.import_module(module)
"""
_EXTENSIONS: Final = """\

# The extension modules of the index's wheel. One may need a package of others that is not installed here.
loaded, absent = [], []
for module in {modules}:
    try:
        importlib.import_module(module)
    except ModuleNotFoundError as error:
        absent.append((module, error.name))
    else:
        loaded.append(module)
assert loaded, absent
own = {{module.partition(".")[0] for module, _ in absent}}
assert not [name for _, name in absent if name is None or name.partition(".")[0] in own], absent
"""


def render_smoke(name: str, version: str, packages: Sequence[str], extensions: Sequence[str]) -> str:
    """The text of smoke.py.

    Args:
        name: the distribution.
        version: its version.
        packages: its import packages.
        extensions: its extension modules, where they are known.
    """
    parts = [_HEAD.format(name=name, version=version)]
    if packages:
        parts.append(_IMPORTS.format(modules=_tuple(packages)))
    if extensions:
        parts.append(_EXTENSIONS.format(modules=_tuple(extensions)))
    return "".join(parts)


def _tuple(words: Sequence[str]) -> str:
    inner = "".join(f'    "{word}",\n' for word in words)
    return f"(\n{inner})"
