"""Where two binaries differ, by section; whatever is broken."""

from __future__ import annotations

import struct
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.binaries import elf, fat, macho, pe
from wheelfarm.wheels.binary import BinaryFormat
from wheelfarm.wheels.comparison import first_difference
from wheelfarm.wheels.sections import OUTSIDE, differing_sections, parts, text_around

ARM, INTEL = 0x0100000C, 0x01000007


def differences(before: bytes, after: bytes, kind: BinaryFormat) -> dict[str, dict[str, object]]:
    found = differing_sections(before, after, kind)
    assert found is not None
    return {str(each["section"]): each for each in found}


def text_of(path: str) -> bytes:
    """A library that holds a text."""
    return elf(f'const char *where(void) {{ return "{path}"; }}', flags=("-s", "-Wl,--build-id"))


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        (BinaryFormat.MACHO, macho(exported=["a"], install_name="@rpath/a.dylib")),
        (BinaryFormat.MACHO, fat((ARM, macho(exported=["a"])), (INTEL, macho(exported=["a"], cpu=INTEL)))),
        (BinaryFormat.PE, pe("a.dll", exported=["a"])),
    ],
)
def test_the_same_binary_differs_nowhere(kind: BinaryFormat, data: bytes) -> None:
    assert differing_sections(data, data, kind) == []
    found = parts(data, kind)
    assert found is not None
    assert sum(map(len, found.values())) == len(data)


@pytest.mark.skipif(sys.platform != "linux", reason="gcc makes ELF on Linux")
class TestElf:
    def test_a_path_is_found_and_the_build_id_follows(self) -> None:
        found = differences(text_of("/build/one/alpha.c"), text_of("/build/two/alpha.c"), BinaryFormat.ELF)
        assert set(found) == {".note.gnu.build-id", ".rodata"}
        rodata = found[".rodata"]
        assert rodata["before"] == rodata["after"]
        assert rodata["offset"] == len("/build/")
        assert rodata["text"] == {"before": "/build/one/alpha.c", "after": "/build/two/alpha.c"}
        assert rodata["cause"] == "a path of the build is written into it"
        assert "follows" in str(found[".note.gnu.build-id"]["cause"])

    def test_a_section_that_only_one_has(self) -> None:
        source = "int a(void) { return 1; }"
        found = differences(elf(source, flags=("-s",)), elf(source, flags=("-g",)), BinaryFormat.ELF)
        assert found[".symtab"]["before"] is None
        assert found[".symtab"]["cause"] == "only one of the two has it"
        assert OUTSIDE in found

    @pytest.mark.parametrize(
        ("before", "after", "section", "cause"),
        [
            ('return "at 12:30:01";', 'return "at 12:30:02";', ".rodata", "a time is written into it"),
            ("return 0;", "return (char *)9;", ".text", "code: compiler, its options or its input"),
        ],
    )
    def test_the_usual_cause(self, before: str, after: str, section: str, cause: str) -> None:
        one, other = (elf(f"const char *where(void) {{ {body} }}") for body in (before, after))
        assert differences(one, other, BinaryFormat.ELF)[section]["cause"] == cause

    def test_a_type_of_file_that_nobody_knows(self) -> None:
        whole = text_of("/build/one/alpha.c")
        broken = bytearray(whole)
        broken[17] = 64  # the high byte of e_type
        assert differing_sections(whole, bytes(broken), BinaryFormat.ELF) is None

    @settings(max_examples=60)
    @given(st.data())
    def test_a_broken_binary_is_reported_or_not_read(self, data: st.DataObject) -> None:
        whole = text_of("/build/one/alpha.c")
        broken = bytearray(whole)
        for _ in range(data.draw(st.integers(1, 8))):
            broken[data.draw(st.integers(4, len(broken) - 1))] = data.draw(st.integers(0, 255))
        del broken[data.draw(st.integers(64, len(broken))) :]
        found = differing_sections(whole, bytes(broken), BinaryFormat.ELF)
        assert found is None or bool(found) == (whole != broken)


