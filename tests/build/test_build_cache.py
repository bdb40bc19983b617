"""The build cache: when a build continues from it, and that the result is that of a clean build."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.build_caches import cache_of, cached, changes, lay, stage_in, times
from support.cached_builds import NAME, WITHOUT, made, run, sha256
from wheelfarm.build import build_cache
from wheelfarm.build.build_cache import BuildCache, inputs_digest, read_sources
from wheelfarm.build.inside import prepare_build_cache
from wheelfarm.model import Digest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from support.index import Index
    from wheelfarm.build.directory import BuildDirectory

    Files = dict[str, str | Path]


@pytest.fixture
def stage(tmp_path: Path) -> BuildDirectory:
    """A stage whose source tree has two files."""
    return stage_in(tmp_path)


class TestRestoring:
    def test_there_is_none_at_first(self, stage: BuildDirectory) -> None:
        before = times(stage)
        current = cache_of(stage).restore(stage)
        assert changes(stage) == {"new": current.token, "old": None}
        assert times(stage) == before
        assert not (stage.root / "build").exists()

    def test_unchanged_files_get_their_former_time(self, stage: BuildDirectory) -> None:
        before = times(stage)
        found = cached(stage)
        lay(stage, {"a.c": "a", "b.c": "other"})
        os.utime(stage.tree.path / "a.c")
        began = time.time_ns()
        second = found.restore(stage)
        between = times(stage)
        assert between["a.c"] == before["a.c"]
        assert began <= between["b.c"] <= time.time_ns()
        assert (changes(stage)["files"], changes(stage)["changed"]) == (["b.c"], between["b.c"])
        assert (stage.root / "build" / "a.o").read_text() == "object"
        assert not found.root.exists()
        # A change that is taken back is one more change: the object was made of the other content.
        found.save(second)
        lay(stage).tree.path.joinpath("a.c").chmod(0o755)
        found.restore(stage)
        assert times(stage)["b.c"] > between["b.c"] > before["b.c"]
        assert sorted(changes(stage)["files"]) == ["a.c", "b.c"]

    def test_in_a_volume_only_times_are_set(self, stage: BuildDirectory) -> None:
        found = BuildCache.beside(stage.root, None)
        first = found.restore(stage)
        found.save(first)
        lay(stage, {"a.c": "a", "b.c": "other"})
        second = found.restore(stage)
        assert (changes(stage)["old"], changes(stage)["new"]) == (first.token, second.token)
        assert not (stage.root / "build").exists()

    @pytest.mark.parametrize(
        ("before", "after"),
        [
            ({}, {"b.c": None}),
            ({}, {"c.h": ""}),
            ({}, {"b.c": Path("a.c")}),
            ({}, {"link": Path("a.c")}),
            ({"link": Path("a.c")}, {"link": Path("b.c")}),
            ({"link": Path("a.c")}, {"link": Path("away")}),
            ({"a/x.c": "a", "b/x.c": "b", "to": Path("a")}, {"to": Path("b")}),
        ],
        ids=[
            "gone",
            "new",
            "a link in its place",
            "a new link",
            "another link",
            "dangling",
            "to a directory",
        ],
    )
    def test_another_name_or_link_empties_it(
        self, stage: BuildDirectory, before: Files, after: dict[str, Any]
    ) -> None:
        files: dict[str, Any] = {"a.c": "a", "b.c": "b"} | before
        found = cached(lay(stage, files))
        files = {name: content for name, content in (files | after).items() if content is not None}
        found.restore(lay(stage, files))
        assert changes(stage)["old"] is None
        assert not (stage.root / "build").exists()
        assert not found.root.exists()


class TestUnfit:
    """All that makes a cache unfit; it costs time only."""

    def unfit(self, stage: BuildDirectory, found: BuildCache) -> None:
        found.restore(stage)
        assert changes(stage)["old"] is None
        assert not (stage.root / "build").exists()
        assert not found.root.exists()

    def test_of_other_inputs(self, stage: BuildDirectory) -> None:
        found = cached(stage)
        other = replace(stage, build=replace(stage.build, key_parts={"version": "1.0", "compiler.c": "13"}))
        self.unfit(lay(other), found)

    def test_from_before_the_machine_started(
        self, stage: BuildDirectory, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Names of files may exist, and their content be lost."""
        found = cached(stage)
        monkeypatch.setattr(build_cache, "_boot_id", lambda: "another")
        self.unfit(lay(stage), found)

    @pytest.mark.parametrize("text", ["", "[]", "{}", '{"inputs": 1, "token": 2}', "half", "null"])
    def test_damaged(self, stage: BuildDirectory, text: str) -> None:
        found = cached(stage)
        (found.root / "cached-build.json").write_text(text)
        self.unfit(lay(stage), found)

    @pytest.mark.parametrize("sources", [[], {"a.c": 1}, {"a.c": []}, {"a.c": ["x", "y"]}])
    def test_with_other_sources_than_there_can_be(self, stage: BuildDirectory, sources: object) -> None:
        found = cached(stage)
        document = json.loads((found.root / "cached-build.json").read_text())
        (found.root / "cached-build.json").write_text(json.dumps(document | {"sources": sources}))
        self.unfit(lay(stage), found)

    def test_without_its_directory(self, stage: BuildDirectory) -> None:
        found = cached(stage)
        (found.root / "build").rename(stage.root.with_name("elsewhere"))
        self.unfit(lay(stage), found)
        # A build that was killed has left none either, nor one without a build directory.
        self.unfit(lay(stage), found)
        found.save(found.restore(lay(stage)))
        self.unfit(lay(stage), found)

    def test_a_kill_while_it_is_restored_leaves_none(
        self, stage: BuildDirectory, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        found = cached(stage)

        def kill(*_words: object, **_more: object) -> None:
            raise SystemExit

        lay(stage)
        with monkeypatch.context() as patch:
            patch.setattr(shutil, "rmtree", kill)
            with pytest.raises(SystemExit):
                found.restore(stage)
        found.restore(lay(stage))
        assert changes(stage)["old"] is None


class TestInputs:
    def digest(self, stage: BuildDirectory, **changes: object) -> str:
        changed = replace(stage, **changes)  # type: ignore[arg-type]
        return inputs_digest(changed, {"a.c": ("1", 1)})

    @pytest.mark.parametrize(
        "parts",
        [
            {"version": "1.0", "patch.1.b.patch": "2", "config-settings.install-args": "[]"},
            {"version": "1.0", "upstream.numpy": "another key"},
        ],
        ids=["patches count by what they change", "dependencies count by their bytes"],
    )
    def test_what_is_no_input_of_a_compile(self, stage: BuildDirectory, parts: dict[str, str]) -> None:
        assert self.digest(stage) == self.digest(stage, build=replace(stage.build, key_parts=parts))

    def test_a_dependency_counts_by_its_bytes(self, stage: BuildDirectory) -> None:
        wheels = tuple(replace(wheel, sha256=Digest("d" * 64)) for wheel in stage.requirements)
        assert wheels
        assert self.digest(stage) != self.digest(stage, requirements=wheels)

    def test_names_of_sources_count_and_contents_do_not(self, stage: BuildDirectory) -> None:
        one, other = ({"a": (content, 1), "\udcff": ("2", 2)} for content in "12")
        assert inputs_digest(stage, one) == inputs_digest(stage, other)
        assert inputs_digest(stage, one) != inputs_digest(stage, {"a": ("1", 1)})

    def test_what_is_no_file_is_passed_over(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "pipe")
        assert read_sources(tmp_path) == {}


class TestPreparing:
    def continues(self, stage: BuildDirectory) -> bool:
        prepare_build_cache.main(stage.root / "build", stage.root)
        return (stage.root / prepare_build_cache.USED).exists()

    def test_it_continues(self, stage: BuildDirectory) -> None:
        found = cached(stage)
        found.restore(lay(stage, {"a.c": "other", "b.c": "b"}))
        assert self.continues(stage)
        assert (stage.root / "build" / "a.o").exists()
        assert (stage.root / "build" / "meson-private").is_dir()

    @pytest.mark.parametrize("changed", ["b.c", "a.H"])
    def test_configure_checks_that_may_have_used_a_changed_source_go(
        self, stage: BuildDirectory, changed: str
    ) -> None:
        files = {"a.c": "a", "b.c": "b", "a.H": ""}
        found = cached(lay(stage, files))
        found.restore(lay(stage, files | {changed: "other"}))
        assert self.continues(stage)
        assert (stage.root / "build" / "a.o").exists()
        assert not (stage.root / "build" / "meson-private").exists()

    @pytest.mark.parametrize("fault", ["marked otherwise", "unmarked", "another system", "from the future"])
    def test_it_is_emptied(self, stage: BuildDirectory, monkeypatch: pytest.MonkeyPatch, fault: str) -> None:
        """Also when the farm takes it for the right one: a container's volume may be any."""
        found = cached(stage)
        found.restore(lay(stage, {"a.c": "other", "b.c": "b"}))
        build = stage.root / "build"
        mark = build / prepare_build_cache.MARK
        match fault:
            case "marked otherwise":
                mark.write_text(json.dumps(json.loads(mark.read_text()) | {"token": "0"}))
            case "unmarked":
                mark.unlink()
            case "another system":
                monkeypatch.setattr(prepare_build_cache, "system", lambda _root: "updated")
            case _:
                later = time.time_ns() + 10**9
                os.utime(build / "a.o", ns=(later, later))
        (build / "link").symlink_to("meson-private")
        assert not self.continues(stage)
        assert [path.name for path in build.iterdir()] == [prepare_build_cache.MARK]

    def test_files_of_the_environment_get_one_time_and_those_of_an_image_stay(self, tmp_path: Path) -> None:
        (tmp_path / "link").symlink_to("/dev/null")
        for name, stamp in (("of the image.h", 1_700_000_000), ("installed.h", 1_700_000_002)):
            (tmp_path / name).touch()
            os.utime(tmp_path / name, (stamp, stamp))
        prepare_build_cache.set_old_times(tmp_path, since=1_700_000_001)
        assert (tmp_path / "of the image.h").stat().st_mtime == 1_700_000_000
        assert (tmp_path / "installed.h").stat().st_mtime == prepare_build_cache.OLD
        prepare_build_cache.set_old_times(tmp_path)
        assert (tmp_path / "of the image.h").stat().st_mtime == prepare_build_cache.OLD

    def test_what_cannot_be_set_is_left(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(*_words: object) -> None:
            raise PermissionError

        (tmp_path / "a.h").touch()
        monkeypatch.setattr(os, "utime", refuse)
        prepare_build_cache.set_old_times(tmp_path)

    def test_as_a_program(self, stage: BuildDirectory) -> None:
        BuildCache.beside(stage.root, None).restore(stage)
        script = stage.root / "inside" / "prepare_build_cache.py"
        script.write_bytes(Path(prepare_build_cache.__file__).read_bytes())
        env = stage.root / "env"
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(env)], check=True)
        build = stage.root / "build"
        subprocess.run([sys.executable, "-I", str(script), str(env), str(build)], cwd=stage.root, check=True)
        assert (build / prepare_build_cache.MARK).is_file()
        assert (env / "pyvenv.cfg").stat().st_mtime == prepare_build_cache.OLD


