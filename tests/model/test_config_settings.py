"""Config settings arrive as the recipe says them, in every frontend's own parser."""

from __future__ import annotations

import shlex

from build.__main__ import _parse_config_settings, main_parser
from hypothesis import given, settings
from hypothesis import strategies as st

from wheelfarm.model import ConfigSettings

Table = dict[str, str | list[str]]

# What a recipe can hold: TOML knows no lone surrogates, a key no `=`, and an argument of a process no NUL.
VALUES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
KEYS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0="), min_size=1)
TABLES = st.dictionaries(KEYS, VALUES | st.lists(VALUES, min_size=1), max_size=4)


def _as_frontends_say(table: Table) -> Table:
    """A list of one item looks like a string: no front end can express it."""
    return {key: value[0] if len(value) == 1 else value for key, value in _lists(table).items()}


def _lists(table: Table) -> dict[str, list[str]]:
    return {key: [value] if isinstance(value, str) else value for key, value in table.items()}


@settings(max_examples=50, deadline=None)
@given(TABLES)
def test_build(table: Table) -> None:
    parser = main_parser()
    said = parser.parse_args([".", *ConfigSettings.of(table).for_build()]).config_settings
    assert _parse_config_settings(said or []) == _as_frontends_say(table)


@settings(max_examples=50, deadline=None)
@given(TABLES)
def test_cibuildwheel(table: Table) -> None:
    words = shlex.split(ConfigSettings.of(table).for_cibuildwheel())
    read: dict[str, list[str]] = {}
    for word in words:
        key, _, value = word.partition("=")
        read.setdefault(key, []).append(value)
    assert read == _lists(table)
