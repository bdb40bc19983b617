"""Writes the smoke test of a new recipe: version, imports, extension modules."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

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

# Its extension modules. One may need a package of others that is not installed here.
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
_OPTIONAL: Final = """\

# For libraries that the recipe names no system package for: a build without them leaves the modules out.
for module, libraries in {modules}:
    try:
        importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name != module:
            raise
        print(f"left out: {{module}}, which is for {{libraries}}")
"""


def render_smoke(
    name: str,
    version: str,
    packages: Sequence[str],
    extensions: Sequence[str],
    optional: Mapping[str, str] | None = None,
) -> str:
    """The text of smoke.py.

    Args:
        name: the distribution.
        version: its version.
        packages: its import packages.
        extensions: its extension modules, where they are known.
        optional: those of them that a build may leave out → the libraries that they are for.
    """
    parts = [_HEAD.format(name=name, version=version)]
    if packages:
        parts.append(_IMPORTS.format(modules=_tuple(f'"{each}"' for each in packages)))
    optional = optional or {}
    if required := [each for each in extensions if each not in optional]:
        parts.append(_EXTENSIONS.format(modules=_tuple(f'"{each}"' for each in required)))
    if optional:
        pairs = (f'("{module}", "{libraries}")' for module, libraries in optional.items())
        parts.append(_OPTIONAL.format(modules=_tuple(pairs)))
    return "".join(parts)


def _tuple(items: Iterable[str]) -> str:
    inner = "".join(f"    {item},\n" for item in items)
    return f"(\n{inner})"
