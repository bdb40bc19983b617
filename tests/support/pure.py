"""Pure packages: source distributions, an index of them, and farms whose recipes are pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from support.farm import make_farm
from support.packages import make_sdist
from support.tiny import BUILD, host_settings

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from support.farm import Table
    from support.index import Index
    from wheelfarm.recipes.settings import Settings

CHAIN: Final[Mapping[str, Table]] = {"puresix": {}, "puredate": {"requires": {"run": ["puresix"]}}}
_SETUP: Final = """\
from setuptools import setup
setup(name="{name}", version="1.0", py_modules=["{name}"], install_requires={requires}{more})
"""
_TOML: Final = '[build-system]\nrequires = ["setuptools"]\nbuild-backend = "setuptools.build_meta"\n'


def pure_sdist(root: Path, name: str, requires: list[str], more: str = "", **files: str) -> Path:
    """The source distribution of one module, which imports what it requires."""
    setup = _SETUP.format(name=name, requires=requires, more=more)
    code = "".join(f"import {each}\n" for each in requires) + "def answer():\n    return 42\n"
    return make_sdist(root, name, {"setup.py": setup, "pyproject.toml": _TOML, f"{name}.py": code, **files})


def chain_index(root: Path, index: Index) -> Index:
    """The index with the two packages of the chain."""
    own = index.copy(root / "index")
    own.add(pure_sdist(root, "puresix", []), pure_sdist(root, "puredate", ["puresix"]))
    return own


def pure_farm(
    root: Path,
    index: Index,
    recipes: Mapping[str, Table],
    *,
    settings: Table | None = None,
    environ: Mapping[str, str] | None = None,
) -> Settings:
    """A farm of pure recipes; one that says no source is built from the index's source distribution."""
    tables: dict[str, Any] = {}
    files = {}
    for name, table in recipes.items():
        tables[name] = dict(table)
        if "source" not in table:
            source = {"kind": "sdist", "sha256": index.sha256(f"{name}-1.0.tar.gz")}
            tables[name] = {"source": source, "compilers": [], **table}
            files[f"recipes/{name}/build.lock"] = index.lock(*BUILD)
    own = host_settings(index) | dict(settings or {})
    return make_farm(root, tables, settings=own, files=files, environ=environ)
