"""Whatever happens to sources between builds: a build from the cache makes what a clean build makes.

The builds are real ones, by ninja and a preprocessor that writes down what it has included.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.farm import make_farm
from support.stages import build_for, make_stage
from wheelfarm.build.build_cache import BuildCache
from wheelfarm.build.host_engine import Host
from wheelfarm.build.inside import prepare_build_cache

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wheelfarm.build.directory import BuildDirectory

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the preprocessor is GCC's")

NINJA: Final = str(Path(sys.executable).with_name("ninja"))
UNITS: Final = ("a", "b")
RULES: Final = """\
rule c_COMPILER
  command = gcc -E -P -I ../source/first -I ../source/second -MMD -MF $out.d -o $out $in
  depfile = $out.d
  deps = gcc
rule link
  command = cat $in > $out
"""
EDGES: Final = "".join(f"build {unit}.i: c_COMPILER ../source/{unit}.c\n" for unit in UNITS)
GRAPH: Final = f"{RULES}{EDGES}build result: link {' '.join(f'{unit}.i' for unit in UNITS)}\n"
HEADERS: Final = ("first/h.h", "second/h.h")


@dataclass(frozen=True)
class Tree:
    """Two units; headers, of which the first that is there counts; and a link to one of two others."""

    units: tuple[int, int]
    headers: tuple[int | None, int]
    link: int
    linked: tuple[int, int] = (5, 6)

    @property
    def files(self) -> dict[str, str]:
        found = {f"link{number}.h": f"#define L {value}\n" for number, value in enumerate(self.linked)}
        for unit, value in zip(UNITS, self.units, strict=True):
            found[f"{unit}.c"] = f'#include "h.h"\n#include "link.h"\n{unit} {value} H L\n'
        for path, header in zip(HEADERS, self.headers, strict=True):
            if header is not None:
                found[path] = f"#define H {header}\n"
        return found

    @property
    def result(self) -> str:
        first, second = self.headers
        header = second if first is None else first
        linked = self.linked[self.link]
        return "".join(f"{u} {v} {header} {linked}\n" for u, v in zip(UNITS, self.units, strict=True))


VALUE = st.integers(1, 2)
FIRST: Final = Tree(units=(1, 1), headers=(None, 1), link=0, linked=(1, 2))
# Most changes of real sources are of one thing at a time, and many are taken back.
CHANGES = st.one_of(
    st.builds(lambda *units: {"units": units}, VALUE, VALUE),
    st.builds(lambda *headers: {"headers": headers}, st.none() | VALUE, VALUE),
    st.builds(lambda link: {"link": link}, st.integers(0, 1)),
    st.builds(lambda *linked: {"linked": linked}, VALUE, VALUE),
)


@dataclass(frozen=True)
class Step:
    """One build: of a changed tree, whose files have times of an archive or of now, up to an end."""

    change: dict[str, Any]
    archived: int
    """Seconds since 1970 of those files that no patch has touched; 0 for now."""
    end: str
    """How it ends: well, in a kill before ninja or after it, or while it is saved."""


STEPS = st.lists(
    st.builds(
        Step,
        change=CHANGES,
        archived=st.sampled_from([0, 1_000_000_000, 4_000_000_000]),
        end=st.sampled_from(["well", "well", "well", "before", "after", "saving"]),
    ),
    min_size=2,
    max_size=6,
)


@dataclass
class World:
    """The place of a stage, build after build."""

    stage: BuildDirectory
    tree: Tree = FIRST

    def perform(self, step: Step) -> None:
        self.tree = replace(self.tree, **step.change)
        root = self.stage.root
        shutil.rmtree(root, ignore_errors=True)
        self.write(step)
        build = root / "build"
        cache = BuildCache.beside(root, build)
        current = cache.restore(self.stage)
        prepare_build_cache.main(build, root)
        if not (build / "meson-private").is_dir():
            (build / "meson-private").mkdir()
            (build / "build.ninja").write_text(GRAPH)
        if step.end == "before":
            return
        subprocess.run([NINJA, "-C", str(build)], check=True, capture_output=True)
        assert (build / "result").read_text() == self.tree.result
        if step.end == "after":
            return
        cache.save(current)
        if step.end == "saving":
            (cache.root / "cached-build.json").unlink()

    def write(self, step: Step) -> None:
        tree = self.stage.tree.path
        (self.stage.root / "inside").mkdir(parents=True)
        for directory in ("first", "second"):
            (tree / directory).mkdir(parents=True)
        for name, text in self.tree.files.items():
            (tree / name).write_text(text)
            if step.archived:
                os.utime(tree / name, (step.archived, step.archived))
        (tree / "link.h").symlink_to(f"link{self.tree.link}.h")


def stage_in(directory: Path) -> BuildDirectory:
    farm = make_farm(directory / "farm")
    build = build_for(farm)
    return make_stage(build, Host(farm), directory / "stages" / build.id.slug, backend="mesonpy")


@pytest.fixture
def unchanged_system(monkeypatch: pytest.MonkeyPatch) -> None:
    """No packages are installed meanwhile; to ask for them takes longer than all the rest."""
    monkeypatch.setattr(prepare_build_cache, "system", lambda _root: "")


@pytest.mark.usefixtures("unchanged_system")
@given(steps=STEPS)
@settings(max_examples=15, deadline=None)
def test_the_result_is_that_of_a_clean_build(steps: list[Step]) -> None:
    with TemporaryDirectory() as directory:
        world = World(stage_in(Path(directory)))
        for step in steps:
            world.perform(step)


@pytest.mark.usefixtures("unchanged_system")
def test_nothing_is_compiled_twice(tmp_path: Path) -> None:
    """Otherwise the above would hold of nothing."""
    world = World(stage_in(tmp_path))
    world.perform(Step({}, 0, "well"))
    before = objects(world.stage)
    world.perform(Step({"units": (2, 1)}, 1_000_000_000, "well"))
    after = objects(world.stage)
    assert after["b.i"] == before["b.i"]
    assert after["a.i"] != before["a.i"]


def objects(stage: BuildDirectory) -> Mapping[str, Any]:
    build = BuildCache.beside(stage.root, None).root / "build"
    return {path.name: path.stat().st_mtime_ns for path in build.glob("*.i")}
