"""Changed binaries repaired without the rest of their wheel, against auditwheel on the whole one."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

import pytest

from support.binaries import calls, elf, functions
from support.wheels import make_wheel
from wheelfarm.build import repair_replay as module
from wheelfarm.build.inside import last as last_wheels
from wheelfarm.wheels.archive import verify
from wheelfarm.wheels.link_interface import asked

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from wheelfarm.wheels.wheel import Wheel

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="auditwheel runs on Linux only")

Files = dict[str, bytes]
TAG: Final = "cp311-cp311-linux_x86_64"
OUTSIDE, INSIDE = "libfarmtest.so.1", "libfarminside.so.1"
ORIGIN: Final = ("-s", "-Wl,-rpath,$ORIGIN")


def extension(*called: str, more: str = "", needs: tuple[str, ...] = (OUTSIDE,)) -> bytes:
    return elf(calls(*called) + more, needs=needs, flags=ORIGIN)


@cache
def before() -> Files:
    return {
        "demo/__init__.py": b"",
        "demo/ext.so": extension("farmtest"),
        "demo/other.so": extension("farmtest", more="int other = 1;"),
        "demo/plain.so": elf(functions("plain")),
        "demo/user.so": extension("farminside", needs=(INSIDE,)),
        f"demo/{INSIDE}": elf(functions("farminside"), soname=INSIDE),
    }


def edited() -> Files:
    return {"demo/ext.so": extension("farmtest", more="int new = 2;")}


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    """What the tool is given: a directory with the library that is outside the wheel."""
    return given(tmp_path)


@pytest.fixture(scope="module")
def last(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of `before`, before and after its repair."""
    root = tmp_path_factory.mktemp("last")
    kept(root, before(), given(root))
    return root / "build"


@pytest.fixture
def stage(tmp_path: Path, last: Path) -> Path:
    """A stage whose build goes on from that of `before`."""
    stage = tmp_path / "stage"
    for name in ("built", "dist"):
        (stage / name).mkdir(parents=True)
    shutil.copytree(last, stage / "build")
    return stage


def kept(root: Path, files: Files, env: Mapping[str, str]) -> None:
    """The build directory of a build of these files."""
    with TemporaryDirectory(dir=root) as scratch:
        wheel = make_wheel(Path(scratch), files=files, tag=TAG)
        done = Path(scratch, "done")
        audited(wheel, done, env)
        last_wheels.keep(wheel, done, root / "build")


def again(path: Path, stage: Path, env: Mapping[str, str]) -> Wheel | None:
    return module.again(path, stage / "dist", stage / "build", env)


def given(root: Path) -> dict[str, str]:
    (root / "lib").mkdir()
    (root / "lib" / OUTSIDE).write_bytes(elf(functions("farmtest"), soname=OUTSIDE))
    libraries = str(root / "lib")
    return {"PATH": os.environ["PATH"], "LD_LIBRARY_PATH": libraries, "SOURCE_DATE_EPOCH": "1000000000"}


def audited(wheel: Path, dest: Path, env: Mapping[str, str]) -> Path:
    words = ("auditwheel", "repair", "--wheel-dir", str(dest), str(wheel))
    subprocess.run(words, check=True, env=env, capture_output=True)
    (path,) = dest.glob("*.whl")
    return path


def built(stage: Path, changes: Files) -> Path:
    return make_wheel(stage / "built", files={**before(), **changes}, tag=TAG)


@pytest.mark.parametrize(
    "changes",
    [
        edited,
        lambda: {"demo/user.so": extension("farminside", more="int new = 2;", needs=(INSIDE,))},
        lambda: {
            "demo/__init__.py": b"x = 1\n",
            "demo/plain.so": elf(functions("plain", "more")),
            f"demo/{INSIDE}": elf(functions("farminside", "more"), soname=INSIDE),
            "demo/other.so": extension("farmtest", more="int other = 2;"),
        },
    ],
    ids=["one", "one that needs another", "several, and a text"],
)
def test_it_is_as_if_the_tool_had_seen_the_whole_wheel(
    stage: Path,
    tmp_path: Path,
    env: dict[str, str],
    changes: Callable[[], Files],
    capfd: pytest.CaptureFixture[str],
) -> None:
    path = built(stage, changes())
    made = again(path, stage, env)
    assert made is not None
    verify(made)
    assert "Fixed-up wheel written to" in capfd.readouterr().err
    whole = audited(path, tmp_path / "whole", env)
    assert made.path.name == whole.name
    assert made.path.read_bytes() == whole.read_bytes()
    assert list(stage.glob("alone-*")) == []


