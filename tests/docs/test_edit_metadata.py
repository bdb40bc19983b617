"""What the how-to says of edits of the metadata is what they do."""

from __future__ import annotations

import re
from typing import Final

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

from support.howto import HowTo
from wheelfarm.recipes.metadata_table import MetadataEdits
from wheelfarm.recipes.run_requirements import edit_run_requires, not_built_with, pin

PAGE: Final = HowTo.read("edit-metadata")
FORMS: Final = re.findall(r"^\| `(\S+x)` \| `(\S+)` \|", PAGE.text, re.MULTILINE)


def test_the_edits_give_what_the_comments_say() -> None:
    edits = MetadataEdits.model_validate(PAGE.recipe(0)["metadata"]).requires
    before, after = re.findall(r"# (numpy\S+) becomes (\S+)", PAGE.text)[0]
    loosened, _ = edit_run_requires(["beniget", before], edits, where="", built={"numpy": None})
    assert loosened == [None, after]
    version, pinned = re.findall(r"# built with (\S+): (\S+)", PAGE.text)[0]
    found = edit_run_requires(["beniget", before], edits, where="", built={"numpy": version})
    assert found == ([None, pinned], edits.add)


@pytest.mark.parametrize(("form", "pinned"), FORMS)
def test_the_table_of_pins(form: str, pinned: str) -> None:
    assert str(pin(form, "2.0.3")) == pinned


def test_the_pins_to_a_pre_release() -> None:
    version, *pairs = re.findall(
        r"with (\S+), `(\S+)` is `(\S+)`, and `(\S+)` is `(\S+)`", PAGE.text.replace("\n  ", " ")
    )[0]
    assert [str(pin(form, version)) for form in pairs[::2]] == pairs[1::2]


def test_the_order_of_versions() -> None:
    local, *others = re.findall(
        r"`(1\S+\+\S+)` is newer than `(\S+)`, and older than `(\S+)` and `(\S+)`", PAGE.text
    )[0]
    older, post, later = map(Version, others)
    assert older < Version(local) < post < later
    (both,) = re.findall(r"`(scipy==\S+)` matches both", PAGE.text)
    assert Requirement(both).specifier.contains(local)
    edits = MetadataEdits.model_validate(PAGE.recipe(1)["metadata"])
    assert local == f"{older}+{edits.local_version}"


def test_the_message_is_the_farms() -> None:
    _, message = PAGE.blocks("text")
    assert not_built_with("numpy", [], "").what == message.strip()
