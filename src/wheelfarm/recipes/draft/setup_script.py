"""What a setup.py says, which is read and not run: the modules that it imports, and its packages."""

from __future__ import annotations

import ast
import sys
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

_DISTRIBUTIONS: Final = {
    "Cython": "cython",
    "cffi": "cffi",
    "numpy": "numpy",
    "pkgconfig": "pkgconfig",
    "pybind11": "pybind11",
    "setuptools_scm": "setuptools-scm",
    "skbuild": "scikit-build",
    "versioneer": "versioneer",
}
"""What setup.py files import → the distribution that brings it."""


def imported_distributions(setup: str) -> set[str]:
    """The distributions that it imports, in whatever function: PEP 517 has to know them before."""
    tops = {name.partition(".")[0] for name in imported_modules(setup)}
    return {_DISTRIBUTIONS[top] for top in tops - sys.stdlib_module_names if top in _DISTRIBUTIONS}


def imported_modules(setup: str) -> Iterator[str]:
    """The modules that it cannot do without, and the names that it imports from them."""
    nodes = _nodes(setup)
    # What is imported in a `try` has a way without it.
    optional = {
        id(inner)
        for node in nodes
        if isinstance(node, ast.Try)
        for statement in node.body
        for inner in ast.walk(statement)
    }
    for node in nodes:
        if id(node) in optional:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            # A name of the module may be a module too: `from numpy import distutils`.
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def listed_packages(setup: str) -> tuple[str, ...]:
    """The top ones of the packages that it lists, whose directories may have other names."""
    found = {
        name.value.partition(".")[0]
        for node in _nodes(setup)
        if isinstance(node, ast.keyword) and node.arg == "packages"
        for name in getattr(node.value, "elts", ())
        if isinstance(name, ast.Constant) and isinstance(name.value, str)
    }
    return tuple(sorted(name for name in found if name.isidentifier()))


def _nodes(setup: str) -> list[ast.AST]:
    """Nothing for what is no Python 3."""
    try:
        return list(ast.walk(ast.parse(setup)))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []
