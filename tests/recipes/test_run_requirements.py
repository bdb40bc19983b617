"""Edits of run requirements: what they make of Requires-Dist, and what is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.version import Version

from support.farm import make_farm
from support.raised import only, raised
from wheelfarm.errors import RecipeError
from wheelfarm.recipes.metadata_table import RunRequires
from wheelfarm.recipes.recipe_set import read_recipes
from wheelfarm.recipes.run_requirements import edit_run_requires, pin

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

STATED: Final = (
    "numpy<2.7,>=1.26.4",
    'tomli; python_version < "3.11"',
    'pytest<9; extra=="test"',
    "Old_Name",
)
BUILT: Final = {"numpy": "2.0.3", "setuptools": "80.9.0", "unknown": None}


def edit(table: dict[str, Any], stated: Sequence[str] = STATED, **built: str) -> list[str]:
    edits = RunRequires.model_validate(table)
    after, added = edit_run_requires(stated, edits, where="recipe.toml", built={**BUILT, **built})
    return [*(each for each in after if each is not None), *added]


def error_of(call: Callable[[], object]) -> tuple[str, str | None, str | None]:
    error = only(call, RecipeError)
    return error.what, error.where, error.why


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        ({}, STATED),
        ({"loosen": ["numpy"]}, ("numpy>=1.26.4", *STATED[1:])),
        ({"remove": ["old-name"]}, STATED[:3]),
        ({"add": ["beta>=1", "numpy!=2.1"]}, (*STATED, "beta>=1", "numpy!=2.1")),
        ({"pin-to-built": {"numpy": ">=x.x"}}, ("numpy<2.7,>=2.0", *STATED[1:])),
        ({"pin-to-built": {"numpy": ">=x.x"}, "loosen": ["numpy"]}, ("numpy>=2.0", *STATED[1:])),
        ({"pin-to-built": {"numpy": "~=x.x"}, "loosen": ["numpy"]}, ("numpy~=2.0", *STATED[1:])),
        (
            {"pin-to-built": {"setuptools": "==x"}, "add": ['setuptools; sys_platform == "linux"']},
            (*STATED, 'setuptools==80.*; sys_platform == "linux"'),
        ),
    ],
)
def test_edits(table: dict[str, Any], expected: tuple[str, ...]) -> None:
    assert edit(table) == [*expected]


def test_a_compatible_release_has_a_lower_bound_that_stays() -> None:
    assert edit({"loosen": ["a"]}, ["a~=2.13"]) == ["a>=2.13"]


def test_a_requirement_is_replaced_by_another() -> None:
    assert edit({"remove": ["old-name"], "add": ["old-name>=2"]}) == [*STATED[:3], "old-name>=2"]
    assert edit({"loosen": ["numpy"], "add": ["numpy!=2.1,<3"]}) == [
        "numpy>=1.26.4",
        *STATED[1:],
        "numpy!=2.1,<3",
    ]


def test_a_marker_stays() -> None:
    stated = ['a<2; python_version < "3.12"', 'a<3; python_version >= "3.12"']
    after = ['a<2,>=1; python_version < "3.12"', 'a<3,>=1; python_version >= "3.12"']
    assert edit({"pin-to-built": {"a": ">=x"}}, stated, a="1.5") == after


def test_a_higher_lower_bound_stays() -> None:
    assert edit({"pin-to-built": {"a": "~=x.x"}}, ["a>=2.0.1"], a="2.0.3") == ["a>=2.0.1,~=2.0"]


def test_nothing_is_pinned_to_a_version_that_is_not_known_yet() -> None:
    edits = {"pin-to-built": {"unknown": ">=x.x"}, "add": ["unknown"]}
    assert edit(edits) == [*STATED, "unknown"]


class TestRefusals:
    @pytest.mark.parametrize("key", ["remove", "loosen"])
    @pytest.mark.parametrize("name", ["gamma", "pytest"])
    def test_what_is_not_required_without_an_extra(self, key: str, name: str) -> None:
        what, where, why = error_of(lambda: edit({key: [name]}))
        noun = "run requirements without an extra"
        assert what == f"'{name}' is not among the {noun}"
        assert (where, why) == (f"recipe.toml: metadata.requires.{key}", "they are: numpy, old-name, tomli")

    def test_a_pin_of_what_is_not_required(self) -> None:
        error = only(lambda: edit({"pin-to-built": {"setuptools": ">=x"}}), RecipeError)
        assert error.where == "recipe.toml: metadata.requires.pin-to-built"
        assert error.hint == 'add it too: add = ["setuptools"]'

    @pytest.mark.parametrize(
        ("table", "what", "key"),
        [
            ({"loosen": ["old-name"]}, "the edit changes no requirement of old-name", "loosen"),
            ({"add": ["old.name"]}, "'old.name' is required already", "add"),
            ({"loosen": ["numpy"], "add": [STATED[0]]}, f"'{STATED[0]}' is required already", "add"),
            (
                {"remove": ["tomli"], "loosen": ["tomli"]},
                "the edit changes no requirement of tomli",
                "loosen",
            ),
            ({"pin-to-built": {"numpy": ">=x"}}, "the edit changes no requirement of numpy", "pin-to-built"),
        ],
    )
    def test_what_changes_nothing(self, table: dict[str, Any], what: str, key: str) -> None:
        found = error_of(lambda: edit(table, numpy="1.26.4"))
        assert found[:2] == (what, f"recipe.toml: metadata.requires.{key}")

    def test_what_it_was_not_built_with(self) -> None:
        what, where, why = error_of(lambda: edit({"pin-to-built": {"tomli": ">=x"}}))
        assert what == "'tomli' cannot be pinned to the version that it was built with: it was built without"
        assert where == "recipe.toml: metadata.requires.pin-to-built"
        assert why == "the build environment has numpy, setuptools, unknown"

    def test_all_at_once(self) -> None:
        table = {"remove": ["x"], "loosen": ["y"], "add": ["old-name"], "pin-to-built": {"tomli": ">=x"}}
        assert len(raised(lambda: edit(table), RecipeError)) == len(table)


class TestPin:
    @pytest.mark.parametrize(
        ("form", "version", "expected"),
        [
            (">=x.x", "2.0.3", ">=2.0"),
            (">=x.x", "2", ">=2.0"),
            ("==x.x.x", "2.0.3.post1+team.1", "==2.0.3.*"),
            ("~=x.x", "1!3.4.5", "~=1!3.4"),
            # Installers take no pre-release for >=2.1.
            (">=x.x", "2.1.0rc1", ">=2.1rc1"),
            ("~=x.x", "2rc1", "~=2.0rc1"),
            ("~=x.x", "2.1.3rc1", "~=2.1rc1"),
            ("==x.x", "2.1.3rc1", "==2.1.3rc1"),
            ("==x", "2.1.dev20261130", "==2.1.dev20261130"),
        ],
    )
    def test_parts_of_the_version(self, form: str, version: str, expected: str) -> None:
        assert str(pin(form, version)) == expected

    @given(
        form=st.sampled_from([">=x", ">=x.x", "~=x.x", "~=x.x.x", "==x", "==x.x.x"]),
        version=st.from_regex(
            r"([1-3]!)?[0-9]{1,3}(\.[0-9]{1,3}){0,3}(a1|rc2|\.post2|\.dev3)?(\+team\.1)?", fullmatch=True
        ),
    )
    def test_it_allows_what_it_was_built_with(self, form: str, version: str) -> None:
        pinned = pin(form, version)
        assert pinned.contains(Version(version), prereleases=True)
        # Installers take a pre-release only where the specifier names one.
        assert pinned.contains(Version(version)) or Version(version).local is not None


class TestTable:
    @pytest.mark.parametrize(
        ("table", "why"),
        [
            ({"local-version": "Team-1"}, "PEP 440 writes it 'team.1'"),
            ({"local-version": "a b"}, "'a b' is not the local part of a version (PEP 440)"),
            ({"local-version": "1+2"}, "'1+2' is not the local part of a version (PEP 440)"),
            ({"requires": {"pin-to-built": {"a": "<x"}}}, "it is not the form of a pin"),
            ({"requires": {"pin-to-built": {"a": "~=x"}}}, "it is not the form of a pin"),
            ({"requires": {"add": ["a>"]}}, "'a>' is not a requirement (PEP 508)"),
            ({"requires": {"add": ["a; extra == 'b'"]}}, "extras stay as they are"),
        ],
    )
    def test_what_it_cannot_say(self, tmp_path: Path, table: dict[str, Any], why: str) -> None:
        recipes = read_recipes(make_farm(tmp_path, {"alpha": {"metadata": table}}))
        error = only(recipes.check, RecipeError)
        assert why in (error.why or "")
        assert (error.where or "").startswith("recipes/alpha/recipe.toml: metadata")

    def test_the_version_of_the_wheel_is_written_as_pep_440_has_it(self, tmp_path: Path) -> None:
        table = {"version": "2026.04rc.1", "metadata": {"local-version": "team.1"}}
        assert read_recipes(make_farm(tmp_path, {"a": table})).find("a").table.wheel_version == (
            "2026.4rc1+team.1"
        )

    def test_two_local_parts(self, tmp_path: Path) -> None:
        table = {"version": "1.0+a", "metadata": {"local-version": "team.1"}}
        recipes = read_recipes(make_farm(tmp_path, {"alpha": table}))
        assert "has a local part already" in (only(recipes.check, RecipeError).why or "")

    def test_a_public_wheel_keeps_its_metadata(self, tmp_path: Path) -> None:
        source = {"kind": "wheel", "sha256": "a" * 64}
        table = {"source": source, "compilers": [], "metadata": {"local-version": "team.1"}}
        recipes = read_recipes(make_farm(tmp_path, {"alpha": table}))
        errors = raised(recipes.check, RecipeError)
        assert [each.where for each in errors if each.what == "this has no effect"] == [
            "recipes/alpha/recipe.toml: metadata"
        ]
