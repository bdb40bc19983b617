"""Farms whose index has projects with compiled code that require each other, and what a bootstrap says."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from support.door import Door
from support.index import make_index
from support.packages import make_sdist, tinybase, tinyleaf
from support.tiny import CHAIN, host_settings, tiny_farm
from support.wheels import make_wheel

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import pytest

    from support.door import Done
    from support.index import Index

LINUX: Final = "cp311-cp311-manylinux_2_17_x86_64"
"""The tag of a wheel with compiled code."""


def compiled(
    name: str, *, runs: Sequence[str] = (), builds: Sequence[str] = (), version: str = "1.0", extra: str = ""
) -> dict[str, str]:
    """The files of a project with one extension module."""
    requires, dependencies = json.dumps(["setuptools", *builds]), json.dumps([*runs])
    return {
        "pyproject.toml": f"""\
[build-system]
requires = {requires}
build-backend = "setuptools.build_meta"
[project]
name = "{name}"
version = "{version}"
dependencies = {dependencies}
{extra}
[tool.setuptools]
packages = ["{name}"]
""",
        "setup.py": "from setuptools import Extension, setup\n"
        f"setup(ext_modules=[Extension('{name}._ext', ['native/ext.c'])])\n",
        f"{name}/__init__.py": f"from {name}._ext import built_against\n",
        "native/ext.c": tinyleaf()["native/ext.c"],
    }


def add_compiled(
    index: Index, name: str, *, runs: Sequence[str] = (), builds: Sequence[str] = (), version: str = "1.0"
) -> None:
    """Put a release with compiled code on the index: its source, and a wheel for Linux."""
    index.add(
        make_sdist(index.root, name, compiled(name, runs=runs, builds=builds, version=version), version),
        make_wheel(index.root, name, version, {f"{name}/__init__.py": ""}, tag=LINUX, requires=runs),
    )


def add_pure(index: Index, name: str, *runs: str) -> None:
    index.add(make_wheel(index.root, name, "1.0", {f"{name}.py": ""}, requires=runs))


def bootstrap_index(root: Path) -> Index:
    """app → core, glue (pure) → leaf, tinybase of the farm; app is built against core, and by a tool."""
    index = make_index(root)
    index.add(
        make_wheel(root, "colorama", "1.0", {}),
        make_sdist(root, "tinybase", tinybase()),
        make_wheel(root, "tinybase", "1.0", {}, tag=LINUX),
        make_wheel(root, "tinybase", "2.0", {}, tag=LINUX),
        make_wheel(root, "tool", "1.0", {}, tag="py3-none-manylinux_2_17_x86_64"),
        make_wheel(root, "wheely", "1.0", {}, tag=LINUX),
    )
    add_compiled(index, "leaf")
    add_compiled(index, "core")
    add_pure(index, "glue", "leaf", 'winonly; sys_platform == "win32"', 'old; python_version < "3.9"')
    add_compiled(index, "winonly")
    add_compiled(index, "old")
    add_compiled(index, "duo", runs=["leaf"])
    add_compiled(index, "app", runs=["core", "glue", "tinybase"], builds=["core", "tool"])
    return index


def farm_of(
    root: Path, index: Index, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Door:
    tiny_farm(root / "farm", index, {"tinybase": CHAIN["tinybase"]}, settings=host_settings(index))
    return Door(root / "farm", capsys, monkeypatch)


def by_name(finished: Done) -> dict[str, dict[str, Any]]:
    assert finished.stdout, finished.stderr
    return {each["name"]: each for each in json.loads(finished.stdout)["distributions"]}


def actions(finished: Done) -> dict[str, str]:
    return {name: each["action"] for name, each in by_name(finished).items()}


def recipes(farm: Door) -> set[str]:
    return {path.name for path in (farm / "recipes").iterdir()}


def is_complete(farm: Door) -> bool:
    """Whether the farm reads all its recipes, and nothing is wrong with them."""
    return farm.inv("recipe.check", "all").returncode == 0
