"""What provides BLAS, found in real ELF objects and from values of the other formats."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.binaries import (
    OPENBLAS,
    REFERENCE,
    SCIPY_OPENBLAS,
    SCIPY_OPENBLAS64,
    calls,
    elf,
    fat,
    functions,
    macho,
    pe,
)
from support.wheels import make_wheel
from wheelfarm.wheels.archive import open_wheel
from wheelfarm.wheels.binary import Binary, BinaryFormat
from wheelfarm.wheels.blas import Blas, Interface, Provider, blas_all, parse_routine
from wheelfarm.wheels.linkage import linkage

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

LITE = 'const char *keep[] = {"DGESV ", "DGETRF", "DGEMM "};\n'


def judge(tmp_path: Path, files: Mapping[str, bytes]) -> tuple[Blas, ...]:
    return blas_all(linkage(open_wheel(make_wheel(tmp_path, files=files))))


@pytest.mark.parametrize(
    ("library", "soname", "wanted", "provider", "interface"),
    [
        (OPENBLAS, "libopenblas-68440149.so", "dgemm_", Provider.OPENBLAS, Interface.LP64),
        (SCIPY_OPENBLAS, "libscipy_openblas-68440149.so", "scipy_dgemm_", Provider.OPENBLAS, Interface.LP64),
        (SCIPY_OPENBLAS64, "libscipy_openblas64_.so", "scipy_dgesv_64_", Provider.OPENBLAS, Interface.ILP64),
        (SCIPY_OPENBLAS64, "libx.so", "scipy_cblas_dgemm64_", Provider.OPENBLAS, Interface.ILP64),
        (REFERENCE, "libblas-1a2b.so.3", "dgemm_", Provider.REFERENCE, Interface.LP64),
        (REFERENCE, "libblas64-1a2b.so.3", "dgemm_", Provider.REFERENCE, Interface.ILP64),
        (functions("mkl_get_version", "dgemm_"), "libmkl_rt.so.2", "dgemm_", Provider.MKL, Interface.LP64),
        (functions("bli_init", "dgemm_"), "libblis.so.4", "dgemm_", Provider.BLIS, Interface.LP64),
        (
            functions("flexiblas_init", "dgemm_"),
            "libflexiblas.so.3",
            "dgemm_",
            Provider.FLEXIBLAS,
            Interface.LP64,
        ),
        (functions("ATL_dgemm", "dgemm_"), "libsatlas.so.3", "dgemm_", Provider.ATLAS, Interface.LP64),
        (functions("armplversion", "dgemm_"), "libarmpl.so", "dgemm_", Provider.UNKNOWN, Interface.LP64),
    ],
)
def test_vendored(
    tmp_path: Path, *, library: str, soname: str, wanted: str, provider: Provider, interface: Interface
) -> None:
    files = {
        "demo/ext.so": elf(calls(wanted), needs=(soname,)),
        "demo/plain.so": elf(calls("puts")),
        f"demo.libs/{soname}": elf(library, soname=soname),
    }
    (found,) = judge(tmp_path, files)
    assert (found.provider, found.interface) == (provider, interface)
    assert (found.vendored, found.static) == (True, False)
    assert (found.libraries, found.users) == ((f"demo.libs/{soname}",), ("demo/ext.so",))
    assert any("dgemm" in symbol for symbol in found.symbols)


def test_openblas_says_its_version_and_width(tmp_path: Path) -> None:
    texts = 'const char *config = "OpenBLAS 0.3.30 DYNAMIC_ARCH"; const char *w = "USE64BITINT";\n'
    (found,) = judge(tmp_path, {"demo.libs/libopenblas.so": elf(OPENBLAS + LITE + texts)})
    assert found.build == "OpenBLAS 0.3.30"
    assert found.interface is Interface.ILP64
    assert found.symbols[0] == "openblas_get_config"


def test_lapack_is_a_layer_over_blas_and_no_copy(tmp_path: Path) -> None:
    files = {
        "demo.libs/liblapack.so.3": elf(
            functions("ilaver_"), soname="liblapack.so.3", needs=("libblas.so.3",)
        ),
        "demo.libs/libblas.so.3": elf(functions("dgemm_"), soname="libblas.so.3"),
        "demo/ext.so": elf(calls("dgesv_"), needs=("liblapack.so.3",)),
    }
    (found,) = judge(tmp_path, files)
    assert found.provider is Provider.REFERENCE
    assert found.libraries == ("demo.libs/libblas.so.3", "demo.libs/liblapack.so.3")
    assert found.users == ("demo/ext.so",)


def test_libblas_over_openblas_is_openblas(tmp_path: Path) -> None:
    files = {
        "demo.libs/libblas.so.3": elf(
            functions("dgemm_"), soname="libblas.so.3", needs=("libopenblas.so.0",)
        ),
        "demo.libs/libopenblas.so.0": elf(OPENBLAS, soname="libopenblas.so.0"),
    }
    (found,) = judge(tmp_path, files)
    assert found.provider is Provider.OPENBLAS
    assert len(found.libraries) == 2


def test_layer_over_a_library_outside_is_its_user(tmp_path: Path) -> None:
    data = elf(functions("dgemm_"), soname="libblas.so.3", needs=("libopenblas.so.0",))
    (found,) = judge(tmp_path, {"demo.libs/libblas.so.3": data})
    assert (found.provider, found.vendored) == (Provider.OPENBLAS, False)
    assert found.interface is Interface.LP64


def test_two_copies_are_both_reported(tmp_path: Path) -> None:
    files = {
        "demo.libs/liba.so": elf(OPENBLAS, soname="liba.so"),
        "demo.libs/libb.so": elf(SCIPY_OPENBLAS, soname="libb.so"),
        "demo/ext.so": elf(calls("scipy_dgemm_"), needs=("libb.so",)),
    }
    first, second = judge(tmp_path, files)
    assert first.provider is second.provider is Provider.OPENBLAS
    assert (first.libraries, second.libraries) == (("demo.libs/libb.so",), ("demo.libs/liba.so",))


def test_static_openblas(tmp_path: Path) -> None:
    (found,) = judge(tmp_path, {"demo/ext.so": elf(OPENBLAS + calls())})
    assert (found.provider, found.static, found.vendored) == (Provider.OPENBLAS, True, True)
    assert found.users == ("demo/ext.so",)


@pytest.mark.parametrize(
    ("text", "provider"),
    [("OpenBLAS 0.3.30", Provider.OPENBLAS), ("Intel(R) oneAPI Math Kernel Library", Provider.MKL)],
)
def test_the_texts_of_a_static_library_name_its_provider(
    tmp_path: Path, text: str, provider: Provider
) -> None:
    source = LITE + f'const char *own = "{text}";\n' + calls()
    (found,) = judge(tmp_path, {"demo/ext.so": elf(source)})
    assert (found.provider, found.static, found.interface) == (provider, True, None)
    assert "DGETRF" in found.symbols


def test_numpy_without_blas_has_none(tmp_path: Path) -> None:
    lite = elf(LITE + calls())
    files = {
        "demo/linalg/_umath_linalg.so": lite,
        "demo/linalg/lapack_lite.so": lite,
        "demo/core.so": elf(calls()),
    }
    (found,) = judge(tmp_path, files)
    assert (found.provider, found.static, found.interface) == (Provider.NONE, True, None)
    assert found.libraries == ("demo/linalg/_umath_linalg.so", "demo/linalg/lapack_lite.so")


def test_reference_in_the_core_too_is_not_lapack_lite(tmp_path: Path) -> None:
    lite = elf('__attribute__((visibility("hidden")))' + functions("dgemm_") + calls(), flags=())
    found = judge(tmp_path, {"demo/_umath_linalg.so": lite, "demo/_multiarray_umath.so": lite})
    assert [one.provider for one in found] == [Provider.REFERENCE, Provider.REFERENCE]
    assert {one.symbols for one in found} == {("dgemm_",)}


def test_text_in_a_module_that_links_blas_is_no_copy(tmp_path: Path) -> None:
    (found,) = judge(tmp_path, {"demo/ext.so": elf(LITE + calls("dgemm_"), needs=("libopenblas.so.0",))})
    assert not found.static


@pytest.mark.parametrize(
    ("library", "wanted", "provider", "interface"),
    [
        ("libopenblas.so.0", "dgemm_", Provider.OPENBLAS, Interface.LP64),
        ("libscipy_openblas.so", "scipy_dgemm_", Provider.OPENBLAS, Interface.LP64),
        ("libopenblas64.so.0", "dgemm_", Provider.OPENBLAS, Interface.ILP64),
        ("libblas.so.3", "dgemm_", Provider.UNKNOWN, Interface.LP64),
        ("libmkl_rt.so.2", "dgemm_64_", Provider.MKL, Interface.ILP64),
        ("libflexiblas.so.3", "cblas_dgemm", Provider.FLEXIBLAS, Interface.LP64),
        ("libblis-mt.so.4", "dgemm_", Provider.BLIS, Interface.LP64),
        ("libsatlas.so.3", "dgemm_", Provider.ATLAS, Interface.LP64),
        ("libopenblas.so.0", "puts", Provider.OPENBLAS, None),
    ],
)
def test_outside(
    tmp_path: Path, library: str, wanted: str, provider: Provider, interface: Interface | None
) -> None:
    (found,) = judge(tmp_path, {"demo/ext.so": elf(calls(wanted), needs=(library,))})
    assert (found.provider, found.interface, found.vendored) == (provider, interface, False)
    assert found.libraries == (library,)


def test_reference_outside_is_one_though_it_has_two_files(tmp_path: Path) -> None:
    files = {"demo/ext.so": elf(calls("dgemm_", "dgesv_"), needs=("libblas.so.3", "liblapack.so.3"))}
    (found,) = judge(tmp_path, files)
    assert found.libraries == ("libblas.so.3", "liblapack.so.3")


def test_blas_symbols_without_a_library(tmp_path: Path) -> None:
    (found,) = judge(tmp_path, {"demo/ext.so": elf(calls("dgemm_"))})
    assert (found.provider, found.libraries, found.users) == (Provider.UNKNOWN, (), ("demo/ext.so",))


def test_nothing_to_do_with_blas(tmp_path: Path) -> None:
    binaries = linkage(open_wheel(make_wheel(tmp_path, files={"demo/ext.so": elf(calls("puts"))})))
    assert blas_all(binaries) == ()


@pytest.mark.parametrize(("suffix", "interface"), [("", Interface.LP64), ("$ILP64", Interface.ILP64)])
def test_accelerate(tmp_path: Path, suffix: str, interface: Interface) -> None:
    framework = "/System/Library/Frameworks/Accelerate.framework/Versions/A/Accelerate"
    data = macho(needed=[framework], undefined=[f"dgemm$NEWLAPACK{suffix}"], exported=["PyInit_ext"])
    (found,) = judge(tmp_path, {"demo/ext.so": data})
    assert (found.provider, found.interface, found.vendored) == (Provider.ACCELERATE, interface, False)
    assert found.symbols == (f"dgemm$NEWLAPACK{suffix}",)


def test_slices_of_a_fat_binary_count_once(tmp_path: Path) -> None:
    name = "@rpath/libopenblas.dylib"
    library = macho(install_name=name, exported=["openblas_get_config", "dgemm_"])
    user = macho(needed=[name], exported=["PyInit_ext"], undefined=["dgemm_"])
    files = {
        "demo/.dylibs/libopenblas.dylib": fat((0x01000007, library), (0x0100000C, library)),
        "demo/ext.so": fat((0x01000007, user), (0x0100000C, user)),
    }
    (found,) = judge(tmp_path, files)
    assert found.libraries == ("demo/.dylibs/libopenblas.dylib",)
    assert found.users == ("demo/ext.so",)


def test_the_file_name_of_a_homebrew_library_names_its_provider() -> None:
    needed = ("/opt/homebrew/opt/openblas/lib/libopenblas.0.dylib",)
    one = Binary(member="demo/ext.so", format=BinaryFormat.MACHO, machine="arm64", needed=needed)
    (found,) = blas_all([one])
    assert found.provider is Provider.OPENBLAS


def test_windows(tmp_path: Path) -> None:
    library = "libscipy_openblas-1A2B.dll"
    files = {
        f"demo.libs/{library}": pe(library, exported=["scipy_openblas_get_config", "scipy_dgemm_"]),
        "demo/ext.pyd": pe("ext.pyd", exported=["PyInit_ext"], imports={library.lower(): ["scipy_dgemm_"]}),
        "demo/other.pyd": pe("other.pyd", exported=["PyInit_other"], imports={"MKL_RT.2.dll": ["dgemm_"]}),
    }
    first, second = judge(tmp_path, files)
    assert (first.provider, first.users) == (Provider.OPENBLAS, ("demo/ext.pyd",))
    assert (second.provider, second.vendored) == (Provider.MKL, False)


def test_libraries_in_a_circle_do_not_vanish() -> None:
    def library(name: str, needed: str) -> Binary:
        return Binary(
            member=name,
            format=BinaryFormat.ELF,
            machine="x86_64",
            needed=(needed,),
            exported=frozenset({"dgemm_"}),
        )

    assert blas_all([library("liba.so", "libb.so"), library("libb.so", "liba.so")])


@pytest.mark.parametrize(
    ("symbol", "name", "interface"),
    [
        ("dgemm_", "dgemm", Interface.LP64),
        ("cblas_dgemm", "dgemm", Interface.LP64),
        ("scipy_cblas_dgemm64_", "dgemm", Interface.ILP64),
        ("scipy_dgesv_64_", "dgesv", Interface.ILP64),
        ("dgemm_64", "dgemm", Interface.ILP64),
        ("LAPACKE_dgetrf_work64_", "dgetrf", Interface.ILP64),
        ("LAPACKE_dgetrf_work", "dgetrf", Interface.LP64),
        ("zgeev$NEWLAPACK", "zgeev", Interface.LP64),
        ("izamax_", "izamax", Interface.LP64),
    ],
)
def test_routine(symbol: str, name: str, interface: Interface) -> None:
    routine = parse_routine(symbol)
    assert routine is not None
    assert (routine.name, routine.interface) == (name, interface)


@pytest.mark.parametrize(
    "symbol", ["dgemm", "memcpy", "stat64", "dgemm_thread_nn", "_ZN5dgemm_E", "strtol", ""]
)
def test_other_symbols_are_no_routines(symbol: str) -> None:
    assert parse_routine(symbol) is None
