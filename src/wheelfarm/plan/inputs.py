"""The inputs of a build: all that can change a wheel's bytes, and the build key that they make."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping  # noqa: TC003 - pydantic reads the hints at run time
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, field_serializer, field_validator

from wheelfarm.model import Digest, EngineName, sha256_of_bytes, sha256_of_json
from wheelfarm.recipes.metadata_table import MetadataEdits  # noqa: TC001 - as above
from wheelfarm.recipes.providers import Provider  # noqa: TC001 - as above
from wheelfarm.recipes.recipe import BuildRequires, Split  # noqa: TC001 - as above
from wheelfarm.sources.patches import header_and_diff
from wheelfarm.wheels.rules import allowed_members

if TYPE_CHECKING:
    from pathlib import Path

    from wheelfarm.model import LockedRequirement
    from wheelfarm.plan.build import Build
    from wheelfarm.recipes.recipe import Recipe

RULES: Final = "10"
"""Raised whenever the farm itself starts to build differently from the same recipe."""


def wheel_key(build_key: Digest, recipe: str, distribution: str) -> Digest:
    """The key of one wheel of a build: the build key, or for a split one that follows from it."""
    return (
        build_key if distribution == recipe else sha256_of_json({"build": build_key, "split": distribution})
    )


_LINK: Final = re.compile(rb"^Upstream:[ \t]*(https?://[!-~]+)", re.MULTILINE)


def diff_digest(path: Path) -> Digest:
    """The sha256 of a patch without its header: a better explanation needs no compiler."""
    return sha256_of_bytes(header_and_diff(path)[1])


def upstream_link(path: Path) -> str:
    """The link to the issue or change that a patch's header names; empty where there is none."""
    found = _LINK.search(header_and_diff(path)[0])
    return found[1].decode().rstrip(".,;)") if found else ""


_NAMING: Final = frozenset(
    {
        *("CC", "CXX", "CPP", "FC", "F77", "F90", "OBJC", "CC_LD", "CXX_LD", "FC_LD", "LD", "AS", "AR", "NM"),
        *("RANLIB", "STRIP", "CYTHON", "RUSTC", "CARGO", "CMAKE", "NINJA", "PKG_CONFIG"),
        *("CMAKE_C_COMPILER_LAUNCHER", "CMAKE_CXX_COMPILER_LAUNCHER"),
    }
)
"""Variables by which a recipe names a program; setuptools, Meson and CMake read them."""


def named_programs(environment: Mapping[str, str]) -> tuple[str, ...]:
    """The programs that an environment names, as in `CC = "ccache gcc-12 -m64"`: ccache and gcc-12."""
    return tuple(
        dict.fromkeys(
            word
            for name, value in environment.items()
            if name in _NAMING
            for word in value.split()
            if not word.startswith("-")
        )
    )


