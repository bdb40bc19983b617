"""Opening and verifying wheels, sound and broken."""

from __future__ import annotations

import hashlib
import struct
import subprocess
import sys
import time
import zipfile
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
from packaging.tags import parse_tag

from support.binaries import elf, functions, macho
from support.raised import raised
from support.wheels import EPOCH, Fault, change_member, make_wheel
from wheelfarm.errors import GroupError, WheelError
from wheelfarm.index.build_tags import BuildSlot
from wheelfarm.model import DEFAULT_LIMITS
from wheelfarm.sources.archive_checks import check_size
from wheelfarm.wheels.archive import open_wheel, verify
from wheelfarm.wheels.description import describe
from wheelfarm.wheels.linkage import linkage

if TYPE_CHECKING:
    from pathlib import Path

# What a broken wheel's error says, and the member it names.
REFUSED_ON_OPENING = {
    Fault.OTHER_HASH: ("no usable hash", "demo.py"),
    Fault.MISSING_LINE: ("does not list", "demo.py"),
    Fault.EXTRA_LINE: ("not there", "ghost.py"),
    Fault.DOUBLE_LINE: ("twice", "demo.py"),
    Fault.SHORT_LINE: ("path, hash and size", "demo-1.0.dist-info/RECORD"),
    Fault.RECORD_NOT_UTF8: ("UTF-8", "demo-1.0.dist-info/RECORD"),
    Fault.NO_RECORD: ("RECORD is missing", "demo-1.0.dist-info"),
    Fault.DUPLICATE_MEMBER: ("2 times", "demo.py"),
    Fault.PARENT_MEMBER: ("unsafe", "'pkg/../../evil.py'"),
    Fault.ABSOLUTE_MEMBER: ("unsafe", "'/etc/evil'"),
    Fault.BACKSLASH_MEMBER: ("unsafe", r"'..\\evil.py'"),
    Fault.DRIVE_MEMBER: ("unsafe", "'C:evil.py'"),
    Fault.ENCRYPTED: ("encrypted", "demo.py"),
    Fault.NAME_NOT_UTF8: ("cannot be read", "demo-1.0-py3-none-any.whl"),
    Fault.BEYOND_THE_END: ("beyond the end", "demo.py"),
    Fault.TRUNCATED: ("truncated", "demo-1.0-py3-none-any.whl"),
    Fault.NOT_A_ZIP: ("not a zip", "demo-1.0-py3-none-any.whl"),
    Fault.LARGE_RECORD: ("too large to read", "demo-1.0.dist-info/RECORD"),
    Fault.BAD_FILE_NAME: ("file name is not", "demo-1.0.whl"),
    Fault.OTHER_NAME: ("another distribution or version", "demo-1.0.dist-info/METADATA"),
    Fault.OTHER_VERSION: ("another distribution or version", "demo-1.0.dist-info/METADATA"),
    Fault.OTHER_DIRECTORY: ("another distribution or version", "other-9.9.dist-info"),
    Fault.ODD_DIRECTORY: ("another distribution or version", "-.dist-info"),
    Fault.OTHER_FORMAT: ("format", "demo-1.0.dist-info/WHEEL"),
    Fault.TWO_DIST_INFO: ("exactly one", None),
    Fault.NO_DIST_INFO: ("exactly one", None),
    Fault.BAD_REQUIREMENT: ("not valid core metadata", "demo-1.0.dist-info/METADATA"),
}
REFUSED_ON_VERIFYING = {
    Fault.WRONG_HASH: ("not what RECORD says", "demo.py"),
    Fault.DAMAGED_MEMBER: ("damaged", "demo.py"),
    Fault.OTHER_TAG: ("other tags", "demo-1.0.dist-info/WHEEL"),
}


@pytest.mark.parametrize("fault", REFUSED_ON_OPENING, ids=lambda fault: fault.name)
def test_broken_wheel_is_refused_on_opening(tmp_path: Path, fault: Fault) -> None:
    what, where = REFUSED_ON_OPENING[fault]
    with pytest.raises(WheelError, match=what) as caught:
        open_wheel(make_wheel(tmp_path, files={"demo.py": "x = 1\n"}, fault=fault))
    assert caught.value.where == where


