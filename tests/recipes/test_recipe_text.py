"""Edits of recipe.toml: what the patch list says, with all comments and the order of the rest."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final

import pytest
import tomlkit
from hypothesis import given, settings
from hypothesis import strategies as st

from wheelfarm.errors import RecipeError
from wheelfarm.recipes.recipe_text import add_values, drop_local_version, edit_recipe, merge_values
from wheelfarm.system.toml import parse_toml

ROOT: Final = Path(__file__).parents[2]
TABLES: Final = """\
name = "sample"  # a name
version = "1.0"  # the newest

# Why this source.
[source]
kind = "sdist"
sha256 = "aa"  # from the index

# The first one.
[[patches]]
file = "1.patch"  # a reason
versions = ">=1"

[[patches]]
# Only there.
file = "2.patch"
variants = [
    "slim",  # small
]

[[patches]]
file = "3.patch"

# What follows.
[config-settings]
a = "b"
"""
ARRAY: Final = """\
name = "sample"
patches = [
    { file = "1.patch", versions = ">=1" },  # the first one
    { file = "2.patch", variants = ["slim"] },
    { file = "3.patch" },
]
version = "1.0"
source = { kind = "sdist", sha256 = "aa" }
"""


def edit(text: str, *files: str, **pins: str) -> str:
    keys = {tuple(key.split("_")): value for key, value in pins.items()}
    return edit_recipe(text, files=files, pins=keys, where="recipes/sample/recipe.toml")


@pytest.mark.parametrize(
    ("metadata", "left"),
    [
        ('[metadata]  # ours\nlocal-version = "team.1"\n', ""),
        ('metadata = { local-version = "team.1" }\n', ""),
        ('metadata.local-version = "team.1"\n', ""),
        ('[metadata]\n# why\nrequires.loosen = ["a"]\nlocal-version = "b"\n', None),
        ('[metadata]\nlocal-version = "b"\n\n[metadata.requires]\nloosen = ["a"]\n', None),
    ],
)
def test_a_local_version_is_dropped(metadata: str, left: str | None) -> None:
    table = metadata.startswith("[")
    head = 'name = "sample"  # a name\n'
    edited = drop_local_version(f"{head}\n{metadata}" if table else f"{head}{metadata}")
    assert edited is not None
    assert edited.startswith(head)
    expected = {} if left is not None else {"metadata": {"requires": {"loosen": ["a"]}}}
    assert parse_toml(edited) == {"name": "sample", **expected}
    assert ("# why" in edited) is ("# why" in metadata)


def test_a_local_version_that_is_not_there_cannot_be_dropped() -> None:
    assert drop_local_version('[replace.metadata]\nlocal-version = "team.1"\n') is None


def entries(text: str) -> list[dict[str, object]]:
    return list(parse_toml(text).get("patches", []))


@pytest.mark.parametrize("text", [TABLES, ARRAY, TABLES.replace("\n", "\r\n")])
def test_the_same_list_is_the_same_text(text: str) -> None:
    assert edit(text, "1.patch", "2.patch", "3.patch") == text


def test_an_entry_moves_with_its_comments() -> None:
    assert edit(TABLES, "2.patch", "new.patch", "1.patch") == TABLES.partition("# The first")[0] + (
        '[[patches]]\n# Only there.\nfile = "2.patch"\nvariants = [\n    "slim",  # small\n]\n\n'
        '[[patches]]\nfile = "new.patch"\n\n'
        '# The first one.\n[[patches]]\nfile = "1.patch"  # a reason\nversions = ">=1"\n\n'
        '# What follows.\n[config-settings]\na = "b"\n'
    )


def test_the_last_entry_goes() -> None:
    assert (
        edit(TABLES)
        == TABLES.partition("# The first")[0] + "# What follows" + TABLES.partition("# What follows")[2]
    )


def test_a_new_list_stands_after_the_source() -> None:
    without = edit(TABLES)
    text = edit(without, "new.patch")
    assert text == without.replace("# What", '[[patches]]\nfile = "new.patch"\n\n# What')
    assert edit(text) == without


def test_a_recipe_of_one_table() -> None:
    text = 'name = "sample"\nsource = { kind = "sdist" }\n'
    assert edit(text, "new.patch") == f'{text}\n[[patches]]\nfile = "new.patch"\n'


def test_an_array_has_its_comments() -> None:
    text = edit(ARRAY, "1.patch", "new.patch", "3.patch")
    assert entries(text) == [
        {"file": "1.patch", "versions": ">=1"},
        {"file": "new.patch"},
        {"file": "3.patch"},
    ]
    assert "# the first one" in text
    assert '\n    { file = "new.patch" },\n' in text
    moved = edit(ARRAY, "2.patch", "1.patch")
    assert entries(moved) == [
        {"file": "2.patch", "variants": ["slim"]},
        {"file": "1.patch", "versions": ">=1"},
    ]
    assert "patches" not in edit(ARRAY)


def test_pins_change_in_their_lines() -> None:
    text = edit(TABLES, "1.patch", "2.patch", "3.patch", version="1.1", source_sha256="bb")
    assert text == TABLES.replace('"1.0"', '"1.1"').replace('"aa"', '"bb"')


def test_line_ends_stay() -> None:
    text = edit(TABLES.replace("\n", "\r\n"), "1.patch", "new.patch")
    assert re.findall(r"(?<!\r)\n", text) == []
    assert [entry["file"] for entry in entries(text)] == ["1.patch", "new.patch"]


def test_an_unusual_list_is_refused_and_said() -> None:
    text = 'patches = [{ file = "a" }]\n[source]\nkind = "sdist"\nnote = """\n[[patches]]\n"""\n'
    assert 'note = """\n[[patches]]' in edit(text, "a", "b")
    dotted = 'note = """\n[[patches]]\n"""\n[[patches]]\nfile = "a"\n'
    with pytest.raises(RecipeError) as caught:
        edit(dotted, "a", "b")
    assert '[[patches]] file = "b"' in str(caught.value.hint)


