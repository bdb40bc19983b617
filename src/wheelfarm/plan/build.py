"""One build of a plan, with its build key and gate key."""

from __future__ import annotations

import json
from collections.abc import Mapping  # noqa: TC003 - workers get a `Toolchain` by pydantic
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Final

from wheelfarm.errors import PatchError, RecipeError
from wheelfarm.model import Digest, EngineName, Name, Target, sha256_of_json
from wheelfarm.plan.inputs import PatchInput, pin_part, wheel_key
from wheelfarm.recipes.providers import Provider

if TYPE_CHECKING:
    from pathlib import Path

    from wheelfarm.model import LockedRequirement
    from wheelfarm.plan.inputs import BuildInputs
    from wheelfarm.recipes.layers import ResolvedRecipe
    from wheelfarm.recipes.loaded_recipe import LoadedRecipe
    from wheelfarm.recipes.recipe import Split
    from wheelfarm.recipes.variant_table import Variant


@dataclass(frozen=True, kw_only=True)
class Toolchain:
    """The facts, as an engine found them before the plan is made.

    `facts` holds what every build depends on (image digest, interpreter, repair tool); `compilers`,
    `packages` and `programs` hold versions by language, by system package and by name: only the builds that
    use one depend on it.
    """

    engine: EngineName
    target: Target
    facts: Mapping[str, str]
    compilers: Mapping[str, str]
    packages: Mapping[str, str]
    programs: Mapping[str, str] = field(default_factory=dict)
    """Versions of the programs that recipes name in their environment, by name."""
    manager: str | None = None
    """The system's package manager: apt or dnf; None where there is none that we know."""
    glibc: tuple[int, int] = (2, 17)
    """The newest manylinux level whose wheels run where the build runs."""
    processor: str = ""
    """The processor; only builds whose recipe allows code for it alone depend on it."""


GATE_RULES: Final = "7"
"""Raised whenever the gate starts to check differently."""


@dataclass(frozen=True, kw_only=True, order=True)
class BuildId:
    """Identifies a build in a plan."""

    name: Name
    variant: str
    target: Target

    def __str__(self) -> str:
        return f"{self.name} ({self.variant}, {self.target})"

    @property
    def slug(self) -> str:
        return f"{self.name}-{self.variant}-{self.target}"


@dataclass(frozen=True, kw_only=True)
class NumpyAbi:
    """What NumPy's ABI means for a build of which NumPy alone has changed since its wheel was stored."""

    serves: bool
    """Whether the stored wheel works with the plan's NumPy: then the build has its inputs and its key."""
    why: str


