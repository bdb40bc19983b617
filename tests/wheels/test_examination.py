"""Findings in wheels whose binaries real compilers and linkers made, and in Mach-O and PE files."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from support.binaries import calls, elf, functions, macho
from support.wheels import make_wheel
from wheelfarm.wheels.archive import open_wheel
from wheelfarm.wheels.binary import Binary, BinaryFormat
from wheelfarm.wheels.binary_parsers import source_paths
from wheelfarm.wheels.examination import Finding, examine, examine_beside, rpath_problem
from wheelfarm.wheels.linkage import linkage
from wheelfarm.wheels.rules import RULES

if TYPE_CHECKING:
    from pathlib import Path

EXT = "pkg/_ext.cpython-311-x86_64-linux-gnu.so"
TAG = "cp311-cp311-manylinux_2_28_x86_64"


def findings(root: Path, files: dict[str, Any], tag: str = TAG) -> list[Finding]:
    root.mkdir(exist_ok=True)
    wheel = open_wheel(make_wheel(root, "pkg", "1.0", {"pkg/__init__.py": "", **files}, tag=tag))
    found = examine(wheel, linkage(wheel))
    assert all(each.rule in RULES for each in found)
    return list(found)


def extension(*flags: str, code: str = "") -> bytes:
    return elf(code + calls(), flags=("-s", *flags))


def test_a_sound_wheel_has_no_findings(tmp_path: Path) -> None:
    assert findings(tmp_path, {EXT: extension("-Wl,-rpath,$ORIGIN/../pkg.libs")}) == []


def test_an_executable_stack(tmp_path: Path) -> None:
    library = elf(functions("f"), flags=("-s", "-Wl,-z,execstack"))
    files = {EXT: extension("-Wl,-z,execstack"), "pkg.libs/libf-12345678.so.1": library}
    assert findings(tmp_path, files) == [
        Finding("executable-stack", "pkg.libs/libf-12345678.so.1"),
        Finding("executable-stack", EXT),
    ]


def test_an_assembler_file_without_a_note_makes_the_stack_executable(tmp_path: Path) -> None:
    source = tmp_path / "stack.S"
    source.write_text(".globl stack_f\nstack_f: ret\n")
    assert findings(tmp_path, {EXT: extension("-x", "assembler", str(source))}) == [
        Finding("executable-stack", EXT)
    ]


def test_relocations_in_code(tmp_path: Path) -> None:
    source = tmp_path / "text.S"
    note = '.section .note.GNU-stack,"",@progbits\n'
    source.write_text(f".globl text_f\ntext_f: movabs $text_f, %rax\nret\n{note}")
    assert findings(tmp_path, {EXT: extension("-x", "assembler", str(source), "-Wl,-z,notext")}) == [
        Finding("text-relocations", EXT)
    ]


@pytest.mark.parametrize(
    ("entry", "why"),
    [
        ("/home/ci/build/lib", "a directory of the build machine"),
        ("build/lib", "relative to any directory"),
        ("$ORIGIN/../../lib", "outside site-packages"),
        ("$ORIGINAL/lib", "relative to any directory"),
        ("RIGIN/lib", "relative to any directory"),
        ("", "the current directory"),
        ("$ORIGIN", ""),
        ("${ORIGIN}/../pkg.libs", ""),
        ("$ORIGIN/../other/lib", ""),
    ],
)
def test_an_entry_of_the_rpath(entry: str, why: str) -> None:
    for member in (EXT, f"pkg-1.0.data/platlib/{EXT}"):
        binary = Binary(member=member, format=BinaryFormat.ELF, machine="x86_64")
        assert rpath_problem(binary, entry) == why


@pytest.mark.parametrize(
    ("entry", "why"),
    [
        ("@loader_path/../.dylibs", ""),
        ("@loader_path/../../lib", "outside site-packages"),
        ("/usr/local/lib", "a directory of the build machine"),
        ("$ORIGIN", "relative to any directory"),
    ],
)
def test_an_entry_of_a_mach_o_rpath(entry: str, why: str) -> None:
    binary = Binary(member="pkg/_ext.so", format=BinaryFormat.MACHO, machine="arm64")
    assert rpath_problem(binary, entry) == why


def test_the_rpath_of_a_real_binary(tmp_path: Path) -> None:
    (found,) = findings(tmp_path, {EXT: extension("-Wl,-rpath,/home/ci/build/lib:$ORIGIN")})
    assert found == Finding("rpath", EXT, "'/home/ci/build/lib': a directory of the build machine")


def test_a_glibc_that_is_newer_than_the_tag(tmp_path: Path) -> None:
    code = "#include <math.h>\ndouble g(double x) { return fmod(x, exp(x)); }\n"  # exp@GLIBC_2.29
    files = {EXT: extension("-lm", code=code)}
    assert findings(tmp_path / "old", files) == [
        Finding("newer-system", EXT, "glibc 2.29, and the tag says 2.28")
    ]
    assert findings(tmp_path / "older", files, "cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64")
    assert findings(tmp_path / "new", files, "cp311-cp311-manylinux_2_31_x86_64") == []


def test_relocations_that_only_a_newer_glibc_reads(tmp_path: Path) -> None:
    files = {EXT: extension("-Wl,-z,pack-relative-relocs", code="static int a; int *b = &a;\n")}
    assert findings(tmp_path, files) == [Finding("newer-system", EXT, "glibc 2.36, and the tag says 2.28")]


ARM64, X86_64 = 0x0100000C, 0x01000007


@pytest.mark.parametrize(
    ("tag", "cpu", "minimum", "found"),
    [
        # macOS for arm64 begins with 11.0; a wheel for both processors has the tag of the older one.
        ("macosx_10_9_universal2", ARM64, (11, 0), ""),
        ("macosx_10_9_universal2", ARM64, (11, 3), "macOS 11.3, and the tag says 11.0"),
        ("macosx_10_9_universal2", X86_64, (11, 0), "macOS 11.0, and the tag says 10.9"),
        ("macosx_10_9_universal2", X86_64, (10, 9), ""),
        ("macosx_10_16_x86_64", X86_64, (11, 0), ""),
        ("macosx_12_0_arm64", ARM64, (14, 0), "macOS 14.0, and the tag says 12.0"),
    ],
)
def test_a_macos_that_is_newer_than_the_tag(
    tag: str, cpu: int, minimum: tuple[int, int], found: str, tmp_path: Path
) -> None:
    files = {"pkg/_ext.so": macho(exported=("PyInit__ext",), minimum=minimum, cpu=cpu)}
    expected = [Finding("newer-system", "pkg/_ext.so", found)] if found else []
    assert findings(tmp_path, files, f"cp311-cp311-{tag}") == expected


@pytest.mark.parametrize(
    ("needed", "rule"),
    [("/usr/lib/libSystem.B.dylib", "unused-rpath"), ("@rpath/libf.dylib", "rpath")],
)
def test_dyld_reads_rpaths_for_names_that_ask_for_it(needed: str, rule: str, tmp_path: Path) -> None:
    extension = macho(exported=("PyInit__ext",), needed=("@loader_path/libg.dylib",), rpaths=("/opt/lib",))
    library = macho(install_name="@loader_path/libg.dylib", needed=(needed,))
    files = {"pkg/_ext.so": extension, "pkg/libg.dylib": library}
    detail = "'/opt/lib': a directory of the build machine"
    assert findings(tmp_path, files, "cp311-cp311-macosx_14_0_arm64") == [
        Finding(rule, "pkg/_ext.so", detail)
    ]


def test_an_instruction_set_that_the_file_says_it_needs(tmp_path: Path) -> None:
    assert findings(tmp_path, {EXT: extension("-Wl,-z,x86-64-v3")}) == [
        Finding("instruction-set", EXT, "x86-64-v3, by its own note")
    ]


class TestStableAbi:
    ABI3 = "pkg/_ext.abi3.so"

    def found(self, root: Path, member: str, *functions_used: str, tag: str) -> list[Finding]:
        return findings(root, {member: elf(calls(*functions_used))}, f"{tag}-manylinux_2_28_x86_64")

    def test_a_sound_module(self, tmp_path: Path) -> None:
        names = ("PyLong_FromLong", "PyModule_Create2", "_Py_Dealloc")
        assert self.found(tmp_path, self.ABI3, *names, tag="cp311-abi3") == []

    def test_the_file_name_is_for_one_python(self, tmp_path: Path) -> None:
        detail = "its file name is for one Python, and the tag says abi3"
        assert self.found(tmp_path, EXT, "PyLong_FromLong", tag="cp311-abi3") == [
            Finding("stable-abi", EXT, detail)
        ]

    def test_a_private_function(self, tmp_path: Path) -> None:
        assert self.found(tmp_path, self.ABI3, "_PyLong_NumBits", tag="cp311-abi3") == [
            Finding("stable-abi", self.ABI3, "_PyLong_NumBits is not in it")
        ]

    def test_a_function_that_is_newer_than_the_tag(self, tmp_path: Path) -> None:
        name = "PyUnicode_AsUTF8AndSize"
        detail = f"{name} is in it since Python 3.10, and the tag says 3.8"
        assert self.found(tmp_path / "8", self.ABI3, name, tag="cp38-abi3") == [
            Finding("stable-abi", self.ABI3, detail)
        ]
        assert self.found(tmp_path / "10", self.ABI3, name, tag="cp310-abi3") == []

    def test_a_module_for_one_python_may_use_all(self, tmp_path: Path) -> None:
        assert self.found(tmp_path, EXT, "_PyLong_NumBits", tag="cp311-cp311") == []


def test_one_library_under_two_sonames(tmp_path: Path) -> None:
    one, two = (elf(functions("f", "g"), soname=name) for name in ("liba.so.1", "libb.so.1"))
    files = {EXT: extension(), "pkg.libs/liba-11111111.so.1": one, "pkg.libs/libb-22222222.so.1": two}
    assert findings(tmp_path, files) == [
        Finding("library-twice", "pkg.libs/liba-11111111.so.1", "as pkg.libs/libb-22222222.so.1"),
        Finding("library-twice", "pkg.libs/libb-22222222.so.1", "as pkg.libs/liba-11111111.so.1"),
    ]


def test_two_libraries_of_one_name(tmp_path: Path) -> None:
    one, two = elf(functions("f")), elf(functions("f", "g"))
    names = "pkg.libs/libgomp-11111111.so.1.0.0", "pkg.libs/libgomp-22222222.so.1"
    assert findings(tmp_path, {EXT: extension(), names[0]: one, names[1]: two}) == [
        Finding("soname-twice", names[0], f"as {names[1]}"),
        Finding("soname-twice", names[1], f"as {names[0]}"),
    ]


def test_programs_for_several_systems(tmp_path: Path) -> None:
    files = {"pkg/linux/tool": elf(functions("f")), "pkg/macos/tool": macho(exported=("main",))}
    assert findings(tmp_path, files, "py3-none-any") == []


def test_an_object_file_for_the_users_linker(tmp_path: Path) -> None:
    source, made = tmp_path / "device.c", tmp_path / "device.o"
    source.write_text("int device(void) { return 1; }\n")
    subprocess.run(["gcc", "-c", "-o", made, source], check=True)
    files = {EXT: extension(), "pkg/lib/device.o": made.read_bytes()}
    assert findings(tmp_path / "wheel", files) == []


def test_members_outside_import_packages(tmp_path: Path) -> None:
    files: dict[str, Any] = dict.fromkeys(
        ("lib/libfoo.a", "include/foo.h", "README.md", "tests/__init__.py", "tests/test_a.py"), ""
    )
    fine = dict.fromkeys(
        ("_pkg.py", "pkg.pth", "pkg-stubs/__init__.pyi", "pkg.libs/COPYING", "pkg-1.0.data/scripts/pkg"), ""
    )
    fine["6ec57f84c680d3a3778b__mypyc.cpython-311-x86_64-linux-gnu.so"] = ""
    found = findings(tmp_path, {EXT: extension(), **files, **fine})
    assert [each.member for each in found] == sorted(files)
    assert {each.rule for each in found} == {"outside-packages"}


def test_symbol_tables_and_debug_information(tmp_path: Path) -> None:
    files = {EXT: elf(calls(), flags=("-g",)), "pkg/_two.so": elf(functions("f"), flags=())}
    kinds = {(each.rule, each.detail) for each in findings(tmp_path, files) if each.rule == "not-stripped"}
    assert kinds == {("not-stripped", "symbol table"), ("not-stripped", "debug information")}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("/project/src/core/a.cpp", "/project/src/core/a.cpp"),
        ("failed at /home/ci/b.f90: no", "/home/ci/b.f90"),
        ("D:\\\\a\\\\pkg\\\\c.c", "\\a\\pkg\\c.c"),
        ("../src/core/a.cpp", None),
        ("src/core/a.cpp", None),
        ("https://example.org/a.c", None),
        ("/usr/include/c++/12/bits/stl_vector.h", None),
        ("/rustc/1b2c/library/core/src/str.rs", None),
        ("/run/socket", None),
        ("/etc/a.conf", None),
    ],
)
def test_a_source_file_of_the_build_machine(tmp_path: Path, text: str, found: str | None) -> None:
    ext = extension(code=f'const char *const pkg_text = "{text}";')
    assert findings(tmp_path, {EXT: ext}) == (
        [Finding("source-paths", EXT, f"such as {found}")] if found else []
    )


def test_paths_of_any_length_are_searched_in_short_time() -> None:
    assert source_paths(b" /" + b"a/" * 2_000_000) == ()
    assert source_paths(b" /" + b"a" * 2_000_000) == ()
    assert source_paths(b" /a" * 500_000) == ()


class TestBeside:
    """Two wheels that are installed together."""

    def beside(self, root: Path, one: dict[str, Any], other: dict[str, Any]) -> list[Finding]:
        wheels = []
        for name, files in (("pkg", one), ("other", other)):
            (root / name).mkdir()
            wheels.append(open_wheel(make_wheel(root / name, name, "1.0", files, tag=TAG)))
        return list(examine_beside(wheels[0], wheels[1:]))

    def test_one_path_in_both(self, tmp_path: Path) -> None:
        one = {
            "include/foo.h": "1",
            "README.md": "same",
            "pkg/__init__.py": "",
            "pkg-1.0.data/purelib/a.py": "",
        }
        two = {"include/foo.h": "2", "README.md": "same", "other/__init__.py": "", "a.py": "x"}
        detail = f"in other-1.0-{TAG}.whl too"
        assert self.beside(tmp_path, one, two) == [
            Finding("path-twice", name, detail) for name in ("README.md", "a.py", "include/foo.h")
        ]

    @pytest.mark.parametrize("scheme", ["data", "scripts"])
    def test_one_path_below_a_scheme_of_both(self, tmp_path: Path, scheme: str) -> None:
        one, two = {f"pkg-1.0.data/{scheme}/x": "1"}, {f"other-1.0.data/{scheme}/x": "2", "x": ""}
        assert [each.member for each in self.beside(tmp_path, one, two)] == [f".data/{scheme}/x"]

    def test_headers_of_two_distributions_do_not_meet(self, tmp_path: Path) -> None:
        one, two = {"pkg-1.0.data/headers/x.h": "1"}, {"other-1.0.data/headers/x.h": "2"}
        assert self.beside(tmp_path, one, two) == []

    def test_packages_of_one_namespace_may_share_its_init(self, tmp_path: Path) -> None:
        names = ("space/__init__.py", "space/b/__init__.py")
        same, differs = dict.fromkeys(names, ""), {names[0]: "", names[1]: "import os"}
        assert [each.member for each in self.beside(tmp_path, same, differs)] == [names[1]]

    def test_copies_of_a_library(self, tmp_path: Path) -> None:
        one = {"pkg.libs/libgomp-12345678.so.1.0.0": "1", "pkg.libs/libz-12345678.so.1": "z"}
        two = {"other.libs/libgomp-87654321.so.1.1": "2", "other.libs/libz-12345678.so.1": "z"}
        wheel = f"other-1.0-{TAG}.whl"
        assert self.beside(tmp_path, one, two) == [
            Finding(
                "library-twice",
                "pkg.libs/libz-12345678.so.1",
                f"as other.libs/libz-12345678.so.1 of {wheel}",
            ),
            Finding(
                "soname-twice",
                "pkg.libs/libgomp-12345678.so.1.0.0",
                f"as other.libs/libgomp-87654321.so.1.1 of {wheel}",
            ),
        ]


@pytest.mark.parametrize(
    ("tag", "version", "own", "found"),
    [
        ("manylinux_2_28_x86_64", "3.4.24", False, ""),
        (
            "manylinux_2_28_x86_64",
            "3.4.25",
            False,
            "GLIBCXX_3.4.25, and systems of the tag may have 3.4.24 at most",
        ),
        ("manylinux2014_x86_64.manylinux_2_28_x86_64", "3.4.20", False, "3.4.19 at most"),
        ("manylinux_2_45_x86_64", "3.4.33", False, ""),
        ("musllinux_1_2_x86_64", "3.4.33", False, ""),
        ("manylinux_2_28_x86_64", "3.4.33", True, ""),
    ],
)
def test_a_newer_libstdcxx_than_the_tag_promises(
    tmp_path: Path,
    tag: str,
    version: str,
    found: str,
    *,
    own: bool,
) -> None:
    wheel = open_wheel(make_wheel(tmp_path, "pkg", "1.0", {EXT: ""}, tag=f"cp311-cp311-{tag}"))
    elf_file: dict[str, Any] = {"format": BinaryFormat.ELF, "machine": "x86_64", "stripped": True}
    needs = Binary(member=EXT, needed=("libstdc++.so.6",), libstdcxx=version, **elf_file)
    library = Binary(member="pkg.libs/libstdc++.so.6", soname="libstdc++.so.6", **elf_file)
    details = [each.detail for each in examine(wheel, [needs, library] if own else [needs])]
    assert [found in each for each in details] == ([True] if found else [])