@pytest.mark.parametrize(
    "path", sorted(ROOT.glob("recipes/s*/recipe.toml")), ids=lambda path: path.parent.name
)
@settings(max_examples=10)
@given(data=st.data())
def test_any_list_of_any_recipe(path: Path, data: st.DataObject) -> None:
    """Edited and edited back: no comment and no other value is lost."""
    text = path.read_text(encoding="utf-8")
    old = [str(entry["file"]) for entry in entries(text)]
    files = data.draw(st.permutations([*old, "new.patch", "other.patch"]))
    files = files[: data.draw(st.integers(0, len(files)))]
    edited = edit(text, *files)
    assert [entry["file"] for entry in entries(edited)] == files
    assert {**tomlkit.parse(edited).unwrap(), "patches": 0} == {**tomlkit.parse(text).unwrap(), "patches": 0}
    removed = sum(text.count(f'file = "{file}"') for file in set(old) - set(files))
    if not removed:
        assert sorted(re.findall("#.*", edited)) == sorted(re.findall("#.*", text))


class TestValues:
    """Values that an edit puts in."""

    def test_a_table_is_added_below_the_others(self) -> None:
        edited = add_values(TABLES, {"environment": {"A": "b"}}, "recipe.toml")
        assert edited == f'{TABLES}\n[environment]\nA = "b"\n'

    def test_a_table_within_a_table_is_written_in_one_line(self) -> None:
        edited = add_values(TABLES, {"build-requires": {"replace": {"cython": "cython<3"}}}, "recipe.toml")
        assert edited.endswith('\n[build-requires]\nreplace = { cython = "cython<3" }\n')

    def test_a_key_joins_its_table_and_comments_stay(self) -> None:
        edited = add_values(TABLES, {"config-settings": {"c": "d"}}, "recipe.toml")
        assert edited == f'{TABLES}c = "d"\n'

    def test_a_key_of_the_recipe_precedes_its_tables(self) -> None:
        edited = add_values(TABLES, {"compilers": ["c", "fortran"]}, "recipe.toml")
        assert parse_toml(edited)["compilers"] == ["c", "fortran"]
        assert edited.replace('compilers = ["c", "fortran"]\n', "") == TABLES

    def test_a_list_gets_what_it_lacks_and_another_version_its_place(self) -> None:
        text = 'add = [\n    "pkgconf",  # finds\n    "cython>=3",  # compiles\n]\n'
        edited = add_values(text, {"add": ["Cython<3", "pkgconf", "ninja"]}, "recipe.toml")
        assert parse_toml(edited)["add"] == ["pkgconf", "Cython<3", "ninja"]
        assert edited.startswith('add = [\n    "pkgconf",  # finds\n    "Cython<3",  # compiles\n')

    def test_a_dotted_key_gets_a_neighbor(self) -> None:
        text = 'name = "a"\nbuild-requires.add = ["pkgconf"]\n\n[source]\nkind = "sdist"\n'
        edited = add_values(text, {"build-requires": {"replace": {"a": "a<2"}}}, "recipe.toml")
        assert parse_toml(edited)["build-requires"] == {"add": ["pkgconf"], "replace": {"a": "a<2"}}
        assert 'name = "a"\nbuild-requires.add = ["pkgconf"]\n' in edited

    def test_line_ends_stay(self) -> None:
        text = TABLES.replace("\n", "\r\n")
        edited = add_values(text, {"environment": {"A": "b"}}, "recipe.toml")
        assert edited.count("\n") == edited.count("\r\n") == text.count("\r\n") + 3

    def test_a_value_in_the_place_of_a_table_is_refused(self) -> None:
        with pytest.raises(RecipeError, match="cannot be edited"):
            add_values('environment = "x"\n', {"environment": {"A": "b"}}, "recipe.toml")

    @pytest.mark.parametrize(
        "path", sorted(ROOT.glob("recipes/*/recipe.toml")), ids=lambda each: each.parent.name
    )
    def test_our_recipes_lose_nothing(self, path: Path) -> None:
        text = path.read_text(encoding="utf-8")
        values = {
            "compilers": ["c", "c++", "fortran"],
            "environment": {"CMAKE_POLICY_VERSION_MINIMUM": "3.5"},
            "build-requires": {"add": ["cython<3"], "replace": {"setuptools": "setuptools<81"}},
            "system-packages": {"apt": ["zlib1g-dev"]},
        }
        edited = add_values(text, values, "recipe.toml")
        assert parse_toml(edited) == merge_values(parse_toml(text), values)
        comments = [line for line in text.splitlines() if line.startswith("#")]
        assert [line for line in edited.splitlines() if line.startswith("#")] == comments
        assert add_values(edited, values, "recipe.toml") == edited

    @given(
        data=st.dictionaries(
            st.sampled_from(["environment", "build-requires", "config-settings", "requires"]),
            st.dictionaries(
                st.from_regex(r"[A-Za-z][\w-]{0,5}", fullmatch=True),
                st.lists(st.text(max_size=5), max_size=3) | st.text(max_size=5),
                max_size=3,
            ),
        ),
        values=st.dictionaries(
            st.sampled_from(["environment", "build-requires", "system-packages"]),
            st.dictionaries(
                st.from_regex(r"[A-Za-z][\w-]{0,5}", fullmatch=True),
                st.lists(st.text(max_size=5), max_size=3) | st.text(max_size=5),
                min_size=1,
                max_size=3,
            ),
        ),
    )
    @settings(max_examples=60)
    def test_the_text_says_just_the_merged_values(self, data: dict[str, Any], values: dict[str, Any]) -> None:
        text = tomlkit.dumps(data)
        assert parse_toml(add_values(text, values, "recipe.toml")) == merge_values(data, values)
