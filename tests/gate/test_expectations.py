"""Expectations of contents, tags and binaries in each format, met and not met."""

from __future__ import annotations

import platform
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
from packaging.tags import parse_tag

from support.binaries import OPENBLAS, REFERENCE, SCIPY_OPENBLAS64, calls, elf
from support.farm import builds_of, make_farm
from support.raised import only, raised
from support.wheels import make_wheel
from wheelfarm.errors import ExpectationError
from wheelfarm.gate.check import Result
from wheelfarm.gate.expectations import (
    check_architecture,
    check_contents,
    check_expectations,
    check_linkage,
    check_pure,
    reads_binaries,
    tag_architectures,
)
from wheelfarm.recipes.expect_table import Expect
from wheelfarm.wheels.archive import open_wheel
from wheelfarm.wheels.binary import Binary, BinaryFormat
from wheelfarm.wheels.numpy_api import UNPROVEN

if TYPE_CHECKING:
    from pathlib import Path


MACHINE = platform.machine()
"""What gcc builds for here."""
FILES = {"alpha/__init__.py": "x = 1\n" * 1000, "alpha/data/a.csv": "1\n"}


def check_files(
    root: Path, expect: dict[str, Any], files: dict[str, str] | None = None, tag: str = "py3-none-any"
) -> dict[str, tuple[bool, str]]:
    wheel = open_wheel(make_wheel(root, "alpha", "1.0", files or FILES, tag=tag))
    found = check_contents(Expect.model_validate(expect), wheel)
    return {check.result.check: (check.ok, check.result.found) for check in found}


def test_nothing_expected_is_nothing_check_files(tmp_path: Path) -> None:
    assert check_files(tmp_path, {}) == {}


def test_sizes(tmp_path: Path) -> None:
    found = check_files(tmp_path, {"max-size": {"file": "1M", "unpacked": "5k"}})
    assert [(key, ok) for key, (ok, _) in found.items()] == [
        ("max-size.file", True),
        ("max-size.unpacked", False),
    ]
    wheel = open_wheel(make_wheel(tmp_path, "alpha", "1.0", FILES))
    expect = Expect.model_validate({"max-size": {"unpacked": "5k"}})
    (check,) = check_contents(expect, wheel)
    assert check.result.found == f"{wheel.unpacked:,} bytes"
    assert "by kind: python 6,000" in check.cause
    assert "largest: alpha/__init__.py 6,000" in check.cause


@pytest.mark.parametrize(
    ("files", "found"),
    [
        ({"present": ["alpha/data/*.csv", "*.py"]}, {"files.present": (True, "all of them")}),
        ({"present": ["*.csv", "*.json"]}, {"files.present": (False, "nothing for *.json")}),
        ({"absent": ["*.json"]}, {"files.absent": (True, "none")}),
        ({"absent": ["alpha/*.csv"]}, {"files.absent": (False, "alpha/data/a.csv")}),
        ({}, {}),
    ],
)
def test_files(tmp_path: Path, files: dict[str, list[str]], found: dict[str, tuple[bool, str]]) -> None:
    assert check_files(tmp_path, {"files": files}) == found


@pytest.mark.parametrize(
    ("wanted", "platform", "ok"),
    [
        ("manylinux_2_28", "manylinux_2_28_x86_64", True),
        ("manylinux_2_28", "manylinux_2_27_x86_64.manylinux_2_28_x86_64", True),
        ("manylinux_2_28", "manylinux2014_x86_64.manylinux_2_17_x86_64", True),
        ("manylinux_2_28", "manylinux1_i686", True),
        ("manylinux_2_28", "manylinux_2_35_x86_64", False),
        ("manylinux_2_28", "musllinux_1_2_x86_64", False),
        ("manylinux_2_28", "linux_x86_64", False),
        ("musllinux_1_2", "musllinux_1_1_aarch64", True),
        ("macosx_11_0", "macosx_11_0_arm64", True),
        ("macosx_11_0", "macosx_10_9_universal2", True),
        ("macosx_11_0", "macosx_14_0_arm64", False),
        ("win_amd64", "win_amd64", True),
        ("win_amd64", "win32", False),
    ],
)
def test_the_newest_system_that_a_wheel_may_need(
    tmp_path: Path, wanted: str, platform: str, *, ok: bool
) -> None:
    found = check_files(tmp_path, {"platform-tag": wanted}, tag=f"cp311-cp311-{platform}")
    assert found == {"platform-tag": (ok, platform)}