class _Input(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class SourceInput(_Input):
    """What pins a source. The url of an archive or repository changes no byte, and may hold a secret."""

    kind: Literal["sdist", "git", "archive", "wheel"]
    sha256: Digest | None = None
    commit: str | None = None
    submodules: bool = False
    subdirectory: str | None = Field(default=None, description="of the project in the source")
    remove: tuple[str, ...] = Field(default=(), description="globs of the files that are removed from it")
    branch: str | None = Field(
        default=None, description="that a nightly took the commit of; the farm gives its wheel the version"
    )
    url: str | None = Field(
        default=None, description="of a repository whose submodules follow its url; without credentials"
    )

    @classmethod
    def of(cls, recipe: Recipe) -> SourceInput:
        pins = recipe.source.model_dump(exclude={"url", "allow", "allow_in_wheel"})
        if pins.get("submodules"):
            pins["url"] = recipe.source.model_dump()["url"].rpartition("@")[2]
        return cls(**pins)

    def key_part(self) -> str:
        names = {"kind", "commit", "submodules", "url"} if self.kind == "git" else {"kind", "sha256"}
        names |= {name for name in ("subdirectory", "remove", "branch") if getattr(self, name)}
        return json.dumps(self.model_dump(include=names), sort_keys=True)


class PatchInput(_Input):
    """A patch of the series. Its header is no input, except for the link that the SBOM repeats."""

    file: str
    diff_sha256: Digest
    upstream: str = Field(description="link to the issue or change upstream; empty without one")

    @classmethod
    def of(cls, path: Path) -> PatchInput:
        return cls(file=path.name, diff_sha256=diff_digest(path), upstream=upstream_link(path))

    def key_part(self) -> str:
        return f"{self.diff_sha256} {self.upstream}".strip()


_PAIRS: Final = TypeAdapter(list[tuple[str, list[str]]])
"""A mapping whose order counts, as JSON."""


class RequirementInput(_Input):
    """A pinned requirement: its version, and the sha256 of each wheel that its lock allows."""

    version: str
    hashes: tuple[Digest, ...]

    def key_part(self) -> str:
        return pin_part(self.version, self.hashes)


# The builds of a large plan share most requirements: each is in memory once.
@cache
def pin_part(version: str, hashes: tuple[Digest, ...]) -> str:
    """The part of a key for a pinned requirement."""
    return json.dumps([version, *hashes])


@cache
def _requirement_input(version: str, hashes: frozenset[Digest]) -> RequirementInput:
    return RequirementInput(version=version, hashes=tuple(sorted(hashes)))


class BuildInputs(_Input):
    """All that can change the bytes of a build's wheels."""

    rules: Annotated[str, Field(description="version of the farm's own way to build")]
    name: Annotated[str, Field(description="the recipe's name")]
    version: str
    engine: EngineName
    target: Annotated[
        str, Field(description="cibuildwheel build identifier, or the part of it that the wheel is for")
    ]
    variant: str
    provider: Annotated[Provider, Field(description="what supplies BLAS to this build")]
    source: SourceInput
    patches: tuple[PatchInput, ...]
    build_requires: Annotated[
        BuildRequires, Field(description="edits of the project's own build requirements")
    ]
    metadata: Annotated[
        MetadataEdits | None, Field(description="edits of the core metadata of the wheel; null without any")
    ] = None
    blas: Annotated[bool, Field(description="whether the build links the variant's BLAS")]
    config_settings: Annotated[Mapping[str, tuple[str, ...]], Field(description="those of the recipe")]
    environment: Annotated[Mapping[str, str], Field(description="variables of the recipe")]
    compiler_flags: Annotated[
        Mapping[str, tuple[str, ...]], Field(description="glob of sources or objects and its flags, in order")
    ] = Field(default_factory=dict)
    training: Annotated[
        str | None, Field(description="the script that the profile is of, as text; null without a profile")
    ] = None
    cibuildwheel: Annotated[Mapping[str, Any], Field(description="further options of cibuildwheel")]
    splits: Annotated[Mapping[str, Split], Field(description="by distribution; without their imports")]
    requirements: Annotated[Mapping[str, RequirementInput], Field(description="locked build requirements")]
    provider_requirements: Mapping[str, RequirementInput]
    upstream: Annotated[Mapping[str, Digest], Field(description="the farm's wheels: name to build key")]
    toolchain: Annotated[Mapping[str, str], Field(description="what every build here depends on")]
    compilers: Annotated[Mapping[str, str], Field(description="language to version")]
    programs: Annotated[Mapping[str, str], Field(description="named in the environment: name to version")]
    system_packages: Annotated[
        Mapping[str, tuple[str, ...]], Field(description="names by package manager; empty without any")
    ]
    system_package_versions: Mapping[str, str]
    isolation: Annotated[
        Literal["none"] | None, Field(description="none where the recipe gives the build a network")
    ] = None
    repair_exclude: Annotated[
        tuple[str, ...], Field(description="globs of the libraries that the repair leaves out")
    ] = ()
    added_requires: Annotated[
        tuple[str, ...], Field(description="requirements that the metadata of the wheel get")
    ] = ()
    processor: Annotated[
        str | None, Field(description="of the machine, where the recipe allows code for it alone")
    ] = None
    allowed_rpaths: Annotated[
        tuple[str, ...], Field(description="globs of the members whose RPATH the recipe allows")
    ] = ()

    @field_validator("compiler_flags", mode="before")
    @classmethod
    def _read_pairs(cls, value: object) -> object:
        return dict(_PAIRS.validate_python(value)) if isinstance(value, list) else value

    @field_serializer("compiler_flags", when_used="json")
    def _write_pairs(self, value: Mapping[str, tuple[str, ...]]) -> list[tuple[str, tuple[str, ...]]]:
        # A record sorts the keys of its objects, and the order of the globs is a part of the key.
        return [*value.items()]

    def key_parts(self) -> dict[str, str]:
        """The parts of the build key, small enough that `inv why` can name the one that changed."""
        parts: dict[str, str] = {
            "rules": self.rules,
            "name": self.name,
            "engine": self.engine,
            "target": self.target,
            "variant": f"{self.variant} ({self.provider})",
            "version": self.version,
            "source": self.source.key_part(),
            "build-requires": json.dumps(self.build_requires.model_dump(), sort_keys=True),
            "blas": str(self.blas),
        }
        parts |= {f"config-settings.{key}": json.dumps(each) for key, each in self.config_settings.items()}
        parts |= {f"environment.{name}": value for name, value in self.environment.items()}
        if self.compiler_flags:
            # The last glob that matches counts most.
            parts["compiler-flags"] = json.dumps([*self.compiler_flags.items()])
        if self.training is not None:
            parts["training"] = sha256_of_bytes(self.training.encode())
        parts |= {
            f"cibuildwheel.{name}": json.dumps(value, sort_keys=True)
            for name, value in self.cibuildwheel.items()
        }
        parts |= {
            f"split.{name}": split.model_dump_json(exclude={"imports"}) for name, split in self.splits.items()
        }
        parts |= {f"patch.{n}.{each.file}": each.key_part() for n, each in enumerate(self.patches, 1)}
        for kind, wheels in (("requirement", self.requirements), ("provider", self.provider_requirements)):
            parts |= {f"{kind}.{name}": each.key_part() for name, each in wheels.items()}
        parts |= _metadata_parts(self.metadata)
        parts |= {f"upstream.{name}": key for name, key in self.upstream.items()}
        parts |= {f"toolchain.{name}": value for name, value in self.toolchain.items()}
        parts |= {f"compiler.{language}": version for language, version in self.compilers.items()}
        parts |= {f"program.{name}": version for name, version in self.programs.items()}
        if self.isolation:
            parts["isolation"] = self.isolation
        if self.repair_exclude:
            parts["repair.exclude"] = json.dumps(self.repair_exclude)
        if self.added_requires:
            parts["added-requires"] = json.dumps(self.added_requires)
        if self.processor:
            parts["processor"] = self.processor
        if self.allowed_rpaths:
            parts["allowed-rpaths"] = json.dumps(self.allowed_rpaths)
        if self.system_packages:
            # Which of the names count is known in the container only, so all of them do.
            parts["system-packages"] = json.dumps(dict(self.system_packages), sort_keys=True)
        parts |= {f"system-package.{name}": each for name, each in self.system_package_versions.items()}
        return parts

    def key_of(self, distribution: str) -> Digest:
        return wheel_key(sha256_of_json(self.key_parts()), self.name, distribution)


def _metadata_parts(edits: MetadataEdits | None) -> dict[str, str]:
    """The parts of a key for edits of the metadata: none without any, so that no other key changes."""
    if edits is None:
        return {}
    said = edits.requires.model_dump(by_alias=True, exclude_defaults=True)
    parts = {f"metadata.requires.{verb}": json.dumps(each, sort_keys=True) for verb, each in said.items()}
    return parts | ({"metadata.local-version": edits.local_version} if edits.local_version else {})


def _locked(requirements: tuple[LockedRequirement, ...]) -> dict[str, RequirementInput]:
    return {each.name: _requirement_input(each.version, each.hashes) for each in requirements}


def build_inputs(build: Build, upstream_keys: Mapping[str, Digest]) -> BuildInputs:
    """The inputs of a build.

    Args:
        build: the build without its keys.
        upstream_keys: the build key of each wheel of the farm in the build environment.
    """
    recipe, resolved, toolchain = build.recipe.table, build.resolved, build.toolchain
    wanted = build.system_packages[toolchain.manager] if toolchain.manager else ()
    return BuildInputs(
        rules=RULES,
        name=build.id.name,
        version=recipe.version,
        engine=build.engine,
        target=recipe.shared_by(build.id.target),
        variant=build.id.variant,
        provider=build.provider,
        source=SourceInput.of(recipe),
        patches=tuple(map(PatchInput.of, build.patches)),
        build_requires=recipe.build_requires,
        metadata=None if recipe.metadata.is_empty else recipe.metadata,
        blas=recipe.blas,
        isolation=recipe.isolation,
        repair_exclude=tuple(resolved.repair.exclude),
        added_requires=build.added_requires,
        processor=toolchain.processor if resolved.expect.native else None,
        allowed_rpaths=allowed_members(resolved.expect.allow or (), "rpath"),
        config_settings=dict(resolved.config_settings.items),
        environment=resolved.environment,
        compiler_flags=resolved.compiler_flags,
        training=build.training,
        cibuildwheel=resolved.cibuildwheel,
        splits={name: split.model_copy(update={"imports": []}) for name, split in build.splits.items()},
        requirements=_locked(build.requirements),
        provider_requirements=_locked(build.provider_requirements),
        upstream=upstream_keys,
        # The interpreter only runs the backend of what is no extension.
        toolchain={
            name: fact for name, fact in toolchain.facts.items() if name != "python" or recipe.for_one_python
        },
        compilers={name: toolchain.compilers.get(name, "(none)") for name in recipe.languages},
        programs={
            name: toolchain.programs[name]
            for name in named_programs(resolved.environment)
            if name in toolchain.programs
        },
        system_packages=dict(build.system_packages) if any(build.system_packages.values()) else {},
        system_package_versions={name: toolchain.packages.get(name, "(none)") for name in wanted},
    )
