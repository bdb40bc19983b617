"""Texts about one wheel."""

from __future__ import annotations

from typing import TYPE_CHECKING

from support.wheels import make_wheel
from wheelfarm.report.wheel import inspection_lines, preparation_lines, reproduction_lines
from wheelfarm.wheels.archive import open_wheel
from wheelfarm.wheels.description import describe

if TYPE_CHECKING:
    from pathlib import Path


def test_an_inspection_begins_with_the_answer_and_has_no_empty_rows(tmp_path: Path) -> None:
    files = {"alpha/__init__.py": "x" * 3000, "alpha/tests/test_it.py": "y" * 1000}
    wheel = open_wheel(make_wheel(tmp_path, "alpha", "1.0", files))
    lines = list(inspection_lines(describe(wheel)))
    assert lines[0].startswith("alpha 1.0")
    assert f"{len(wheel.members)} files" in lines[0]
    assert [line.partition("  ")[0].strip() for line in lines[1:4]] == ["BLAS", "tag", "could be saved"]
    assert lines[1].endswith("  none")
    assert "up to 1.0 kB, " in lines[3]
    assert "tests                  1  1.0 kB" in "\n".join(lines)
    table = lines[lines.index("") + 1 :]
    assert table[0].split() == ["kind", "files", "size", "share"]
    assert table[1].split()[:4] == ["python", "1", "3.0", "kB"]
    assert "█" in table[1]
    assert not any(line.startswith(("build", "macOS", "binaries", "rpaths")) for line in lines)
    for width in (60, 80):
        assert all(len(line) <= width for line in inspection_lines(describe(wheel), width))


def test_a_reproduction_with_the_same_bytes() -> None:
    result = {"identical": True, "id": "alpha (plain)", "wheel": "alpha.whl", "before": "a1"}
    assert list(reproduction_lines(result)) == ["identical: alpha (plain): alpha.whl", "  sha256 a1, twice"]


def test_a_reproduction_with_other_bytes() -> None:
    result = {
        "identical": False,
        "id": "alpha (plain)",
        "wheel": "alpha.whl",
        "before": "a1",
        "after": "b2",
        "inputs": {"toolchain.ld": {"before": "2.40", "after": None}},
        "difference": {"before": "alpha.whl", "after": "x/alpha.whl", "archive": {"order": True}},
    }
    assert list(reproduction_lines(result)) == [
        "other bytes: alpha (plain): alpha.whl",
        "  sha256 a1 then, b2 now",
        "  input toolchain.ld: 2.40 -> none",
        "0 members differ, 0 only before, 0 only after",
        "--- alpha.whl",
        "+++ x/alpha.whl",
        "archive: the members have another order",
    ]


def test_the_preparation_of_a_reproduction() -> None:
    facts: dict[str, object] = dict.fromkeys(("id", "key", "engine", "directory", "source"), "x")
    facts |= {"patches": [], "requirements": ["a==1", "b==2"], "upstream": []}
    facts["wheels"] = {"a.whl": "1", "b.whl": "2"}
    assert list(preparation_lines(facts)) == [
        "x: a.whl, b.whl",
        "  key           x",
        "  engine        x",
        "  directory     x",
        "  source        x",
        "  patches       none",
        "  requirements  a==1, b==2",
        "  upstream      none",
    ]
