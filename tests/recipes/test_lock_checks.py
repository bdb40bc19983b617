"""Locks that do not fit their recipe, and locks that pin what the farm builds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pytest

from support.farm import LOCK, make_farm, plan_of
from support.raised import only
from wheelfarm.errors import Collector, LockError
from wheelfarm.recipes.lock_checks import check_added, check_locks, check_run_requirements, required_names
from wheelfarm.recipes.lock_compiler import targets_of
from wheelfarm.recipes.lock_header import MadeFor, read_header
from wheelfarm.recipes.recipe_set import read_recipes
from wheelfarm.recipes.settings import load

if TYPE_CHECKING:
    from pathlib import Path

    from wheelfarm.errors import FarmError
    from wheelfarm.recipes.settings import Settings

HASH: Final = f"--hash=sha256:{'c' * 64}\n"
PATCH: Final = "Why: x\nUpstream: none\n\n--- a/{0}\n+++ b/{0}\n@@ -1 +1 @@\n-a\n+b\n"


def farm_with(
    root: Path, table: dict[str, Any] | None = None, *, lock: str = LOCK, test: str = "", **more: Any
) -> Settings:
    """A farm of numpy, pandas and alpha, which has these locks."""
    files = {"recipes/alpha/build.lock": lock} | ({"recipes/alpha/test.lock": test} if test else {})
    pandas = {"requires": {"host": ["numpy"], "run": ["numpy"]}}
    return make_farm(root, {"numpy": {}, "pandas": pandas, "alpha": table or {}}, files=files, **more)


def lock_of(settings: Settings, requires: tuple[str, ...] = (), runs: tuple[str, ...] = ()) -> None:
    """Give alpha a lock that was made for what its recipe says now."""
    recipes = read_recipes(settings)
    recipe = recipes.find("alpha")
    header = MadeFor.of(recipe, recipes, requires, runs).render("alpha")
    (recipe.directory / "build.lock").write_text(header + LOCK, encoding="utf-8")


def problems_of(settings: Settings) -> list[FarmError]:
    recipes, problems = read_recipes(settings), Collector()
    check_locks(recipes.find("alpha"), recipes, targets_of(settings), problems)
    assert all(isinstance(each, LockError) for each in problems.errors)
    return problems.errors


def refused_by_plan(settings: Settings) -> FarmError:
    return only(lambda: plan_of(settings, ["alpha"]), LockError)


def test_a_lock_that_fits(tmp_path: Path) -> None:
    settings = farm_with(tmp_path, {"build-requires": {"add": ["wheel>=0.40"]}})
    lock_of(settings, ("setuptools", "wheel>=0.40"), ("six",))
    assert problems_of(settings) == []
    header = read_header(tmp_path / "recipes/alpha/build.lock")
    assert header is not None
    assert (header.version, header.source, header.run_requires) == ("1.0", "a" * 64, ["six"])
    assert [build.id.name for build in plan_of(settings, ["alpha"]).builds] == ["alpha"]


@pytest.mark.parametrize(
    ("then", "now", "why"),
    [
        ({"build-requires": {"add": ["wheel>=0.40"]}}, {}, "is unedited"),
        ({}, {"build-requires": {"add": ["wheel>=0.40"]}}, "is add = ['wheel>=0.40']"),
        (
            {},
            {"metadata": {"requires": {"loosen": ["six"]}}},
            "metadata-requires was unedited, and is loosen = ['six']",
        ),
        ({"version": "1.0"}, {"version": "1.1"}, "version was 1.0, and is 1.1"),
        ({}, {"source": {"sha256": "d" * 64}}, f"source was {'a' * 64}, and is {'d' * 64}"),
    ],
)
def test_a_stale_lock(tmp_path: Path, then: dict[str, Any], now: dict[str, Any], why: str) -> None:
    lock_of(farm_with(tmp_path, then))
    lock = (tmp_path / "recipes/alpha/build.lock").read_text()
    settings = farm_with(tmp_path, now, lock=lock)
    (error,) = problems_of(settings)
    assert (error.what, error.where) == ("build.lock is stale", "recipes/alpha/build.lock")
    assert why in str(error.why)
    assert error.hint == "inv recipe.lock alpha"
    assert refused_by_plan(settings).what == error.what


def test_a_pin_to_what_it_is_not_built_with(tmp_path: Path) -> None:
    metadata = {"requires": {"pin-to-built": {"pandas": ">=x", "numpy": ">=x", "setuptools": ">=x"}}}
    settings = farm_with(tmp_path, {"requires": {"host": ["numpy"]}, "metadata": metadata})
    lock_of(settings)
    recipes, problems = read_recipes(settings), Collector()
    check_locks(recipes.find("alpha"), recipes, targets_of(settings), problems)
    (error,) = problems.errors
    assert error.what.startswith("'pandas' cannot be pinned")
    assert error.where == "recipes/alpha/recipe.toml: metadata.requires.pin-to-built"


def test_a_local_version_makes_no_lock_stale(tmp_path: Path) -> None:
    settings = farm_with(tmp_path)
    lock_of(settings)
    path = tmp_path / "recipes/alpha/recipe.toml"
    path.write_text(path.read_text() + '\n[metadata]\nlocal-version = "team.1"\n')
    assert problems_of(load(tmp_path)) == []
    (build,) = plan_of(load(tmp_path), ["alpha"]).builds
    assert build.version == "1.0+team.1"


@pytest.mark.parametrize(
    ("file", "stale"), [("pyproject.toml", True), ("sub/setup.py", True), ("a.c", False)]
)
def test_a_patch_of_requirements_makes_a_lock_stale(tmp_path: Path, file: str, stale: bool) -> None:  # noqa: FBT001
    lock_of(farm_with(tmp_path))
    lock = (tmp_path / "recipes/alpha/build.lock").read_text()
    table = {"patches": [{"file": "0001-x.patch"}]}
    patches = {"alpha/0001-x.patch": PATCH.format(file)}
    settings = farm_with(tmp_path, table, lock=lock, patches=patches)
    assert [error.what for error in problems_of(settings)] == (["build.lock is stale"] if stale else [])
    lock_of(settings)
    text = (tmp_path / "patches/alpha/0001-x.patch").read_text()
    (tmp_path / "patches/alpha/0001-x.patch").write_text(text.replace("Why: x", "Why: a better reason"))
    assert problems_of(settings) == []


@pytest.mark.parametrize("line", ["source", f"source = {'9' * 5000}", f"source = {'[' * 5000}"])
def test_a_damaged_header(tmp_path: Path, line: str) -> None:
    settings = farm_with(tmp_path, lock=f"# [made-for]\n# version = 1\n# {line}\n{LOCK}")
    recipe = read_recipes(settings).find("alpha")
    error = only(lambda: recipe.lock_header("build.lock"), LockError)
    assert error.hint == "inv recipe.lock writes it anew"


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ({"add": ["wheel>=0.40"]}, "build.lock does not pin wheel>=0.40"),
        ({"replace": {"setuptools": "setuptools<80"}}, "build.lock does not pin setuptools<80"),
        ({"add": ["wheel ; python_version < '3'"]}, None),
        ({"add": ["setuptools>=80"]}, None),
    ],
)
def test_a_lock_without_a_header_has_what_the_recipe_adds(
    tmp_path: Path, table: dict[str, Any], said: str | None
) -> None:
    settings, problems = farm_with(tmp_path, {"build-requires": table}), Collector()
    check_added(read_recipes(settings).find("alpha"), targets_of(settings), problems)
    assert [error.what for error in problems.errors] == ([said] if said else [])


@pytest.mark.parametrize("pinned", [True, False])
def test_a_build_requirement_that_the_farm_builds(tmp_path: Path, pinned: bool) -> None:  # noqa: FBT001
    settings = farm_with(tmp_path, {"requires": {"run": ["numpy"]}})
    if pinned:
        (tmp_path / "recipes/alpha/build.lock").write_text(f"{LOCK}numpy==2.0 {HASH}")
    else:
        lock_of(settings, ("setuptools", "NumPy>=1.25"))
    (error,) = problems_of(settings)
    assert error.what == "alpha is built with numpy, which the farm has a recipe for"
    assert error.where == "recipes/alpha/recipe.toml: requires.host"
    assert error.hint == 'requires = { host = ["numpy"], run = ["numpy"] }, then inv recipe.lock alpha'
    assert refused_by_plan(settings).hint == error.hint


@pytest.mark.parametrize("pinned", [True, False])
def test_a_run_requirement_that_the_farm_builds(tmp_path: Path, pinned: bool) -> None:  # noqa: FBT001
    table = {"requires": {"host": ["numpy"]}}
    settings = farm_with(tmp_path, table, test=f"numpy==2.0 {HASH}" if pinned else "")
    lock_of(settings, ("numpy",), () if pinned else ("numpy", 'pandas; extra == "all"'))
    (error,) = problems_of(settings)
    assert error.what == "alpha needs to run numpy, which the farm has a recipe for"
    assert error.hint == 'requires = { host = ["numpy"], run = ["numpy"] }, then inv recipe.lock alpha'


@pytest.mark.parametrize(
    ("run", "stated", "missing"),
    [
        (["numpy"], ["numpy>=2"], None),
        (["NumPy"], ['numpy>=2; python_version < "3"'], None),
        (["numpy"], ['numpy; extra == "all"'], None),
        (["numpy", "pandas"], ["pandas"], None),
        ([], ["numpy"], None),
        (["numpy"], ["six"], "six"),
        (["pandas"], ["numpy", "six"], "numpy, six"),
        (["numpy"], [], "nothing"),
    ],
)
def test_what_the_recipe_names_and_the_wheel_does_not_require(
    tmp_path: Path, run: list[str], stated: list[str], missing: str | None
) -> None:
    recipes = read_recipes(farm_with(tmp_path, {"requires": {"run": run}}))
    problems = Collector()
    check_run_requirements(recipes.find("alpha"), recipes, stated, problems)
    assert [(error.where, error.why) for error in problems.errors] == (
        [("recipes/alpha/recipe.toml: requires.run", f"Requires-Dist of the wheel: {missing}")]
        if missing
        else []
    )


def test_what_a_distribution_of_the_index_brings_is_required(tmp_path: Path) -> None:
    settings = farm_with(tmp_path, {"requires": {"run": ["numpy"]}})
    path = settings.recipes / "alpha" / "build.lock"
    recipes = read_recipes(settings)
    made_for = MadeFor.of(recipes.find("alpha"), recipes).model_copy(update={"brought": ["numpy"]})
    path.write_text(made_for.render("alpha") + path.read_text())
    recipes, problems = read_recipes(settings), Collector()
    check_run_requirements(recipes.find("alpha"), recipes, ["formulaic"], problems)
    assert problems.errors == []
    assert problems_of(settings) == []


def test_what_a_required_recipe_brings_need_not_be_named(tmp_path: Path) -> None:
    settings = farm_with(tmp_path, {"requires": {"host": ["pandas"], "run": ["pandas"]}})
    lock_of(settings, ("pandas", "numpy"), ("pandas", "numpy"))
    assert problems_of(settings) == []


def test_the_build_frontend_is_no_requirement_of_the_source(tmp_path: Path) -> None:
    lock = f"{LOCK}packaging==26.0 {HASH}"
    settings = make_farm(tmp_path, {"packaging": {}, "alpha": {}}, files={"recipes/alpha/build.lock": lock})
    assert problems_of(settings) == []
    lock_of(settings, ("packaging",))
    assert [error.what for error in problems_of(settings)] == [
        "alpha is built with packaging, which the farm has a recipe for"
    ]


@pytest.mark.parametrize("name", ["maturin", "setuptools-rust"])
def test_rust_is_refused(tmp_path: Path, name: str) -> None:
    settings = farm_with(tmp_path, lock=f"{LOCK}{name}==1.0 {HASH}")
    (error,) = problems_of(settings)
    assert error.what == f"alpha is built with {name}, which compiles Rust: the farm does not build that"
    assert "cargo vendor" in str(error.why)


def test_markers_and_extras_are_respected(tmp_path: Path) -> None:
    targets = targets_of(farm_with(tmp_path))
    lines = [
        *("A>=1", "b; python_version < '3'", "c; sys_platform == 'win32'", 'd; extra == "x"', "not valid!"),
        *('e; extra == "x" or python_version > "3"', "f[more]==1 ; os_name == 'posix'"),
        f"g; {'(' * 5000}",
    ]
    assert list(required_names(lines, targets)) == ["a", "c", "e", "f"]
    assert list(required_names(lines, targets[:1])) == ["a", "e", "f"]
