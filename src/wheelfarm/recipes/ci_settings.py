"""`[tool.wheelfarm.ci]`: what the rendered workflow builds, where, and how it publishes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from wheelfarm.errors import FarmError
from wheelfarm.model import Python
from wheelfarm.recipes.index_settings import IndexName
from wheelfarm.recipes.strict import StrictModel

if TYPE_CHECKING:
    from collections.abc import Mapping

PLATFORMS: Final[Mapping[str, str]] = {
    "linux-x86_64": "manylinux_x86_64",
    "linux-aarch64": "manylinux_aarch64",
    "musllinux-x86_64": "musllinux_x86_64",
    "musllinux-aarch64": "musllinux_aarch64",
    "macos-arm64": "macosx_arm64",
    "macos-x86_64": "macosx_x86_64",
    "windows-amd64": "win_amd64",
    "windows-arm64": "win_arm64",
}
"""The platforms of a workflow → what stands after the interpreter in their build identifiers."""


def _platform(text: str) -> str:
    if text not in PLATFORMS:
        expected = ", ".join(f"'{name}'" for name in PLATFORMS)
        raise PydanticCustomError("ci_platform", "no such platform", {"expected": expected})
    return text


def _python(text: str) -> str:
    try:
        return str(Python.parse(text))
    except FarmError as problem:
        raise ValueError(problem.what) from problem


PythonText = Annotated[str, AfterValidator(_python)]
CiPlatform = Annotated[str, AfterValidator(_platform)]
_REF: Final = r"^[A-Za-z0-9][A-Za-z0-9._/*-]*$"
_NAME: Final = r"^[A-Za-z_][A-Za-z0-9_]*$"


class Publishing(StrictModel):
    """`[tool.wheelfarm.ci.publish]`: the job that brings all wheels of a run into an index."""

    index: IndexName = Field(description="Its name in `[tool.wheelfarm.index]`")
    environment: str = Field(
        default="publish",
        pattern=_REF,
        description="The environment of the job, whose reviewers approve it",
    )
    username: str | None = Field(
        default=None,
        description="For the index; `__token__` by default, as for indexes that take tokens",
    )
    secret: str | None = Field(
        default=None,
        pattern=_NAME,
        description="The secret with the password or token; none where the index asks for none",
    )
    attest: bool = Field(
        default=True,
        description="Whether the host attests the wheels too; for a private repository GitHub does so with "
        "Enterprise Cloud only",
    )


class CiTable(StrictModel):
    """`[tool.wheelfarm.ci]`."""

    platforms: list[CiPlatform] = Field(
        default=list(PLATFORMS),
        min_length=1,
        description="What a full run builds for; a recipe can skip some",
    )
    pythons: list[PythonText] | None = Field(
        default=None, min_length=1, description="Feature versions of a full run; by default the farm's own"
    )
    runners: dict[CiPlatform, str] = Field(
        default={}, description="Label of the runner by platform, where it is not one that the host lends"
    )
    branch: str = Field(
        default="main", pattern=_REF, description="Its runs are full, and what later ones compare with"
    )
    tags: str = Field(default="v*", pattern=_REF, description="Tags whose runs are full and publish")
    publish: Publishing | None = Field(default=None, description="The publishing job; none when unsaid")
