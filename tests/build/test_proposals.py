"""The edit of a recipe that a failure proposes: values to put in, and lines to paste."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import pytest

from support.farm import make_farm
from support.logs import failed_log
from wheelfarm.build.diagnosis import classify
from wheelfarm.build.edits import Compile, Edit, Install, Require, SetVariable, requirement_of
from wheelfarm.build.error_patterns import Failure
from wheelfarm.build.hints import find_hints
from wheelfarm.build.proposals import make_proposal, propose
from wheelfarm.errors import BuildError, GroupError, ProcessError, proposal_of
from wheelfarm.recipes.draft.system_libraries import find_library
from wheelfarm.recipes.recipe_set import read_recipes

if TYPE_CHECKING:
    from pathlib import Path

    from support.farm import Table
    from wheelfarm.errors import Proposal
    from wheelfarm.recipes.loaded_recipe import LoadedRecipe

EDITS: Final[dict[str, Edit]] = {
    "setuptools-pkg-resources": Require("setuptools<81"),
    "cmake-policy": SetVariable("CMAKE_POLICY_VERSION_MINIMUM", "3.5"),
    "cython-exceptions": Require("cython<3"),
    "numpy-2": Require("numpy<2"),
    "scm-version": SetVariable("SETUPTOOLS_SCM_PRETEND_VERSION", "{version}"),
    "setuptools-license": Require("setuptools>=77"),
}


def recipe_of(root: Path, table: Table | None = None) -> LoadedRecipe:
    return read_recipes(make_farm(root, {"alpha": table or {}, "numpy": {}})).find("alpha")


def proposed(root: Path, edit: Edit, *requires: str, recipe: Table | None = None) -> dict[str, Any] | None:
    proposal = propose([edit], recipe_of(root, recipe), requires)
    if proposal is None:
        return None
    # A recipe that has none of the tables can take the lines as they are.
    assert tomllib.loads("\n".join(proposal.lines))
    return dict(proposal.values)


@pytest.mark.parametrize(("name", "edit"), EDITS.items())
def test_a_log_names_the_edit(name: str, edit: Edit) -> None:
    assert classify(ProcessError("it ended with 1"), failed_log(name), "build").edits == (edit,)


@pytest.mark.parametrize(
    ("message", "edit"),
    [
        ("ModuleNotFoundError: No module named 'pkg_resources'", Require("setuptools<81")),
        ("ModuleNotFoundError: No module named 'distutils'", Require("setuptools")),
        ("ModuleNotFoundError: No module named 'Cython'", Require("cython")),
        ("ModuleNotFoundError: No module named 'skbuild'", Require("scikit-build")),
        # https://github.com/yaml/pyyaml/issues/724
        ("AttributeError: cython_sources", Require("cython<3")),
        ("AttributeError: 'build_ext' object has no attribute 'cython_sources'", Require("cython<3")),
        ("_ext.pyx:3:4: undeclared name not builtin: long", Require("cython<3")),
        ("a.c:1:2: fatal error: numpy/noprefix.h: No such file or directory", Require("numpy<2")),
        ("a.c:1:2: error: no member named 'elsize' in 'struct _PyArray_Descr'", Require("numpy<2")),
        ("AttributeError: `np.float_` was removed in the NumPy 2.0 release. Use it", Require("numpy<2")),
        ("meson.build:1:0: ERROR: Unknown compiler(s): [['gfortran'], ['flang']]", Compile("fortran")),
        ("CMake Error: No CMAKE_Fortran_COMPILER could be found.", Compile("fortran")),
        ("CMake Error: No CMAKE_CXX_COMPILER could be found.", Compile("c++")),
        ("error: Fortran compiler not found", Compile("fortran")),
    ],
)
def test_a_message_names_the_edit(message: str, edit: Edit) -> None:
    assert find_hints(Failure.OTHER, message).edits == (edit,)


@pytest.mark.parametrize(
    ("message", "library"),
    [
        ("a.c:1:2: fatal error: xxhash.h: No such file or directory", "xxhash"),
        ("a.c:1:2: fatal error: 'zlib.h' file not found", "zlib"),
        ("/usr/bin/ld: cannot find -lz: No such file or directory", "zlib"),
        ("LINK : fatal error LNK1181: cannot open input file 'z.lib'", "zlib"),
        ('meson.build:3:0: ERROR: Dependency "libzstd" not found, tried pkgconfig', "zstd"),
        ("Package liblz4 was not found in the pkg-config search path.", "lz4"),
        ("Package 'liblz4', required by 'virtual:world', not found", "lz4"),
        ("No package 'libxml-2.0' found", "libxml2"),
        ("Could NOT find ZLIB (missing: ZLIB_LIBRARY ZLIB_INCLUDE_DIR)", "zlib"),
    ],
)
def test_a_message_names_the_library(message: str, library: str) -> None:
    (edit,) = find_hints(Failure.OTHER, message).edits
    assert isinstance(edit, Install)
    assert edit.library.name == library


@pytest.mark.parametrize(
    "message",
    [
        "ModuleNotFoundError: No module named 'alphax'",
        "a.c:1:2: fatal error: unknown.h: No such file or directory",
        "/usr/bin/ld: cannot find -lunknown",
        "Unknown compiler(s): [['gcc'], ['clang']]",
        "Package zlib found",
    ],
)
def test_what_nobody_knows_has_no_edit(message: str) -> None:
    assert find_hints(Failure.OTHER, message).edits == ()


def test_a_name_of_a_module_is_not_taken_for_that_of_a_distribution() -> None:
    """Whoever registers the name on an index would have it run in the build."""
    assert requirement_of("internal_build_helpers") is None
    assert requirement_of("Cython.Build") == Require("cython")


class TestRequirements:
    def test_one_of_the_source_is_replaced(self, tmp_path: Path) -> None:
        found = proposed(tmp_path, Require("cython<3"), "setuptools", "Cython>=0.29,!=0.29.30")
        assert found == {"build-requires": {"replace": {"cython": "Cython!=0.29.30,<3,>=0.29"}}}

    def test_its_extras_and_its_marker_stay(self, tmp_path: Path) -> None:
        found = proposed(tmp_path, Require("setuptools<81"), 'setuptools[core]>=60; python_version >= "3.9"')
        text = 'setuptools[core]<81,>=60; python_version >= "3.9"'
        assert found == {"build-requires": {"replace": {"setuptools": text}}}

    def test_a_pin_and_an_upper_bound_go(self, tmp_path: Path) -> None:
        found = proposed(tmp_path, Require("hatchling>=1.27"), "hatchling==1.25.0")
        assert found == {"build-requires": {"replace": {"hatchling": "hatchling>=1.27"}}}

    def test_a_source_that_wants_the_newer_version_gets_no_older_one(self, tmp_path: Path) -> None:
        assert proposed(tmp_path, Require("numpy<2"), "numpy>=2.0") is None

    def test_what_it_does_not_require_is_added(self, tmp_path: Path) -> None:
        found = proposed(tmp_path, Require("cython"), "setuptools")
        assert found == {"build-requires": {"add": ["cython"]}}

    def test_what_it_requires_already_is_no_edit(self, tmp_path: Path) -> None:
        assert proposed(tmp_path, Require("cython"), "cython>=3") is None

    def test_what_the_recipe_adds_is_changed_there(self, tmp_path: Path) -> None:
        recipe = {"build-requires": {"add": ["pkgconf", "cython>=3"]}}
        proposal = propose([Require("cython<3")], recipe_of(tmp_path, recipe), ["pkgconf", "cython>=3"])
        assert proposal is not None
        assert proposal.lines == ("[build-requires]", 'add = ["pkgconf", "cython<3"]')

    def test_the_version_of_a_wheel_of_the_farm_is_no_matter_of_the_recipe(self, tmp_path: Path) -> None:
        recipe = {"requires": {"host": ["numpy"]}}
        assert proposed(tmp_path, Require("numpy<2"), "numpy", recipe=recipe) is None

    def test_an_edit_that_the_recipe_has_is_not_proposed(self, tmp_path: Path) -> None:
        recipe = {"build-requires": {"replace": {"cython": "cython<3"}}}
        assert proposed(tmp_path, Require("cython<3"), "cython<3", recipe=recipe) is None


def test_a_variable_gets_the_version_of_the_recipe(tmp_path: Path) -> None:
    found = proposed(tmp_path, EDITS["scm-version"], recipe={"environment": {"A": "b"}})
    assert found == {"environment": {"SETUPTOOLS_SCM_PRETEND_VERSION": "1.0"}}


def test_a_language_joins_those_that_the_recipe_has_by_default(tmp_path: Path) -> None:
    assert proposed(tmp_path, Compile("fortran")) == {"compilers": ["c", "c++", "fortran"]}
    assert proposed(tmp_path, Compile("c++")) is None


def test_a_library_has_the_name_of_homebrew_as_a_comment(tmp_path: Path) -> None:
    library = find_library("headers", "xxhash.h")
    assert library is not None
    proposal = propose([Install(library)], recipe_of(tmp_path, {"system-packages": {"apt": ["f2c"]}}), [])
    assert proposal is not None
    assert proposal.lines == (
        "# with Homebrew: brew install xxhash",
        "[system-packages]",
        'apt = ["f2c", "libxxhash-dev"]',
        'dnf = ["xxhash-devel"]',
    )
    assert not proposal.relock


def test_keys_precede_tables(tmp_path: Path) -> None:
    edits: list[Edit] = [Require("cython"), Compile("fortran")]
    proposal = propose(edits, recipe_of(tmp_path), [])
    assert proposal is not None
    assert proposal.lines == (
        'compilers = ["c", "c++", "fortran"]',
        "[build-requires]",
        'add = ["cython"]',
    )
    assert proposal.commands == ("inv recipe.lock alpha", "nox -s build-alpha")


def sample(root: Path) -> Proposal:
    proposal = make_proposal({"environment": {"A": "b"}}, recipe_of(root))
    assert proposal is not None
    return proposal


def test_an_error_shows_the_lines_and_the_commands(tmp_path: Path) -> None:
    error = BuildError("it failed", hint="think")
    error.proposal = sample(tmp_path)
    assert error.lines() == [
        "error[build]: it failed",
        "  edit: recipes/alpha/recipe.toml",
        "    [environment]",
        '    A = "b"',
        "  next: put the lines into the recipe, then",
        "    nox -s build-alpha",
        "    or let the farm do all of it: nox -s build-alpha -- --fix",
    ]


def test_a_group_proposes_what_its_first_member_with_an_edit_does(tmp_path: Path) -> None:
    first, second = BuildError("one"), BuildError("two")
    assert proposal_of(GroupError([first, second])) is None
    second.proposal = sample(tmp_path)
    assert proposal_of(GroupError([first, second])) is second.proposal


def test_the_recipe_of_an_older_version_has_commands_of_its_own(tmp_path: Path) -> None:
    recipe = recipe_of(tmp_path)
    older = recipe.directory / "versions" / "0.9"
    older.mkdir(parents=True)
    (older / "recipe.toml").write_text("version = '0.9'\n", encoding="utf-8")
    proposal = make_proposal({"build-requires": {"add": ["cython"]}}, replace(recipe, directory=older))
    assert proposal is not None
    assert proposal.where == "recipes/alpha/versions/0.9/recipe.toml"
    assert proposal.commands == ("inv recipe.lock alpha==0.9", "inv chain alpha==0.9")
    assert proposal.hint.endswith("inv chain alpha==0.9 --fix")
