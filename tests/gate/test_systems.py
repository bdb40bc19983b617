"""Wheels that a real compiler made, compared with systems of which none is here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from support.binaries import calls, elf, functions, pe
from support.wheels import make_wheel
from wheelfarm.errors import UsageError, WheelError
from wheelfarm.gate.systems import REMEDIES, compare, find_system, systems
from wheelfarm.wheels.archive import open_wheel
from wheelfarm.wheels.linkage import linkage

if TYPE_CHECKING:
    from pathlib import Path

EXT = "pkg/_ext.so"
OLD = "cp311-cp311-manylinux2014_x86_64"
THREADS = (
    "#include <pthread.h>\nint f(void *(*g)(void *)) { pthread_t t; return pthread_create(&t, 0, g, 0); }\n"
)
# Defined in libstdc++ since gcc 12: GLIBCXX_3.4.30.
NEW = "_ZSt21__glibcxx_assert_failPKciS0_S0_"
ASSERT = f"void {NEW}(void);\nvoid f(void) {{ {NEW}(); }}\n"
NEWER_CXX = ("libstdcxx", EXT, f"needs {NEW}@GLIBCXX_3.4.30; there it is GLIBCXX_3.4.29")


def found(
    root: Path, system: str, files: dict[str, Any], tag: str = OLD, beside: dict[str, Any] | None = None
) -> list[tuple[str, str, str]]:
    wheel = open_wheel(make_wheel(root, "pkg", "1.0", {"pkg/__init__.py": "", **files}, tag=tag))
    others = {}
    if beside:
        other = open_wheel(make_wheel(root, "other", "1.0", beside, tag=tag))
        others[other.path.name] = linkage(other)
    findings = compare(find_system(system), wheel, linkage(wheel), others)
    assert all(each.rule in REMEDIES for each in findings)
    return [(each.rule, each.member, each.detail) for each in findings]


def extension(*needs: str, code: str = "", flags: tuple[str, ...] = ()) -> bytes:
    return elf(code + calls(), needs=needs, flags=("-s", *flags))


@pytest.mark.parametrize("name", systems())
def test_a_system_has_what_its_table_must_say(name: str) -> None:
    system = find_system(name)
    assert system.references
    assert bool(system.glibc) == bool(system.glibcxx) == bool(system.cxxabi)


def test_a_name_that_no_system_has() -> None:
    with pytest.raises(UsageError) as error:
        find_system("rhel-9")
    assert (error.value.what, error.value.hint) == ("there is no system 'rhel-9'", "did you mean 'rhel9'?")


@pytest.mark.slow
def test_a_sound_wheel(tmp_path: Path) -> None:
    files = {
        EXT: extension("libz.so.1"),
        "pkg.libs/libf-12345678.so.1": elf(functions("f"), soname="libf.so"),
    }
    for name in systems():
        if name != "alpine3.20" and "python" not in name:
            assert found(tmp_path, name, files) == []


def test_a_symbol_of_a_newer_glibc(tmp_path: Path) -> None:
    files = {EXT: extension(code=THREADS)}
    newer = ("libc", EXT, "needs pthread_create@GLIBC_2.34; there it is GLIBC_2.28")
    assert found(tmp_path, "rhel8", files) == [newer]
    assert found(tmp_path, "rhel9", files) == []


def test_relocations_that_a_newer_glibc_reads(tmp_path: Path) -> None:
    code = "static int a; int *b = &a;\n"
    files = {EXT: extension(code=code, flags=("-Wl,-z,pack-relative-relocs",))}
    assert found(tmp_path, "ubuntu22.04", files) == [
        ("libc", EXT, "needs GLIBC_2.36; there it is GLIBC_2.35")
    ]
    assert found(tmp_path, "debian12", files) == []


@pytest.mark.slow
def test_a_symbol_of_a_newer_libstdcxx(tmp_path: Path) -> None:
    files = {EXT: extension(code=ASSERT, flags=("-lstdc++",))}
    assert found(tmp_path, "rhel9", files) == [NEWER_CXX]
    assert found(tmp_path, "debian12", files) == []
    vendored = {**files, "pkg.libs/libstdc++.so.6": elf(functions("g"), soname="libstdc++.so.6")}
    assert found(tmp_path, "rhel9", vendored) == []


@pytest.mark.slow
def test_a_library_that_is_nowhere_in_another_wheel_or_in_the_system(tmp_path: Path) -> None:
    files = {EXT: extension("libX11.so.6", "libz.so.1", "libcore.so.2")}
    core = {"other/libcore.so.2": elf(functions("f"), soname="libcore.so.2")}
    absent = [("library", EXT, "libX11.so.6"), ("library", EXT, "libcore.so.2")]
    assert found(tmp_path, "amazonlinux2023", files) == absent
    assert found(tmp_path, "amazonlinux2023", files, beside=core) == absent[:1]
    inside = {**files, "pkg.libs/libX11.so.6": elf(functions("f"), soname="libX11.so.6")}
    assert found(tmp_path, "amazonlinux2023", inside, beside=core) == []


def test_the_crypt_of_an_older_glibc(tmp_path: Path) -> None:
    files = {EXT: extension("libcrypt.so.1")}
    assert found(tmp_path, "rhel8", files) == []
    assert found(tmp_path, "rhel9", files) == [("library", EXT, "libcrypt.so.1")]


def test_glibc_where_there_is_musl(tmp_path: Path) -> None:
    assert found(tmp_path, "alpine3.20", {EXT: extension()}) == [
        (
            "tag",
            "pkg-1.0-cp311-cp311-manylinux2014_x86_64.whl",
            f"is for {OLD[12:]}; pip refuses it on musl 1.2",
        ),
        ("libc", EXT, "is linked with glibc; there it is musl 1.2"),
    ]


def test_musl_where_there_is_glibc(tmp_path: Path) -> None:
    code = elf(calls(), needs=("libc.musl-x86_64.so.1", "libgcc_s.so.1"), flags=("-s", "-nostdlib"))
    tag = "cp311-cp311-musllinux_1_2_x86_64"
    assert found(tmp_path, "debian12", {EXT: code}, tag) == [
        ("tag", f"pkg-1.0-{tag}.whl", "is for musllinux_1_2_x86_64; pip refuses it on glibc 2.36"),
        ("libc", EXT, "is linked with musl; there it is glibc 2.36"),
    ]
    assert found(tmp_path, "alpine3.20", {EXT: code}, tag) == [("library", EXT, "libgcc_s.so.1")]


@pytest.mark.parametrize(
    ("tag", "system", "rules"),
    [
        ("cp311-cp311-manylinux_2_28_x86_64", "rhel8", []),
        ("cp311-cp311-manylinux_2_28_x86_64", "lambda-python3.11", ["tag"]),
        ("cp311-cp311-manylinux_2_17_x86_64.manylinux_2_28_x86_64", "lambda-python3.11", []),
        ("cp311-cp311-linux_x86_64", "rhel8", []),
        ("py3-none-any", "alpine3.20", []),
        ("cp311-cp311-manylinux_2_28_x86_64", "lambda-python3.12", ["python"]),
        ("cp38-abi3-manylinux_2_28_x86_64", "lambda-python3.12", []),
        ("cp311-cp311-musllinux_1_1_x86_64", "alpine3.20", []),
    ],
)
def test_what_an_installer_takes(tag: str, system: str, rules: list[str], tmp_path: Path) -> None:
    assert [rule for rule, _, _ in found(tmp_path, system, {}, tag)] == rules


def test_a_wheel_for_another_operating_system(tmp_path: Path) -> None:
    with pytest.raises(WheelError, match="is not for Linux"):
        found(tmp_path, "rhel9", {"pkg/_ext.pyd": pe(imports={})}, "cp311-cp311-win_amd64")
