"""A repair done again: the wheel that the tool would have made, or none."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from typing import IO, TYPE_CHECKING, Any, Final

import pytest

from support.wheels import make_wheel
from wheelfarm.build import repair_replay as module
from wheelfarm.build.inside import last
from wheelfarm.wheels.archive import open_wheel, verify

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from wheelfarm.wheels.wheel import Wheel

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
    """A stage with the last build's wheels in its build directory."""
    for name in ("earlier", "done", "built", "dist"):
        (tmp_path / name).mkdir()
    make_wheel(tmp_path / "done", files=repaired(BUILT), tag=AFTER)
    last.keep(
        make_wheel(tmp_path / "earlier", files=BUILT, tag=BEFORE), tmp_path / "done", tmp_path / "build"
    )
    return tmp_path


def built(stage: Path, changes: Mapping[str, str | bytes] | None = None, **words: Any) -> Path:
    return make_wheel(stage / "built", files={**BUILT, **(changes or {})}, tag=BEFORE, **words)


def again(path: Path, stage: Path) -> Wheel | None:
    return module.again(path, stage / "dist", stage / "build", {**os.environ})


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
    assert made.path == stage / "dist" / f"demo-1.0-{AFTER}.whl"
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
    assert list((stage / "dist").iterdir()) == []


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
    assert again(built(stage, version="1.1"), stage) is None
    (stage / "build" / last.LAST / last.REPAIRED / f"demo-1.0-{AFTER}.whl").unlink()
    assert again(built(stage), stage) is None


def words(path: Path, stage: Path) -> tuple[str, ...]:
    return (str(path), str(stage / "dist"), str(stage / "build"))


def host(path: Path, stage: Path) -> str:
    """On this machine, where a step of its own follows if nothing was made."""
    argv = (sys.executable, "-P", "-m", "wheelfarm.build.repair_replay", *words(path, stage))
    return subprocess.run(argv, check=True, capture_output=True, text=True, env=os.environ).stdout


def anywhere(path: Path, stage: Path) -> str:
    """Anywhere else, where the tool follows if it fails."""
    argv = (sys.executable, "-I", last.__file__, "again", *words(path, stage))
    done = subprocess.run(argv, check=False, capture_output=True, text=True)
    assert done.stderr == ""
    assert done.returncode == (0 if list((stage / "dist").glob("*.whl")) else 1)
    return done.stdout


@pytest.mark.parametrize("run", [host, anywhere])
def test_as_a_program(stage: Path, run: Callable[[Path, Path], str]) -> None:
    made = stage / "dist" / f"demo-1.0-{AFTER}.whl"
    path = built(stage, {"demo/b.py": "y = 2\n"})
    assert run(path, stage) == f"the last repair serves again: {made.name} is made of its wheel\n"
    verify(open_wheel(made))
    made.unlink()
    assert run(built(stage, {"demo/ext.so": b"\0"}), stage) == ""
    assert run(built(stage, {"demo/init.py": "z = 2\n"}), stage) == ""
    assert run(built(stage, version="1.1"), stage) == ""
    (stage / "build" / last.LAST / last.REPAIRED / made.name).write_bytes(b"half")
    assert run(path, stage).startswith("the last repair is of no use: ")
    assert list((stage / "dist").iterdir()) == []


@pytest.mark.parametrize("run", [host, anywhere])
def test_damage_is_noticed_and_nothing_stays_of_it(stage: Path, run: Callable[[Path, Path], str]) -> None:
    kept = stage / "build" / last.LAST / last.REPAIRED / f"demo-1.0-{AFTER}.whl"
    data = kept.read_bytes()
    name = data.index(b"demo/__init__.py")
    # The length of its name in the header: what follows would be taken from another place.
    kept.write_bytes(data[: name - 4] + b"\xff\xff" + data[name - 2 :])
    assert run(built(stage, {"demo/b.py": "y = 2\n"}), stage).startswith("the last repair is of no use: ")
    assert list((stage / "dist").iterdir()) == []


def test_what_is_packed_in_another_way_is_left_to_the_tool(stage: Path) -> None:
    """As a stream is: the sizes stand behind the bytes."""
    kept = stage / "build" / last.LAST / last.REPAIRED / f"demo-1.0-{AFTER}.whl"
    with zipfile.ZipFile(kept) as archive:
        held = [(info, archive.read(info)) for info in archive.infolist()]
    stream = Unseekable(kept.open("wb"))
    with stream.file, zipfile.ZipFile(stream, "w") as archive:  # type: ignore[call-overload]
        for info, data in held:
            archive.writestr(info, data)
    assert anywhere(built(stage, {"demo/b.py": "y = 2\n"}), stage).startswith(
        "the last repair is of no use: "
    )


class Unseekable:
    """A file to write to, and no more."""

    def __init__(self, file: IO[bytes]) -> None:
        self.file = file
        self.write, self.flush = file.write, file.flush


def test_damage_that_only_another_compression_knows_is_left_to_the_tool(stage: Path) -> None:
    kept = stage / "build" / last.LAST / last.BUILT / f"demo-1.0-{BEFORE}.whl"
    with zipfile.ZipFile(kept) as archive:
        held = [(info, archive.read(info)) for info in archive.infolist()]
    with zipfile.ZipFile(kept, "w") as archive:
        for info, data in held:
            info.compress_type = zipfile.ZIP_LZMA if info.filename == "demo/b.py" else zipfile.ZIP_STORED
            archive.writestr(info, data)
        start = archive.getinfo("demo/b.py").header_offset + last.HEADER + len("demo/b.py")
    data = kept.read_bytes()
    kept.write_bytes(data[: start + 9] + b"\xff" * 4 + data[start + 13 :])
    assert host(built(stage, {"demo/b.py": "y = 2\n"}), stage).startswith("the last repair is of no use: ")
    assert list((stage / "dist").iterdir()) == []


def test_keeping_is_of_both_or_none(
    stage: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = built(stage, version="1.1")
    make_wheel(stage / "dist", files=repaired(BUILT), tag=AFTER, version="1.1")

    def full(*paths: object) -> None:
        raise OSError(28, "No space left on device", str(paths[1]))

    with monkeypatch.context() as patch:
        patch.setattr("os.link", full)
        patch.setattr("shutil.copyfile", full)
        assert last.main("keep", path, stage / "dist", stage / "build") == 0
    assert "nothing is kept of this repair for the next build: [Errno 28]" in capsys.readouterr().out
    assert last.wheels_of(stage / "build", path.name) is None
    assert last.wheels_of(stage / "build", built(stage).name) is not None
    monkeypatch.setattr("os.link", full)  # as between two file systems
    assert last.main("keep", path, stage / "dist", stage / "build") == 0
    assert last.wheels_of(stage / "build", path.name) is not None
    assert last.wheels_of(stage / "build", built(stage).name) is None