@pytest.mark.parametrize("fault", REFUSED_ON_VERIFYING, ids=lambda fault: fault.name)
def test_broken_bytes_are_refused_on_verifying(tmp_path: Path, fault: Fault) -> None:
    what, where = REFUSED_ON_VERIFYING[fault]
    wheel = open_wheel(make_wheel(tmp_path, files={"demo.py": "x = 1\n" * 9}, fault=fault))
    with pytest.raises(WheelError, match=what) as caught:
        verify(wheel)
    assert caught.value.where == where


def test_every_fault_is_refused() -> None:
    assert set(Fault) == REFUSED_ON_OPENING.keys() | REFUSED_ON_VERIFYING.keys()


def test_sound_wheel(tmp_path: Path) -> None:
    tag = "cp312-cp312-manylinux_2_27_x86_64.manylinux_2_28_x86_64"
    path = make_wheel(
        tmp_path,
        "Big.Name",
        "1.0",
        {"big_name/__init__.py": "x = 1\n"},
        tag=tag,
        build="2local",
        requires=["numpy>=2"],
        requires_python=">=3.11",
    )
    wheel = open_wheel(path)
    verify(wheel)
    assert (wheel.name, wheel.version, wheel.build) == ("big-name", "1.0", "2local")
    assert wheel.tags == parse_tag(tag)
    assert wheel.platform_tag == "manylinux_2_27_x86_64.manylinux_2_28_x86_64"
    assert wheel.metadata.requires_python == ">=3.11"
    assert wheel.metadata.requires_dist == ("numpy>=2",)
    assert wheel.packed == path.stat().st_size
    assert wheel.unpacked == sum(member.size for member in wheel.members)
    assert [member.sha256 is None for member in wheel.members] == [False, False, False, True]


def test_problems_come_at_once(tmp_path: Path) -> None:
    path = make_wheel(tmp_path, fault=Fault.OTHER_NAME)
    with zipfile.ZipFile(path, "a") as added:
        added.writestr("unlisted.py", "")
    with pytest.raises(GroupError) as caught:
        open_wheel(path)
    assert [error.where for error in caught.value.errors] == ["demo-1.0.dist-info/METADATA", "unlisted.py"]


def test_several_damaged_members_come_at_once(tmp_path: Path) -> None:
    wheel = open_wheel(make_wheel(tmp_path, files={"a.py": "a", "b.py": "b"}))
    other = make_wheel(tmp_path, files={"a.py": "x", "b.py": "y"})
    assert other == wheel.path
    with pytest.raises(GroupError) as caught:
        verify(wheel)
    assert [error.where for error in caught.value.errors][:2] == ["a.py", "b.py"]


def test_missing_file_is_a_wheel_error(tmp_path: Path) -> None:
    with pytest.raises(WheelError, match="cannot be read"):
        open_wheel(tmp_path / "demo-1.0-py3-none-any.whl")


def test_damaged_metadata_is_a_wheel_error(tmp_path: Path) -> None:
    path = make_wheel(tmp_path)
    data = bytearray(path.read_bytes())
    data[data.index(b"dist-info/METADATA") + len("dist-info/METADATA")] ^= 0xFF
    path.write_bytes(data)
    with pytest.raises(WheelError, match="damaged") as caught:
        open_wheel(path)
    assert caught.value.where == "demo-1.0.dist-info/METADATA"


HONEST: dict[str, bytes] = {
    "zeros": bytes(12 << 20),
    "csv": b"2024-01-01,0.0,0.0,nan,station-7\n" * 400_000,
    "sparse-float64": struct.pack("<1500d", 1.5, *[0.0] * 1499) * 1000,
    "table": struct.pack("<256I", *range(256)) * 12_000,
}


@pytest.mark.parametrize("data", HONEST.values(), ids=HONEST)
def test_data_that_shrinks_much_is_no_bomb(data: bytes, tmp_path: Path) -> None:
    path = make_wheel(tmp_path, files={"demo.bin": data})
    wheel = open_wheel(path)
    assert wheel.members[0].compressed * 200 < wheel.members[0].size
    verify(wheel)
    check_size(path, DEFAULT_LIMITS)


def test_directory_entries_are_no_members(tmp_path: Path) -> None:
    path = make_wheel(tmp_path)
    with zipfile.ZipFile(path, "a") as added:
        added.writestr(zipfile.ZipInfo("empty/", EPOCH), b"")
    assert all(not member.name.endswith("/") for member in open_wheel(path).members)


