"""Finds what provides BLAS and LAPACK in a wheel, from its binaries and not from its metadata."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Final, Self

from wheelfarm.wheels.binary import externals

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from wheelfarm.wheels.binary import Binary


class Provider(StrEnum):
    """Implementations of BLAS."""

    OPENBLAS = "openblas"
    REFERENCE = "reference"
    ACCELERATE = "accelerate"
    MKL = "mkl"
    BLIS = "blis"
    FLEXIBLAS = "flexiblas"
    ATLAS = "atlas"
    NONE = "none"
    """numpy's own lapack_lite, which is what it falls back to."""
    UNKNOWN = "unknown"


class Interface(StrEnum):
    """The width of the integers that BLAS takes: 32 or 64 bits."""

    LP64 = "lp64"
    ILP64 = "ilp64"


@dataclass(frozen=True, kw_only=True)
class Blas:
    """One implementation of BLAS that a wheel contains or needs, and the evidence for it."""

    provider: Provider
    interface: Interface | None
    """None when neither symbols nor texts show it, as in stripped code that was linked statically."""
    libraries: tuple[str, ...]
    """The members that contain it, BLAS before LAPACK; outside the wheel, the names that are needed."""
    vendored: bool
    """Whether it is inside the wheel."""
    static: bool = False
    """Whether it was linked into an extension."""
    symbols: tuple[str, ...] = ()
    """Some symbols that prove it: defined ones, or what its users need when it is outside the wheel."""
    build: str = ""
    """What the library says of itself, such as `OpenBLAS 0.3.30`."""
    users: tuple[str, ...] = ()
    """The members that are linked against it."""


@dataclass(frozen=True, kw_only=True)
class Routine:
    """A symbol of BLAS or LAPACK, such as dgemm_, scipy_cblas_dgemm64_ or dgesv$NEWLAPACK."""

    name: str
    """As in the reference implementation: dgemm."""
    interface: Interface
    """LP64 when the symbol says nothing: an ILP64 library may have undecorated names too."""


# The routines of BLAS by name; those of LAPACK by their pattern of type, kind of matrix, and operation.
_BLAS: Final = (
    r"[sdcz](?:asum|axpy|copy|dot|dot[cu]|nrm2|rotm?g?|scal|swap|gbmv|gemv|ger[cu]?|hbmv|hemv|her2?k?|hpmv|hpr2?"
    r"|sbmv|spmv|spr2?|symv|syr2?k?|t[bpr][ms]v|gemmt?r?|gemm3m|hemm|symm|tr[ms]m)|i[sdcz]amax"
)
_LAPACK: Final = (
    r"[sdcz](?:g[ebgt]|p[bopt]|s[bpty]|h[bpse]|t[bgpr]|o[pr]|u[np]|la|st|bd)[a-z0-9]{2,4}|ilaver|ilaenv"
)
_ROUTINE: Final = re.compile(
    # A Fortran name has a trailing underscore or Accelerate's mark; the interfaces for C have a prefix.
    rf"(?:scipy_)?(?:(?P<fortran>{_BLAS}|{_LAPACK})(?=_|64_|\$)|(?:cblas_|LAPACKE_)(?P<c>{_BLAS}|{_LAPACK}))"
    r"(?:_work)?(?:_?(?P<wide>64)_?|_|\$NEWLAPACK(?P<apple>\$ILP64)?)?"
)

# Who defines one of these provides BLAS or LAPACK.
_CORE: Final = frozenset({"sgemm", "dgemm", "cgemm", "zgemm", "sgetrf", "dgetrf", "sgesv", "dgesv", "ilaver"})

_WIDE: Final = "USE64BITINT"
_MKL: Final = "Math Kernel Library"
_OPENBLAS: Final = "OpenBLAS "
# What OpenBLAS answers to a query for its configuration begins so. The rest, USE64BITINT among it, may stand
# elsewhere, as compilers take such a text apart.
_OPENBLAS_VERSION: Final = re.compile(rb"OpenBLAS \d+(?:\.\d+)+")

# Each routine hands its own name, padded to six letters, to xerbla when an argument is wrong: stripped code
# with hidden symbols still contains them. One alone may be a word in a docstring.
_XERBLA: Final = re.compile(rb"DGEMM |DTRSM |DGETRF|DGESV |DPOTRF")
_ENOUGH: Final = 2