OTHERS: Final[Mapping[str, Callable[[], Files]]] = {
    "another library": lambda: {"demo/plain.so": elf(functions("plain"), needs=(OUTSIDE,))},
    "one library less": lambda: {"demo/ext.so": extension(needs=())},
    "another symbol": lambda: {"demo/ext.so": extension("farmtest", "stranger")},
    "another version of a symbol": lambda: {
        "demo/ext.so": extension(
            "farmtest", more="double pow(double, double); double x(double y) { return pow(y, y); }"
        )
    },
    "another path": lambda: {"demo/ext.so": elf(calls("farmtest"), needs=(OUTSIDE,))},
    "another name": lambda: {f"demo/{INSIDE}": elf(functions("farminside"), soname="libother.so")},
    "no extension module any more": lambda: {
        "demo/ext.so": elf(functions("x"), needs=(OUTSIDE,), flags=ORIGIN)
    },
    "another level of the machine": lambda: {
        "demo/ext.so": elf(calls("farmtest"), needs=(OUTSIDE,), flags=(*ORIGIN, "-Wl,-z,x86-64-v3"))
    },
    "half a file": lambda: {"demo/ext.so": extension("farmtest", more="int new = 2;")[:2000]},
}


@pytest.mark.parametrize("changes", OTHERS.values(), ids=OTHERS.keys())
def test_what_asks_for_something_else_is_left_to_the_tool(
    stage: Path, env: dict[str, str], changes: Callable[[], Files]
) -> None:
    ((name, new),) = changes().items()
    path = built(stage, {name: new})
    assert asked(before()[name]) is not None
    assert asked(new) != asked(before()[name])
    assert again(path, stage, env) is None


def test_another_library_of_the_same_name_is_left_to_the_tool(
    stage: Path, tmp_path: Path, env: dict[str, str]
) -> None:
    path = built(stage, edited())
    (tmp_path / "lib" / OUTSIDE).write_bytes(elf(functions("farmtest", "more"), soname=OUTSIDE))
    assert again(path, stage, env) is None


def test_what_the_tool_refuses_is_left_to_it(
    stage: Path, env: dict[str, str], capfd: pytest.CaptureFixture[str]
) -> None:
    path = built(stage, edited())
    assert again(path, stage, {**env, "LD_LIBRARY_PATH": ""}) is None
    assert f'"{OUTSIDE}" could not be located' in capfd.readouterr().err
    with pytest.raises(FileNotFoundError, match="auditwheel"):
        again(path, stage, {**env, "PATH": ""})


def test_the_tool_ends_with_the_step(stage: Path, tmp_path: Path, env: dict[str, str]) -> None:
    (tmp_path / "bin").mkdir()
    tool, told = tmp_path / "bin" / "auditwheel", tmp_path / "group"
    tool.write_text(f"#!/bin/sh\ncut -d ' ' -f 5 /proc/$$/stat > {told}\nexit 1\n")
    tool.chmod(0o755)
    path = built(stage, edited())
    assert again(path, stage, {**env, "PATH": f"{tool.parent}:{env['PATH']}"}) is None
    assert int(told.read_text()) == os.getpgrp()


def test_a_wheel_whose_tag_says_nothing_is_left_to_the_tool(stage: Path, env: dict[str, str]) -> None:
    repaired = stage / "build" / last_wheels.LAST / last_wheels.REPAIRED
    shutil.rmtree(repaired)
    repaired.mkdir()
    make_wheel(repaired, files=before(), tag=TAG)
    assert again(built(stage, edited()), stage, env) is None


def test_a_program_is_left_to_the_tool(stage: Path, env: dict[str, str]) -> None:
    name = "demo-1.0.data/scripts/program"
    old, new = ({**before(), name: extension("farmtest", more=f"int x = {x};")} for x in (1, 2))
    kept(stage, old, env)
    assert again(make_wheel(stage / "built", files=new, tag=TAG), stage, env) is None
