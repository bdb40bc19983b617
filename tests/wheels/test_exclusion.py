"""Libraries that a wheel leaves to others: their owner, its requirement, and the way to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pytest

from support.wheels import make_wheel
from wheelfarm.wheels.archive import open_wheel
from wheelfarm.wheels.binary import Binary, BinaryFormat
from wheelfarm.wheels.examination import rpath_finding
from wheelfarm.wheels.exclusion import Exclusion, examine_exclusion

if TYPE_CHECKING:
    from pathlib import Path

TAG: Final = "cp311-cp311-manylinux_2_28_x86_64"


def examined(
    root: Path, *, requires: tuple[str, ...] = ("core",), own: tuple[str, ...] = (), **fields: Any
) -> Exclusion:
    """The exclusion of a wheel with one extension; the wheel beside it has a library in two places."""
    files = {f"core/lib/{name}": "" for name in ("libcore.so.2", "libcore.2.dylib", "core.dll")}
    files["core-1.0.data/data/lib/libcore-rt.so.3"] = ""
    core = open_wheel(make_wheel(root, "core", "1.0", files, tag=TAG))
    wheel = open_wheel(
        make_wheel(root, "pkg", "1.0", dict.fromkeys(("pkg/_ext.so", *own), ""), tag=TAG, requires=requires)
    )
    values: dict[str, Any] = {"member": "pkg/_ext.so", "format": BinaryFormat.ELF, "machine": "x86_64"}
    binary = Binary(**values | {"needed": ("libcore.so.2", "libc.so.6"), **fields})
    globs = ["libcore*.so.*", "libcore*.dylib", "CORE*.dll"]
    return examine_exclusion(wheel, [binary], globs, [core], python="3.11")


def problems(found: Exclusion) -> list[str]:
    assert {each.rule for each in found.findings} <= {"library-elsewhere"}
    return [each.detail for each in found.findings]


def test_a_library_that_is_found(tmp_path: Path) -> None:
    found = examined(tmp_path, rpaths=("$ORIGIN/../core/lib",))
    assert (found.findings, set(found.matched)) == ((), {"libcore*.so.*"})


def test_a_library_below_the_prefix_of_the_environment(tmp_path: Path) -> None:
    entry = "$ORIGIN/../../.."
    found = examined(tmp_path, needed=("libcore-rt.so.3",), rpaths=(entry,))
    assert found.findings == ()
    binary = Binary(member="pkg/_ext.so", format=BinaryFormat.ELF, machine="x86_64", rpaths=(entry,))
    assert found.proved == {rpath_finding(binary, entry)}


@pytest.mark.parametrize("entry", ["$ORIGIN/../..", "$ORIGIN/../../../lib", "/usr/lib"])
def test_an_entry_that_leads_elsewhere_stays_a_finding(tmp_path: Path, entry: str) -> None:
    found = examined(tmp_path, needed=("libcore-rt.so.3",), rpaths=(entry,))
    assert problems(found) == ["its RPATH does not lead to libcore-rt.so.3 of core; $ORIGIN/../../.. does"]
    assert found.proved == frozenset()


@pytest.mark.parametrize("requires", [(), ("other",), ("core ; extra == 'more'",)])
def test_a_wheel_that_is_not_required(tmp_path: Path, requires: tuple[str, ...]) -> None:
    found = examined(tmp_path, requires=requires, rpaths=("$ORIGIN/../core/lib",))
    assert problems(found) == ["libcore.so.2 is in core, which its metadata do not require"]


def test_a_library_that_no_wheel_has(tmp_path: Path) -> None:
    found = examined(tmp_path, needed=("libcore.so.9",))
    assert problems(found) == ["libcore.so.9 is in no wheel of its environment"]


def test_a_library_of_the_wheel_itself_is_not_left_out(tmp_path: Path) -> None:
    found = examined(tmp_path, own=("pkg.libs/libcore.so.2",))
    assert (found.matched, found.findings) == (frozenset(), ())


@pytest.mark.parametrize(
    ("rpaths", "expected"),
    [
        (("@loader_path/../core/lib",), []),
        (
            ("$ORIGIN/../core/lib",),
            ["its RPATH does not lead to libcore.2.dylib of core; @loader_path/../core/lib does"],
        ),
    ],
)
def test_on_macos(tmp_path: Path, rpaths: tuple[str, ...], expected: list[str]) -> None:
    needed = ("@rpath/libcore.2.dylib",)
    found = examined(tmp_path, format=BinaryFormat.MACHO, needed=needed, rpaths=rpaths)
    assert problems(found) == expected


def test_windows_has_no_way_in_the_binary_and_no_capitals(tmp_path: Path) -> None:
    found = examined(tmp_path, format=BinaryFormat.PE, needed=("Core.DLL",))
    assert (found.findings, set(found.matched)) == ((), {"CORE*.dll"})
