"""A recipe with the files that belong to it: locks, patches, tests."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from wheelfarm.errors import RecipeError, UsageError
from wheelfarm.model import Archive, Digest, GitCommit, Name, Platform, PublicWheel, Sdist
from wheelfarm.recipes.checks import (
    check_expectations,
    check_interface,
)
from wheelfarm.recipes.farm_settings import Defaults
from wheelfarm.recipes.layers import ResolvedRecipe, resolve
from wheelfarm.recipes.lock_header import MadeFor, read_header
from wheelfarm.recipes.locks import applicable, parse_lock
from wheelfarm.recipes.providers import INSTALLED, installed_requirements
from wheelfarm.recipes.recipe import Layer, Recipe, Requires
from wheelfarm.recipes.sizes import FILE as SIZES
from wheelfarm.recipes.sizes import limit_sizes
from wheelfarm.recipes.source_table import GitSource, SdistSource, WheelSource
from wheelfarm.recipes.variants import lineage
from wheelfarm.recipes.versions import shown_directory
from wheelfarm.system.files import sha256_of_file

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wheelfarm.model import EngineName, LockedRequirement, Source, Target
    from wheelfarm.recipes.base import BaseFarm
    from wheelfarm.recipes.overlay import BaseRecipe
    from wheelfarm.recipes.sizes import MeasuredSize, Sizes
    from wheelfarm.recipes.variant_table import Variant


@dataclass(frozen=True, kw_only=True)
class LoadedRecipe:
    """A recipe, its directory, and what the farm says below it."""

    table: Recipe
    directory: Path
    """Where the farm has it, and what tasks write to; missing where the base alone has it."""
    patches: Path
    """The same for its patches."""
    base: BaseRecipe | None = None
    """The recipe of the farm's base that it lies over."""
    base_farm: BaseFarm | None = None
    """The base of the farm."""
    defaults: Defaults = field(default_factory=Defaults)
    """The farm's layer, `[tool.wheelfarm.defaults]`."""
    variants: Mapping[str, Variant] = field(default_factory=dict)
    """All variants of the farm."""
    sizes: Sizes = field(default_factory=dict)
    """What its wheels measured."""
    root: Path = Path()
    """The directory of the farm."""
    provided: Path | None = None
    """The lock of a variant whose BLAS is installed wherever a wheel of this recipe is."""
    _locks: dict[str, tuple[LockedRequirement, ...]] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )
    """Lock file → its lines: several targets read the same file."""
    _headers: dict[str, MadeFor | None] = field(default_factory=dict, init=False, repr=False, compare=False)
    """Lock file → its header: the plan checks the locks for each target."""
    _resolved: dict[tuple[str, Target], ResolvedRecipe] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )
    """Variant and target → values: the plan, its toolchains and the gates ask for the same."""

    @property
    def name(self) -> Name:
        return Name(self.table.name)

    @property
    def where(self) -> str:
        """The recipe's file, for errors and origins."""
        return self.base.where if self.base and not self.base.overlay else self.own_where

    @property
    def own_where(self) -> str:
        """The file of the farm, also where the base alone has the recipe."""
        return f"{shown_directory(self.directory)}/recipe.toml"

    @property
    def sizes_file(self) -> str:
        """The file of the measured sizes, for errors and origins."""
        of_base = self.base if not (self.directory / SIZES).is_file() else None
        return (of_base.where if of_base else self.own_where).replace("recipe.toml", SIZES)

    def file(self, name: str) -> Path:
        """A file beside recipe.toml, which need not exist."""
        own = self.directory / name
        return self.base.directory / name if self.base and not own.is_file() else own

    def patch_file(self, name: str) -> Path:
        """A patch of the series, which need not exist."""
        own = self.patches / name
        return self.base.patches / name if self.base and not own.is_file() else own

    def check_own(self, hint: str) -> None:
        """Refuse what would change a recipe that the base has.

        Raises:
            UsageError: when it is one; `hint` says how the farm gets the change.
        """
        if self.base is not None:
            what = f"the recipe of {self.name} comes from the base, where nothing is written"
            raise UsageError(what, where=self.base.where, hint=hint.format(name=self.name))

    def measured(self, *, variant: str, engine: EngineName, target: Target) -> MeasuredSize | None:
        """The measured size of a wheel; None where nobody has measured it."""
        return self.sizes.get(variant, {}).get(engine, {}).get(self.table.shared_by(target))

    @property
    def supplies(self) -> tuple[str, ...]:
        """The variants whose BLAS its wheel is."""
        return tuple(sorted(name for name, each in self.variants.items() if each.recipe == self.name))

    def lineage(self, variant: str) -> tuple[str, ...]:
        """A variant and those that it extends; the variant itself is the last."""
        return lineage(self.variants, variant)

    def in_variant(self, variant: str) -> LoadedRecipe:
        """The recipe as a variant needs it: what links a BLAS of the farm requires its wheel."""
        if not self.table.blas:
            return self
        suppliers, own = {each.recipe for each in self.variants.values()}, self.variants[variant].recipe
        requires = {
            kind: [*(name for name in names if name not in suppliers), *([own] if own else [])]
            for kind, names in self.table.requires
        }
        return replace(self, table=self.table.model_copy(update={"requires": Requires(**requires)}))

    def lock_of_installed(self, variant: str) -> Path | None:
        """The lock of a variant whose BLAS its wheel finds in other wheels; None where the wheel has it."""
        table = self.variants.get(variant)
        if table is None or table.lock is None or not self.table.blas:
            return None
        return self.root / table.lock if table.provider_of(self.name) in INSTALLED else None

    @property
    def source(self) -> Source:
        source, version = self.table.source, self.table.version
        if isinstance(source, SdistSource):
            return Sdist(version=version, sha256=Digest(source.sha256))
        if isinstance(source, WheelSource):
            return PublicWheel(version=version, sha256=Digest(source.sha256))
        if isinstance(source, GitSource):
            return GitCommit(
                version=version, url=source.url, commit=source.commit, submodules=source.submodules
            )
        return Archive(version=version, url=source.url, sha256=Digest(source.sha256))

    def resolve(self, *, variant: str, target: Target) -> ResolvedRecipe:
        """The values for one variant and target.

        Raises:
            RecipeError: where layers or expectations contradict each other.
        """
        if (variant, target) not in self._resolved:
            resolved = resolve(
                self.table,
                where=self.own_where,
                defaults=self.defaults,
                base_defaults=(self.base_farm.defaults_where, self.base_farm.defaults)
                if self.base_farm
                else None,
                base=self.base,
                blas=self.variants[variant].blas_layer if variant in self.variants else Layer(),
                blas_where=self.base_farm.variant_where(variant) if self.base_farm else "",
                lineage=self.lineage(variant),
                target=target,
            )
            check_expectations(resolved, recipe=self.table, target=target, where=self.where)
            if self.table.blas and variant in self.variants:
                provider = self.variants[variant].provider_of(self.name)
                check_interface(
                    resolved, name=self.name, variant=variant, provider=provider, where=self.where
                )
            self._resolved[variant, target] = resolved
        return self._resolved[variant, target]

    def resolve_for(self, engine: EngineName, *, variant: str, target: Target) -> ResolvedRecipe:
        """The same for a build by an engine: with the limits that follow from measured sizes."""
        resolved = self.resolve(variant=variant, target=target)
        measured = self.measured(variant=variant, engine=engine, target=target)
        return limit_sizes(resolved, measured, self.sizes_file) if measured else resolved

    def series(self, *, variant: str, target: Target) -> tuple[Path, ...]:
        """The patches that apply here, in the recipe's order."""
        variants = set(self.lineage(variant))
        return tuple(
            self.patch_file(patch.file)
            for patch in self.table.patches
            if patch.is_for(self.table.version)
            and (patch.variants is None or not variants.isdisjoint(patch.variants))
            and (patch.platforms is None or target.platform in patch.platforms)
        )

    def _lock(self, file: str) -> tuple[LockedRequirement, ...]:
        if file not in self._locks:
            self._locks[file] = parse_lock(self.file(file))
        return self._locks[file]

    def pins(self, file: str) -> tuple[LockedRequirement, ...]:
        """The lines of a lock for all targets; none without the file."""
        return self._lock(file) if self.file(file).exists() else ()

    def lock_header(self, file: str) -> MadeFor | None:
        """What a lock was made for; None where the file is missing or does not say it."""
        if file not in self._headers:
            self._headers[file] = read_header(self.file(file))
        return self._headers[file]

    def _locked(self, file: str, target: Target) -> tuple[LockedRequirement, ...]:
        return applicable(self._lock(file), target)

    def _provided(self, target: Target) -> tuple[LockedRequirement, ...]:
        """The wheels of the variant's BLAS that are installed beside its own."""
        if self.provided is None:
            return ()
        return installed_requirements(self._locked(str(self.provided), target))

    def build_requirements(self, target: Target) -> tuple[LockedRequirement, ...]:
        """The locked build requirements for a target.

        Raises:
            LockError: when build.lock is missing or has a line without pin or hash.
        """
        if isinstance(self.source, PublicWheel):
            return ()
        return (*self._locked("build.lock", target), *self._provided(target))

    def test_requirements(self, target: Target) -> tuple[LockedRequirement, ...]:
        """The locked run requirements, from outside the farm, for a target; see `build_requirements`."""
        # A recipe without the file runs with the standard library and wheels of the farm alone.
        own = self._locked("test.lock", target) if self.file("test.lock").exists() else ()
        return (*own, *self._provided(target))

    def suite_requirements(self, target: Target) -> tuple[LockedRequirement, ...]:
        """The locked further requirements of the upstream suite for a target; see `build_requirements`."""
        return self._locked("suite.lock", target)

    def training_script(self, resolved: ResolvedRecipe, target: Target) -> str | None:
        """The text of the script that a profile is of; None without one.

        Raises:
            RecipeError: when the file is not there, or the target has no GCC.
        """
        name = resolved.profile.script
        if name is None:
            return None
        path, where = self.file(name), resolved.origins["profile.script"]
        if target.platform is not Platform.LINUX or not self.table.compiled:
            what = f"{self.name} can have no profile on {target.platform}"
            why = "it is made of what GCC counts, and the farm looks for GCC on Linux only"
            hint = "put `profile` into [platforms.linux.append], or into a variant for Linux"
            raise RecipeError(what, where=where, why=why, hint=hint)
        if not path.is_file():
            raise RecipeError(f"there is no file {name!r}", where=where)
        return path.read_text(encoding="utf-8")

    def file_digest(self, name: str) -> Digest | None:
        """The sha256 of a file of the recipe; None when there is none."""
        path = self.file(name)
        return sha256_of_file(path) if path.is_file() else None
