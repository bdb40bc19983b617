"""The header of a lock: what it was made for, as comments in TOML."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, Self

import tomlkit
from pydantic import Field

from wheelfarm.errors import LockError
from wheelfarm.model import GitCommit, sha256_of_bytes
from wheelfarm.recipes.metadata_table import RunRequires
from wheelfarm.recipes.recipe import BuildRequires
from wheelfarm.recipes.strict import StrictModel, parse
from wheelfarm.recipes.versions import recipe_of
from wheelfarm.sources.patches import header_and_diff
from wheelfarm.system.files import read_text
from wheelfarm.system.toml import parse_toml

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from wheelfarm.recipes.loaded_recipe import LoadedRecipe
    from wheelfarm.recipes.recipe_set import RecipeSet

_TITLE: Final = "# Written by `inv recipe.lock {}`: what builds and tests may install, by version and hash.\n"
_TABLE: Final = "# [made-for]\n"
_CHANGED: Final = re.compile(
    rb"^\+\+\+ [^/\s]+/(?:.*/)?(?:pyproject\.toml|setup\.(?:py|cfg))\s*$", re.MULTILINE
)
"""The new name of a file that states requirements, in a patch."""


class MadeFor(StrictModel):
    """What a lock was made for."""

    version: str
    source: str
    patches: list[str] = Field(default=[])
    """Each patch of a file that states requirements, with the digest of its diff."""
    build_requires: BuildRequires = BuildRequires()
    metadata_requires: RunRequires = RunRequires()
    farm_requires: dict[str, list[str]] = Field(default={})
    """Distribution of the farm that it needs → what that requires, where its own recipe edits that."""
    requires: list[str] = Field(default=[])
    """What the lock pins. Of a build, those after the recipe's edits and those that the backend names."""
    run_requires: list[str] = Field(default=[])
    """The run requirements that the source states without a build, after the recipe's edits."""
    brought: list[str] = Field(default=[])
    """What `requires.run` names and a distribution of test.lock requires, and not the source itself."""

    min_age: int = 0
    """Days since their upload that all files of the lock have, but for those that the recipe exempts."""

    @classmethod
    def of(
        cls,
        recipe: LoadedRecipe,
        recipes: RecipeSet,
        requires: Sequence[str] = (),
        runs: Sequence[str] = (),
    ) -> Self:
        """What a lock of a recipe is made for now."""
        source, files = recipe.source, (recipe.patch_file(patch.file) for patch in recipe.table.patches)
        patches = {path.name: header_and_diff(path)[1] for path in files if path.is_file()}
        return cls.model_construct(
            version=source.version,
            source=source.commit if isinstance(source, GitCommit) else source.sha256,
            patches=[
                f"{name} {sha256_of_bytes(diff)[:12]}"
                for name, diff in patches.items()
                if _CHANGED.search(diff)
            ],
            build_requires=recipe.table.build_requires,
            metadata_requires=recipe.table.metadata.requires,
            farm_requires=edited_farm_requires(recipe, recipes),
            requires=list(requires),
            run_requires=list(runs),
        )

    def of_tests(self, requires: Sequence[str]) -> Self:
        """The same for a lock of the tests."""
        changes = {
            "build_requires": BuildRequires(),
            "requires": list(requires),
            "run_requires": [],
            "brought": [],
        }
        return self.model_copy(update=changes)

    def render(self, name: str) -> str:
        """The header as comment lines."""
        lines = tomlkit.dumps(self.model_dump(by_alias=True, exclude_defaults=True)).splitlines()
        # A table of its own would end the one above it.
        return _TITLE.format(name) + _TABLE + "".join(f"# {line}".rstrip() + "\n" for line in lines)

    def differences(self, now: MadeFor) -> list[str]:
        """How the recipe has changed since; requirements that only the source knows are not compared."""
        derived = {"run_requires", "brought", "min_age", *([] if now.requires else ["requires"])}
        before, after = (each.model_dump(by_alias=True, exclude=derived) for each in (self, now))
        return [
            f"{key} was {_shown(before[key])}, and is {_shown(after[key])}"
            for key in after
            if before[key] != after[key]
        ]


def edited_farm_requires(recipe: LoadedRecipe, recipes: RecipeSet) -> dict[str, list[str]]:
    """What distributions of the farm require whose recipes edit that, of those that a recipe needs.

    Their own build.lock says it; one that is not locked yet is left out.

    Raises:
        LockError: when the header of a lock is not valid.
    """
    edited = recipes.with_edited_requires - {recipe.name}
    if not edited:
        return {}
    found, requires = {}, recipe.table.requires
    for name in recipes.run_closure([*requires.host, *requires.run]):
        if name in edited:
            # A run of `inv recipe.lock` may have written it a moment ago.
            header = read_header(recipes.by_name[name].file("build.lock"))
            if header is not None:
                found[str(name)] = header.run_requires
    return found


def _shown(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} = {each}" for key, each in value.items() if each) or "unedited"
    return ", ".join(value) or "none" if isinstance(value, list) else str(value)


def read_header(path: Path) -> MadeFor | None:
    """The header of a lock; None for a lock without one.

    Raises:
        LockError: when the header is not valid.
    """
    text = (
        read_text(path, LockError, f"inv recipe.lock {recipe_of(path.parent)} writes it")
        if path.is_file()
        else ""
    )
    _, table, rest = text.partition(_TABLE)
    if not table:
        return None
    lines = []
    for line in rest.splitlines():
        if not line.startswith("#"):
            break
        lines.append(line.removeprefix("#"))
    try:
        document = parse_toml("\n".join(lines))
    except ValueError as problem:
        raise LockError(
            f"the header of {path.name} is not valid",
            where=str(path),
            why=str(problem),
            hint="inv recipe.lock writes it anew",
        ) from problem
    return parse(MadeFor, document, where=str(path), error=LockError)
