"""The compiler cache through the host engine, with the real ccache."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

from support.disks import fill, small_disk
from support.runs import LineListener
from support.tiny import LEAF, child_command, run_farm, tiny_farm
from wheelfarm.build.compiler_cache import PROGRAM, CompilerCache
from wheelfarm.build.inside import compilers
from wheelfarm.model import CacheUse
from wheelfarm.recipes.settings import load
from wheelfarm.run.decision import decide
from wheelfarm.run.farm import Farm

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from support.farm import Table
    from support.index import Index
    from support.tiny import Run
    from wheelfarm.recipes.settings import Settings

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="the tiny packages are written for gcc and ELF"),
]

ON: Final = {"compiler-cache": True}
CCACHE: Final = Path(sys.executable).with_name(PROGRAM)
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
        assert run_farm(farm).states == {"tinyleaf": "built"}
        assert run_farm(farm).states == {"tinyleaf": "cached"}

    def test_takes_no_cached_wheel_that_waits_for_its_gate(self, tmp_path: Path, index: Index) -> None:
        smoke = {"recipes/tinyleaf/smoke.py": "raise SystemExit('no')\n"}
        farm = cached(tmp_path, index, settings={"compiler-cache": None}, files=smoke)
        assert run_farm(farm).states == {"tinyleaf": "failed"}
        farm = cached(tmp_path, index, settings={"compiler-cache": None})
        run = run_farm(said(farm, release="true"))
        assert run.states == {"tinyleaf": "built"}
        assert use(run, "tinyleaf") is None

    def test_takes_one_that_was_built_from_nothing(self, tmp_path: Path, index: Index) -> None:
        smoke = {"recipes/tinyleaf/smoke.py": "raise SystemExit('no')\n"}
        farm = cached(tmp_path, index, settings={"compiler-cache": None, "release": True}, files=smoke)
        assert run_farm(farm).states == {"tinyleaf": "failed"}
        run = run_farm(cached(tmp_path, index, settings={"compiler-cache": None, "release": True}))
        assert run.states == {"tinyleaf": "built"}
        assert "using the wheel that an earlier run built" in run.lines


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A file system of 6 MB and 20 files."""
    with small_disk(tmp_path / "cache", "size=6m,nr_inodes=20") as place:
        yield place


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
        (line,) = messages
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
        assert cache.make() is None
        fill(small, names=True)
        assert compiled(tmp_path, cache) == 1
        assert "cache_miss" in (tmp_path / "stage" / "ccache.log").read_text()


def cache_in(directory: Path) -> CompilerCache:
    return CompilerCache.below(directory, program=CCACHE, engine="host", size="1G")


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
    env = os.environ | cache.environment(storage=cache.storage, directory=stage)
    env["PATH"] = f"{stage / 'compilers'}{os.pathsep}{env['PATH']}"
    # As ccache sees it, a file that is as new as the compile is not to be trusted.
    for path in source.rglob("*.[ch]"):
        os.utime(path, (1_000_000_000, 1_000_000_000))
    words = ["gcc", "-Ifirst", "-Isecond", "-c", "one.c", "-o", "../one.o"]
    subprocess.run([shutil.which("gcc", path=env["PATH"]) or "", *words[1:]], cwd=source, env=env, check=True)
    subprocess.run(["gcc", "one.o", "-o", "one"], cwd=stage, check=True)
    return subprocess.run([str(stage / "one")], check=False).returncode


def test_a_header_that_comes_before_another_of_its_name_is_seen(tmp_path: Path) -> None:
    """ccache by itself looks only at those headers that were included before."""
    cache = cache_in(tmp_path / "cache")
    cache.make()
    assert compiled(tmp_path, cache) == compiled(tmp_path, cache) == 1
    assert "direct_cache_hit" in (tmp_path / "stage" / "ccache.log").read_text()
    assert compiled(tmp_path, cache, include="#define VALUE 2\n") == 2


def test_damaged_entries_are_compiled_again(tmp_path: Path) -> None:
    cache = cache_in(tmp_path / "cache")
    cache.make()
    compiled(tmp_path, cache)
    entries = [path for path in cache.storage.glob("?/?/*") if path.is_file()]
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


def test_damaged_durations_are_a_warning_and_replaced(
    tmp_path: Path, index: Index, caplog: pytest.LogCaptureFixture
) -> None:
    farm = tiny_farm(tmp_path, index, LEAF)
    durations = farm.work / "durations.json"
    durations.parent.mkdir(parents=True, exist_ok=True)
    durations.write_text("half a docu")
    found = Farm(settings=farm)
    plan = found.plan(None)
    outcomes = found.run(plan, LineListener())
    assert [outcome.state for outcome in outcomes] == ["built"]
    assert [record.levelname for record in caplog.records if "is not used" in record.message] == ["WARNING"]
    assert str(durations) in caplog.text
    (measured,) = json.loads(durations.read_text()).values()
    assert measured["seconds"] > 0
