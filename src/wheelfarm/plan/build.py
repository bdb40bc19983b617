"""One build of a plan, with its rebuild key and gate key."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from wheelfarm.errors import PatchError, RecipeError
from wheelfarm.model import Digest, Name
from wheelfarm.recipes.farm_settings import Provider

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from wheelfarm.model import EngineName, LockedRequirement, Target
    from wheelfarm.recipes.farm_settings import Variant
    from wheelfarm.recipes.layers import Resolved
    from wheelfarm.recipes.recipe import Recipe, Split
    from wheelfarm.recipes.recipe_set import LoadedRecipe


_DIFF: Final = re.compile(rb"^(diff |--- )", re.MULTILINE)
_LINK: Final = re.compile(rb"^Upstream:[ \t]*(https?://[!-~]+)", re.MULTILINE)


def _split(path: Path) -> tuple[bytes, bytes]:
    """The header and the diff of a patch."""
    text = path.read_bytes()
    start = _DIFF.search(text)
    return (text[: start.start()], text[start.start() :]) if start else (b"", text)


def diff_digest(path: Path) -> Digest:
    """The digest of a patch without its header: a better explanation needs no compiler."""
    return Digest(hashlib.sha256(_split(path)[1]).hexdigest())


def upstream_link(path: Path) -> str:
    """The link to the issue or change that a patch's header names; empty where there is none."""
    found = _LINK.search(_split(path)[0])
    return found[1].decode().rstrip(".,;)") if found else ""


def key_part(path: Path) -> str:
    """A patch as a part of the rebuild key."""
    return f"{diff_digest(path)} {upstream_link(path)}".strip()


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


RULES: Final = "3"
"""Raised whenever the farm itself starts to build differently from the same recipe."""
GATE_RULES: Final = "3"
"""Raised whenever the gate starts to check differently."""


def digest(value: object) -> Digest:
    """The sha256 of a value's canonical JSON."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return Digest(hashlib.sha256(text.encode()).hexdigest())


def file_digest(path: Path) -> Digest:
    """The sha256 of a file's bytes."""
    with path.open("rb") as file:
        return Digest(hashlib.file_digest(file, "sha256").hexdigest())


@dataclass(frozen=True, kw_only=True, order=True)
class BuildId:
    """What tells one build of a plan from the others."""

    name: Name
    variant: str
    target: Target

    def __str__(self) -> str:
        return f"{self.name} ({self.variant}, {self.target})"

    @property
    def slug(self) -> str:
        """As part of a file name."""
        return f"{self.name}-{self.variant}-{self.target}"


@dataclass(frozen=True, kw_only=True)
class Build:
    """One build, frozen: everything that the engine will be told, and why it is in the plan."""

    id: BuildId
    entry: LoadedRecipe
    resolved: Resolved
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
    key_parts: Mapping[str, str] = field(default_factory=dict)
    gate_parts: Mapping[str, str] = field(default_factory=dict)

    @property
    def version(self) -> str:
        """The distribution's version."""
        return self.entry.recipe.version

    @property
    def key(self) -> Digest:
        """The rebuild key: the digest of everything that can change the wheel's bytes."""
        return digest(dict(self.key_parts))

    @property
    def splits(self) -> Mapping[Name, Split]:
        """The further wheels of this build, by distribution."""
        return {Name(name): split for name, split in self.entry.recipe.named_splits.items()}

    @property
    def distributions(self) -> tuple[Name, ...]:
        """What its wheels are called: the recipe's own, then its splits."""
        return (self.id.name, *self.splits)

    def key_of(self, distribution: Name) -> Digest:
        """The key of one of its wheels: the rebuild key, or for a split one that follows from it."""
        if distribution == self.id.name:
            return self.key
        return digest({"build": self.key, "split": distribution})

    @property
    def gate_key(self) -> Digest:
        """The digest of everything that the gate checks; a change needs no compiler."""
        return digest(dict(self.gate_parts) | {"build": self.key})

    @property
    def system_packages(self) -> Mapping[str, tuple[str, ...]]:
        """System packages per package manager: the recipe's, and the variant's where BLAS is linked."""
        tables = [self.resolved.system_packages] + (
            [self.variant.system_packages] if self.entry.recipe.blas else []
        )
        return {
            manager: tuple(dict.fromkeys(name for table in tables for name in getattr(table, manager)))
            for manager in ("apt", "dnf")
        }

    @property
    def all_system_packages(self) -> tuple[str, ...]:
        """The names of all package managers; which of them are known is known where the build runs."""
        return tuple(dict.fromkeys(name for names in self.system_packages.values() for name in names))


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


