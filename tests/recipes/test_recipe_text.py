"""Edits of recipe.toml: what the patch list says, with all comments and the order of the rest."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import pytest
import tomlkit
from hypothesis import given, settings
from hypothesis import strategies as st

from wheelfarm.errors import RecipeError
from wheelfarm.recipes.recipe_text import edit_recipe
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
@settings(max_examples=10, deadline=None)
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