@pytest.mark.parametrize("abi", ["abi3", "cp311"])
def test_the_stable_abi(tmp_path: Path, abi: str) -> None:
    tag = f"cp311-{abi}-win_amd64"
    assert check_files(tmp_path, {"abi3": True}, tag=tag) == {"abi3": (abi == "abi3", abi)}
    assert check_files(tmp_path, {"abi3": False}, tag=tag) == {"abi3": (abi != "abi3", abi)}


FORMATS = {
    BinaryFormat.ELF: ("so", "libm.so.6", "alpha.libs/libfoo-1234.so.1"),
    BinaryFormat.MACHO: ("so", "/usr/lib/libSystem.B.dylib", "alpha/.dylibs/libfoo.1.dylib"),
    BinaryFormat.PE: ("pyd", "KERNEL32.dll", "alpha.libs/libfoo-1234.dll"),
}
ALLOWED = ["libm.so.6", "/usr/lib/libSystem*", "KERNEL32.dll"]


def binaries_of(binary_format: BinaryFormat, **changes: Any) -> list[Binary]:
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


def check_binaries(
    binaries: list[Binary], *, compiled: bool = False, **expect: Any
) -> dict[str, tuple[bool, str]]:
    vendored = {each.member for each in binaries if not each.extension}
    found = check_linkage(Expect.model_validate(expect), binaries, vendored=vendored, modules=compiled)
    return {check.result.check: (check.ok, check.result.found) for check in found}


every = pytest.mark.parametrize("binary_format", FORMATS)


@every
def test_what_is_as_it_should_be(binary_format: BinaryFormat) -> None:
    expect: dict[str, Any] = {"stripped": True, "needs": ALLOWED, "vendors": ["libfoo*"], "extensions": True}
    found = check_binaries(binaries_of(binary_format), **expect)
    assert [ok for ok, _ in found.values()] == [True] * 4
    assert found["needs"] == (True, "nothing else")
    assert found["vendors"] == (True, FORMATS[binary_format][2].rpartition("/")[2])
    assert found["stripped"] == (True, "none with them")


@every
@pytest.mark.parametrize("change", [{"stripped": False}, {"has_debug": True}], ids=str)
def test_what_is_not_stripped(binary_format: BinaryFormat, change: dict[str, bool]) -> None:
    binaries = binaries_of(binary_format, **change)
    assert check_binaries(binaries, stripped=True) == {"stripped": (False, "1 of 1 with them")}
    assert check_binaries(binaries, stripped=False)["stripped"][0]
    assert not check_binaries(binaries_of(binary_format), stripped=False)["stripped"][0]


@every
@pytest.mark.parametrize(
    ("api", "ok", "found"),
    [
        ("2.0", True, "2.0"),
        ("1.23", True, "1.23"),
        ("2.1", False, "2.1"),
        (UNPROVEN, False, UNPROVEN),
        # Nothing shows for which NumPy the wheel is.
        ("", False, "none"),
    ],
)
def test_the_newest_api_of_numpy(binary_format: BinaryFormat, api: str, found: str, *, ok: bool) -> None:
    binaries = binaries_of(binary_format, numpy_api=api)
    expect: dict[str, Any] = {"numpy-api": "2.0"}
    assert check_binaries(binaries, **expect) == {"numpy-api": (ok, found)}


def test_the_api_of_numpy_names_the_numpy_of_the_tests(tmp_path: Path) -> None:
    beside = [open_wheel(make_wheel(tmp_path, name, "2.5.0")) for name in ("alpha", "numpy")]
    binaries = binaries_of(BinaryFormat.ELF, numpy_api="2.0")
    expect = Expect.model_validate({"numpy-api": "2.0"})
    (check,) = check_linkage(expect, binaries, vendored=frozenset(), modules=False, beside=beside)
    assert (check.ok, check.result.found) == (True, "2.0, tested with NumPy 2.5.0")


