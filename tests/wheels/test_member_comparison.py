"""What tells two wheels apart below the names of their members."""

from __future__ import annotations

import zipfile
from typing import TYPE_CHECKING, Any

from support.binaries import macho
from support.wheels import make_wheel
from wheelfarm.report.difference import difference_lines
from wheelfarm.wheels.archive import open_wheel
from wheelfarm.wheels.member_comparison import inside

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

Files = dict[str, str | bytes]


def found(root: Path, before: Files, after: Files) -> dict[str, Any]:
    wheels = []
    for part, files in (("a", before), ("b", after)):
        (root / part).mkdir(exist_ok=True)
        wheels.append(open_wheel(make_wheel(root / part, "alpha", "1.0", files)))
    return inside(*wheels)


def by_member(changes: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    return {each["member"]: each for each in changes["inside"]}


def test_the_same_wheel_differs_nowhere(tmp_path: Path) -> None:
    assert found(tmp_path, {"alpha.py": "x"}, {"alpha.py": "x"}) == {}


def test_lines_of_a_text(tmp_path: Path) -> None:
    changes = by_member(found(tmp_path, {"a.py": "1\n2\n3\n"}, {"a.py": "1\ntwo\n3\n"}))
    assert changes["a.py"]["lines"] == ["@@ -2 +2 @@", "-2", "+two"]
    assert changes[".dist-info/RECORD"]["cause"] == "it lists the digests of the other members"


def test_the_first_lines_of_a_long_text(tmp_path: Path) -> None:
    old = [f"line {number}" for number in range(5000)]
    new = [*old[:3000], *(f"other {number}" for number in range(2000))]
    changes = by_member(found(tmp_path, {"a.txt": "\n".join(old)}, {"a.txt": "\n".join(new)}))
    lines = changes["a.txt"]["lines"]
    assert lines[:3] == ["@@ from line 2801 on @@", "@@ -201,200 +201,200 @@", "-line 3000"]
    assert len(lines) == 12


def test_the_offset_in_what_is_no_text(tmp_path: Path) -> None:
    changes = by_member(found(tmp_path, {"a.bin": b"\xff\0\1"}, {"a.bin": b"\xff\0\2"}))
    assert changes["a.bin"] == {"member": "a.bin", "offset": 2}
    changes = by_member(found(tmp_path, {"a.bin": b"a\0a"}, {"a.bin": b"a\0b"}))
    assert changes["a.bin"]["offset"] == 2
    changes = by_member(found(tmp_path, {"a.txt": "x\n"}, {"a.txt": "x\r\n"}))
    assert changes["a.txt"]["offset"] == 1


def test_sections_of_a_binary_and_the_offset_in_a_broken_one(tmp_path: Path) -> None:
    one, other = macho(minimum=(11, 0)), macho(minimum=(12, 0))
    changes = by_member(found(tmp_path, {"a.so": one}, {"a.so": other}))
    assert [section["section"] for section in changes["a.so"]["sections"]] == ["(headers and gaps)"]
    changes = by_member(found(tmp_path, {"a.so": one[:40] + b"\xfe"}, {"a.so": one[:40] + b"\xff"}))
    assert changes["a.so"]["offset"] == 40


def rewritten(wheel: Path, target: Path, *, reverse: bool = False, **changes: object) -> Path:
    """The same members, archived differently."""
    with zipfile.ZipFile(wheel) as old, zipfile.ZipFile(target, "w") as new:
        infos = old.infolist()
        for info in reversed(infos) if reverse else infos:
            data = old.read(info)
            if info.filename == "alpha.py":
                for name, value in changes.items():
                    setattr(info, name, value)
            new.writestr(info, data)
    return target


def test_what_only_the_archive_says(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    wheel = make_wheel(tmp_path / "a", "alpha", "1.0", {"alpha.py": "x" * 500, "beta.py": ""})
    other = rewritten(
        wheel,
        tmp_path / "b" / wheel.name,
        reverse=True,
        external_attr=0o100755 << 16,
        date_time=(2026, 1, 2, 3, 4, 6),
        compress_type=zipfile.ZIP_STORED,
    )
    changes = inside(open_wheel(wheel), open_wheel(other))
    assert "inside" not in changes
    archive = changes["archive"]
    assert archive["mode"] == [{"member": "alpha.py", "before": "644", "after": "100755"}]
    assert archive["date"][0]["after"] == "2026-01-02 03:04:06"
    assert archive["compression"] == [{"member": "alpha.py", "before": "deflated", "after": "stored"}]
    assert archive["packed"][0]["after"] == 500
    assert archive["order"] is True
    lines = list(difference_lines({"before": "a", "after": "b", **changes}))
    assert "archive: mode of alpha.py: 644 -> 100755" in lines
    assert "archive: the members have another order" in lines


def test_what_is_in_no_member(tmp_path: Path) -> None:
    wheels = []
    for part, comment in (("a", b""), ("b", b"by hand")):
        (tmp_path / part).mkdir()
        path = make_wheel(tmp_path / part)
        with zipfile.ZipFile(path, "a") as archive:
            archive.comment = comment
        wheels.append(open_wheel(path))
    changes = inside(*wheels)
    size = wheels[0].packed
    assert changes == {"archive": {"offset": size - 2}}
    (line,) = list(difference_lines({"before": "a", "after": "b", **changes}))[2:]
    assert line == f"archive: all members are the same; the file differs from byte {size - 2:,} on"


def test_what_is_left_out(tmp_path: Path) -> None:
    files: list[Files] = [{f"m{number:02}.bin": bytes([0, end]) for number in range(20)} for end in (1, 2)]
    lines = list(difference_lines({"before": "a", "after": "b", **found(tmp_path, *files)}))
    assert lines[2] == "where they differ: 21"
    assert lines[-1] == "  and 9 more"
    section = {"section": ".text", "before": 1, "after": None, "cause": "only one of the two has it"}
    member: dict[str, Any] = {"member": "a.so", "sections": [section] * 9}
    text = {"before": "of then", "after": "of now"}
    member["sections"][-1:] = [{"section": ".data", "before": 1, "after": 1, "offset": 0, "text": text}]
    lines = list(difference_lines({"before": "a", "after": "b", "inside": [member]}))
    assert lines[5:8] == [
        f"    .data {1:29} {1:>12} {0:>12}",
        "      - of then",
        "      + of now",
    ]
    assert lines[-2:] == [
        f"    .text {1:29} {'-':>12} {'-':>12}  only one of the two has it",
        "      and 5 more",
    ]


def test_the_lines_of_a_comparison(tmp_path: Path) -> None:
    files: tuple[Files, Files] = (
        {"a.so": macho(minimum=(11, 0)), "b.py": "1\n", "c.bin": b"\0a"},
        {"a.so": macho(minimum=(12, 0)), "b.py": "2\n", "c.bin": b"\0b"},
    )
    options = {"engine": {"before": "host", "after": None}, "variant": {"before": None, "after": "x"}}
    changes = {"before": "a", "after": "b", "options": options, **found(tmp_path, *files)}
    assert list(difference_lines(changes)) == [
        "--- a",
        "+++ b",
        "options, from the build records:",
        "  engine",
        "    - host",
        "  variant",
        "    + x",
        "where they differ: 4",
        "  .dist-info/RECORD",
        "    it lists the digests of the other members",
        "  a.so",
        "    section                      before        after   differs at  usual cause",
        f"    (headers and gaps) {168:16} {168:12} {46:12}  UUID or offsets in the load commands",
        "  b.py",
        "    @@ -1 +1 @@",
        "    -1",
        "    +2",
        "  c.bin",
        "    at byte 1",
    ]
