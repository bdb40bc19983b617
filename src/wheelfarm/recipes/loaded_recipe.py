"""A recipe with the files that belong to it: locks, patches, tests."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from packaging.specifiers import SpecifierSet

from wheelfarm.model import Archive, Digest, GitCommit, Name, Sdist
from wheelfarm.recipes.layers import ResolvedRecipe, resolve
from wheelfarm.recipes.locks import applicable, parse_lock
from wheelfarm.recipes.recipe import Expect, GitSource, Layered, Recipe, SdistSource
from wheelfarm.system.files import sha256_of_file

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from wheelfarm.model import LockedRequirement, Source, Target


@dataclass(frozen=True, kw_only=True)
class LoadedRecipe:
    """A recipe, its directory, and what the farm says below it."""

    table: Recipe
    directory: Path
    patches: Path
    defaults: Layered = field(default_factory=Layered)
    """The farm's layer, `[tool.wheelfarm.defaults]`."""
    blas_expects: Mapping[str, Expect] = field(default_factory=dict)
    """Variant → what must be true of wheels that link its BLAS."""

    @property
    def name(self) -> Name:
        """The distribution's name."""
        return Name(self.table.name)

    @property
    def where(self) -> str:
        """The recipe's file, for errors and origins."""
        return f"{self.directory.parent.name}/{self.directory.name}/recipe.toml"

    @property
    def source(self) -> Source:
        """The pinned source."""
        source, version = self.table.source, self.table.version
        if isinstance(source, SdistSource):
            return Sdist(version=version, sha256=Digest(source.sha256))
        if isinstance(source, GitSource):
            return GitCommit(
                version=version, url=source.url, commit=source.commit, submodules=source.submodules
            )
        return Archive(version=version, url=source.url, sha256=Digest(source.sha256))

    def resolve(self, *, variant: str, target: Target) -> ResolvedRecipe:
        """The values for one variant and target.

        Raises:
            RecipeError: where layers do not fit together.
        """
        return resolve(
            self.table,
            where=self.where,
            defaults=self.defaults,
            blas_expect=self.blas_expects.get(variant, Expect()),
            variant=variant,
            target=target,
        )

    def series(self, *, variant: str, target: Target) -> tuple[Path, ...]:
        """The patches that apply here, in the recipe's order."""
        return tuple(
            self.patches / patch.file
            for patch in self.table.patches
            if (
                patch.versions is None
                or SpecifierSet(patch.versions).contains(self.table.version, prereleases=True)
            )
            and (patch.variants is None or variant in patch.variants)
            and (patch.platforms is None or target.platform in patch.platforms)
        )

    @cached_property
    def _build_lock(self) -> tuple[LockedRequirement, ...]:
        return parse_lock(self.directory / "build.lock")

    @cached_property
    def _test_lock(self) -> tuple[LockedRequirement, ...]:
        # A recipe without one runs with the standard library and wheels of the farm alone.
        path = self.directory / "test.lock"
        return parse_lock(path) if path.exists() else ()

    @cached_property
    def _suite_lock(self) -> tuple[LockedRequirement, ...]:
        return parse_lock(self.directory / "suite.lock")

    def build_requirements(self, target: Target) -> tuple[LockedRequirement, ...]:
        """The locked build requirements for a target.

        Raises:
            LockError: when build.lock is missing or has a line without pin or hash.
        """
        return applicable(self._build_lock, target)

    def test_requirements(self, target: Target) -> tuple[LockedRequirement, ...]:
        """The locked run requirements, from outside the farm, for a target.

        Raises:
            LockError: when test.lock has a line without pin or hash.
        """
        return applicable(self._test_lock, target)

    def suite_requirements(self, target: Target) -> tuple[LockedRequirement, ...]:
        """The locked further requirements of the upstream suite for a target.

        Raises:
            LockError: when suite.lock is missing or has a line without pin or hash.
        """
        return applicable(self._suite_lock, target)

    def file_digest(self, name: str) -> Digest | None:
        """The sha256 of a file in the recipe's directory; None when there is none."""
        path = self.directory / name
        return sha256_of_file(path) if path.is_file() else None