@every
def test_a_library_that_another_machine_may_not_have(binary_format: BinaryFormat) -> None:
    strange = {
        BinaryFormat.ELF: "libopenblas.so.0",
        BinaryFormat.MACHO: "/opt/homebrew/lib/libopenblas.dylib",
        BinaryFormat.PE: "mkl_rt.2.dll",
    }[binary_format]
    binaries = binaries_of(binary_format, needed=(strange,))
    (check,) = check_linkage(Expect(needs=ALLOWED), binaries, vendored=frozenset(), modules=False)
    assert (check.ok, check.result.found) == (False, strange)
    assert f"{strange} by alpha/ext." in check.cause
    assert check_binaries(binaries, needs=[*ALLOWED, strange.rpartition("/")[2]])["needs"][0]


@every
def test_vendored_libraries_are_those_that_are_wanted(binary_format: BinaryFormat) -> None:
    name = FORMATS[binary_format][2].rpartition("/")[2]
    assert check_binaries(binaries_of(binary_format), vendors=[]) == {"vendors": (False, name)}
    assert check_binaries(binaries_of(binary_format), vendors=["libfoo*", "libbar*"]) == {
        "vendors": (True, name)
    }
    assert check_binaries(binaries_of(binary_format)[:1], vendors=[]) == {"vendors": (True, "none")}


@every
def test_what_is_compiled_yields_a_module(binary_format: BinaryFormat) -> None:
    module, library = binaries_of(binary_format)
    assert check_binaries([module], compiled=True) == {"extensions": (True, module.member)}
    assert check_binaries([library], compiled=True) == {"extensions": (False, "none")}
    assert check_binaries([library], compiled=True, extensions=False) == {"extensions": (True, "none")}
    assert check_binaries([module], extensions=False) == {"extensions": (False, module.member)}
    assert check_binaries([]) == {}


@pytest.mark.parametrize(
    "expect", [{"needs": []}, {"vendors": []}, {"stripped": False}, {"extensions": False}, {"blas": "none"}]
)
def test_binaries_are_read_when_something_is_expected_of_them(expect: dict[str, Any]) -> None:
    assert reads_binaries(Expect.model_validate(expect), compiled=False)
    assert reads_binaries(Expect(), compiled=True)
    assert not reads_binaries(Expect(tests=False), compiled=False)


@pytest.mark.parametrize(
    ("tag", "compiled"),
    [
        ("py3-none-any", False),
        ("py2.py3-none-any", False),
        ("py2-none-any", None),
        ("cp311-none-any", None),
        (f"py3-none-linux_{MACHINE}", None),
        ("py3-none-any", True),
    ],
)
def test_a_pure_wheel(tmp_path: Path, tag: str, *, compiled: bool | None) -> None:
    files = {"alpha/data.txt": elf("int f(void) { return 1; }") if compiled else b"no code"}
    build = builds_of(make_farm(tmp_path / "farm", {"alpha": {"compilers": []}}))["alpha"]
    wheel = open_wheel(make_wheel(tmp_path, "alpha", "1.0", files, tag=tag))
    if compiled is False:
        (result,) = check_pure(build, wheel, {}, tmp_path)
        assert result.found == tag
        return
    error = only(lambda: check_pure(build, wheel, {}, tmp_path), ExpectationError)
    assert error.what.endswith(f"found {tag} with compiled code" if compiled else f"found {tag}")
    assert ("alpha/data.txt" in str(error.why)) is bool(compiled)
    assert 'compilers = ["c"]' in str(error.why)


E_MACHINE = 18
"""Where an ELF header says the machine (System V ABI, chapter 4)."""