def test_files_are_what_an_installation_holds(tmp_path: Path) -> None:
    wheel = open_wheel(make_wheel(tmp_path, files={"demo.py": "x", "demo-1.0.data/scripts/run": "y"}))
    found = wheel.installed
    assert found.keys() == {"demo.py", "demo-1.0.dist-info/METADATA", "demo-1.0.dist-info/WHEEL"}
    assert found["demo.py"] == hashlib.sha256(b"x").hexdigest()


def test_importing_the_package_does_not_import_the_parser_of_binaries() -> None:
    code = "import sys, wheelfarm.wheels; sys.exit(bool({'lief', 'packaging.metadata'} & sys.modules.keys()))"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    ("member", "data"),
    [
        ("RECORD", "demo.py,sha256=é,0\n".encode()),
        ("RECORD", b"\xff"),
        ("WHEEL", b"Wheel-Version: 1.0\nTag: py3-none-a\xff\xff\n"),
        ("WHEEL", b"Wheel-Version: 1.0\nTag: x\n"),
        # Each stands for a product of tags, or there are many of them.
        (
            "WHEEL",
            b"Wheel-Version: 1.0\nTag: " + b"-".join([b".".join([b"a%d" % n for n in range(500)])] * 3),
        ),
        pytest.param(
            "WHEEL",
            b"Wheel-Version: 1.0\n"
            + (b"Tag: " + b"-".join([b".".join([b"a%d" % n for n in range(9)])] * 3) + b"\n") * 20_000
            + b"Tag: py3-none-any\n",
            id="WHEEL-lines",
        ),
        ("METADATA", b"Metadata-Version: 2.4\nName: demo\nVersion: " + b"9" * 5000 + b"\n"),
        (
            "METADATA",
            b"Metadata-Version: 2.4\nName: demo\nVersion: 1.0\nRequires-Dist: a ; " + b"(" * 5000 + b"\n",
        ),
    ],
)
def test_hostile_dist_info_is_a_wheel_error(tmp_path: Path, member: str, data: bytes) -> None:
    wheel = make_wheel(tmp_path)
    change_member(wheel, f"demo-1.0.dist-info/{member}", data)
    began = time.process_time()
    found = raised(lambda: verify(open_wheel(wheel)), WheelError)
    assert [error for error in found if "RECORD says" not in error.what]
    assert time.process_time() - began < 5


@pytest.mark.parametrize(
    "name",
    [
        f"demo-{'9' * 240}-py3-none-any.whl",
        f"demo-1.0-{'9' * 5000}-py3-none-any.whl",
        f"demo-1.0-{'.'.join('a' * 20)}-{'.'.join('b' * 20)}-{'.'.join('c' * 20)}.whl",
    ],
)
def test_a_hostile_file_name_is_no_wheel_of_the_farm(name: str) -> None:
    began = time.process_time()
    assert BuildSlot.of(name) is None
    assert time.process_time() - began < 1


@pytest.mark.parametrize("name", ["demo.data.py", "demo.data", "demo-1.0.data/x", "x.data/purelib/y.py"])
def test_names_that_look_like_data_directories_are_legal(tmp_path: Path, name: str) -> None:
    wheel = open_wheel(make_wheel(tmp_path, files={"demo.py": "", name: "x"}))
    assert describe(wheel)["size"]["members"] == 5
    assert ("/" in name) != (name in wheel.installed)


@pytest.mark.parametrize("machine", [b"\xff\xfe", b"\x00\x00"])
def test_a_binary_of_an_unknown_machine_is_a_wheel_error_or_passes(tmp_path: Path, machine: bytes) -> None:
    data = bytearray(elf(functions("a")))
    data[18:20] = machine
    mach = bytearray(macho(exported=["_a"]))
    mach[4:6] = machine
    for content in (data, mach):
        wheel = open_wheel(make_wheel(tmp_path, files={"demo.so": bytes(content)}))
        with suppress(WheelError):
            linkage(wheel)


def test_a_member_without_a_name_is_a_wheel_error(tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path)
    with zipfile.ZipFile(wheel, "a") as archive:
        archive.writestr(zipfile.ZipInfo("x"), b"")
    data = wheel.read_bytes()
    # The length of the name, in both headers, becomes 0; the name is a part of the extra field then.
    for magic, at in ((b"PK\x01\x02", 28), (b"PK\x03\x04", 26)):
        start = data.rindex(magic)
        data = data[: start + at] + b"\0\0\1\0" + data[start + at + 4 :]
    wheel.write_bytes(data)
    with pytest.raises((WheelError, GroupError)):
        open_wheel(wheel)
