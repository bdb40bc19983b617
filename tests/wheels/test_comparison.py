"""What tells two wheels apart."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from support.wheels import make_wheel
from wheelfarm.wheels.archive import open_wheel
from wheelfarm.wheels.binary import Binary, BinaryFormat
from wheelfarm.wheels.comparison import common_name, difference

if TYPE_CHECKING:
    from pathlib import Path

    from wheelfarm.wheels.archive import Wheel


def wheel(root: Path, files: dict[str, str], version: str = "1.0", **changes: Any) -> Wheel:
    root.mkdir(exist_ok=True)
    return open_wheel(make_wheel(root, "alpha", version, files, **changes))


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


def test_the_same_wheel_differs_in_nothing(tmp_path: Path) -> None:
    one, other = (wheel(tmp_path / part, {"alpha.py": "x"}) for part in "ab")
    assert difference(one, other, (), ()) == {}


def test_files_sizes_and_metadata(tmp_path: Path) -> None:
    before = wheel(tmp_path / "a", {"alpha.py": "x", "tests/test_a.py": "yy", "same.py": ""}, requires=["b"])
    after = wheel(
        tmp_path / "b", {"alpha.py": "xxx", "new.csv": "1", "same.py": ""}, "2.0", tag="py3-none-win32"
    )
    found = difference(before, after, (), ())
    assert found["version"] == {"before": "1.0", "after": "2.0"}
    assert found["tags"] == {"before": ["py3-none-any"], "after": ["py3-none-win32"]}
    assert found["requires_dist"] == {"only_before": ["b"], "only_after": []}
    assert found["members"]["only_before"] == [{"member": "tests/test_a.py", "size": 2}]
    assert found["members"]["only_after"] == [{"member": "new.csv", "size": 1}]
    changed = {each["member"]: (each["before"], each["after"]) for each in found["members"]["changed"]}
    assert changed["alpha.py"] == (1, 3)
    assert {".dist-info/METADATA", ".dist-info/RECORD", ".dist-info/WHEEL"} <= changed.keys()
    assert "same.py" not in changed
    assert found["kinds"]["tests"] == {"before": 2, "after": 0}
    assert found["size"]["unpacked"] == {"before": before.unpacked, "after": after.unpacked}


def test_binaries(tmp_path: Path) -> None:
    both = wheel(tmp_path, {})
    facts: dict[str, Any] = {"format": BinaryFormat.ELF, "machine": "x86_64"}
    before = [
        Binary(
            member="a/_x.cpython-311-x86_64-linux-gnu.so",
            needed=("libfoo-0a1b2c3d.so.1", "libm.so.6"),
            exported=frozenset({"PyInit__x", "old"}),
            glibc="2.17",
            **facts,
        ),
        Binary(member="a/only.so", **facts),
    ]
    after = [
        Binary(
            member="a/_x.so",
            needed=("libfoo-ffffffff.so.1", "libz.so.1"),
            exported=frozenset({"PyInit__x"}),
            glibc="2.28",
            stripped=True,
            **facts,
        )
    ]
    found = difference(both, both, before, after)
    assert found["binaries"] == {
        "a/_x.so": {
            "exported": {"only_before": ["old"], "only_after": []},
            "needed": {"only_before": ["libm.so.6"], "only_after": ["libz.so.1"]},
            "glibc": {"before": "2.17", "after": "2.28"},
            "stripped": {"before": False, "after": True},
        }
    }
    assert "libz.so.1" in found["externals"]["only_after"]
    assert "blas" not in found
