"""`[metadata]` of a recipe: edits of the wheel's core metadata."""

from __future__ import annotations

from typing import Annotated, Final

from packaging.requirements import Requirement
from packaging.version import InvalidVersion, Version
from pydantic import AfterValidator, Field

from wheelfarm.recipes.strict import NameText, RequirementText, StrictModel, TextForm

_NOUN: Final = "the local part of a version (PEP 440): letters and digits, in parts joined by '.'"


def _local(text: str) -> str:
    try:
        normal = Version(f"0+{text}").local
    except InvalidVersion as error:
        raise ValueError(f"{text!r} is not {_NOUN}") from error
    if normal != text:
        raise ValueError(f"PEP 440 writes it {normal!r}")
    return text


def _without_extra(text: str) -> str:
    if "extra" in str(Requirement(text).marker or ""):
        raise ValueError("extras stay as they are: a requirement of an extra cannot be added")
    return text


LocalVersion = Annotated[str, AfterValidator(_local)]
AddedRequirement = Annotated[RequirementText, AfterValidator(_without_extra)]
PinForm = Annotated[
    str,
    TextForm(
        r"((>=|==)x|~=x\.x)(\.x)*",
        "the form of a pin: >=, == or ~=, and x for each part of the version, such as >=x.x (~= needs two)",
    ),
]


class RunRequires(StrictModel):
    """Edits of what the wheel requires to run, in this order; requirements of extras stay as they are."""

    remove: list[NameText] = Field(default=[])
    loosen: list[NameText] = Field(default=[], description="Drop the upper bound")
    add: list[AddedRequirement] = Field(default=[])
    pin_to_built: dict[NameText, PinForm] = Field(
        default={},
        description="Name → the form of a pin to the version that it was built with: with 2.0.3, >=x.x is "
        ">=2.0, ~=x.x is ~=2.0, and ==x.x.x is ==2.0.3.*",
    )

    @property
    def is_empty(self) -> bool:
        """Whether it edits nothing."""
        return not (self.remove or self.loosen or self.add or self.pin_to_built)


class MetadataEdits(StrictModel):
    """Edits of the wheel's core metadata."""

    requires: RunRequires = RunRequires()
    local_version: LocalVersion | None = Field(
        default=None,
        description="What the version of the wheel gets after '+' (PEP 440), such as team.1: 1.17.1+team.1",
    )

    @property
    def is_empty(self) -> bool:
        """Whether the wheel keeps its metadata."""
        return self.requires.is_empty and self.local_version is None