@pytest.mark.parametrize(
    ("tag", "machines"),
    [
        ("any", set()),
        ("linux_x86_64", {"x86_64"}),
        ("manylinux_2_28_aarch64", {"aarch64"}),
        ("manylinux2014_x86_64.manylinux_2_17_x86_64", {"x86_64"}),
        ("musllinux_1_2_riscv64", {"riscv64"}),
        ("macosx_11_0_arm64", {"arm64"}),
        ("macosx_10_13_x86_64.macosx_11_0_arm64.macosx_10_13_universal2", {"x86_64", "arm64"}),
        ("win_amd64", {"amd64"}),
        ("win_arm64", {"arm64"}),
        ("win32", {"win32"}),
    ],
)
def test_architectures_of_a_tag(tag: str, machines: set[str]) -> None:
    parse_tag(f"cp311-cp311-{tag}")
    assert tag_architectures(tag) == machines


def slices(*machines: str, member: str = "alpha/ext.so") -> list[Binary]:
    return [Binary(member=member, format=BinaryFormat.MACHO, machine=each) for each in machines]


@pytest.mark.parametrize(
    ("tag", "machines", "ok"),
    [
        ("macosx_11_0_arm64", ("arm64",), True),
        ("macosx_11_0_arm64", ("x86_64", "arm64"), True),
        ("macosx_11_0_arm64", ("x86_64",), False),
        ("macosx_11_0_universal2", ("x86_64", "arm64"), True),
        ("macosx_11_0_universal2", ("arm64",), False),
    ],
)
def test_files_of_several_architectures(
    tmp_path: Path, tag: str, machines: tuple[str, ...], *, ok: bool
) -> None:
    wheel = open_wheel(make_wheel(tmp_path, "alpha", "1.0", {"alpha/ext.so": b""}, tag=f"cp311-cp311-{tag}"))
    (check,) = check_architecture(wheel, slices(*machines))
    assert check.ok is ok
    assert check.result.found == ", ".join(sorted(machines))


def test_without_binaries_or_an_architecture_there_is_no_check(tmp_path: Path) -> None:
    wheel = open_wheel(make_wheel(tmp_path, "alpha", "1.0", {}))
    assert not list(check_architecture(wheel, slices("x86_64")))
    wheel = open_wheel(make_wheel(tmp_path, "beta", "1.0", {}, tag="cp311-cp311-linux_x86_64"))
    assert not list(check_architecture(wheel, []))


def test_an_extension_module_for_another_machine_is_an_error(tmp_path: Path) -> None:
    """A real library whose header is another machine's."""
    (tmp_path / "ext.c").write_text("void *PyInit_ext(void) { return 0; }\n")
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", "ext.so", "ext.c"], cwd=tmp_path, check=True)
    binary = bytearray((tmp_path / "ext.so").read_bytes())
    machine = int.from_bytes(binary[E_MACHINE : E_MACHINE + 2], "little")
    other, name = (183, "aarch64") if machine != 183 else (62, "x86_64")  # EM_AARCH64, EM_X86_64
    binary[E_MACHINE : E_MACHINE + 2] = other.to_bytes(2, "little")
    build = builds_of(
        make_farm(tmp_path / "farm", {"alpha": {"compilers": ["c"], "expect": {"stripped": False}}})
    )["alpha"]
    here = platform.machine()
    tag = f"cp311-cp311-linux_{here}"
    wheel = open_wheel(make_wheel(tmp_path, "alpha", "1.0", {"alpha/ext.so": bytes(binary)}, tag=tag))
    error = only(lambda: check_expectations(build, wheel, {}, tmp_path), ExpectationError)
    assert f"architecture: expected {here}, found {name}" in error.what
    assert error.where == build.recipe.where
    assert f"alpha/ext.so is for {name}" in str(error.why)


