"""The witness's testimony: what the build environment held, compared with what the plan pinned.

And whose the libraries are that the repair tool put into the wheel, as far as the system knows.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from wheelfarm.build.engine import OWNERS, TESTIMONY
from wheelfarm.errors import ChainError, Collector, YieldError
from wheelfarm.model import CacheUse, Digest, EnvironmentEntry, parse_name
from wheelfarm.wheels.archive import open_wheel
from wheelfarm.wheels.wheel import files

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wheelfarm.build.directory import BuildDirectory
    from wheelfarm.model import Name, PinnedWheel

_WHOLE: Final = frozenset(
    {
        *("wheels", "built", "distributions", "compilers", "packages", "compiler-cache", "build-cache"),
        "install-plan",
    }
)


@dataclass(frozen=True, kw_only=True)
class Owner:
    """A package that installed a library where the build ran."""

    kind: str
    """deb, rpm, apk, brew or vcpkg."""
    name: str
    version: str
    licence: str = ""
    """What the package says of its licence in a word; empty where it has texts only."""
    texts: Mapping[str, str] = field(default_factory=dict)
    """Licence texts by directory and name."""


@dataclass(frozen=True, kw_only=True)
class Owners:
    """Whose the libraries are that the repair tool put into a wheel."""

    kind: str
    """The kind of the system's own packages; empty where there is none that we know."""
    distribution: str
    """What the Linux distribution calls itself, such as debian; empty elsewhere."""
    owners: Mapping[str, Owner | None]
    """The owner by member; None where nobody knew."""


def read_owners(stage: BuildDirectory) -> Owners:
    """What was told of the vendored libraries.

    Raises:
        ChainError: when nothing was, or it is not whole.
    """
    path = stage.dist / OWNERS
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        owners = {member: Owner(**each) if each else None for member, each in told["owners"].items()}
        return Owners(owners=owners, **told["system"])
    except (OSError, ValueError, KeyError, TypeError) as problem:
        raise ChainError(
            f"{stage.build.id}: nothing tells whose the vendored libraries are",
            where=str(path),
            why=str(problem),
        ) from problem


def read_testimony(stage: BuildDirectory) -> dict[str, Any]:
    """What the witness wrote.

    Raises:
        ChainError: when there is none, so that nothing is proved.
        YieldError: when the backend made more than one wheel.
    """
    path = stage.dist / TESTIMONY
    try:
        testimony: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as problem:
        raise ChainError(
            f"{stage.build.id}: nothing tells what the build environment held",
            where=str(path),
            why=str(problem),
        ) from problem
    if not testimony.keys() >= _WHOLE:
        raise ChainError(f"{stage.build.id}: the witness's testimony is not whole", where=str(path))
    if len(testimony["wheels"]) != 1:
        raise YieldError(
            f"{stage.backend}'s build left {len(testimony['wheels'])} wheels for {stage.build.id.name}",
            where=stage.build.recipe.where,
            why=", ".join(testimony["wheels"]),
        )
    return testimony


def _difference(pinned: PinnedWheel, found: Mapping[str, str]) -> str | None:
    """The first file of a wheel that the environment held otherwise; None when all are the same."""
    expected = files(open_wheel(pinned.path))
    for path, sha256 in expected.items():
        if found.get(path) != sha256:
            return f"{path} has sha256 {found.get(path, '(missing)')}, the pinned wheel {sha256}"
    return None


def held(stage: BuildDirectory, testimony: Mapping[str, Any]) -> tuple[EnvironmentEntry, ...]:
    """The distributions that the build environment held, each traced to the wheel that it came from.

    Raises:
        ChainError: a group, when a pinned wheel was not there or another one was in its place.
    """
    problems = Collector()
    found: dict[Name, Mapping[str, Any]] = {}
    for each in testimony["distributions"]:
        # Of two with one name, the first on the path is the one that an import finds.
        found.setdefault(parse_name(each["name"]), each)
    pinned = {wheel.name: wheel for wheel in stage.requirements}
    for name, wheel in pinned.items():
        whose = "the farm's wheel" if wheel.farm else "the locked wheel"
        difference = _difference(wheel, found[name]["files"]) if name in found else "it was not installed"
        if difference:
            problems.add(
                ChainError(
                    f"{stage.build.id} was not built with {whose} of {name}",
                    where=f"{wheel.path.name} (sha256 {wheel.sha256})",
                    why=difference,
                    hint="look in the log for what installed another one",
                )
            )
    problems.check()
    return tuple(
        EnvironmentEntry(
            name=name,
            version=each["version"],
            sha256=pinned[name].sha256 if name in pinned else None,
            farm=name in pinned and pinned[name].farm,
        )
        for name, each in sorted(found.items())
    )


def toolchain(testimony: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """Compilers and system packages with their versions, as the witness found them."""
    named = (("compiler", testimony["compilers"]), ("package", testimony["packages"]))
    return tuple((f"{kind} {name}", str(version)) for kind, found in named for name, version in found.items())


def cache_use(testimony: Mapping[str, Any]) -> CacheUse | None:
    """What the compiler cache spared; None where there was none."""
    return CacheUse.of(testimony["compiler-cache"])


def install_plan(testimony: Mapping[str, Any]) -> dict[str, str]:
    """Meson's install tag by destination, an empty one where it has none; no entries of another backend."""
    return {str(destination): str(tag) for destination, tag in testimony["install-plan"].items()}


def used_build_cache(testimony: Mapping[str, Any]) -> bool:
    """Whether the build continued from the build cache."""
    return bool(testimony["build-cache"])


def built_digest(testimony: Mapping[str, Any]) -> Digest:
    """The sha256 of the wheel as the backend made it."""
    return Digest(testimony["built"]["sha256"])
