"""The script that gives scipy-openblas the usual names of BLAS and LAPACK."""

from __future__ import annotations

import platform
import subprocess
import sys
from typing import TYPE_CHECKING, Final

import pytest

from support.binaries import elf, functions
from wheelfarm.build.inside import plain_names

if TYPE_CHECKING:
    from pathlib import Path

LIBRARY: Final = "scipy_openblas"
SOURCE: Final = (
    "double scipy_ddot_(int *n, double *x, int *ix, double *y, int *iy, long length) {"
    " return *n + x[0] * y[1] + *ix + *iy + length; }\n"
    "double scipy_cblas_dnrm2(double x) { return 2 * x; }\n"
    + functions("scipy_sdot_", "scipy_dgemm_", "scipy_LAPACKE_dgesv", "scipy_openblas_get_config", "other_")
)
CALLER: Final = """\
double ddot_(int *, double *, int *, double *, int *, long);
double cblas_dnrm2(double);
double go(void) {
    int n = 3, a = 10, b = 20;
    double x[] = {2, 0}, y[] = {0, 7};
    return ddot_(&n, x, &a, y, &b, 1000) + cblas_dnrm2(100);
}
"""
MACHINE: Final = platform.machine()
pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or MACHINE not in plain_names.JUMPS, reason="it has names for Linux only"
)


def lay(root: Path, source: str) -> Path:
    """A provider as the farm unpacks it."""
    for name in ("lib", "include", "pkgconfig"):
        (root / name).mkdir(parents=True)
    (root / "lib" / f"lib{LIBRARY}.so").write_bytes(elf(source, soname=f"lib{LIBRARY}.so"))
    return root


def link(provider: Path, name: str, code: str) -> Path:
    """A library that is linked with what pkg-config says."""
    lines = (provider / "pkgconfig" / f"{name}.pc").read_text().splitlines()
    flags = next(line for line in lines if line.startswith("Libs: ")).removeprefix("Libs: ")
    words = flags.replace("${libdir}", str(provider / "lib")).split()
    out = provider / f"{name}.so"
    gcc = ["gcc", "-shared", "-fPIC", "-s", "-Wl,--no-undefined", "-o", str(out), "-x", "c", "-"]
    subprocess.run([*gcc, "-x", "none", *words], input=code, text=True, check=True)
    return out


def symbols(library: Path, *options: str) -> set[str]:
    words = ["nm", "-D", *options, "--format=just-symbols", str(library)]
    found = subprocess.run(words, capture_output=True, text=True, check=True).stdout.split()
    return {each for each in found if "_" in each and not each.startswith("_")}


@pytest.mark.parametrize("name", ["blas", "lapack", "openblas"])
def test_a_call_of_the_usual_name_gets_to_the_library(tmp_path: Path, name: str) -> None:
    provider = lay(tmp_path / "provider", SOURCE)
    words = [sys.executable, "-I", "-S", plain_names.__file__, str(provider), LIBRARY]
    subprocess.run(words, check=True)
    # A build that is tried again finds what the first try has written.
    subprocess.run(words, check=True)
    library = link(provider, name, CALLER)
    code = f"import ctypes; go = ctypes.CDLL({str(library)!r}).go; go.restype = ctypes.c_double; print(go())"
    env = {"LD_LIBRARY_PATH": str(provider / "lib")}
    ran = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
    assert float(ran.stdout) == 3 + 2 * 7 + 10 + 20 + 1000 + 200


def test_what_links_it_needs_the_symbols_of_the_library_and_exports_none(tmp_path: Path) -> None:
    provider = lay(tmp_path / "provider", SOURCE)
    plain_names.main(provider, LIBRARY, MACHINE)
    library = link(provider, "blas", CALLER)
    needed = symbols(library, "--undefined-only")
    assert needed == {"scipy_ddot_", "scipy_sdot_", "scipy_cblas_dnrm2"}
    assert symbols(library, "--defined-only") == set()


@pytest.mark.parametrize("name", ["LAPACKE_dgesv", "openblas_get_config", "other_"])
def test_other_functions_have_no_second_name(tmp_path: Path, name: str) -> None:
    provider = lay(tmp_path / "provider", SOURCE.replace("other_", "scipy_other"))
    plain_names.main(provider, LIBRARY, MACHINE)
    with pytest.raises(subprocess.CalledProcessError):
        link(provider, "blas", f"void {name}(void); void go(void) {{ {name}(); }}")


def test_a_library_without_such_names_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="has no routine of BLAS"):
        plain_names.main(lay(tmp_path, functions("dgemm_")), LIBRARY, MACHINE)


def test_another_processor_gets_no_names(tmp_path: Path) -> None:
    provider = lay(tmp_path, SOURCE)
    plain_names.main(provider, LIBRARY, "s390x")
    assert not [*(provider / "pkgconfig").iterdir()]
