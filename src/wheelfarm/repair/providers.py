"""Which system package or wheel has a library that repair does not find."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

# Names of files on the three systems, and what brings them: Debian's and Fedora's packages, MinGW, Homebrew.
_PROVIDERS: Final[Mapping[str, str]] = {
    "*scipy_openblas*": "the wheel scipy-openblas32, pinned in the lock of a variant with that provider",
    "*openblas*": 'OpenBLAS: system-packages.apt = ["libopenblas-dev"], or openblas-devel (dnf)',
    "lib*lapack*": 'netlib: system-packages.apt = ["liblapack-dev"], or lapack-devel (dnf)',
    "lib*blas*": 'netlib: system-packages.apt = ["libblas-dev"], or blas-devel (dnf)',
    "libgfortran*": "the Fortran compiler: libgfortran5 (apt), libgfortran (dnf), gcc (brew), MinGW's bin/",
    "libquadmath*": "the Fortran compiler: libquadmath0 (apt), libquadmath (dnf), gcc (brew), MinGW's bin/",
    "libgomp*": "the compiler's OpenMP: libgomp1 (apt), libgomp (dnf), MinGW's bin/",
    "libomp*": "LLVM's OpenMP: libomp (brew), libomp5 (apt)",
    "libgcc_s*": "the compiler: libgcc-s1 (apt), libgcc (dnf), MinGW's bin/",
    "libstdc++*": "the compiler: libstdc++6 (apt), libstdc++ (dnf), MinGW's bin/",
    "libwinpthread*": "MinGW's bin/",
    "msvcp140*": "Microsoft's redistributable of Visual C++",
    "vcomp140*": "Microsoft's redistributable of Visual C++",
}


def provider_of(library: str) -> str | None:
    """What has a library, in words; None for one that we have not heard of.

    Args:
        library: its name, with or without directories.
    """
    name = library.replace("\\", "/").rpartition("/")[2].lower()
    return next((said for glob, said in _PROVIDERS.items() if fnmatchcase(name, glob)), None)
