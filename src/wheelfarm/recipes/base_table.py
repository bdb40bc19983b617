"""`base` of `[tool.wheelfarm]`, as written in pyproject.toml."""

from __future__ import annotations

from typing import Annotated

from packaging.requirements import InvalidRequirement, Requirement
from pydantic import AfterValidator, Field

from wheelfarm.recipes.strict import CommitText, StrictModel, Url


def _distribution(text: str) -> str:
    try:
        requirement = Requirement(text)
    except InvalidRequirement as problem:
        raise ValueError(f"{text!r} is no distribution, such as wheelfarm or wheelfarm==0.1.0") from problem
    if requirement.url or requirement.marker or requirement.extras:
        raise ValueError("a name and perhaps its versions are expected, such as wheelfarm==0.1.0")
    return text


class GitBase(StrictModel):
    """A farm in a git repository, at one commit."""

    git: Url = Field(description="The url of the repository, whose pyproject.toml is that of a farm")
    commit: CommitText = Field(description="The full hash of the commit")


BaseTable = Annotated[str, AfterValidator(_distribution)] | GitBase
"""An installed distribution that brings a farm along, perhaps with its versions; or a commit."""
