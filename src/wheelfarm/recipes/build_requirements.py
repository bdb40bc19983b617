"""The build requirements in a source tree's pyproject.toml, edited as the recipe says."""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar

import tomlkit
from packaging.utils import canonicalize_name
from pydantic import BaseModel, Field, ValidationError
from tomlkit.exceptions import TOMLKitError

from wheelfarm.errors import BuildDirectoryError
from wheelfarm.recipes.requirement_edits import RequirementEdit, edit_requirements, loosened
from wheelfarm.sources.unpacking import read_pkg_info
from wheelfarm.system.files import read_text
from wheelfarm.system.toml import parse_toml

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from wheelfarm.recipes.recipe import BuildRequires

T = TypeVar("T")

SETUPTOOLS: Final = "setuptools.build_meta:__legacy__"
"""The backend of a tree that names none (PEP 517)."""
_OF_EXTRA: Final = re.compile(r"\bextra\s*==")


class BuildSystem(BaseModel):
    """The table of PEP 517 and 518."""

    requires: list[str] = ["setuptools>=40.8"]
    build_backend: str = Field(default=SETUPTOOLS, alias="build-backend")
    backend_path: list[str] | None = Field(default=None, alias="backend-path")


class _Project(BaseModel):
    name: str | None = None
    version: str | None = None
    requires_python: str | None = Field(default=None, alias="requires-python")
    dependencies: list[str] = []
    dynamic: list[str] = []


class _Pyproject(BaseModel):
    build_system: BuildSystem = Field(default=BuildSystem(), alias="build-system")
    project: _Project | None = None


def _read(tree: Path, parse: Callable[[str], T]) -> T:
    path = tree / "pyproject.toml"
    try:
        return parse(read_text(path, BuildDirectoryError) if path.exists() else "")
    except ValidationError as invalid:
        details = invalid.errors(include_url=False)[0]
        why = f"{'.'.join(map(str, details['loc']))}: {details['msg']}"
    # tomlkit reads nested arrays by recursion.
    except (TOMLKitError, ValueError, RecursionError) as problem:
        why = str(problem)
    raise BuildDirectoryError("the source's pyproject.toml is not valid", where=str(path), why=why)


def _pyproject(tree: Path) -> _Pyproject:
    return _read(tree, lambda text: _Pyproject.model_validate(parse_toml(text)))


def read_build_system(tree: Path) -> BuildSystem:
    """What the tree says of its build.

    Raises:
        BuildDirectoryError: when pyproject.toml is not valid.
    """
    return _pyproject(tree).build_system


def backend(tree: Path) -> str:
    """The build backend that the tree names (PEP 517).

    Raises:
        BuildDirectoryError: when pyproject.toml is not valid.
    """
    return read_build_system(tree).build_backend


def build_requires(tree: Path) -> list[str]:
    """The build requirements of the tree (PEP 518).

    Raises:
        BuildDirectoryError: when pyproject.toml is not valid.
    """
    return read_build_system(tree).requires


class StatedFields(NamedTuple):
    """What a source states of its wheel without a build; None where it does not."""

    name: str | None
    version: str | None
    requires_python: str | None


def stated_fields(tree: Path) -> StatedFields:
    """Name, version and Requires-Python in pyproject.toml, the last one else in PKG-INFO.

    Raises:
        BuildDirectoryError: when pyproject.toml is not valid.
    """
    project = _pyproject(tree).project or _Project()
    fields = read_pkg_info(tree)
    of_sdist = fields.get("Requires-Python") if fields is not None else None
    python = project.requires_python or (str(of_sdist) if of_sdist else None)
    return StatedFields(project.name, project.version, python)


def without_extras(requires_dist: Iterable[str]) -> list[str]:
    """The lines of Requires-Dist that hold without an extra."""
    return [each for each in requires_dist if not _OF_EXTRA.search(each)]


def static_run_requires(tree: Path) -> list[str] | None:
    """The run requirements that a source states without a build: in pyproject.toml or PKG-INFO (PEP 643).

    None where it does not state them.

    Raises:
        BuildDirectoryError: when pyproject.toml is not valid.
    """
    project = _pyproject(tree).project
    # What is neither there nor dynamic is empty (PEP 621).
    if project is not None and "dependencies" not in project.dynamic:
        return project.dependencies
    fields = read_pkg_info(tree)
    if fields is None:
        return None
    dynamic = {str(name).lower() for name in fields.get_all("Dynamic", ())}
    # Before Metadata 2.2 any field of a source distribution may differ from that of its wheel.
    old = str(fields.get("Metadata-Version", "1")).startswith(("1", "2.0", "2.1"))
    return None if old or "requires-dist" in dynamic else list(map(str, fields.get_all("Requires-Dist", ())))


def edited(requires: Sequence[str], edits: BuildRequires, *, where: str) -> list[str]:
    """The requirements after the recipe's edits.

    Raises:
        RecipeError: a group, for each edit that changes nothing.
        BuildDirectoryError: when the source requires what is no requirement.
    """
    changes = [
        *(RequirementEdit("remove", name, lambda _: None) for name in edits.remove),
        *(RequirementEdit("loosen", name, loosened) for name in edits.loosen),
        *(
            RequirementEdit("replace", canonicalize_name(name), partial(_replaced, new=text))
            for name, text in edits.replace.items()
        ),
    ]
    noun, place = "source's build requirements", f"{where}: build-requires"
    after = edit_requirements(requires, changes, noun=noun, where=place)
    return [*(text for text in after if text is not None), *edits.add]


def _replaced(_: str, new: str) -> str:
    return new


def edit_build_requires(tree: Path, edits: BuildRequires, *, where: str) -> list[str]:
    """Edit the tree's pyproject.toml; returns its build requirements.

    Raises:
        RecipeError: where an edit has no effect.
        BuildDirectoryError: when pyproject.toml cannot be read.
    """
    before = build_requires(tree)
    after = edited(before, edits, where=where)
    if after != before:
        document = _read(tree, tomlkit.parse)
        if "build-system" not in document:
            document["build-system"] = tomlkit.table()
        document["build-system"]["requires"] = after
        (tree / "pyproject.toml").write_text(tomlkit.dumps(document), encoding="utf-8")
    return after
