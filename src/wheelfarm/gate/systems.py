"""Compares a wheel with a system that it was not built on: C library, libstdc++, other libraries and tags."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Final

from pydantic import BaseModel, ConfigDict, model_validator

from wheelfarm.errors import UsageError, WheelError
from wheelfarm.gate.clean_environment import supported_pythons
from wheelfarm.model import Python
from wheelfarm.recipes.strict import suggestion
from wheelfarm.system.toml import parse_toml
from wheelfarm.wheels.binary import BinaryFormat, externals
from wheelfarm.wheels.examination import Finding, platform_level

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from wheelfarm.wheels.archive import Wheel
    from wheelfarm.wheels.binary import Binary

_GLIBC: Final = re.compile(
    r"(?:libc\.so\.6|libm\.so\.6|libdl\.so\.2|librt\.so\.1|libpthread\.so\.0|libutil\.so\.1|libresolv\.so\.2"
    r"|libanl\.so\.1|libmvec\.so\.1|ld-linux.*|ld64\.so\.[12])"
)
_MUSL: Final = re.compile(r"libc\.musl-.*|ld-musl-.*|libc\.so")
_CXX: Final = "libstdc++.so.6"
REMEDIES: Final[Mapping[str, str]] = {
    "tag": "build in an older builder image: its tags must be for this system or an older one",
    "python": "build it for that Python",
    "libc": "build in an older builder image, or for musl or glibc: --platform",
    "libstdcxx": "build in an older builder image, which links the newer parts of libstdc++ statically",
    "library": "let the repair tool copy it into the wheel, leave it to another wheel, or install it there",
}
"""By what differs."""


class System(BaseModel):
    """A table of systems.toml, which says what each key means."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    title: str
    glibc: str = ""
    musl: str = ""
    glibcxx: str = ""
    cxxabi: str = ""
    libraries: list[str]
    image: str
    python: str = ""
    references: list[str]

    @model_validator(mode="after")
    def _has_one_c_library(self) -> System:
        if bool(self.glibc) is bool(self.musl):
            raise ValueError("a system has glibc or musl")
        return self

    @property
    def libc(self) -> str:
        return f"glibc {self.glibc}" if self.glibc else f"musl {self.musl}"

    def has(self, library: str) -> bool:
        """Whether programs find a library there without another package."""
        own = _GLIBC if self.glibc else _MUSL
        return own.fullmatch(library) is not None or library in self.libraries


@cache
def systems() -> Mapping[str, System]:
    """All systems by name."""
    text = files("wheelfarm.gate").joinpath("systems.toml").read_text(encoding="utf-8")
    return {name: System.model_validate(table) for name, table in parse_toml(text).items()}


def find_system(name: str, where: str = "--like") -> System:
    """The system of a name.

    Raises:
        UsageError: when there is none, with the nearest name.
    """
    found = systems().get(name)
    if found is None:
        hint = suggestion(name, systems())
        raise UsageError(f"there is no system {name!r}", where=where, hint=hint)
    return found


def compare(
    system: System, wheel: Wheel, binaries: Sequence[Binary], beside: Mapping[str, Iterable[Binary]]
) -> tuple[Finding, ...]:
    """What keeps a wheel from working on a system, ordered by member.

    Args:
        system: the system.
        wheel: the wheel.
        binaries: all of its binaries.
        beside: the binaries of the wheels that are installed with it, by file name.

    Raises:
        WheelError: when the wheel is for another operating system.
    """
    found = {*_tags(system, wheel)}
    own = [binary for binary in binaries if binary.format is BinaryFormat.ELF]
    outside = externals(own)
    foreign, other = (_MUSL, "musl") if system.glibc else (_GLIBC, "glibc")
    for binary in own:
        if any(foreign.fullmatch(name) and name in outside for name in binary.needed):
            found.add(Finding("libc", binary.member, f"is linked with {other}; there it is {system.libc}"))
        elif system.glibc:
            found |= set(_newer(system, binary, cxx=_CXX in binary.needed and _CXX in outside))
    provided = {name for each in beside.values() for binary in each for name in binary.names}
    for library, members in outside.items():
        if not (system.has(library) or library in provided or foreign.fullmatch(library)):
            found |= {Finding("library", member, library) for member in members}
    return tuple(sorted(found, key=lambda each: (each.member, each.rule, each.detail)))


def _newer(system: System, binary: Binary, *, cxx: bool) -> Iterator[Finding]:
    """Symbols of the C and C++ libraries that are newer than those of the system."""
    limits = [("GLIBC_", system.glibc, "libc")]
    if cxx:
        limits += [("GLIBCXX_", system.glibcxx, "libstdcxx"), ("CXXABI_", system.cxxabi, "libstdcxx")]
    for prefix, limit, rule in limits:
        for version, symbols in binary.versions:
            if version.startswith(prefix) and _numbers(version.removeprefix(prefix)) > _numbers(limit):
                names = ", ".join(f"{symbol}@{version}" for symbol in symbols) or version
                yield Finding(rule, binary.member, f"needs {names}; there it is {prefix}{limit}")


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))


def _tags(system: System, wheel: Wheel) -> Iterator[Finding]:
    """Whether an installer takes the wheel there at all, by its tags (PEP 600, PEP 656)."""
    platforms = wheel.platform_tag.split(".")
    if not any("linux" in tag or tag == "any" for tag in platforms):
        raise WheelError(f"{wheel.path.name} is not for Linux", hint="name a wheel for Linux")
    wanted, limit = ("manylinux", system.glibc) if system.glibc else ("musllinux", system.musl)
    levels = [platform_level(tag) for tag in platforms]
    fits = any(level and level[0] == wanted and level[1] <= _numbers(limit) for level in levels)
    if not fits and not any(tag == "any" or tag.startswith("linux_") for tag in platforms):
        yield Finding("tag", wheel.path.name, f"is for {wheel.platform_tag}; pip refuses it on {system.libc}")
    if system.python and not supported_pythons(wheel, [Python.parse(system.python)]):
        yield Finding("python", wheel.path.name, f"is not for Python {system.python}, the only one there")
