"""Locks that uv resolves from an index, for a project whose sources are real."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from support.raised import only
from support.tiny import BUILD, tiny_farm, tiny_index
from support.wheels import make_wheel
from wheelfarm.build.host_engine import programs_environment
from wheelfarm.errors import LockError
from wheelfarm.recipes.lock_compiler import LockCompiler
from wheelfarm.recipes.locks import parse_lock
from wheelfarm.recipes.recipe_set import read_recipes
from wheelfarm.run.services import make_fetcher

if TYPE_CHECKING:
    from pathlib import Path

    from support.index import Index


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Index:
    index = tiny_index(tmp_path_factory.mktemp("index"))
    # build needs it on Windows; a lock is for all systems.
    index.add(make_wheel(index.root, "colorama", "1.0", {}))
    return index


def compiled(root: Path, index: Index, table: dict[str, Any]) -> dict[str, str]:
    settings = tiny_farm(root, index, {"tinyleaf": table})
    recipes = read_recipes(settings)
    compiler = LockCompiler(
        settings=settings,
        recipes=recipes,
        fetcher=make_fetcher(settings),
        env=programs_environment(settings),
    )
    return compiler.compile(recipes.find("tinyleaf"))


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
