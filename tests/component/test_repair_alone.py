"""Changed binaries repaired without the rest of their wheel, against auditwheel on the whole one."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from typing import TYPE_CHECKING, Final

import pytest

from support.binaries import calls, elf, functions
from support.wheels import make_wheel
from wheelfarm.repair.again import again
from wheelfarm.stage import BUILT_WHEEL, KEPT_BUILD, LAST, REPAIRED_WHEEL
from wheelfarm.wheels import asked, verify

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="auditwheel runs on Linux only")

Files = dict[str, bytes]
TAG: Final = "cp311-cp311-linux_x86_64"
OUTSIDE, INSIDE = "libfarmtest.so.1", "libfarminside.so.1"
ORIGIN: Final = ("-s", "-Wl,-rpath,$ORIGIN")


def extension(*called: str, more: str = "", needs: tuple[str, ...] = (OUTSIDE,)) -> bytes:
    return elf(calls(*called) + more, needs=needs, flags=ORIGIN)


BEFORE: Final[Files] = {
    "demo/__init__.py": b"",
    "demo/ext.so": extension("farmtest"),
    "demo/other.so": extension("farmtest", more="int other = 1;"),
    "demo/plain.so": elf(functions("plain")),
    "demo/user.so": extension("farminside", needs=(INSIDE,)),
    f"demo/{INSIDE}": elf(functions("farminside"), soname=INSIDE),
}


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    """What the tool is given: a directory with the library that is outside the wheel."""
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / OUTSIDE).write_bytes(elf(functions("farmtest"), soname=OUTSIDE))
    return {
        "PATH": os.environ["PATH"],
        "LD_LIBRARY_PATH": str(tmp_path / "lib"),
        "SOURCE_DATE_EPOCH": "1000000000",
    }


@pytest.fixture
def stage(tmp_path: Path, env: dict[str, str]) -> Path:
    """A stage whose build goes on from that of `BEFORE`, which auditwheel has repaired."""
    stage = tmp_path / "stage"
    for name in (BUILT_WHEEL, REPAIRED_WHEEL, f"{LAST}/{BUILT_WHEEL}"):
        (stage / name).mkdir(parents=True)
    (stage / KEPT_BUILD).touch()
    audited(make_wheel(stage / LAST / BUILT_WHEEL, files=BEFORE, tag=TAG), stage / LAST / REPAIRED_WHEEL, env)
    return stage


def audited(wheel: Path, dest: Path, env: Mapping[str, str]) -> Path:
    words = ("auditwheel", "repair", "--wheel-dir", str(dest), str(wheel))
    subprocess.run(words, check=True, env=env, capture_output=True)
    (path,) = dest.glob("*.whl")
    return path


def built(stage: Path, changes: Files) -> Path:
    return make_wheel(stage / BUILT_WHEEL, files={**BEFORE, **changes}, tag=TAG)


def members(path: Path) -> list[tuple[object, ...]]:
    """All of a wheel but the place of RECORD, which comes last in what the farm writes."""
    with zipfile.ZipFile(path) as archive:
        held = [
            (info.filename, info.date_time, info.external_attr, info.compress_size, archive.read(info))
            for info in archive.infolist()
            if not info.filename.endswith("/RECORD")
        ]
    return [member for member in held if not str(member[0]).endswith("/")]


@pytest.mark.parametrize(
    "changes",
    [
        {"demo/ext.so": extension("farmtest", more="int new = 2;")},
        {"demo/user.so": extension("farminside", more="int new = 2;", needs=(INSIDE,))},
        {
            "demo/__init__.py": b"x = 1\n",
            "demo/plain.so": elf(functions("plain", "more")),
            f"demo/{INSIDE}": elf(functions("farminside", "more"), soname=INSIDE),
            "demo/other.so": extension("farmtest", more="int other = 2;"),
        },
    ],
    ids=["one", "one that needs another", "several, and a text"],
)
def test_it_is_as_if_the_tool_had_seen_the_whole_wheel(
    stage: Path, tmp_path: Path, env: dict[str, str], changes: Files, capfd: pytest.CaptureFixture[str]
) -> None:
    path = built(stage, changes)
    made = again(path, stage, env)
    assert made is not None
    verify(made)
    assert "Fixed-up wheel written to" in capfd.readouterr().err
    whole = audited(path, tmp_path / "whole", env)
    assert made.path.name == whole.name
    assert members(made.path) == members(whole)
    assert list(stage.glob("alone-*")) == []


OTHERS: Final[Mapping[str, Files]] = {
    "another library": {"demo/plain.so": elf(functions("plain"), needs=(OUTSIDE,))},
    "one library less": {"demo/ext.so": extension(needs=())},
    "another symbol": {"demo/ext.so": extension("farmtest", "stranger")},
    "another version of a symbol": {
        "demo/ext.so": extension(
            "farmtest", more="double pow(double, double); double x(double y) { return pow(y, y); }"
        )
    },
    "another path": {"demo/ext.so": elf(calls("farmtest"), needs=(OUTSIDE,))},
    "another name": {f"demo/{INSIDE}": elf(functions("farminside"), soname="libother.so")},
    "no extension module any more": {"demo/ext.so": elf(functions("x"), needs=(OUTSIDE,), flags=ORIGIN)},
    "another level of the machine": {
        "demo/ext.so": elf(calls("farmtest"), needs=(OUTSIDE,), flags=(*ORIGIN, "-Wl,-z,x86-64-v3"))
    },
    "half a file": {"demo/ext.so": extension("farmtest", more="int new = 2;")[:2000]},
}


@pytest.mark.parametrize("changes", OTHERS.values(), ids=OTHERS.keys())
def test_what_asks_for_something_else_is_left_to_the_tool(
    stage: Path, env: dict[str, str], changes: Files
) -> None:
    path = built(stage, changes)
    ((name, new),) = changes.items()
    assert asked(BEFORE[name]) is not None
    assert asked(new) != asked(BEFORE[name])
    assert again(path, stage, env) is None


def test_another_library_of_the_same_name_is_left_to_the_tool(
    stage: Path, tmp_path: Path, env: dict[str, str]
) -> None:
    path = built(stage, {"demo/ext.so": extension("farmtest", more="int new = 2;")})
    (tmp_path / "lib" / OUTSIDE).write_bytes(elf(functions("farmtest", "more"), soname=OUTSIDE))
    assert again(path, stage, env) is None


def test_what_the_tool_refuses_is_left_to_it(
    stage: Path, env: dict[str, str], capfd: pytest.CaptureFixture[str]
) -> None:
    path = built(stage, {"demo/ext.so": extension("farmtest", more="int new = 2;")})
    assert again(path, stage, {**env, "LD_LIBRARY_PATH": ""}) is None
    assert f'"{OUTSIDE}" could not be located' in capfd.readouterr().err
    with pytest.raises(FileNotFoundError, match="auditwheel"):
        again(path, stage, {**env, "PATH": ""})


def test_the_tool_ends_with_the_step(stage: Path, tmp_path: Path, env: dict[str, str]) -> None:
    (tmp_path / "bin").mkdir()
    tool, told = tmp_path / "bin" / "auditwheel", tmp_path / "group"
    tool.write_text(f"#!/bin/sh\ncut -d ' ' -f 5 /proc/$$/stat > {told}\nexit 1\n")
    tool.chmod(0o755)
    path = built(stage, {"demo/ext.so": extension("farmtest", more="int new = 2;")})
    assert again(path, stage, {**env, "PATH": f"{tool.parent}:{env['PATH']}"}) is None
    assert int(told.read_text()) == os.getpgrp()


def test_a_wheel_whose_tag_says_nothing_is_left_to_the_tool(stage: Path, env: dict[str, str]) -> None:
    repaired = stage / LAST / REPAIRED_WHEEL
    shutil.rmtree(repaired)
    repaired.mkdir()
    make_wheel(repaired, files=BEFORE, tag=TAG)
    assert (
        again(built(stage, {"demo/ext.so": extension("farmtest", more="int new = 2;")}), stage, env) is None
    )


def test_a_program_is_left_to_the_tool(stage: Path, env: dict[str, str]) -> None:
    name = "demo-1.0.data/scripts/program"
    before, after = ({**BEFORE, name: extension("farmtest", more=f"int x = {x};")} for x in (1, 2))
    repaired = stage / LAST / REPAIRED_WHEEL
    shutil.rmtree(repaired)
    audited(make_wheel(stage / LAST / BUILT_WHEEL, files=before, tag=TAG), repaired, env)
    assert again(make_wheel(stage / BUILT_WHEEL, files=after, tag=TAG), stage, env) is None
