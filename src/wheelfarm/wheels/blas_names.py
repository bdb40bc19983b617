"""How BLAS and LAPACK show in a binary: the grammar of their symbols, and the texts in their data."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable


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

# What OpenBLAS answers when asked for its configuration begins so. The rest, USE64BITINT among it, may stand
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
