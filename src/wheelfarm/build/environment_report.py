"""The environment report: what the build environment really contained, compared with what the plan pinned.

With it comes the library provenance, which maps each vendored library to the system package it comes from.
Scripts write both where the build runs; see `inside/`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeVar

from pydantic import BaseModel, ConfigDict, RootModel, ValidationError

from wheelfarm.errors import BuildError, ChainError, Collector, SourceError, YieldError, counted
from wheelfarm.model import CacheUse, CompiledObjects, Digest, EnvironmentEntry, parse_name
from wheelfarm.sources.inspection import BUILD_PRODUCT
from wheelfarm.wheels.archive import open_wheel

if TYPE_CHECKING:
    from pathlib import Path

    from wheelfarm.build.directory import BuildDirectory
    from wheelfarm.model import Name, PinnedWheel

ENVIRONMENT_REPORT: Final = "environment.json"
LIBRARY_PROVENANCE: Final = "library-provenance.json"
COMPILED_OBJECTS: Final = "compiled-objects.json"
"""Files in the `dist` of a build directory."""


class BuiltWheel(BaseModel):
    """The wheel as the backend made it."""

    sha256: Digest
    members: dict[str, Digest]


class InstalledDistribution(BaseModel):
    """A distribution in the build environment, with the sha256 of each of its files."""

    name: str
    version: str
    files: dict[str, str]


class EnvironmentReport(BaseModel):
    """What the build environment contained after the build."""

    model_config = ConfigDict(frozen=True, alias_generator=lambda name: name.replace("_", "-"))

    wheels: tuple[str, ...]
    """File names of the built wheels: of one wheel, unless the backend made more."""
    built: BuiltWheel
    compilers: dict[str, str]
    packages: dict[str, str]
    compiler_cache: CacheUse | None
    build_cache: bool
    """Whether the build continued from the build cache."""
    refused: dict[str, str] = {}
    """Build tools of the machine that the build called and did not get, each with its file."""
    install_plan: dict[str, str]
    """Meson's install tag by destination, empty where it has none; no entries of another backend."""
    subprojects: dict[str, str] = {}
    """Subprojects that Meson has configured, each with its version, empty where it has none."""
    distributions: tuple[InstalledDistribution, ...]

    @property
    def toolchain(self) -> tuple[tuple[str, str], ...]:
        """Compilers and system packages with their versions."""
        named = (("compiler", self.compilers), ("package", self.packages))
        return tuple((f"{kind} {name}", version) for kind, found in named for name, version in found.items())


class SystemPackage(BaseModel):
    """The package that installed a library where the build ran."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: str
    """deb, rpm, apk, brew or vcpkg."""
    name: str
    version: str
    license: str = ""
    """The license in a word; empty where the package has texts only."""
    texts: dict[str, str] = {}
    """License texts by directory and name."""
    source: str = ""
    """The package that it was built from, such as openssl for libssl3; empty where that is unknown."""
    development: str = ""
    """The package with what the library is linked by, such as libpq-dev; empty where none is known."""


class LibraryProvenance(BaseModel):
    """The system packages that vendored libraries come from."""

    model_config = ConfigDict(frozen=True)

    kind: str
    """The kind of the system's own packages; empty where it is unknown."""
    distribution: str
    """The ID of the Linux distribution, such as debian; empty elsewhere."""
    release: str = ""
    """Its release, such as 12; empty where it has none."""
    packages: dict[str, SystemPackage | None]
    """The package by member of the wheel; None where it is unknown."""
    direct: tuple[str, ...] = ()
    """The members that the wheel's own binaries need, and not another library only."""
    stripped: dict[Digest, Digest] = {}
    """Libraries of the BLAS provider: the sha256 before they were stripped, by the sha256 after it."""
    named: tuple[str, ...] = ()
    """The system packages that the recipe or the variant names, with those that they depend on."""

    def unnamed(self) -> dict[str, SystemPackage]:
        """The packages of directly needed libraries that the recipe should name, each with a member."""
        found: dict[str, SystemPackage] = {}
        for member in self.direct:
            package = self.packages.get(member)
            if package is not None and package.kind in {"deb", "rpm"} and package.name not in self.named:
                found.setdefault(member, package)
        return {
            member: package
            for member, package in found.items()
            if package.development not in self.named and not _OF_COMPILERS.match(package.name)
        }


_OF_COMPILERS: Final = re.compile(r"lib(?:gomp|gfortran|quadmath|gcc|stdc\+\+|atomic|itm|[atlu]+san)[\d.-]*")
"""Run-time libraries that come with the compilers."""
_Model = TypeVar("_Model", bound=BaseModel)


def _read(model: type[_Model], path: Path, directory: BuildDirectory, noun: str) -> _Model:
    try:
        return model.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as problem:
        raise ChainError(
            f"{directory.build.id}: there is no valid {noun}", where=str(path), why=str(problem)
        ) from problem