# Names that only one implementation has, the surest first: FlexiBLAS and others wrap or copy the rest.
_OWN_NAMES: Final = (
    (Provider.FLEXIBLAS, re.compile(r"flexiblas_.*")),
    (Provider.OPENBLAS, re.compile(r"(?:scipy_)?openblas_get_config.*")),
    (Provider.MKL, re.compile(r"mkl_.*", re.IGNORECASE)),
    (Provider.BLIS, re.compile(r"bli_.*")),
    (Provider.ATLAS, re.compile(r"ATL_.*")),
    (Provider.UNKNOWN, re.compile(r"armpl.*|nvpl_.*|essl.*")),
)
_LIBRARY_NAMES: Final = (
    (Provider.ACCELERATE, re.compile(r"/(?:accelerate|veclib)\.framework/")),
    (Provider.FLEXIBLAS, re.compile(r"^(?:lib)?flexiblas")),
    (Provider.OPENBLAS, re.compile(r"^(?:lib)?(?:[a-z0-9]+_)?openblas")),
    (Provider.MKL, re.compile(r"^(?:lib)?mkl_")),
    (Provider.BLIS, re.compile(r"^(?:lib)?blis(?![a-z])")),
    (Provider.ATLAS, re.compile(r"^lib(?:[st]?atlas|f77blas|ptcblas)")),
    # Debian lets the administrator choose what libblas.so.3 is: the name proves nothing.
    (Provider.UNKNOWN, re.compile(r"^(?:lib)?(?:c?blas|lapacke?|armpl|nvpl_(?:blas|lapack)|essl)(?![a-z])")),
)
_WIDE_LIBRARY: Final = re.compile(r"(?:blas[op]?|lapack)(?:64|_?ilp64)")
# The two modules of numpy that contain lapack_lite when it is built without BLAS.
_LAPACK_LITE: Final = re.compile(r"(?:^|/)(?:_umath_linalg|lapack_lite)\.[^/]*$")
_SHOWN: Final = 8


def marks(data: bytes) -> frozenset[str]:
    """The texts in a binary that show BLAS or LAPACK inside it; empty for nearly all."""
    found = {text.decode() for text in set(_XERBLA.findall(data))}
    if len(found) < _ENOUGH:
        return frozenset()
    found |= {match.decode() for match in _OPENBLAS_VERSION.findall(data)}
    found |= {text for text in (_WIDE, _MKL) if text.encode() in data}
    return frozenset(found)


def parse_routine(symbol: str) -> Routine | None:
    """The routine that a symbol, named as in C, stands for; None when it is none of BLAS or LAPACK."""
    match = _ROUTINE.fullmatch(symbol)
    if match is None:
        return None
    wide = match["wide"] or match["apple"]
    return Routine(name=match["fortran"] or match["c"], interface=Interface.ILP64 if wide else Interface.LP64)


def _routines(symbols: Iterable[str]) -> dict[str, Routine]:
    return {symbol: routine for symbol in sorted(symbols) if (routine := parse_routine(symbol))}


@dataclass(frozen=True, kw_only=True)
class _Part:
    """A binary, and the routines that it defines and that it needs."""

    binary: Binary
    defined: Mapping[str, Routine]
    wanted: Mapping[str, Routine]

    @classmethod
    def of(cls, binary: Binary) -> Self:
        return cls(
            binary=binary,
            defined=_routines(binary.exported | binary.hidden),
            wanted=_routines(binary.undefined),
        )

    @property
    def core(self) -> list[str]:
        """The symbols of the core routines that it defines."""
        return [symbol for symbol, routine in self.defined.items() if routine.name in _CORE]


def blas_all(binaries: Iterable[Binary]) -> tuple[Blas, ...]:
    """Every implementation that the wheel contains or needs, the one with most users first.

    More than one is a fault as a rule: two copies of OpenBLAS start two pools of threads.
    """
    # The slices of a fat binary contain the same library once each: the first stands for all.
    first = {binary.member: binary for binary in reversed(tuple(binaries))}
    parts = [_Part.of(binary) for binary in reversed(first.values())]
    outside = _outside(parts)
    found = [*_vendored(parts, outside), *_static(parts), *outside]
    if not found and (users := [part for part in parts if part.wanted]):
        # It is needed, but from no library with a known name.
        found = [_needed(Provider.UNKNOWN, [], users)]
    return tuple(sorted(found, key=lambda one: -len(one.users)))


def _vendored(parts: Sequence[_Part], outside: Sequence[Blas]) -> list[Blas]:
    """Libraries in the wheel that define BLAS or LAPACK.

    One that needs another is a layer over it and no copy of its own: LAPACK over BLAS, or Debian's
    libblas.so.3 over libopenblas.so.0. A layer over something outside the wheel is a user of that.
    """
    definers = [part for part in parts if not part.binary.extension and part.core]
    stacks: dict[str, list[_Part]] = {}
    for part in definers:
        base = _base(part, definers)
        stack = stacks.setdefault(base.binary.member, [base])
        if part is not base:
            stack.append(part)
    needed = {library for one in outside for library in one.libraries}
    found = []
    for stack in stacks.values():
        if needed.isdisjoint(stack[0].binary.needed):
            names = {name for part in stack for name in part.binary.names}
            users = [part for part in parts if part not in stack and not part.binary.needs.isdisjoint(names)]
            found.append(_bundled(stack, users))
    return found


