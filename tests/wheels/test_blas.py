"""What provides BLAS, found in real ELF objects, and from values as the parsers of all formats make them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.binaries import OPENBLAS, calls, elf, fat, functions, macho, pe
from support.wheels import make_wheel
from wheelfarm.wheels.archive import open_wheel
from wheelfarm.wheels.binary import Binary, BinaryFormat
from wheelfarm.wheels.blas import Blas, Interface, Provider, blas_all, parse_routine
from wheelfarm.wheels.linkage import linkage

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

LP64, ILP64 = Interface.LP64, Interface.ILP64
LITE = 'const char *keep[] = {"DGESV ", "DGETRF", "DGEMM "};\n'


def judge(tmp_path: Path, files: Mapping[str, bytes]) -> tuple[Blas, ...]:
    return blas_all(linkage(open_wheel(make_wheel(tmp_path, files=files))))


def binary(member: str, defines: str = "", *, wants: str = "", needs: str = "") -> Binary:
    """A library, or an extension in demo/, with symbols and needed libraries that blanks separate."""
    extension = {"PyInit_ext"} if member.startswith("demo/") else set()
    return Binary(
        member=member,
        format=BinaryFormat.ELF,
        machine="x86_64",
        soname="" if extension else member.rpartition("/")[2],
        exported=frozenset(defines.split()) | extension,
        undefined=frozenset(wants.split()),
        needed=tuple(needs.split()),
    )


@pytest.mark.parametrize(
    ("defines", "soname", "wants", "provider", "interface"),
    [
        ("openblas_get_config dgemm_", "libopenblas-68440149.so", "dgemm_", Provider.OPENBLAS, LP64),
        (
            "scipy_openblas_get_config scipy_dgemm_",
            "libscipy_openblas.so",
            "scipy_dgemm_",
            Provider.OPENBLAS,
            LP64,
        ),
        ("scipy_openblas_get_config64_ scipy_dgemm_64_", "libx.so", "dgesv_64_", Provider.OPENBLAS, ILP64),
        ("scipy_openblas_get_config64_ scipy_cblas_dgemm64_", "libx.so", "", Provider.OPENBLAS, ILP64),
        ("dgemm_ ilaver_", "libblas-1a2b.so.3", "dgemm_", Provider.REFERENCE, LP64),
        ("dgemm_ ilaver_", "libblas64-1a2b.so.3", "dgemm_", Provider.REFERENCE, ILP64),
        ("mkl_get_version dgemm_", "libmkl_rt.so.2", "dgemm_", Provider.MKL, LP64),
        ("bli_init dgemm_", "libblis.so.4", "dgemm_", Provider.BLIS, LP64),
        ("flexiblas_init dgemm_", "libflexiblas.so.3", "dgemm_", Provider.FLEXIBLAS, LP64),
        ("ATL_dgemm dgemm_", "libsatlas.so.3", "dgemm_", Provider.ATLAS, LP64),
        ("armplversion dgemm_", "libarmpl.so", "dgemm_", Provider.UNKNOWN, LP64),
    ],
)
def test_vendored(*, defines: str, soname: str, wants: str, provider: Provider, interface: Interface) -> None:
    library = binary(f"demo.libs/{soname}", defines)
    user = binary("demo/ext.so", wants=wants, needs=soname)
    (found,) = blas_all([user, binary("demo/plain.so", wants="puts"), library])
    assert (found.provider, found.interface) == (provider, interface)
    assert (found.vendored, found.static) == (True, False)
    assert (found.libraries, found.users) == ((library.member,), (user.member,))
    assert any("dgemm" in symbol for symbol in found.symbols)


def test_openblas_in_real_objects_with_its_version_and_width(tmp_path: Path) -> None:
    texts = 'const char *config = "OpenBLAS 0.3.30 DYNAMIC_ARCH"; const char *w = "USE64BITINT";\n'
    files = {
        "demo/ext.so": elf(calls("dgemm_"), needs=("libopenblas.so",)),
        "demo.libs/libopenblas.so": elf(OPENBLAS + LITE + texts, soname="libopenblas.so"),
    }
    (found,) = judge(tmp_path, files)
    assert (found.provider, found.build, found.interface) == (Provider.OPENBLAS, "OpenBLAS 0.3.30", ILP64)
    assert (found.symbols[0], found.users) == ("openblas_get_config", ("demo/ext.so",))


def test_lapack_is_a_layer_over_blas_and_no_copy() -> None:
    lapack = binary("demo.libs/liblapack.so.3", "ilaver_", needs="libblas.so.3")
    blas = binary("demo.libs/libblas.so.3", "dgemm_")
    user = binary("demo/ext.so", wants="dgesv_", needs="liblapack.so.3")
    (found,) = blas_all([lapack, blas, user])
    assert found.provider is Provider.REFERENCE
    assert (found.libraries, found.users) == ((blas.member, lapack.member), (user.member,))


def test_a_layer_over_openblas_is_openblas_also_outside() -> None:
    layer = binary("demo.libs/libblas.so.3", "dgemm_", needs="libopenblas.so.0")
    (found,) = blas_all([layer, binary("demo.libs/libopenblas.so.0", "openblas_get_config dgemm_")])
    assert (found.provider, len(found.libraries), found.vendored) == (Provider.OPENBLAS, 2, True)
    (found,) = blas_all([layer])
    assert (found.provider, found.interface, found.vendored) == (Provider.OPENBLAS, LP64, False)


def test_two_copies_are_both_reported() -> None:
    one = binary("demo.libs/liba.so", "openblas_get_config dgemm_")
    two = binary("demo.libs/libb.so", "scipy_openblas_get_config scipy_dgemm_")
    first, second = blas_all([one, two, binary("demo/ext.so", wants="scipy_dgemm_", needs="libb.so")])
    assert first.provider is second.provider is Provider.OPENBLAS
    assert (first.libraries, second.libraries) == ((two.member,), (one.member,))


def test_libraries_in_a_circle_do_not_vanish() -> None:
    pair = (("liba.so", "libb.so"), ("libb.so", "liba.so"))
    assert blas_all([binary(name, "dgemm_", needs=other) for name, other in pair])


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
    members = ("demo/linalg/_umath_linalg.so", "demo/linalg/lapack_lite.so")
    files = {**dict.fromkeys(members, elf(LITE + calls())), "demo/core.so": elf(calls())}
    (found,) = judge(tmp_path, files)
    assert (found.provider, found.static, found.interface) == (Provider.NONE, True, None)
    assert found.libraries == members


def test_reference_in_the_core_too_is_not_lapack_lite(tmp_path: Path) -> None:
    lite = elf('__attribute__((visibility("hidden")))' + functions("dgemm_") + calls(), flags=())
    found = judge(tmp_path, {"demo/_umath_linalg.so": lite, "demo/_multiarray_umath.so": lite})
    assert [one.provider for one in found] == [Provider.REFERENCE, Provider.REFERENCE]
    assert {one.symbols for one in found} == {("dgemm_",)}


def test_text_in_a_module_that_links_blas_is_no_copy(tmp_path: Path) -> None:
    (found,) = judge(tmp_path, {"demo/ext.so": elf(LITE + calls("dgemm_"), needs=("libopenblas.so.0",))})
    assert not found.static


@pytest.mark.parametrize(
    ("libraries", "wants", "provider", "interface"),
    [
        ("libopenblas.so.0", "dgemm_", Provider.OPENBLAS, LP64),
        ("libscipy_openblas.so", "scipy_dgemm_", Provider.OPENBLAS, LP64),
        ("libopenblas_wheelfarm.so", "scipy_dgemm_", Provider.OPENBLAS, LP64),
        ("libopenblas64.so.0", "dgemm_", Provider.OPENBLAS, ILP64),
        # The reference is one implementation, though it has two files.
        ("libblas.so.3 liblapack.so.3", "dgemm_ dgesv_", Provider.UNKNOWN, LP64),
        ("libmkl_rt.so.2", "dgemm_64_", Provider.MKL, ILP64),
        ("libflexiblas.so.3", "cblas_dgemm", Provider.FLEXIBLAS, LP64),
        ("libblis-mt.so.4", "dgemm_", Provider.BLIS, LP64),
        ("libsatlas.so.3", "dgemm_", Provider.ATLAS, LP64),
        ("/opt/homebrew/opt/openblas/lib/libopenblas.0.dylib", "", Provider.OPENBLAS, None),
        # From no library with a known name.
        ("", "dgemm_", Provider.UNKNOWN, LP64),
    ],
)
def test_outside(libraries: str, wants: str, provider: Provider, interface: Interface | None) -> None:
    (found,) = blas_all([binary("demo/ext.so", wants=wants, needs=libraries)])
    assert (found.provider, found.interface, found.vendored) == (provider, interface, False)
    assert (found.libraries, found.users) == (tuple(libraries.split()), ("demo/ext.so",))


def test_nothing_to_do_with_blas() -> None:
    assert blas_all([binary("demo/ext.so", wants="puts", needs="libc.so.6")]) == ()


@pytest.mark.parametrize(("suffix", "interface"), [("", LP64), ("$ILP64", ILP64)])
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


@pytest.mark.parametrize(
    ("symbol", "routine"),
    [
        ("dgemm_", ("dgemm", LP64)),
        ("cblas_dgemm", ("dgemm", LP64)),
        ("scipy_cblas_dgemm64_", ("dgemm", ILP64)),
        ("scipy_dgesv_64_", ("dgesv", ILP64)),
        ("dgemm_64", ("dgemm", ILP64)),
        ("LAPACKE_dgetrf_work64_", ("dgetrf", ILP64)),
        ("LAPACKE_dgetrf_work", ("dgetrf", LP64)),
        ("zgeev$NEWLAPACK", ("zgeev", LP64)),
        ("izamax_", ("izamax", LP64)),
        *((name, None) for name in ("dgemm", "memcpy", "stat64", "dgemm_thread_nn", "_ZN5dgemm_E", "")),
    ],
)
def test_routine(symbol: str, routine: tuple[str, Interface] | None) -> None:
    found = parse_routine(symbol)
    assert (None if found is None else (found.name, found.interface)) == routine