def read_library_provenance(directory: BuildDirectory) -> LibraryProvenance:
    """The library provenance that the build has left; ChainError when it is missing or damaged."""
    return _read(LibraryProvenance, directory.dist / LIBRARY_PROVENANCE, directory, "library provenance")


def read_environment_report(directory: BuildDirectory) -> EnvironmentReport:
    """The environment report that the build has left.

    Raises:
        ChainError: when it is missing or damaged, so that nothing is proved.
        YieldError: when the backend made more than one wheel.
    """
    report = _read(EnvironmentReport, directory.dist / ENVIRONMENT_REPORT, directory, "environment report")
    if len(report.wheels) != 1:
        left = counted(len(report.wheels), "wheel")
        raise YieldError(
            f"{directory.backend}'s build left {left} for {directory.build.id.name}",
            where=directory.build.recipe.where,
            why=", ".join(report.wheels),
        )
    return report


@dataclass(frozen=True, kw_only=True)
class _CompilerReport(CompiledObjects):
    """What compiled_objects.py writes."""

    unmatched: tuple[str, ...] = ()
    """Globs of the recipe's compiler flags that match no source and no object."""


def read_compiled_objects(directory: BuildDirectory) -> CompiledObjects:
    """How the objects in the wheel were compiled; nothing where a build does not record it.

    Raises:
        ChainError: when the file is damaged.
        BuildError: a group, for each glob of the recipe's compiler flags that matches nothing.
    """
    path = directory.dist / COMPILED_OBJECTS
    if not path.exists():
        return CompiledObjects()
    report = _read(RootModel[_CompilerReport], path, directory, "report of compiled objects").root
    problems = Collector()
    for glob in report.unmatched:
        problems.add(
            BuildError(
                f"no source or object that was compiled matches {glob!r}",
                where=f"{directory.build.recipe.where}: compiler-flags",
                why="its flags changed nothing",
                hint="the log of the build has the paths: the end of one of them must match",
            )
        )
    problems.check()
    return CompiledObjects(objects=report.objects, features=report.features)


def verify_built(directory: BuildDirectory, report: EnvironmentReport) -> None:
    """Refuse a built wheel with a file of the source that is not source, unless the recipe lets it in.

    Raises:
        SourceError: a group, for each such file.
    """
    problems, recipe = Collector(), directory.build.recipe
    # What setuptools left in build/ and is no binary may equal the file that it comes from.
    files = {
        each.sha256: each
        for each in directory.tree.non_source
        if not (each.in_wheel or each.kind == BUILD_PRODUCT)
    }
    for member, sha256 in report.built.members.items():
        if found := files.get(sha256):
            problems.add(
                SourceError(
                    f"{member} of the built wheel was not built: it is a file of the source",
                    where=f"{directory.tree.source.path.name}: {found.file}",
                    why=f"{found.kind}, allowed in the source only: {found.reason}",
                    hint=f"remove it by source.remove in {recipe.where}, so that it is built; or allow it in "
                    "the wheel, by source.allow-in-wheel in the place of source.allow",
                )
            )
    problems.check()


def _difference(pinned: PinnedWheel, found: InstalledDistribution | None) -> str | None:
    """How a pinned wheel differs from what is installed; None when all files are the same."""
    if found is None:
        return "it was not installed"
    for path, sha256 in open_wheel(pinned.path).installed.items():
        if found.files.get(path) != sha256:
            return f"{path} has sha256 {found.files.get(path, '(missing)')}, the pinned wheel {sha256}"
    return None


def verify_environment(directory: BuildDirectory, report: EnvironmentReport) -> tuple[EnvironmentEntry, ...]:
    """The distributions of the build environment, each with the wheel that it was installed from.

    Raises:
        ChainError: a group, for each pinned wheel that was missing or differs.
    """
    problems = Collector()
    found: dict[Name, InstalledDistribution] = {}
    for each in report.distributions:
        # Of two with one name, the first on the path is the one that an import finds.
        found.setdefault(parse_name(each.name), each)
    pinned = {wheel.name: wheel for wheel in directory.requirements}
    for name, wheel in pinned.items():
        if difference := _difference(wheel, found.get(name)):
            source = "the farm's wheel" if wheel.farm else "the locked wheel"
            problems.add(
                ChainError(
                    f"{directory.build.id} was not built with {source} of {name}",
                    where=f"{wheel.path.name} (sha256 {wheel.sha256})",
                    why=difference,
                    hint="look in the log for what installed another one",
                )
            )
    problems.check()
    return tuple(
        EnvironmentEntry(
            name=name,
            version=each.version,
            sha256=pinned[name].sha256 if name in pinned else None,
            farm=name in pinned and pinned[name].farm,
        )
        for name, each in sorted(found.items())
    )
