"""The `source` table of recipe.toml: where the source of a recipe comes from."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from wheelfarm.recipes.strict import (
    CommitText,
    DigestText,
    FileText,
    ReasonText,
    StrictModel,
    TextForm,
    VersionText,
)

BranchText = Annotated[
    str, TextForm(r"[A-Za-z0-9_][A-Za-z0-9._/+-]*", "the name of a branch or tag, which begins with no '-'")
]


class BuiltSource(StrictModel):
    """What each kind of source may say of its files."""

    subdirectory: FileText | None = Field(
        default=None, description="The project's directory, where it is not the top of the source"
    )
    remove: list[str] = Field(
        default=[],
        description="Globs of files that are removed before the patches apply, such as a compiled module; "
        "each must match something",
    )
    allow: dict[str, ReasonText] = Field(
        default={},
        description="Glob → reason, for files that are not source (compiled code, products of an earlier "
        "build, Git LFS pointers) and do not get into the wheel; each glob must match one",
    )
    allow_in_wheel: dict[str, ReasonText] = Field(
        default={}, description="The same for files that get into the wheel, such as a launcher for Windows"
    )


class SdistSource(BuiltSource):
    """A source distribution of the recipe's version, from the configured index."""

    kind: Literal["sdist"]
    sha256: DigestText


class GitSource(BuiltSource):
    """A commit of a git repository."""

    kind: Literal["git"]
    url: str
    commit: CommitText
    submodules: bool = False


class ArchiveSource(BuiltSource):
    """An archive at a url."""

    kind: Literal["archive"]
    url: str
    sha256: DigestText


class WheelSource(StrictModel):
    """A public pure wheel of the recipe's version, from the configured index, taken over and not built."""

    kind: Literal["wheel"]
    sha256: DigestText
    allow_in_wheel: dict[str, ReasonText] = Field(
        default={}, description="Glob → reason, for compiled code in it, such as a launcher for Windows"
    )


class BranchHead(GitSource):
    """The commit that a branch ended in when a nightly was planned; no recipe says this."""

    branch: str


class Nightly(BuiltSource):
    """The branch whose newest commit `--nightly` builds; what a git source says holds here too."""

    branch: BranchText = Field(description="Its newest commit is built")
    url: str | None = Field(
        default=None, description="Of the git repository; by default that of a git source"
    )
    submodules: bool = Field(default=False, description="As of a git source")
    version: VersionText | None = Field(
        default=None,
        description="The release that the branch leads to, whose development versions its wheels are; by "
        "default the next one after `version`, as 1.17.2 after 1.17.1",
    )