def _locked(requirements: tuple[LockedRequirement, ...]) -> dict[str, Any]:
    return {r.name: [r.version, *sorted(r.hashes)] for r in requirements}


def _source(recipe: Recipe) -> str:
    """What pins the source; where it is fetched from changes no byte, and may hold a secret."""
    pins = recipe.source.model_dump(exclude={"url"} if recipe.source.kind == "archive" else set())
    if "url" in pins:
        # Relative submodules follow the url, but not its credentials.
        pins["url"] = pins["url"].rpartition("@")[2] if pins["submodules"] else None
    return json.dumps(pins, sort_keys=True)


def key_parts(build: Build, upstream_keys: Mapping[str, Digest]) -> dict[str, str]:
    """The parts of the rebuild key, small enough to be told apart by `inv why`.

    Args:
        build: the build without its parts.
        upstream_keys: the rebuild key of each wheel of the farm in the build environment.
    """
    recipe = build.entry.recipe
    provider = build.variant.provider if recipe.blas else Provider.NONE
    parts: dict[str, str] = {
        "rules": RULES,
        "name": build.id.name,
        "engine": build.engine,
        "target": build.id.target.identifier,
        "variant": f"{build.id.variant} ({provider})",
        "version": recipe.version,
        "source": _source(recipe),
        "build-requires": json.dumps(recipe.build_requires.model_dump(), sort_keys=True),
        "blas": str(recipe.blas),
    }
    parts |= {
        f"config-settings.{key}": json.dumps(values) for key, values in build.resolved.config_settings.items
    }
    parts |= {f"environment.{key}": value for key, value in build.resolved.environment.items()}
    parts |= {
        f"cibuildwheel.{k}": json.dumps(v, sort_keys=True) for k, v in build.resolved.cibuildwheel.items()
    }
    parts |= {f"split.{n}": s.model_dump_json(exclude={"imports"}) for n, s in build.splits.items()}
    parts |= {f"patch.{n}.{p.name}": key_part(p) for n, p in enumerate(build.patches, 1)}
    parts |= {f"requirement.{name}": json.dumps(v) for name, v in _locked(build.requirements).items()}
    if recipe.blas:
        parts |= {f"provider.{n}": json.dumps(v) for n, v in _locked(build.provider_requirements).items()}
    parts |= {f"upstream.{name}": key for name, key in upstream_keys.items()}
    parts |= {f"toolchain.{name}": value for name, value in build.toolchain.facts.items()}
    compilers = build.toolchain.compilers
    parts |= {f"compiler.{name}": compilers.get(name, "(none)") for name in recipe.compilers}
    programs = build.toolchain.programs
    parts |= {
        f"program.{name}": programs[name]
        for name in named_programs(build.resolved.environment)
        if name in programs
    }
    if any(build.system_packages.values()):
        # Which of the names count is known in the container only, so all of them do.
        parts["system-packages"] = json.dumps(dict(build.system_packages), sort_keys=True)
    if build.toolchain.manager:
        wanted = build.system_packages[build.toolchain.manager]
        packages = build.toolchain.packages
        parts |= {f"system-package.{name}": packages.get(name, "(none)") for name in wanted}
    return parts


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
        "smoke": (build.entry.file_digest(test.smoke) if test.smoke else None) or "(none)",
    }
    parts |= {f"requirement.{name}": json.dumps(v) for name, v in _locked(build.test_requirements).items()}
    parts |= {f"run.{name}": key for name, key in run_keys.items()}
    parts |= {f"split.{name}": json.dumps(split.imports) for name, split in build.splits.items()}
    return parts


def check_unchanged(build: Build) -> None:
    """Refuse patches and tests that were edited since the plan was made: the keys would speak of others.

    Raises:
        PatchError: naming the first patch.
        RecipeError: naming the test.
    """
    smoke = build.resolved.test.smoke
    if smoke and (build.entry.file_digest(smoke) or "(none)") != build.gate_parts["smoke"]:
        where = str(build.entry.directory / smoke)
        raise RecipeError(f"{smoke} was changed while the farm ran", where=where, hint="run it again")
    for number, path in enumerate(build.patches, 1):
        if key_part(path) != build.key_parts[f"patch.{number}.{path.name}"]:
            raise PatchError(
                f"{path.name} was changed while the farm ran", where=str(path), hint="run it again"
            )