class TestExpectations:
    def checked(self, root: Path, expect: dict[str, Any], files: dict[str, bytes]) -> tuple[Result, ...]:
        build = builds_of(make_farm(root / "farm", {"alpha": {"compilers": [], "expect": expect}}))["alpha"]
        tag = f"cp311-cp311-manylinux_2_28_{MACHINE}"
        return check_expectations(
            build, open_wheel(make_wheel(root, "alpha", "1.0", files, tag=tag)), {}, root
        )

    def wheel_with(
        self, library: str, symbols: tuple[str, ...], name: str = "libblas.so"
    ) -> dict[str, bytes]:
        extension = elf(calls(*symbols), needs=(name,))
        return {"alpha/ext.so": extension, f"alpha.libs/{name}": elf(library, soname=name)}

    def test_what_is_met_is_recorded(self, tmp_path: Path) -> None:
        files = self.wheel_with(OPENBLAS, ("dgemm_",), "libopenblas.so")
        expect = {"blas": "openblas", "interface": "lp64", "tests": False}
        assert self.checked(tmp_path, expect, files) == (
            Result(check="tests", expected="none inside", found="none inside"),
            Result(check="architecture", expected=MACHINE, found=MACHINE),
            Result(check="blas", expected="openblas", found="openblas"),
            Result(check="interface", expected="lp64", found="lp64"),
        )

    def test_a_test_suite_that_must_be_there(self, tmp_path: Path) -> None:
        suite = {"alpha/tests/test_a.py": b"pass"}
        (result,) = self.checked(tmp_path / "with", {"tests": True}, suite)
        assert str(result) == "tests: expected some inside, found 1 file, 4 bytes"
        error = only(lambda: self.checked(tmp_path / "without", {"tests": True}, {}), ExpectationError)
        assert error.what.endswith("tests: expected some inside, found none inside")

    @pytest.mark.slow
    def test_another_provider(self, tmp_path: Path) -> None:
        files = self.wheel_with(REFERENCE, ("dgemm_",))
        error = only(lambda: self.checked(tmp_path, {"blas": "openblas"}, files), ExpectationError)
        assert "blas: expected openblas, found reference" in error.what
        assert error.where == "recipes/alpha/recipe.toml: expect.blas"
        assert "dgemm_" in str(error.why)
        assert "inv wheel.inspect alpha-1.0-" in str(error.hint)

    def test_no_provider(self, tmp_path: Path) -> None:
        error = only(lambda: self.checked(tmp_path, {"blas": "openblas"}, {}), ExpectationError)
        assert "found none" in error.what
        assert "no BLAS symbols" in str(error.why)

    @pytest.mark.parametrize(
        ("expect", "key"),
        [
            ({"max-size": {"file": "0.001k"}}, "max-size.file"),
            ({"files": {"present": ["x"]}}, "files.present"),
        ],
    )
    def test_the_error_names_a_key_below_a_key(
        self, tmp_path: Path, expect: dict[str, Any], key: str
    ) -> None:
        error = only(lambda: self.checked(tmp_path, expect, {}), ExpectationError)
        assert error.where == f"recipes/alpha/recipe.toml: expect.{key}"

    @pytest.mark.slow
    def test_two_providers_are_one_too_many(self, tmp_path: Path) -> None:
        files = self.wheel_with(OPENBLAS, ("dgemm_",), "libopenblas.so")
        second = self.wheel_with(REFERENCE, ("dgemm_",), "libblas.so")
        files |= {name.replace("ext", "other"): content for name, content in second.items()}
        error = only(lambda: self.checked(tmp_path, {"blas": "openblas"}, files), ExpectationError)
        assert "found openblas, reference" in error.what

    def test_all_at_once(self, tmp_path: Path) -> None:
        files = self.wheel_with(SCIPY_OPENBLAS64, ("scipy_dgemm_64_",), "libscipy_openblas64_.so")
        files |= {"alpha/tests/test_it.py": b"12345", "alpha/conftest.py": b""}
        expect = {"blas": "reference", "interface": "lp64", "tests": False}
        errors = raised(lambda: self.checked(tmp_path, expect, files), ExpectationError)
        assert [error.what.partition(": ")[2] for error in errors] == [
            "tests: expected none inside, found 1 file, 5 bytes",
            "blas: expected reference, found openblas",
            "interface: expected lp64, found ilp64",
        ]
        assert "alpha/tests/test_it.py" in str(errors[0].why)
