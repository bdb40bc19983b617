"""What a binary tells about the BLAS that it is, has inside, or asks for."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final, Self

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from wheelfarm.wheels.binary import Binary


class Interface(StrEnum):
    """The width of the integers that BLAS takes: 32 or 64 bits."""

    LP64 = "lp64"
    ILP64 = "ilp64"


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


def parse_routine(symbol: str) -> Routine | None:
    """The routine that a symbol, named as in C, stands for; None when it is none of BLAS or LAPACK."""
    match = _ROUTINE.fullmatch(symbol)
    if match is None:
        return None
    wide = match["wide"] or match["apple"]
    return Routine(name=match["fortran"] or match["c"], interface=Interface.ILP64 if wide else Interface.LP64)


def routines(symbols: Iterable[str]) -> dict[str, Routine]:
    """The symbols among these that are of BLAS or LAPACK, in order."""
    return {symbol: routine for symbol in sorted(symbols) if (routine := parse_routine(symbol))}


CORE_BLAS: Final = frozenset({"sgemm", "dgemm", "cgemm", "zgemm"})
"""Who defines one of these provides BLAS."""

CORE_LAPACK: Final = frozenset({"sgetrf", "dgetrf", "sgesv", "dgesv", "ilaver"})
"""Who defines one of these provides LAPACK."""

WIDE: Final = "USE64BITINT"
MKL: Final = "Math Kernel Library"
OPENBLAS: Final = "OpenBLAS "

# What OpenBLAS answers to a query for its configuration begins so. The rest, USE64BITINT among it, may stand
# elsewhere, as compilers take such a text apart.
_OPENBLAS: Final = re.compile(rb"OpenBLAS \d+(?:\.\d+)+")

# Each routine hands its own name, padded to six letters, to xerbla when an argument is wrong: stripped code
# with hidden symbols still holds them. One alone may be a word in a docstring.
_XERBLA: Final = (b"DGEMM ", b"DTRSM ", b"DGETRF", b"DGESV ", b"DPOTRF")
_ENOUGH: Final = 2


def marks(data: bytes) -> frozenset[str]:
    """The texts in a binary that tell of BLAS or LAPACK inside it; empty for nearly all."""
    found = {text.decode() for text in _XERBLA if text in data}
    if len(found) < _ENOUGH:
        return frozenset()
    found |= {match.decode() for match in _OPENBLAS.findall(data)}
    found |= {text for text in (WIDE, MKL) if text.encode() in data}
    return frozenset(found)


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


@dataclass(frozen=True, kw_only=True)
class Part:
    """A binary seen as a part of BLAS: what it defines and what it asks for."""

    binary: Binary
    defined: Mapping[str, Routine]
    wanted: Mapping[str, Routine]

    @classmethod
    def of(cls, binary: Binary) -> Self:
        """Sort out a binary's symbols."""
        return cls(
            binary=binary,
            defined=routines(binary.exported | binary.hidden),
            wanted=routines(binary.undefined),
        )

    def defines(self, core: frozenset[str]) -> bool:
        """Whether it defines one of these routines."""
        return any(routine.name in core for routine in self.defined.values())


# Names that only one implementation has, the most telling first: FlexiBLAS and others wrap or copy the rest.
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
    (Provider.OPENBLAS, re.compile(r"^(?:lib)?(?:scipy_)?openblas")),
    (Provider.MKL, re.compile(r"^(?:lib)?mkl_")),
    (Provider.BLIS, re.compile(r"^(?:lib)?blis(?![a-z])")),
    (Provider.ATLAS, re.compile(r"^lib(?:[st]?atlas|f77blas|ptcblas)")),
    # Debian lets the administrator choose what libblas.so.3 is: the name tells nothing.
    (Provider.UNKNOWN, re.compile(r"^(?:lib)?(?:c?blas|lapacke?|armpl|nvpl_(?:blas|lapack)|essl)(?![a-z])")),
)
_WIDE_LIBRARY: Final = re.compile(r"(?:blas[op]?|lapack)(?:64|_?ilp64)")
_SHOWN: Final = 8


def identify(binary: Binary) -> tuple[tuple[str, ...], Provider]:
    """The provider, and the names or texts of its own that give it away; the reference has none."""
    names = sorted(binary.exported | binary.hidden)
    for provider, pattern in _OWN_NAMES:
        if own := [name for name in names if pattern.fullmatch(name)]:
            return tuple(own[:1]), provider
    for text, provider in ((OPENBLAS, Provider.OPENBLAS), (MKL, Provider.MKL)):
        if any(mark.startswith(text) for mark in binary.marks):
            return (), provider
    return (), Provider.REFERENCE


def identify_library(path: str) -> Provider | None:
    """What a library that is not in the wheel is, judged by its name alone; None when it is not BLAS.

    Only Windows and Accelerate have names with capitals, and no other library differs from BLAS by those.
    """
    path = path.lower()
    file = path.rpartition("/")[2]
    return next(
        (provider for provider, name in _LIBRARY_NAMES if name.search(file) or name.search(path)), None
    )


def interface(stack: Sequence[Part], users: Sequence[Part]) -> Interface | None:
    """What the library says of itself, then what its users ask for, then what it defines."""
    if any(WIDE in part.binary.marks for part in stack):
        return Interface.ILP64
    if wanted := wanted_interface(users, [part.binary.member for part in stack]):
        return wanted
    defined = {routine.interface for part in stack for routine in part.defined.values()}
    # Some define both spellings; the plain one is what is used when nobody asks for the other.
    return min(defined, key=lambda width: width is Interface.ILP64, default=None)


def wanted_interface(users: Sequence[Part], libraries: Iterable[str]) -> Interface | None:
    """ILP64 when a symbol or a library's name says so; LP64 for plain symbols; None without symbols.

    A user that is a layer, such as LAPACK, may define symbols and ask for none.
    """
    wanted = {routine.interface for part in users for routine in (part.wanted or part.defined).values()}
    if Interface.ILP64 in wanted or any(_WIDE_LIBRARY.search(library) for library in libraries):
        return Interface.ILP64
    return Interface.LP64 if wanted else None


def evidence(own: Sequence[str], stack: Sequence[Part]) -> tuple[str, ...]:
    """The names of the provider's own, then the core routines that are defined, or else the texts."""
    core = [
        symbol
        for part in stack
        for symbol, routine in part.defined.items()
        if routine.name in CORE_BLAS | CORE_LAPACK
    ]
    texts = [mark.strip() for part in stack for mark in sorted(part.binary.marks)]
    return shown([*own, *sorted(core, key=len)] or texts)


def build(stack: Sequence[Part]) -> str:
    """What OpenBLAS says of itself; empty when it or another says nothing."""
    return min(
        (mark for part in stack for mark in part.binary.marks if mark.startswith(OPENBLAS)), default=""
    )


def shown(symbols: Iterable[str]) -> tuple[str, ...]:
    """The first few, each once: enough to believe it."""
    return tuple(dict.fromkeys(symbols))[:_SHOWN]
