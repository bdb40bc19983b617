"""Finds what provides BLAS and LAPACK in a wheel, from its binaries and not from its metadata."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from wheelfarm.wheels.binary import externals
from wheelfarm.wheels.blas_evidence import (
    CORE_BLAS,
    CORE_LAPACK,
    Interface,
    Part,
    Provider,
    build,
    evidence,
    identify,
    identify_library,
    interface,
    shown,
    wanted_interface,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from wheelfarm.wheels.binary import Binary

__all__ = ["Blas", "Interface", "Provider", "blas", "blas_all"]


@dataclass(frozen=True, kw_only=True)
class Blas:
    """One implementation of BLAS that a wheel brings along or needs, and the evidence for it."""

    provider: Provider
    interface: Interface | None
    """None when neither symbols nor texts tell, as in stripped code that was linked statically."""
    libraries: tuple[str, ...]
    """The members that hold it, BLAS before LAPACK; outside the wheel, the names that are needed."""
    vendored: bool
    """Whether it is inside the wheel."""
    static: bool = False
    """Whether it was linked into an extension."""
    symbols: tuple[str, ...] = ()
    """Some symbols that tell: defined ones, or what the users ask for when it is outside the wheel."""
    build: str = ""
    """What the library says of itself, such as `OpenBLAS 0.3.30`."""
    users: tuple[str, ...] = ()
    """The members that are linked against it."""


# The two modules of numpy that hold lapack_lite when it is built without BLAS.
_LAPACK_LITE: Final = re.compile(r"(?:^|/)(?:_umath_linalg|lapack_lite)\.[^/]*$")


def blas(binaries: Iterable[Binary]) -> Blas | None:
    """The implementation that most members use; None when nothing in the wheel has to do with BLAS."""
    return next(iter(blas_all(binaries)), None)


def blas_all(binaries: Iterable[Binary]) -> tuple[Blas, ...]:
    """Every implementation that the wheel brings along or needs, the one with most users first.

    More than one is a fault as a rule: two copies of OpenBLAS start two pools of threads.
    """
    # The slices of a fat binary hold the same library once each: the first stands for all.
    first = {binary.member: binary for binary in reversed(tuple(binaries))}
    parts = [Part.of(binary) for binary in reversed(first.values())]
    outside = _outside(parts)
    found = [*_vendored(parts, outside), *_static(parts), *outside]
    if not found and (users := [part for part in parts if part.wanted]):
        # It is needed, but from no library with a known name.
        found = [_needed(Provider.UNKNOWN, [], users)]
    return tuple(sorted(found, key=lambda one: -len(one.users)))


def _vendored(parts: Sequence[Part], outside: Sequence[Blas]) -> list[Blas]:
    """Libraries in the wheel that define BLAS or LAPACK.

    One that needs another is a layer over it and no copy of its own: LAPACK over BLAS, or Debian's
    libblas.so.3 over libopenblas.so.0. A layer over something outside the wheel is a user of that.
    """
    definers = [part for part in parts if not part.binary.extension and part.defines(CORE_BLAS | CORE_LAPACK)]
    stacks: dict[str, list[Part]] = {}
    for part in definers:
        base = _base(part, definers)
        stack = stacks.setdefault(base.binary.member, [base])
        if part is not base:
            stack.append(part)
    needed = {library for one in outside for library in one.libraries}
    return [
        _bundled(stack, _users(stack, parts))
        for stack in stacks.values()
        if needed.isdisjoint(stack[0].binary.needed)
    ]


def _base(part: Part, definers: Sequence[Part]) -> Part:
    """The library at the bottom of those that a library needs."""
    others = [other for other in definers if other is not part]
    for other in others:
        if not part.binary.needs.isdisjoint(other.binary.names):
            return _base(other, others)
    return part


def _users(stack: Sequence[Part], parts: Sequence[Part]) -> list[Part]:
    """Who needs one of the libraries, but for the libraries themselves."""
    names = {name for part in stack for name in part.binary.names}
    return [part for part in parts if part not in stack and not part.binary.needs.isdisjoint(names)]


def _static(parts: Sequence[Part]) -> list[Blas]:
    """Extensions with BLAS or LAPACK linked in: they have its symbols or texts, and need no library."""
    extensions = [
        part
        for part in parts
        if part.binary.extension
        and not part.wanted
        and (part.binary.marks or part.defines(CORE_BLAS | CORE_LAPACK))
    ]
    found = [replace(_bundled([part], [part]), static=True) for part in extensions]
    if all(
        one.provider is Provider.REFERENCE and _LAPACK_LITE.search(library)
        for one in found
        for library in one.libraries
    ):
        # A numpy with the reference implementation linked in has it in its core module too.
        return [_merged(found)] if found else []
    return found


def _merged(found: Sequence[Blas]) -> Blas:
    """Numpy's modules with lapack_lite inside, as one."""
    members = tuple(library for one in found for library in one.libraries)
    return replace(found[0], provider=Provider.NONE, libraries=members, users=members)


def _bundled(stack: Sequence[Part], users: Sequence[Part]) -> Blas:
    """An implementation inside the wheel; the first part is its BLAS."""
    own, provider = identify(stack[0].binary)
    return Blas(
        provider=provider,
        interface=interface(stack, users),
        libraries=_members(stack),
        vendored=True,
        symbols=evidence(own, stack),
        build=build(stack),
        users=_members(users),
    )


def _outside(parts: Sequence[Part]) -> list[Blas]:
    """Libraries that are needed and not in the wheel, judged by name; those of one provider go together."""
    groups: dict[tuple[Provider, str], list[str]] = defaultdict(list)
    for library in externals(part.binary for part in parts):
        if provider := identify_library(library):
            # Two libraries of OpenBLAS are two copies; the others come in several files.
            groups[provider, library if provider is Provider.OPENBLAS else ""].append(library)
    return [
        _needed(
            provider, libraries, [part for part in parts if not {*part.binary.needed}.isdisjoint(libraries)]
        )
        for (provider, _), libraries in groups.items()
    ]


def _needed(provider: Provider, libraries: Sequence[str], users: Sequence[Part]) -> Blas:
    """An implementation outside the wheel."""
    return Blas(
        provider=provider,
        interface=wanted_interface(users, libraries),
        libraries=tuple(libraries),
        vendored=False,
        symbols=shown(symbol for part in users for symbol in part.wanted),
        users=_members(users),
    )


def _members(parts: Sequence[Part]) -> tuple[str, ...]:
    return tuple(part.binary.member for part in parts)
