"""A repair done again: the wheel that the tool would have made, or none."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from typing import TYPE_CHECKING, Any, Final

import pytest

from support.wheels import make_wheel
from wheelfarm.repair import again as module
from wheelfarm.stage import BUILT_WHEEL, KEPT_BUILD, LAST, REPAIRED_WHEEL
from wheelfarm.wheels import verify

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from wheelfarm.wheels import Wheel

Files = dict[str, str | bytes]
TEXTS: Final[Files] = {"demo/__init__.py": "x = 1\n", "demo/b.py": "y = 1\n", "demo/init.py": "z = 1\n"}
BUILT: Final[Files] = {**TEXTS, "demo/ext.so": b"\x7fELF\0built"}
BEFORE, AFTER = "cp311-cp311-linux_x86_64", "cp311-cp311-manylinux_2_28_x86_64"


def repaired(built: Mapping[str, str | bytes]) -> Files:
    """What a tool makes of it: another binary, one of its own, and a word in a text."""
    tool: Files = {"demo/ext.so": b"\x7fELF\0repaired", "demo.libs/liba.so": b"\x7fELF\0a"}
    return {**built, **tool, "demo/init.py": f"import libs\n{built['demo/init.py']!s}"}


@pytest.fixture
def stage(tmp_path: Path) -> Path:
    """A stage in which the last build's wheels are, and whose build goes on from a kept directory."""
    for name in (BUILT_WHEEL, REPAIRED_WHEEL):
        (tmp_path / LAST / name).mkdir(parents=True)
        (tmp_path / name).mkdir()
    (tmp_path / KEPT_BUILD).touch()
    make_wheel(tmp_path / LAST / BUILT_WHEEL, files=BUILT, tag=BEFORE)
    make_wheel(tmp_path / LAST / REPAIRED_WHEEL, files=repaired(BUILT), tag=AFTER)
    return tmp_path


def built(stage: Path, changes: Mapping[str, str | bytes] | None = None, **words: Any) -> Path:
    return make_wheel(stage / BUILT_WHEEL, files={**BUILT, **(changes or {})}, tag=BEFORE, **words)


def again(path: Path, stage: Path) -> Wheel | None:
    return module.again(path, stage, {**os.environ})


def contents(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


@pytest.mark.parametrize(
    "changes", [{}, {"demo/b.py": "y = 2\n"}, {"demo/b.py": "", "demo/__init__.py": "\n"}]
)
def test_it_is_as_the_tool_would_have_made_it(stage: Path, tmp_path: Path, changes: Files) -> None:
    made = again(built(stage, changes), stage)
    assert made is not None
    verify(made)
    assert made.path == stage / REPAIRED_WHEEL / f"demo-1.0-{AFTER}.whl"
    (tmp_path / "tool").mkdir()
    wanted = contents(make_wheel(tmp_path / "tool", files=repaired({**BUILT, **changes}), tag=AFTER))
    assert list(contents(made.path).items()) == list(wanted.items())


@pytest.mark.parametrize(
    "changes",
    [
        {"demo/ext.so": b"\x7fELF\0other"},
        {"demo/ext.so": "no binary any more"},
        {"demo/b.py": b"\x7fELF\0a binary now"},
        {"demo/init.py": "z = 2\n"},
        {"demo/new.py": ""},
        {"demo-1.0.dist-info/entry_points.txt": ""},
    ],
    ids=["a binary", "one no more", "one now", "a text of the tool's", "a new file", "metadata"],
)
def test_whatever_a_tool_may_look_at_is_left_to_it(stage: Path, changes: Files) -> None:
    assert again(built(stage, changes), stage) is None
    assert list((stage / REPAIRED_WHEEL).iterdir()) == []


def test_other_metadata_are_left_to_the_tool(stage: Path) -> None:
    assert again(built(stage, requires_python=">=3.11"), stage) is None


def test_another_mode_is_left_to_the_tool(stage: Path) -> None:
    path = built(stage)
    with zipfile.ZipFile(path) as archive:
        held = [(info, archive.read(info)) for info in archive.infolist()]
    with zipfile.ZipFile(path, "w") as archive:
        for info, data in held:
            info.external_attr |= 0o111 << 16 if info.filename == "demo/b.py" else 0
            archive.writestr(info, data)
    assert again(path, stage) is None


def test_without_the_last_build_there_is_nothing_to_do(stage: Path) -> None:
    (stage / KEPT_BUILD).unlink()
    assert again(built(stage), stage) is None
    (stage / KEPT_BUILD).touch()
    assert again(built(stage, version="1.1"), stage) is None
    (stage / LAST / REPAIRED_WHEEL / f"demo-1.0-{AFTER}.whl").unlink()
    assert again(built(stage), stage) is None


def run(path: Path, stage: Path) -> str:
    words = (sys.executable, "-P", "-m", "wheelfarm.repair.again", str(path), str(stage))
    return subprocess.run(words, check=True, capture_output=True, text=True, env=os.environ).stdout


def test_as_a_program(stage: Path) -> None:
    path = built(stage, {"demo/b.py": "y = 2\n"})
    assert run(path, stage) == f"the last repair serves again: demo-1.0-{AFTER}.whl is made of its wheel\n"
    assert run(built(stage, {"demo/ext.so": b"\0"}), stage) == ""
    (stage / LAST / REPAIRED_WHEEL / f"demo-1.0-{AFTER}.whl").write_bytes(b"half")
    assert run(path, stage).startswith("the last repair is of no use: ")