@dataclass(frozen=True, kw_only=True)
class Build:
    """One build, frozen: everything that the engine needs, and why it is in the plan."""

    id: BuildId
    recipe: LoadedRecipe
    resolved: ResolvedRecipe
    variant: Variant
    engine: EngineName
    toolchain: Toolchain
    patches: tuple[Path, ...]
    requirements: tuple[LockedRequirement, ...]
    provider_requirements: tuple[LockedRequirement, ...]
    test_requirements: tuple[LockedRequirement, ...]
    host: tuple[BuildId, ...]
    """Builds whose wheels this one is compiled against."""
    upstream: tuple[BuildId, ...]
    """All builds whose wheels the build environment holds: `host` and what those need to run."""
    run: tuple[BuildId, ...]
    """All builds whose wheels the installed wheel needs."""
    reason: str
    added_requires: tuple[str, ...] = ()
    """Requirements that the farm adds to the metadata of the wheel."""
    training: str | None = None
    """The script that its profile is of; None without a profile."""
    inputs: BuildInputs | None = None
    """All that can change the bytes of its wheels; None until the plan knows the keys of what it needs."""
    key_parts: Mapping[str, str] = field(default_factory=dict)
    gate_parts: Mapping[str, str] = field(default_factory=dict)
    numpy_abi: NumpyAbi | None = None
    """None where more than NumPy has changed, or nothing, or the farm does not trust NumPy's ABI."""

    @property
    def has_stored_inputs(self) -> bool:
        """Whether its inputs are those of a stored wheel, and not of what the plan would compile."""
        return self.numpy_abi is not None and self.numpy_abi.serves

    @property
    def provider(self) -> Provider:
        """The BLAS provider; none where it links no BLAS."""
        return self.variant.provider_of(self.id.name) if self.recipe.table.blas else Provider.NONE

    @property
    def version(self) -> str:
        """The version of its wheels."""
        return self.recipe.table.wheel_version

    @cached_property
    def key(self) -> Digest:
        """The build key: the digest of everything that can change the wheel's bytes."""
        return sha256_of_json(dict(self.key_parts))

    @property
    def splits(self) -> Mapping[Name, Split]:
        """The further wheels of this build, by distribution."""
        return {Name(name): split for name, split in self.recipe.table.named_splits.items()}

    @property
    def distributions(self) -> tuple[Name, ...]:
        """What its wheels are called: the recipe's own, then its splits."""
        return (self.id.name, *self.splits)

    def key_of(self, distribution: Name) -> Digest:
        """The key of one of its wheels: the build key, or for a split one that follows from it."""
        return wheel_key(self.key, self.id.name, distribution)

    @cached_property
    def gate_key(self) -> Digest:
        """The digest of everything that the gate checks; a change needs no compiler."""
        return sha256_of_json(dict(self.gate_parts) | {"build": self.key})

    @property
    def system_packages(self) -> Mapping[str, tuple[str, ...]]:
        """System packages per package manager: the recipe's, and the variant's where BLAS is linked."""
        tables = [self.resolved.system_packages] + (
            [self.variant.system_packages] if self.recipe.table.blas else []
        )
        return {
            manager: tuple(dict.fromkeys(name for table in tables for name in getattr(table, manager)))
            for manager in ("apt", "dnf")
        }

    @property
    def all_system_packages(self) -> tuple[str, ...]:
        """The names of all package managers; which of them are known is known where the build runs."""
        return tuple(dict.fromkeys(name for names in self.system_packages.values() for name in names))


def gate_parts(build: Build, run_keys: Mapping[str, Digest]) -> dict[str, str]:
    """The parts of the gate key: expectations, tests, and what the wheel runs with.

    Neither the Pythons of this machine nor what the wheelhouse holds downstream: that a Python was installed
    or scipy was built says nothing new of a numpy that has passed. The upstream suite is not of the gate.
    """
    test = build.resolved.test
    parts = {
        "rules": GATE_RULES,
        "expect": build.resolved.expect.model_dump_json(),
        "test": test.model_dump_json(exclude={"suite"}),
        "smoke": (build.recipe.file_digest(test.smoke) if test.smoke else None) or "(none)",
    }
    tested = build.test_requirements
    parts |= {f"requirement.{r.name}": pin_part(r.version, tuple(sorted(r.hashes))) for r in tested}
    parts |= {f"run.{name}": key for name, key in run_keys.items()}
    parts |= {f"split.{name}": json.dumps(split.imports) for name, split in build.splits.items()}
    return parts


def check_unchanged(build: Build) -> None:
    """Refuse patches and tests that were edited since the plan was made: the keys would speak of others.

    Raises:
        PatchError, RecipeError: naming the first patch, or the test.
    """
    smoke = build.resolved.test.smoke
    if smoke and (build.recipe.file_digest(smoke) or "(none)") != build.gate_parts["smoke"]:
        where = str(build.recipe.file(smoke))
        raise RecipeError(f"{smoke} was changed while the farm ran", where=where, hint="run it again")
    for number, path in enumerate(build.patches, 1):
        if PatchInput.of(path).key_part() != build.key_parts[f"patch.{number}.{path.name}"]:
            raise PatchError(
                f"{path.name} was changed while the farm ran", where=str(path), hint="run it again"
            )
