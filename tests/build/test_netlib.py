"""The script that puts netlib's BLAS and LAPACK into a stage, on roots as the systems lay them out."""

from __future__ import annotations

import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from support.binaries import OPENBLAS, elf, functions
from wheelfarm.build.inside import netlib

if TYPE_CHECKING:
    from pathlib import Path

BLAS = functions("dgemm_", "cblas_dgemm")
LAPACK = functions("dgetrf_", "ilaver_")
DEBIAN = {
    "usr/lib/x86_64-linux-gnu/blas/libblas.so.3": BLAS,
    "usr/lib/x86_64-linux-gnu/lapack/liblapack.so.3": LAPACK,
}
EL = {
    "usr/lib64/libblas.so.3": functions("dgemm_"),
    "usr/lib64/libcblas.so.3": functions("cblas_dgemm"),
    "usr/lib64/liblapack.so.3": LAPACK,
}


def lay(root: Path, libraries: dict[str, str]) -> Path:
    """Put libraries below a root, each behind a link as packages have it."""
    for path, source in libraries.items():
        place = root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.with_name(f"{place.name}.12.1").write_bytes(elf(source, soname=place.name))
        place.symlink_to(f"{place.name}.12.1")
    return root


def linked(directory: Path, name: str, function: str) -> str:
    """Link a library with what pkg-config says; what it then needs."""
    text = (directory / "pkgconfig" / f"{name}.pc").read_text()
    said = dict(line.split(": ", 1) for line in text.splitlines() if ": " in line)
    libdir = next(line for line in text.splitlines() if line.startswith("libdir=")).removeprefix("libdir=")
    flags = said["Libs"].replace("${libdir}", libdir).split()
    out = directory / "out.so"
    code = f"void {function}(void); void f(void) {{ {function}(); }}"
    words = ["gcc", "-shared", "-fPIC", "-Wl,--no-undefined,--as-needed", "-o", str(out), "-x", "c", "-"]
    subprocess.run([*words, "-x", "none", *flags], input=code, text=True, check=True)
    shown = subprocess.run(["readelf", "-d", str(out)], capture_output=True, text=True, check=True)
    return shown.stdout


@pytest.mark.parametrize(("layout", "cblas"), [(DEBIAN, "libblas.so.3"), (EL, "libcblas.so.3")])
def test_it_is_found_where_the_system_has_it(tmp_path: Path, layout: dict[str, str], cblas: str) -> None:
    provider = tmp_path / "provider"
    netlib.main(provider, lay(tmp_path / "root", layout))
    assert all(not path.is_symlink() for path in (provider / "lib").glob("*.so.3"))
    assert "[libblas.so.3]" in linked(provider, "blas", "dgemm_")
    assert f"[{cblas}]" in linked(provider, "cblas", "cblas_dgemm")
    assert "[liblapack.so.3]" in linked(provider, "lapack", "dgetrf_")


def test_debian_s_own_place_wins_over_the_chosen_alternative(tmp_path: Path) -> None:
    """libopenblas-dev makes libblas.so.3 in the plain directory OpenBLAS; the one in blas/ stays netlib's."""
    root = lay(tmp_path / "root", DEBIAN | {"usr/lib/x86_64-linux-gnu/libblas.so.3": OPENBLAS})
    provider = tmp_path / "provider"
    words = [sys.executable, "-I", str(netlib.__file__), str(provider), str(root)]
    subprocess.run(words, check=True)
    # A build that is tried again finds the stage of the first try.
    subprocess.run(words, check=True)
    assert b"openblas_get_config" not in (provider / "lib" / "libblas.so.3").read_bytes()


@pytest.mark.parametrize(
    ("symbol", "name"),
    [
        ("openblas_get_config", "OpenBLAS"),
        ("mkl_serv_get_version", "MKL"),
        ("bli_gemm", "BLIS"),
        ("flexiblas_chain_dgemm_", "FlexiBLAS"),
    ],
)
@pytest.mark.parametrize("library", ["usr/lib64/libblas.so.3", "usr/lib64/liblapack.so.3"])
def test_another_library_in_disguise_is_refused(tmp_path: Path, symbol: str, name: str, library: str) -> None:
    root = lay(tmp_path / "root", EL | {library: functions("dgemm_", symbol)})
    with pytest.raises(SystemExit) as caught:
        netlib.main(tmp_path / "provider", root)
    assert f"netlib: {root / library} is {name}, not the netlib" in str(caught.value)


@pytest.mark.parametrize("library", ["blas", "lapack"])
def test_a_missing_library_is_an_error_with_the_paths_searched(tmp_path: Path, library: str) -> None:
    root = lay(tmp_path / "root", DEBIAN)
    shutil.rmtree(root / "usr/lib/x86_64-linux-gnu" / library)
    with pytest.raises(SystemExit) as caught:
        netlib.main(tmp_path / "provider", root)
    assert f"there is no netlib {library} here" in str(caught.value)
    assert f"usr/lib64/lib{library}.so.3" in str(caught.value)
