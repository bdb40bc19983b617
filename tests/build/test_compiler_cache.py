"""The compiler cache: its directories, its variables and its script; and builds with the real ccache."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, Final

import pytest

from support.disks import fill, small_disk
from support.farm import make_farm
from support.runs import LineListener
from support.tiny import LEAF, child_command, run_farm, tiny_farm
from wheelfarm.build import compiler_cache
from wheelfarm.build.compiler_cache import PROGRAM, CompilerCache, compilers_path, wrapper_arguments
from wheelfarm.build.inside import compilers, environment_report
from wheelfarm.build.remote_cache import SOCKET
from wheelfarm.model import CacheUse, EngineName
from wheelfarm.plan.inputs import named_programs
from wheelfarm.recipes.settings import load
from wheelfarm.run.decision import decide
from wheelfarm.run.farm import Farm
from wheelfarm.run.services import choose_engine

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from support.farm import Table
    from support.index import Index
    from support.tiny import Run
    from wheelfarm.recipes.settings import Settings

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="ccache is not used there")

CCACHE = "#!/bin/sh\necho ccache version 4.14.2\n"


def program(path: Path, text: str = CCACHE) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


@pytest.fixture
def cache(tmp_path: Path) -> CompilerCache:
    found = program(tmp_path / "bin" / PROGRAM)
    return CompilerCache.below(tmp_path / "cache", program=found, engine="host", size="5G")


class TestMake:
    def test_containers_can_have_the_program(self, cache: CompilerCache) -> None:
        copy = cache.tools / PROGRAM
        assert cache.make() is None
        inode = copy.stat().st_ino
        assert (copy.read_text(), os.access(copy, os.X_OK)) == (CCACHE, True)
        assert cache.make() is None
        assert copy.stat().st_ino == inode
        # A copy that cannot be run is made again.
        copy.chmod(0o644)
        assert cache.make(["numpy"]) is None
        assert os.access(copy, os.X_OK)
        # Made here, where it is no error that it cannot be.
        assert (cache.storage_of("numpy") / "lock").is_dir()

    def test_another_program_takes_its_place_in_one_step(self, cache: CompilerCache) -> None:
        """Whoever runs the old one goes on with it: a name that is gone for a moment fails a build."""
        cache.make()
        with (cache.tools / PROGRAM).open() as running:
            program(cache.program, CCACHE.replace("4.14.2", "4.15.0"))
            assert cache.make() is None
            assert running.read() == CCACHE
        assert "4.15.0" in (cache.tools / PROGRAM).read_text()

    @pytest.mark.parametrize("place", ["", "ccache", "ccache/host", "ccache/bin", "ccache/host/numpy"])
    def test_a_file_in_the_way(self, cache: CompilerCache, tmp_path: Path, place: str) -> None:
        way = tmp_path / "cache" / place
        way.parent.mkdir(parents=True, exist_ok=True)
        way.write_text("")
        problem = cache.make(["numpy"])
        assert problem is not None
        assert str(way) in problem

    def test_a_file_system_without_locks(self, cache: CompilerCache, monkeypatch: pytest.MonkeyPatch) -> None:
        def lock(_path: Path) -> None:
            raise NotImplementedError("no locks here")

        monkeypatch.setattr(compiler_cache, "hold_lock", lock)
        assert cache.make() == f"{cache.storage}: no locks here"


def test_the_variables_of_ccache(cache: CompilerCache) -> None:
    project = PurePosixPath("/project")
    said = cache.environment(storage=PurePosixPath("/storage"), directory=project, socket=project / SOCKET)
    assert said["CCACHE_DIR"] == "/storage"
    assert {name: value for name, value in said.items() if "/project" in value} == {
        "CCACHE_CONFIGPATH": "/project/no-ccache.conf",
        "CCACHE_TEMPDIR": "/project/tmp",
        "CCACHE_EXTRAFILES": "/project/compilers.txt",
        "CCACHE_STATSLOG": "/project/tmp/ccache.log",
    }
    assert compilers_path(PurePosixPath("/project")) == "/project/compilers"


def test_programs_that_the_recipe_names_are_wrapped_too() -> None:
    environment = {"CC": "ccache gcc-12 -m64", "CXX": "x86_64-linux-gnu-g++-12.2", "CFLAGS": "clang"}
    words = wrapper_arguments(PurePosixPath("/tools/ccache"), environment)
    assert words[:7] == ("/tools/ccache", "cc", "gcc", "c++", "g++", "clang", "clang++")
    assert words[-len(named_programs(environment)) :] == named_programs(environment)
    assert {"gfortran", "ar"} < set(words)
    assert wrapper_arguments(None, environment) == ("-", *words[1:])
    assert {"gcc-12", "x86_64-linux-gnu-g++-12.2"} < set(words)


def test_there_is_none_without_ccache_and_on_windows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "bin" / "python"))
    settings = make_farm(tmp_path / "farm", environ={"PATH": str(tmp_path)})
    settings = settings.replace(engine=EngineName.HOST, compiler_cache=True)
    assert choose_engine(settings).compiler_cache is None
    found = program(tmp_path / "bin" / PROGRAM)
    cache = choose_engine(settings).compiler_cache
    assert cache is not None
    assert (cache.program, cache.storage) == (found, settings.cache / "ccache" / "host")
    assert choose_engine(settings.replace(compiler_cache=False)).compiler_cache is None
    monkeypatch.setattr(sys, "platform", "win32")
    assert choose_engine(settings).compiler_cache is None


@pytest.fixture
def stage(tmp_path: Path) -> Path:
    """A stage with a source and the packages of an environment."""
    for path in (
        *("source/a.c", "source/inc/vector", "source/inc/b.HPP", "source/setup.py", "source/README.md"),
        *("site/numpy/core.h", "site/numpy/core.py", "site/numpy-1.dist-info/RECORD"),
        "site/numpy/__pycache__/core",
    ):
        (tmp_path / "stage" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "stage" / path).touch()
    return tmp_path / "stage"


class TestReady:
    def ready(self, stage: Path, ccache: str, names: list[str]) -> dict[str, str]:
        compilers.main(ccache, names, stage, {stage / "site"})
        scripts = (stage / "compilers").iterdir()
        return {path.name: path.read_text().splitlines()[-1] for path in scripts}

    @pytest.mark.parametrize(
        "case",
        [
            ("cc gcc-12 ar", ["cc", "c++", "gcc-12", "ar"], {"cc": True, "gcc-12": True, "ar": False}),
            # Debian's Python has setuptools call x86_64-linux-gnu-gcc, which nobody else asks for.
            ("x86_64-linux-gnu-gcc g++", [], {"x86_64-linux-gnu-gcc": True}),
            (
                "gfortran ld.gold ccache gcc-12 x86_64-linux-gnu-g++-12.2",
                ["gfortran", "ld.gold", "ccache", "gcc-12", "x86_64-linux-gnu-g++-12.2", "/elsewhere/gcc"],
                {"gcc-12": True, "x86_64-linux-gnu-g++-12.2": True, "gfortran": False},
            ),
        ],
        ids=["those that are there", "those that Python was built with", "compilers only"],
    )
    def test_ccache_stands_for_compilers(
        self,
        stage: Path,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        case: tuple[str, list[str], dict[str, bool]],
    ) -> None:
        installed, names, expected = case
        built_with = {"CC": "x86_64-linux-gnu-gcc -pthread", "CXX": "/opt/bin/g++", "LDSHARED": None}
        monkeypatch.setattr(sysconfig, "get_config_var", built_with.get)
        for name in installed.split():
            program(tmp_path / "system" / name, "#!/bin/sh\n")
        monkeypatch.setenv("PATH", f"{stage / 'compilers'}:{tmp_path / 'system'}")
        ccache = str(program(tmp_path / PROGRAM))
        assert self.ready(stage, ccache, names) == {
            name: f'exec {f"{ccache} " if cached else ""}{tmp_path}/system/{name} "$@"'
            for name, cached in expected.items()
        }

    def test_what_ccache_does_not_see_is_written_down(
        self, stage: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        program(tmp_path / "system" / "as", "#!/bin/sh\necho the assembler 2.40\necho more\n")
        monkeypatch.setenv("PATH", str(tmp_path / "system"))
        self.ready(stage, str(program(tmp_path / PROGRAM)), [])
        found = [
            line.removeprefix(f"{stage}/") for line in (stage / "compilers.txt").read_text().splitlines()
        ]
        assert found == [
            *("the assembler 2.40", "source/a.c", "source/inc/b.HPP", "source/inc/vector"),
            "site/numpy/core.h",
        ]

    @pytest.mark.parametrize(
        "text", ["#!/bin/sh\necho ccache version 4.3\n", "#!/bin/sh\nexit 127\n", "#!/nowhere\n", None]
    )
    def test_one_that_does_not_run_or_is_too_old_is_not_used(
        self, stage: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str | None
    ) -> None:
        if text:
            program(tmp_path / PROGRAM, text)
        scripts = self.ready(stage, str(tmp_path / PROGRAM), ["cc"])
        assert scripts["cc"] == f'exec {shutil.which("cc")} "$@"'
        assert "no compiler cache" in capsys.readouterr().err

    def test_as_a_program(self, stage: Path, tmp_path: Path) -> None:
        (stage / "inside").mkdir()
        script = shutil.copy(Path(compilers.__file__), stage / "inside")
        words = [
            sys.executable,
            "-I",
            "-S",
            script,
            "-",
            str(program(tmp_path / PROGRAM)),
            "cc",
            "no-such-cc",
        ]
        program(tmp_path / "system" / "cc", "#!/bin/sh\n")
        subprocess.run(words, check=True, env={"PATH": str(tmp_path / "system")}, cwd=stage)
        found = {path.name for path in (stage / "compilers").iterdir()}
        assert "cc" in found
        assert "no-such-cc" not in found


LOG = """\
# source/native/one.c
direct_cache_hit
local_storage_hit
# source/two # of them.c
cache_miss
direct_cache_miss
preprocessed_cache_miss
# build/meson-private/tmp1/testfile.c
cache_miss
# CMakeFiles/CMakeScratch/a.c
cache_miss
# /tmp/conftest.c
cache_miss
# one.o
called_for_link
#\x20
no_input_file
# three.c
preprocessed_cache_hit
# four.c
unsupported_compiler_option
# five.c
compile_failed
"""


class TestUse:
    def use(self, log: str, directory: Path) -> dict[str, object] | None:
        (directory / "log").write_text(log)
        return environment_report.cache_use(directory / "log")

    def test_hits_and_misses_of_each_compile(self, tmp_path: Path) -> None:
        use = {"hits": 2, "misses": 2, "missed": ["source/two # of them.c", "four.c"]}
        assert self.use(LOG, tmp_path) == use

    def test_only_the_first_misses_are_named(self, tmp_path: Path) -> None:
        log = "".join(f"# {number}.c\ncache_miss\n" for number in range(9))
        use = {"hits": 0, "misses": 9, "missed": ["0.c", "1.c", "2.c", "3.c", "4.c"]}
        assert self.use(log, tmp_path) == use

    def test_a_log_that_is_cut_off_or_missing(self, tmp_path: Path) -> None:
        for text in ("", "# ", "half a line"):
            assert self.use(text, tmp_path) == {"hits": 0, "misses": 0, "missed": []}
        assert environment_report.cache_use(tmp_path / "none") is None

    def test_the_rate_of_hits(self) -> None:
        assert CacheUse(hits=3, misses=1).rate() == 0.75
        assert CacheUse(hits=0, misses=0).rate() == 1.0


ON: Final = {"compiler-cache": True}
REAL_CCACHE: Final = Path(sys.executable).with_name(PROGRAM)
PATCH: Final = """\
Why: so that one file has changed.
Upstream: none, inappropriate