def test_slices_of_a_fat_binary_are_compared_by_architecture() -> None:
    one, other = (
        fat((ARM, macho(exported=["a"])), (INTEL, macho(exported=[name], cpu=INTEL))) for name in ("a", "b")
    )
    found = differences(one, other, BinaryFormat.MACHO)
    assert set(found) == {"x86_64 __LINKEDIT"}
    assert found["x86_64 __LINKEDIT"]["cause"] == "names or order of symbols"


def sections_of(*texts: bytes) -> bytes:
    """A Mach-O file (mach-o/loader.h) of sections with one name, and of one without a place."""
    count, start = len(texts) + 1, 32 + 72 + 80 * (len(texts) + 1)
    rows, at = b"", start
    for text in texts:
        rows += struct.pack("<16s16sQQ8I", b"__cstring", b"__TEXT", at, len(text), at, 0, 0, 0, 0, 0, 0, 0)
        at += len(text)
    rows += struct.pack("<16s16sQQ8I", b"__bss", b"__TEXT", at, 64, 0, 0, 0, 0, 1, 0, 0, 0)
    segment = (b"__TEXT", 0, 0x1000, 0, at, 5, 5, count, 0)
    command = struct.pack("<II16sQQQQIIII", 0x19, 72 + len(rows), *segment) + rows
    return struct.pack("<8I", 0xFEEDFACF, ARM, 0, 8, 1, len(command), 0, 0) + command + b"".join(texts)


def test_sections_of_one_name() -> None:
    one, other = sections_of(b"same", b"/a/b.c at"), sections_of(b"same", b"/a/x.c at")
    assert differences(one, other, BinaryFormat.MACHO) == {
        "__TEXT,__cstring #2": {
            "section": "__TEXT,__cstring #2",
            "before": 9,
            "after": 9,
            "offset": 3,
            "text": {"before": "/a/b.c at", "after": "/a/x.c at"},
            "cause": "a path of the build is written into it",
        }
    }


def test_a_section_of_another_name() -> None:
    one, other = (pe("a.dll", exported=["a"], section=name) for name in (b".rdata", b".other"))
    found = differences(one, other, BinaryFormat.PE)
    assert found[".rdata"]["after"] is None
    assert found[".other"]["before"] is None


def test_the_time_of_a_link_on_windows() -> None:
    one = pe("a.dll", exported=["a"])
    other = bytearray(one)
    other[64 + 8] ^= 0xFF
    found = differences(one, bytes(other), BinaryFormat.PE)
    assert found == {
        OUTSIDE: {
            "section": OUTSIDE,
            "before": 0x200,
            "after": 0x200,
            "offset": 72,
            "cause": "time of the link, or the checksum",
        }
    }


@pytest.mark.parametrize("kind", list(BinaryFormat))
@pytest.mark.parametrize("data", [b"", b"\x7fELF", b"MZ" + bytes(70), b"\xcf\xfa\xed\xfe" + bytes(9)])
def test_what_is_no_binary_is_not_read(kind: BinaryFormat, data: bytes) -> None:
    assert differing_sections(data, data, kind) is None


@given(st.binary(max_size=40), st.binary(max_size=40), st.binary(max_size=40))
def test_the_first_difference(same: bytes, one: bytes, other: bytes) -> None:
    one, other = same + one, same + other
    at = first_difference(one, other)
    assert one[:at] == other[:at]
    assert one[at : at + 1] != other[at : at + 1] or one == other


def test_a_difference_far_behind() -> None:
    assert first_difference(bytes(200_000) + b"a", bytes(200_000) + b"b") == 200_000


@pytest.mark.parametrize(
    ("data", "at", "text"),
    [
        (b"\0hello world\0", 3, "hello world"),
        (b"\0short\0", 2, ""),
        (b"plain text", 0, "plain text"),
        (b"plain text", 10, "plain text"),
        (b"\0\0\0", 1, ""),
    ],
)
def test_the_text_at_a_place(data: bytes, at: int, text: str) -> None:
    assert text_around(data, at) == text
