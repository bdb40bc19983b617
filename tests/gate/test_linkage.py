"""Expectations of binaries, met and not met, in each format."""

from __future__ import annotations

from typing import Any

import pytest

from wheelfarm.gate.expectations import check_linkage, reads_binaries
from wheelfarm.recipes.recipe import Expect
from wheelfarm.wheels.binary import Binary, BinaryFormat

FORMATS = {
    BinaryFormat.ELF: ("so", "libm.so.6", "alpha.libs/libfoo-1234.so.1"),
    BinaryFormat.MACHO: ("so", "/usr/lib/libSystem.B.dylib", "alpha/.dylibs/libfoo.1.dylib"),
    BinaryFormat.PE: ("pyd", "KERNEL32.dll", "alpha.libs/libfoo-1234.dll"),
}
ALLOWED = ["libm.so.6", "/usr/lib/libSystem*", "KERNEL32.dll"]


def wheel(binary_format: BinaryFormat, **changes: Any) -> list[Binary]:
    """An extension module and the library that it needs, which repair has vendored."""
    suffix, system, library = FORMATS[binary_format]
    vendored = library.rpartition("/")[2]
    machine: dict[str, Any] = {"format": binary_format, "machine": "x86_64", "stripped": True}
    module: dict[str, Any] = machine | {
        "member": f"alpha/ext.{suffix}",
        "exported": frozenset({"PyInit_ext"}),
        "needed": (system, vendored),
    }
    return [Binary(**module | changes), Binary(**machine, member=library, soname=vendored, needed=(system,))]


def checked(binaries: list[Binary], *, compiled: bool = False, **expect: Any) -> dict[str, tuple[bool, str]]:
    found = check_linkage(Expect.model_validate(expect), binaries, compiled=compiled)
    return {check.result.check: (check.ok, check.result.found) for check in found}


every = pytest.mark.parametrize("binary_format", FORMATS)


@every
def test_what_is_as_it_should_be(binary_format: BinaryFormat) -> None:
    expect: dict[str, Any] = {"stripped": True, "needs": ALLOWED, "vendors": ["libfoo*"], "extensions": True}
    found = checked(wheel(binary_format), **expect)
    assert [ok for ok, _ in found.values()] == [True] * 4
    assert found["needs"] == (True, "nothing else")
    assert found["vendors"] == (True, FORMATS[binary_format][2].rpartition("/")[2])
    assert found["stripped"] == (True, "none with them")


@every
@pytest.mark.parametrize("change", [{"stripped": False}, {"has_debug": True}], ids=str)
def test_what_is_not_stripped(binary_format: BinaryFormat, change: dict[str, bool]) -> None:
    binaries = wheel(binary_format, **change)
    assert checked(binaries, stripped=True) == {"stripped": (False, "1 of 1 with them")}
    assert checked(binaries, stripped=False)["stripped"][0]
    assert not checked(wheel(binary_format), stripped=False)["stripped"][0]


@every
def test_a_library_that_another_machine_may_not_have(binary_format: BinaryFormat) -> None:
    strange = {
        BinaryFormat.ELF: "libopenblas.so.0",
        BinaryFormat.MACHO: "/opt/homebrew/lib/libopenblas.dylib",
        BinaryFormat.PE: "mkl_rt.2.dll",
    }[binary_format]
    binaries = wheel(binary_format, needed=(strange,))
    (check,) = check_linkage(Expect(needs=ALLOWED), binaries, compiled=False)
    assert (check.ok, check.result.found) == (False, strange)
    assert f"{strange} by alpha/ext." in check.cause
    assert checked(binaries, needs=[*ALLOWED, strange.rpartition("/")[2]])["needs"][0]


@every
def test_vendored_libraries_are_those_that_are_wanted(binary_format: BinaryFormat) -> None:
    name = FORMATS[binary_format][2].rpartition("/")[2]
    assert checked(wheel(binary_format), vendors=[]) == {"vendors": (False, name)}
    assert checked(wheel(binary_format), vendors=["libfoo*", "libbar*"]) == {"vendors": (True, name)}
    assert checked(wheel(binary_format)[:1], vendors=[]) == {"vendors": (True, "none")}


@every
def test_what_is_compiled_yields_a_module(binary_format: BinaryFormat) -> None:
    module, library = wheel(binary_format)
    assert checked([module], compiled=True) == {"extensions": (True, module.member)}
    assert checked([library], compiled=True) == {"extensions": (False, "none")}
    assert checked([library], compiled=True, extensions=False) == {"extensions": (True, "none")}
    assert checked([module], extensions=False) == {"extensions": (False, module.member)}
    assert checked([]) == {}


@pytest.mark.parametrize(
    "expect", [{"needs": []}, {"vendors": []}, {"stripped": False}, {"extensions": False}, {"blas": "none"}]
)
def test_binaries_are_read_when_something_is_expected_of_them(expect: dict[str, Any]) -> None:
    assert reads_binaries(Expect.model_validate(expect), compiled=False)
    assert reads_binaries(Expect(), compiled=True)
    assert not reads_binaries(Expect(tests=False), compiled=False)