--- a/native/core.c
+++ b/native/core.c
@@ -1,3 +1,4 @@
+/* another one */
 #include <Python.h>
 #include "tinybase.h"
 int tiny_answer(void);
"""
PATCHED: Final = {"tinybase": {"patches": [{"file": "0001-other.patch"}]}}


def emptied(settings: Settings) -> Settings:
    """The farm with nothing in its wheelhouse."""
    shutil.rmtree(settings.wheelhouse)
    return settings


def said(settings: Settings, **options: str) -> Settings:
    """The farm's settings with what a command line says."""
    texts = {name.replace("_", "-"): text for name, text in options.items()}
    return load(settings.root, environ=settings.environ, options=texts)


def use(run: Run, name: str) -> CacheUse | None:
    """What the record says of a build's compiles, and the outcome the same."""
    recorded = run.record(name).compiler_cache
    assert run.outcomes[name].cache_use == recorded
    return recorded


def cached(root: Path, index: Index, recipes: Mapping[str, Table] = LEAF, **more: Any) -> Settings:
    return tiny_farm(root / "farm", index, recipes, settings=ON | more.pop("settings", {}), **more)


@pytest.mark.slow
def test_what_was_compiled_before_is_not_compiled_again(tmp_path: Path, index: Index) -> None:
    farm = cached(tmp_path, index, {"tinybase": {}})
    first = run_farm(farm)
    assert use(first, "tinybase") == CacheUse(hits=0, misses=1, missed=("native/core.c",))
    second = run_farm(emptied(farm))
    assert use(second, "tinybase") == CacheUse(hits=1, misses=0)
    none = run_farm(said(emptied(farm), compiler_cache="false"))
    assert use(none, "tinybase") is None
    assert len({run.record("tinybase").wheel.sha256 for run in (first, second, none)}) == 1