class TestSystem:
    @pytest.fixture
    def path(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        monkeypatch.setenv("PATH", str(tmp_path / "bin"))
        (tmp_path / "bin").mkdir()
        (tmp_path / "usr/include").mkdir(parents=True)
        (tmp_path / "usr/local/include").mkdir(parents=True)
        return tmp_path

    def test_packages_tell(self, path: Path) -> None:
        query = path / "bin" / "dpkg-query"
        query.write_text("#!/bin/sh\necho libc6-dev 2.36-9\n")
        query.chmod(0o755)
        before = prepare_build_cache.system(path)
        (path / "usr/include/a.h").touch()
        assert prepare_build_cache.system(path) == before
        query.write_text("#!/bin/sh\necho libc6-dev 2.36-10\n")
        assert prepare_build_cache.system(path) != before

    @pytest.mark.parametrize("place", ["usr/include", "usr/local/include"])
    def test_without_packages_the_directories_tell(self, path: Path, place: str) -> None:
        os.utime(path / place, (1, 1))
        before = prepare_build_cache.system(path)
        assert prepare_build_cache.system(path) == before
        (path / place / "a.h").touch()
        assert prepare_build_cache.system(path) != before


ON_LINUX = pytest.mark.skipif(sys.platform != "linux", reason="the preprocessor is GCC's")
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


@pytest.fixture
def unchanged_system(monkeypatch: pytest.MonkeyPatch) -> None:
    """No packages are installed meanwhile; to ask for them takes longer than all the rest."""
    monkeypatch.setattr(prepare_build_cache, "system", lambda _root: "")


@ON_LINUX
@pytest.mark.usefixtures("unchanged_system")
@given(steps=STEPS)
@settings(max_examples=15)
def test_the_result_is_that_of_a_clean_build(steps: list[Step]) -> None:
    with TemporaryDirectory() as directory:
        world = World(stage_in(Path(directory)))
        for step in steps:
            world.perform(step)


@ON_LINUX
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


TABLE, TRIAL, TWO = (f"native/{name}" for name in ("table.txt", "trial.c", "two.c"))


@pytest.mark.slow
def test_only_what_has_changed_is_compiled_and_the_wheel_is_that_of_a_clean_build(
    tmp_path: Path, meson_index: Index
) -> None:
    farm = tmp_path / "farm"
    first = run(farm, meson_index)
    values, cached, missed = made(first)
    compiled = [first.record(NAME).compiled]
    assert (values, cached) == ("13 2 7 1 5 3", False)
    assert sorted(missed) == ["ext.c", "one.c", "trial.c", "two.c"]
    # A compile, a generator's input, and what Meson tries.
    changed = {TWO: "int two(void) { return 20; }\n", TABLE: "6\n", TRIAL: "#error no\n"}
    second = run(farm, meson_index, changed)
    values, cached, missed = made(second)
    compiled.append(second.record(NAME).compiled)
    assert (values, cached) == ("13 20 7 0 6 3", True)
    assert sorted(missed) == ["ext.c", "two.c"]
    assert second.outcomes[NAME].warnings == ()
    clean = run(farm, meson_index, changed, settings=WITHOUT)
    assert made(clean) == ("13 20 7 0 6 3", False, ())
    compiled.append(clean.record(NAME).compiled)
    assert sha256(clean) == sha256(second)
    # Taken back: what was made of the patched files is newer than the files.
    third = run(farm, meson_index)
    assert made(third) == ("13 2 7 1 5 3", True, ())
    assert sha256(third) == sha256(first)
    # What is not compiled again is known nevertheless.
    compiled.append(third.record(NAME).compiled)
    assert [*compiled[0].objects.values()] == [{"": 3}]
    assert compiled == [compiled[0]] * 4


@pytest.mark.slow
def test_a_header_that_comes_before_another_and_a_build_that_failed(
    tmp_path: Path, meson_index: Index
) -> None:
    one = run(tmp_path / "one", meson_index)
    # Another farm at the same place, with the same inputs, goes on from it.
    two = run(tmp_path / "two", meson_index)
    assert made(two) == ("13 2 7 1 5 3", True, ())
    assert sha256(one) == sha256(two)
    # Nothing that ninja looks at has changed.
    values, cached, _ = made(
        run(tmp_path / "two", meson_index, {"native/first/header.h": "#define HEADER 9\n"})
    )
    assert (values, cached) == ("19 2 7 1 5 9", False)
    failed = run(tmp_path / "two", meson_index, {TWO: "#error no\n"})
    assert failed.states == {NAME: "failed"}
    # Nobody knows what it left, so that is not gone on from; the compiler cache knows.
    assert list((tmp_path / "stages").glob("*.cache")) == []
