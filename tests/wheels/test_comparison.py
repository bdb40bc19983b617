"""Compares wheels of all kinds, and prints what differs."""

from __future__ import annotations

import sys
import zipfile
from typing import TYPE_CHECKING, Any

import pytest

from support.binaries import elf, macho
from support.wheels import make_wheel
from wheelfarm.report.difference import difference_lines
from wheelfarm.wheels.archive import open_wheel
from wheelfarm.wheels.comparison import common_name, difference

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

Files = dict[str, str | bytes]


def compare(root: Path, before: Files, after: Files, version: str = "1.0", **changes: Any) -> dict[str, Any]:
    """The difference of two wheels; the version and the other changes are those of the second one."""
    (root / "a").mkdir()
    (root / "b").mkdir()
    one = make_wheel(root / "a", "alpha", "1.0", before, requires=["b", "c"])
    other = make_wheel(root / "b", "alpha", version, after, **{"requires": ["b", "c"], **changes})
    return difference(open_wheel(one), open_wheel(other))


def by_member(found: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    return {each["member"]: each for each in found["members"]}


def lines_of(found: Mapping[str, Any], width: int | None = None) -> list[str]:
    return list(difference_lines({"before": "a.whl", "after": "b.whl", **found}, width))


@pytest.mark.parametrize(
    ("member", "name"),
    [
        ("a/_x.cpython-311-x86_64-linux-gnu.so", "a/_x.so"),
        ("a/_x.cpython-313t-darwin.so", "a/_x.so"),
        ("a/_x.cp311-win_amd64.pyd", "a/_x.pyd"),
        ("a/_x.abi3.so", "a/_x.so"),
        ("a/_x.so", "a/_x.so"),
        ("a.libs/libfoo-0a1b2c3d.so.5.0.0", "a.libs/libfoo.so.5.0.0"),
        ("a.libs/libfoo-040039e1-0352e75f.so.5", "a.libs/libfoo.so.5"),
        ("a.libs/libfoo-63c857e738469261263c764a36be9436.dll", "a.libs/libfoo.dll"),
        ("a/.dylibs/libfoo.5.dylib", "a/.dylibs/libfoo.5.dylib"),
        ("a/data-0a1b2c3d.txt", "a/data-0a1b2c3d.txt"),
    ],
)
def test_names_that_platforms_and_tools_change(member: str, name: str) -> None:
    assert common_name(member) == name


def test_directories_are_compared_without_the_version_in_their_names(tmp_path: Path) -> None:
    wheels = []
    for version in ("1.0", "1.0+team.1"):
        (tmp_path / version).mkdir()
        files = {"demo.py": "", f"demo-{version}.data/scripts/demo": "#!python\n"}
        wheels.append(open_wheel(make_wheel(tmp_path / version, "demo", version, files)))
    found = difference(*wheels)
    assert found["facts"]["version"] == {"before": "1.0", "after": "1.0+team.1"}
    assert list(by_member(found)) == [".dist-info/METADATA", ".dist-info/RECORD"]


def test_the_same_wheel_differs_in_nothing(tmp_path: Path) -> None:
    found = compare(tmp_path, {"alpha.py": "x"}, {"alpha.py": "x"})
    assert found == {}
    assert lines_of(found) == ["no difference", "--- a.whl", "+++ b.whl"]


def test_files_sizes_and_metadata(tmp_path: Path) -> None:
    before: Files = {"alpha.py": "x", "tests/test_a.py": "yy", "same.py": ""}
    after: Files = {"alpha.py": "xxx", "new.csv": "1", "same.py": ""}
    found = compare(tmp_path, before, after, "2.0", tag="py3-none-win32", requires=["c"])
    assert found["facts"] == {
        "version": {"before": "1.0", "after": "2.0"},
        "tags": {"before": ["py3-none-any"], "after": ["py3-none-win32"]},
        "requires_dist": {"before": ["b"], "after": []},
    }
    sizes = {name: (each["before"], each["after"]) for name, each in by_member(found).items()}
    assert sizes["alpha.py"] == (1, 3)
    assert sizes["tests/test_a.py"] == (2, None)
    assert sizes["new.csv"] == (None, 1)
    assert {".dist-info/METADATA", ".dist-info/RECORD", ".dist-info/WHEEL"} <= sizes.keys()
    assert "same.py" not in sizes
    assert found["sizes"]["tests"] == {"before": 2, "after": 0}
    assert "files" not in found["sizes"]
    lines = lines_of(found)
    assert lines[0] == "4 members differ, 1 only before, 1 only after"
    assert "version        1.0           2.0" in lines
    assert "requires_dist  b" in lines
    assert [line.split() for line in lines if line.startswith("tests")] == [
        ["tests", "2", "B", "0", "-100.0", "%"],
        ["tests/test_a.py", "2", "B", "-"],
    ]


@pytest.mark.skipif(sys.platform != "linux", reason="gcc makes ELF on Linux")
def test_facts_of_binaries_and_vendored_libraries(tmp_path: Path) -> None:
    library = elf("int mine(void) { return 1; }", soname="libfoo-0a1b2c3d.so.1")
    source = "int mine(void); int old(void) { return mine(); }"
    old = elf(source, flags=("-g",), needs=("libfoo-0a1b2c3d.so.1",))
    new = elf("int other(void) { return 1; }", flags=("-s",), needs=("libz.so.1",))
    found = compare(
        tmp_path,
        {"a/_x.cpython-311-x86_64-linux-gnu.so": old, "alpha.libs/libfoo-0a1b2c3d.so.1": library},
        {"a/_x.so": new, "alpha.libs/libfoo-ffffffff.so.1": library},
    )
    assert list(by_member(found)) == [".dist-info/RECORD", "a/_x.so"]
    facts = by_member(found)["a/_x.so"]["facts"]
    assert facts["exported"] == {"before": ["old"], "after": ["other"]}
    assert facts["stripped"] == {"before": False, "after": True}
    assert facts["has_debug"] == {"before": True, "after": False}
    lines = lines_of(found)
    at = lines.index("    exported: 1 only before, 1 only after")
    assert lines[at + 1 : at + 3] == ["      - old", "      + other"]
    assert "    stripped: False -> True" in lines


def test_lines_of_texts(tmp_path: Path) -> None:
    old = [f"line {number}" for number in range(5000)]
    new = [*old[:3000], *(f"other {number}" for number in range(2000))]
    found = by_member(
        compare(
            tmp_path,
            {"a.py": "1\n2\n3\n", "long.txt": "\n".join(old)},
            {"a.py": "1\ntwo\n3\n", "long.txt": "\n".join(new)},
        )
    )
    assert found["a.py"]["lines"] == ["@@ -2 +2 @@", "-2", "+two"]
    assert found[".dist-info/RECORD"]["cause"] == "it lists the digests of the other members"
    lines = found["long.txt"]["lines"]
    assert lines[:3] == ["@@ from line 2801 on @@", "@@ -201,200 +201,200 @@", "-line 3000"]
    assert len(lines) == 12


def test_offsets_in_what_is_no_text(tmp_path: Path) -> None:
    before: Files = {"a.bin": b"\xff\0\1", "b.bin": b"a\0a", "c.txt": "x\n"}
    after: Files = {"a.bin": b"\xff\0\2", "b.bin": b"a\0b", "c.txt": "x\r\n"}
    found = by_member(compare(tmp_path, before, after))
    assert [found[name]["offset"] for name in before] == [2, 2, 1]


def rewrite_archive(wheel: Path, target: Path, **changes: object) -> Path:
    """The same members in reverse order, one of them archived differently."""
    with zipfile.ZipFile(wheel) as old, zipfile.ZipFile(target, "w") as new:
        for info in reversed(old.infolist()):
            data = old.read(info)
            if info.filename == "alpha.py":
                for name, value in changes.items():
                    setattr(info, name, value)
            new.writestr(info, data)
    return target


def test_what_only_the_archive_says(tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, "alpha", "1.0", {"alpha.py": "x" * 500, "beta.py": ""})
    (tmp_path / "b").mkdir()
    other = rewrite_archive(
        wheel,
        tmp_path / "b" / wheel.name,
        external_attr=0o100755 << 16,
        date_time=(2026, 1, 2, 3, 4, 6),
        compress_type=zipfile.ZIP_STORED,
    )
    found = difference(open_wheel(wheel), open_wheel(other))
    assert "members" not in found
    archive = found["archive"]
    assert archive["mode"] == [{"member": "alpha.py", "before": "644", "after": "100755"}]
    assert archive["date"][0]["after"] == "2026-01-02 03:04:06"
    assert archive["compression"] == [{"member": "alpha.py", "before": "deflated", "after": "stored"}]
    assert archive["packed"][0]["after"] == 500
    assert archive["order"] is True
    lines = lines_of(found)
    assert "archive: mode of alpha.py: 644 -> 100755" in lines
    assert "archive: the members have another order" in lines


def test_what_is_in_no_member(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    one, other = make_wheel(tmp_path), make_wheel(tmp_path / "b")
    size = one.stat().st_size
    with zipfile.ZipFile(other, "a") as archive:
        archive.comment = b"by hand"
    found = difference(open_wheel(one), open_wheel(other))
    assert found["archive"] == {"offset": size - 2}
    text = f"archive: all members are the same; the file differs from byte {size - 2:,} on"
    assert lines_of(found)[-1] == text


def test_long_lists_are_cut(tmp_path: Path) -> None:
    before, after = ({f"m{number:02}.bin": bytes([0, end]) for number in range(20)} for end in (1, 2))
    found = compare(tmp_path, {**before}, {**after})
    lines = lines_of(found)
    assert lines.count("  and 9 more") == 2
    assert "where they differ: 21" in lines
    section = {"section": ".text", "before": 1, "after": None, "cause": "only one of the two has it"}
    text = {"before": "of then", "after": "of now"}
    data = {"section": ".data", "before": 1, "after": 1, "offset": 0, "text": text}
    members = [{"member": "a.so", "before": 1, "after": 1, "sections": [*([section] * 8), data]}]
    assert lines_of({"members": members})[-8:] == [
        "  a.so",
        "    .data  1 B, differ at 0",
        "      - of then",
        "      + of now",
        *["    .text  1 -> none B: only one of the two has it"] * 3,
        "      and 5 more",
    ]


def test_the_lines_of_a_comparison(tmp_path: Path) -> None:
    found = compare(
        tmp_path,
        {"a.so": macho(minimum=(11, 0)), "b.py": "1\n", "c.bin": b"\0a"},
        {"a.so": macho(minimum=(12, 0)), "b.py": "2\n", "c.bin": b"\0b"},
    )
    options = {
        "engine": {"before": "host", "after": None},
        "variant": {"before": None, "after": "x"},
        # What every build of the farm gets says nothing beside a public wheel.
        "environment.CC": {"before": None, "after": "cc"},
    }
    lines = lines_of({"options": options, **found}, 80)
    assert lines[:6] == [
        "4 members differ, 0 only before, 0 only after",
        "--- a.whl",
        "+++ b.whl",
        "",
        "                before  after",
        "option engine   host",
    ]
    assert lines[6] == "option variant          x"
    assert lines[lines.index("where they differ: 4") :] == [
        "where they differ: 4",
        "  .dist-info/RECORD",
        "    it lists the digests of the other members",
        "  a.so",
        "    macos: 11.0 -> 12.0",
        "    (headers and gaps)  168 B, differ at 46: UUID or offsets in the load commands",
        "  b.py",
        "    @@ -1 +1 @@",
        "    -1",
        "    +2",
        "  c.bin",
        "    at byte 1",
    ]