@pytest.mark.slow
def test_what_a_patch_changes_is_compiled_once(tmp_path: Path, index: Index) -> None:
    assert run_farm(cached(tmp_path, index, {"tinybase": {}})).states == {"tinybase": "built"}
    farm = cached(tmp_path, index, PATCHED, patches={"tinybase/0001-other.patch": PATCH})
    run = run_farm(farm)
    assert use(run, "tinybase") == CacheUse(hits=0, misses=1, missed=("native/core.c",))
    assert run.outcomes["tinybase"].warnings == ()
    again = run_farm(emptied(farm))
    assert use(again, "tinybase") == CacheUse(hits=1, misses=0)
    assert again.outcomes["tinybase"].warnings == ()


@pytest.mark.slow
class TestARelease:
    @pytest.fixture
    def farm(self, tmp_path: Path, index: Index) -> Settings:
        """A farm whose wheel was built with the cache."""
        farm = cached(tmp_path, index, settings={"compiler-cache": None})
        assert farm.compiler_cache
        assert use(run_farm(farm), "tinyleaf") is not None
        return farm

    def test_is_built_from_nothing(self, farm: Settings) -> None:
        release = said(farm, release="true")
        before = Farm(settings=release)
        (build,) = before.plan(None).builds
        found = decide(before.wheelhouse, build, from_nothing=before.settings.from_nothing)
        assert found.action == "build"
        run = run_farm(release)
        assert run.states == {"tinyleaf": "built"}
        assert "a release is built from nothing" in run.outcomes["tinyleaf"].why
        assert (use(run, "tinyleaf"), run.record("tinyleaf").build_cache) == (None, False)
        # And serves whoever comes later.
        assert run_farm(release).states == run_farm(farm).states == {"tinyleaf": "cached"}

    def test_with_the_cache_is_not_built_each_time(self, tmp_path: Path, index: Index) -> None:
        farm = cached(tmp_path, index, settings={"release": True})
        assert [run_farm(farm).states["tinyleaf"] for _ in range(2)] == ["built", "cached"]

    @pytest.mark.parametrize("first_release", [False, True])
    def test_takes_a_wheel_that_waits_for_its_gate_if_that_was_built_from_nothing(
        self, tmp_path: Path, index: Index, *, first_release: bool
    ) -> None:
        smoke = {"recipes/tinyleaf/smoke.py": "raise SystemExit('no')\n"}
        first = {"compiler-cache": None, "release": first_release}
        failed = run_farm(cached(tmp_path, index, settings=first, files=smoke))
        assert failed.states == {"tinyleaf": "failed"}
        run = run_farm(cached(tmp_path, index, settings={"compiler-cache": None, "release": True}))
        assert run.states == {"tinyleaf": "built"}
        assert use(run, "tinyleaf") is None
        assert ("using the wheel that an earlier run built" in run.lines) == first_release


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A file system of 6 MB and 20 files."""
    with small_disk(tmp_path / "cache", "size=6m,nr_inodes=20") as place:
        yield place


@pytest.mark.slow
class TestACacheThatCannotBeUsed:
    """It is a warning, and costs no wheel."""

    def test_a_file(self, tmp_path: Path, index: Index, messages: list[str]) -> None:
        farm = cached(tmp_path, index)
        farm.cache.mkdir()
        (farm.cache / "ccache").write_text("")
        found = Farm(settings=farm)
        plan = found.plan(None)
        (outcome,) = found.run(plan, LineListener())
        assert (outcome.state, outcome.cache_use) == ("built", None)
        (line,) = (message for message in messages if message.startswith("warning: "))
        assert line.startswith(f"warning: builds go without the compiler cache: {farm.cache / 'ccache'}")

    def test_a_full_disk(self, small: Path) -> None:
        fill(small, names=True)
        assert "No space left on device" in str(cache_in(small).make())

    def test_a_disk_that_is_read_only(self, small: Path) -> None:
        cache = cache_in(small)
        assert cache.make() is None
        subprocess.run(["mount", "-o", "remount,ro", str(small)], check=True)
        assert "Read-only file system" in str(cache.make())

    def test_a_disk_that_is_full_later(self, small: Path, tmp_path: Path) -> None:
        """ccache stores nothing more, and the build goes on."""
        cache = cache_in(small)
        assert cache.make(["tiny"]) is None
        fill(small, names=True)
        assert compiled(tmp_path, cache) == 1
        assert "cache_miss" in (tmp_path / "stage" / "tmp" / "ccache.log").read_text()


def cache_in(directory: Path) -> CompilerCache:
    return CompilerCache.below(directory, program=REAL_CCACHE, engine="host", size="1G")


def compiled(directory: Path, cache: CompilerCache, include: str = "") -> int:
    """Compile a file as a build does; what its function gives back."""
    stage = directory / "stage"
    (stage / "tmp").mkdir(parents=True, exist_ok=True)
    source = stage / "source"
    for name in ("first", "second"):
        (source / name).mkdir(parents=True, exist_ok=True)
    (source / "second" / "value.h").write_text("#define VALUE 1\n")
    if include:
        (source / "first" / "value.h").write_text(include)
    (source / "one.c").write_text('#include "value.h"\nint main(void) { return VALUE; }\n')
    shutil.rmtree(stage / "compilers", ignore_errors=True)
    compilers.main(str(cache.tools / PROGRAM), ["gcc"], stage, set())
    storage = cache.storage_of("tiny")
    env = os.environ | cache.environment(storage=storage, directory=stage, socket=stage / SOCKET)
    env["PATH"] = f"{stage / 'compilers'}{os.pathsep}{env['PATH']}"
    # As ccache sees it, a file that is as new as the compile is not to be trusted.
    for path in source.rglob("*.[ch]"):
        os.utime(path, (1_000_000_000, 1_000_000_000))
    words = ["gcc", "-Ifirst", "-Isecond", "-c", "one.c", "-o", "../one.o"]
    subprocess.run([shutil.which("gcc", path=env["PATH"]) or "", *words[1:]], cwd=source, env=env, check=True)
    subprocess.run(["gcc", "one.o", "-o", "one"], cwd=stage, check=True)
    return subprocess.run([str(stage / "one")], check=False).returncode


@pytest.mark.slow
def test_a_header_that_comes_before_another_of_its_name_is_seen(tmp_path: Path) -> None:
    """ccache by itself looks only at those headers that were included before."""
    cache = cache_in(tmp_path / "cache")
    cache.make(["tiny"])
    assert compiled(tmp_path, cache) == compiled(tmp_path, cache) == 1
    assert "direct_cache_hit" in (tmp_path / "stage" / "tmp" / "ccache.log").read_text()
    assert compiled(tmp_path, cache, include="#define VALUE 2\n") == 2


@pytest.mark.slow
def test_damaged_entries_are_compiled_again(tmp_path: Path) -> None:
    cache = cache_in(tmp_path / "cache")
    cache.make(["tiny"])
    compiled(tmp_path, cache)
    entries = [path for path in cache.storage_of("tiny").glob("?/?/*") if path.is_file()]
    assert entries
    for path in entries:
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 0xFF
        path.write_bytes(content)
    assert compiled(tmp_path, cache) == 1


@pytest.mark.slow
def test_two_farms_at_one_place_and_with_one_cache(tmp_path: Path, index: Index) -> None:
    """The second compiles nothing, and neither disturbs the other."""
    shared = {"stages": str(tmp_path / "stages"), "cache": str(tmp_path / "cache")}
    farms = [cached(tmp_path / name, index, settings=shared) for name in ("one", "two")]
    children = []
    for farm in farms:
        words, more = child_command(farm, "tinyleaf")
        children.append(subprocess.Popen(words, **more, stdout=subprocess.PIPE))
    answers = [json.loads(child.communicate(timeout=120)[0]) for child in children]
    assert [answer["states"] for answer in answers] == [{"tinyleaf": "built"}] * 2
    records = [json.loads(path.read_text()) for path in tmp_path.rglob("wheelhouse/plain/records/*.json")]
    assert len({record["wheel"]["sha256"] for record in records}) == 1
    assert sorted(record["compiler_cache"]["hits"] for record in records) == [0, 1]
