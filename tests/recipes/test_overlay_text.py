"""The patches that recipe.toml appends to those of a base: what an edit of the list changes."""

from __future__ import annotations

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.raised import only
from wheelfarm.errors import RecipeError
from wheelfarm.recipes.overlay_text import edit_appended_patches

OWN = """\
# Ours.
[append.environment]
A = "1"

# The first one.
[[append.patches]]
file = "3.patch"
variants = ["slim"]

[[append.patches]]
file = "4.patch"
"""
LISTED = ["1.patch", "2.patch", "3.patch", "4.patch"]


def edit(text: str, listed: list[str], files: list[str]) -> str:
    return edit_appended_patches(text, listed=listed, files=files, where="recipes/alpha/recipe.toml")


def test_the_first_patch_of_a_farm() -> None:
    edited = edit("", ["1.patch"], ["1.patch", "2.patch"])
    assert edited == '[[append.patches]]\nfile = "2.patch"\n'
    layered = edit('[append.environment]\nA = "1"\n', [], ["2.patch"])
    assert tomllib.loads(layered) == {"append": {"environment": {"A": "1"}, "patches": [{"file": "2.patch"}]}}


def test_an_unchanged_list_leaves_the_text() -> None:
    assert edit(OWN, LISTED, LISTED) == OWN
    assert edit("", ["1.patch"], ["1.patch"]) == ""


def test_patches_of_the_farm_come_and_go() -> None:
    edited = edit(OWN, LISTED, ["1.patch", "2.patch", "3.patch", "5.patch"])
    assert [each["file"] for each in tomllib.loads(edited)["append"]["patches"]] == ["3.patch", "5.patch"]
    assert "# The first one." in edited
    none = edit(OWN, LISTED, ["1.patch", "2.patch"])
    assert tomllib.loads(none) == {"append": {"environment": {"A": "1"}}}


NAMES = st.lists(st.sampled_from([f"{number}.patch" for number in range(9)]), unique=True, max_size=6)
LAYERS = st.sampled_from(
    ["", '[append.environment]\nA = "1"\n', "base = true\n\n# Why.\n[replace]\ncpus = 2\n"]
)


@given(of_base=NAMES, before=NAMES, after=NAMES, text=LAYERS)
def test_the_list_becomes_the_requested_one_and_the_rest_stays(
    of_base: list[str], before: list[str], after: list[str], text: str
) -> None:
    of_base = [f"base-{name}" for name in of_base]
    first = edit(text, of_base, [*of_base, *before])
    second = edit(first, [*of_base, *before], [*of_base, *after])
    read = tomllib.loads(second)
    assert [each["file"] for each in read.get("append", {}).get("patches", [])] == after
    read.get("append", {}).pop("patches", None)
    expected = tomllib.loads(text)
    assert {key: value for key, value in read.items() if value} == expected


@pytest.mark.parametrize(
    ("text", "listed", "files", "why"),
    [
        (OWN, LISTED, ["2.patch", "3.patch", "4.patch"], "the patches of the base come first"),
        (OWN, LISTED, ["2.patch", "1.patch", "3.patch", "4.patch"], "the patches of the base come first"),
        ('[[replace.patches]]\nfile = "1.patch"\n', ["1.patch"], ["1.patch", "2.patch"], "it replaces"),
        (
            '[append]\npatches = [{ file = "2.patch" }]\n',
            ["1.patch", "2.patch"],
            ["1.patch"],
            "not written as",
        ),
    ],
)
def test_a_list_that_only_a_person_can_edit(text: str, listed: list[str], files: list[str], why: str) -> None:
    error = only(lambda: edit(text, listed, files), RecipeError)
    assert why in str(error.why)
    assert "[[replace.patches]]" in str(error.hint)