def _base(part: _Part, definers: Sequence[_Part]) -> _Part:
    """The library at the bottom of those that a library needs."""
    others = [other for other in definers if other is not part]
    for other in others:
        if not part.binary.needs.isdisjoint(other.binary.names):
            return _base(other, others)
    return part


def _static(parts: Sequence[_Part]) -> list[Blas]:
    """Extensions with BLAS or LAPACK linked in: they have its symbols or texts, and need no library."""
    found = [
        replace(_bundled([part], [part]), static=True)
        for part in parts
        if part.binary.extension and not part.wanted and (part.binary.marks or part.core)
    ]
    members = tuple(library for one in found for library in one.libraries)
    # A numpy with the reference implementation linked in has it in its core module too.
    if all(one.provider is Provider.REFERENCE for one in found) and all(map(_LAPACK_LITE.search, members)):
        return [replace(one, provider=Provider.NONE, libraries=members, users=members) for one in found[:1]]
    return found


def _bundled(stack: Sequence[_Part], users: Sequence[_Part]) -> Blas:
    """An implementation inside the wheel; the first part is its BLAS."""
    own, provider = _identify(stack[0].binary)
    texts = [mark for part in stack for mark in sorted(part.binary.marks)]
    core = sorted((symbol for part in stack for symbol in part.core), key=len)
    return Blas(
        provider=provider,
        interface=_interface(stack, users),
        libraries=_members(stack),
        vendored=True,
        symbols=_shown([*own, *core] or [text.strip() for text in texts]),
        build=min((text for text in texts if text.startswith(_OPENBLAS)), default=""),
        users=_members(users),
    )


def _identify(binary: Binary) -> tuple[list[str], Provider]:
    """The provider, and the name of its own that proves it; the reference has none."""
    names = sorted(binary.exported | binary.hidden)
    for provider, pattern in _OWN_NAMES:
        if own := [name for name in names if pattern.fullmatch(name)]:
            return own[:1], provider
    for text, provider in ((_OPENBLAS, Provider.OPENBLAS), (_MKL, Provider.MKL)):
        if any(mark.startswith(text) for mark in binary.marks):
            return [], provider
    return [], Provider.REFERENCE


def _interface(stack: Sequence[_Part], users: Sequence[_Part]) -> Interface | None:
    """What the library says of itself, then what its users need, then what it defines."""
    if any(_WIDE in part.binary.marks for part in stack):
        return Interface.ILP64
    if wanted := _wanted_interface(users, _members(stack)):
        return wanted
    defined = {routine.interface for part in stack for routine in part.defined.values()}
    # Some define both spellings; the plain one is what is used when nobody needs the other.
    return min(defined, key=lambda width: width is Interface.ILP64, default=None)


def _wanted_interface(users: Sequence[_Part], libraries: Iterable[str]) -> Interface | None:
    """ILP64 when a symbol or a library's name says so; LP64 for plain symbols; None without symbols.

    A user that is a layer, such as LAPACK, may define symbols and need none.
    """
    wanted = {routine.interface for part in users for routine in (part.wanted or part.defined).values()}
    if Interface.ILP64 in wanted or any(_WIDE_LIBRARY.search(library) for library in libraries):
        return Interface.ILP64
    return Interface.LP64 if wanted else None


def _outside(parts: Sequence[_Part]) -> list[Blas]:
    """Libraries that are needed and not in the wheel, judged by name; those of one provider go together."""
    groups: dict[tuple[Provider, str], list[str]] = defaultdict(list)
    for library in externals(part.binary for part in parts):
        if provider := _identify_library(library):
            # Two libraries of OpenBLAS are two copies; the others come in several files.
            groups[provider, library if provider is Provider.OPENBLAS else ""].append(library)
    return [
        _needed(
            provider, libraries, [part for part in parts if not {*part.binary.needed}.isdisjoint(libraries)]
        )
        for (provider, _), libraries in groups.items()
    ]


def _identify_library(path: str) -> Provider | None:
    """The provider of a library outside the wheel, by its name alone; None when it is not BLAS."""
    # Only Windows and Accelerate have names with capitals, and no other library differs from BLAS by those.
    path = path.lower()
    file = path.rpartition("/")[2]
    return next(
        (provider for provider, name in _LIBRARY_NAMES if name.search(file) or name.search(path)), None
    )


def _needed(provider: Provider, libraries: Sequence[str], users: Sequence[_Part]) -> Blas:
    """An implementation outside the wheel."""
    return Blas(
        provider=provider,
        interface=_wanted_interface(users, libraries),
        libraries=tuple(libraries),
        vendored=False,
        symbols=_shown(symbol for part in users for symbol in part.wanted),
        users=_members(users),
    )


def _members(parts: Sequence[_Part]) -> tuple[str, ...]:
    return tuple(part.binary.member for part in parts)


def _shown(symbols: Iterable[str]) -> tuple[str, ...]:
    """The first few, each once: enough to believe it."""
    return tuple(dict.fromkeys(symbols))[:_SHOWN]
