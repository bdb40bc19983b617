"""Runs where the build runs, before it: copies the real netlib BLAS and LAPACK to where the build links them.

On Debian `libblas.so` belongs to whichever alternative is chosen: with libopenblas-dev installed it is
OpenBLAS. So the library is found by its own path, and refused when it is another implementation.
Uses the standard library only.

Usage: netlib.py DIRECTORY [ROOT]
"""

from __future__ import annotations

import json
import platform
import shutil
import sys
from pathlib import Path

# A machine may hold libraries of other architectures too.
TRIPLET = f"{platform.machine()}-linux-gnu"
CANDIDATES = {
    # Debian's path of netlib, then that of Enterprise Linux.
    "blas": (f"usr/lib/{TRIPLET}/blas/libblas.so.3", "usr/lib64/libblas.so.3"),
    "lapack": (f"usr/lib/{TRIPLET}/lapack/liblapack.so.3", "usr/lib64/liblapack.so.3"),
    "cblas": ("usr/lib64/libcblas.so.3",),
}
OTHERS = {
    b"openblas_get_config": "OpenBLAS",
    b"mkl_serv_": "MKL",
    b"bli_gemm": "BLIS",
    b"flexiblas_": "FlexiBLAS",
}
PKG_CONFIG = """\
libdir={libdir}
Name: {name}
Description: netlib {name}
Version: 3
Libs: -L${{libdir}} {flags}
"""


def find(library: str, root: Path) -> Path | None:
    found = None
    for pattern in CANDIDATES[library]:
        for path in sorted(root.glob(pattern)):
            content = path.read_bytes()
            other = next((name for symbol, name in OTHERS.items() if symbol in content), None)
            if other:
                sys.exit(f"netlib: {path} is {other}, not the netlib {library}")
            found = found or path
    return found


def main(directory: Path, root: Path) -> None:
    libdir, pkgconfig = directory / "lib", directory / "pkgconfig"
    for made in (libdir, pkgconfig):
        made.mkdir(parents=True, exist_ok=True)
    present = {}
    for library, patterns in CANDIDATES.items():
        path = find(library, root)
        if path is None and library != "cblas":
            sys.exit(f"netlib: there is no netlib {library} here: looked for {', '.join(patterns)}")
        if path is not None:
            shutil.copy(path.resolve(), libdir / f"lib{library}.so.3")
            link = libdir / f"lib{library}.so"
            link.unlink(missing_ok=True)
            link.symlink_to(f"lib{library}.so.3")
            present[library] = path.resolve()
    # By these paths the library provenance finds the system's package.
    copied = {f"lib{library}.so.3": str(path) for library, path in present.items()}
    (libdir / "copied.json").write_text(json.dumps(copied), encoding="utf-8")
    # Debian's netlib libblas carries the C interface itself; elsewhere it is a library of its own.
    blas = "-lcblas -lblas" if "cblas" in present else "-lblas"
    for name, flags in (("blas", blas), ("cblas", blas), ("lapack", "-llapack -lblas")):
        text = PKG_CONFIG.format(libdir=libdir, name=name, flags=flags)
        (pkgconfig / f"{name}.pc").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(*sys.argv[2:] or "/"))
