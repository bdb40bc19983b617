"""The compiler cache: its directories, its variables, and the script that makes it ready."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path, PurePosixPath

import pytest

from wheelfarm.build import compiler_cache
from wheelfarm.build.compiler_cache import (
    PROGRAM,
    CompilerCache,
    available,
    compilers_path,
    wrapper_arguments,
)
from wheelfarm.build.inside import compilers, environment_report
from wheelfarm.model import CacheUse
from wheelfarm.plan.inputs import named_programs

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
        assert cache.make() is None
        copy = cache.tools / PROGRAM
        assert copy.read_text() == CCACHE
        assert os.access(copy, os.X_OK)
        # Made here, where it is no error that it cannot be.
        assert (cache.storage / "lock").is_dir()

    def test_it_is_copied_once(self, cache: CompilerCache) -> None:
        cache.make()
        inode = (cache.tools / PROGRAM).stat().st_ino
        assert cache.make() is None
        assert (cache.tools / PROGRAM).stat().st_ino == inode

    def test_another_program_takes_its_place_in_one_step(self, cache: CompilerCache) -> None:
        """Whoever runs the old one goes on with it: a name that is gone for a moment fails a build."""
        cache.make()
        with (cache.tools / PROGRAM).open() as running:
            program(cache.program, CCACHE.replace("4.14.2", "4.15.0"))
            assert cache.make() is None
            assert running.read() == CCACHE
        assert "4.15.0" in (cache.tools / PROGRAM).read_text()

    def test_a_copy_that_cannot_be_run_is_made_again(self, cache: CompilerCache) -> None:
        cache.make()
        (cache.tools / PROGRAM).chmod(0o644)
        assert cache.make() is None
        assert os.access(cache.tools / PROGRAM, os.X_OK)

    @pytest.mark.parametrize("place", ["", "ccache", "ccache/host", "ccache/bin", "ccache/host/lock"])
    def test_a_file_in_the_way(self, cache: CompilerCache, tmp_path: Path, place: str) -> None:
        way = tmp_path / "cache" / place
        way.parent.mkdir(parents=True, exist_ok=True)
        way.write_text("")
        problem = cache.make()
        assert problem is not None
        assert str(way) in problem

    def test_a_file_system_without_locks(self, cache: CompilerCache, monkeypatch: pytest.MonkeyPatch) -> None:
        def lock(_path: Path) -> None:
            raise NotImplementedError("no locks here")

        monkeypatch.setattr(compiler_cache, "hold_lock", lock)
        assert cache.make() == f"{cache.storage}: no locks here"


def test_the_variables_of_ccache(cache: CompilerCache) -> None:
    said = cache.environment(storage=PurePosixPath("/storage"), directory=PurePosixPath("/project"))
    assert said["CCACHE_DIR"] == "/storage"
    assert {name: value for name, value in said.items() if "/project" in value} == {
        "CCACHE_CONFIGPATH": "/project/no-ccache.conf",
        "CCACHE_TEMPDIR": "/project/tmp",
        "CCACHE_EXTRAFILES": "/project/compilers.txt",
        "CCACHE_STATSLOG": "/project/ccache.log",
    }
    assert compilers_path(PurePosixPath("/project")) == "/project/compilers"


def test_programs_that_the_recipe_names_are_wrapped_too() -> None:
    environment = {"CC": "ccache gcc-12 -m64", "CXX": "x86_64-linux-gnu-g++-12.2", "CFLAGS": "clang"}
    words = wrapper_arguments(PurePosixPath("/tools/ccache"), environment)
    assert words == (
        *("/tools/ccache", "cc", "gcc", "c++", "g++", "clang", "clang++"),
        *named_programs(environment),
    )
    assert {"gcc-12", "x86_64-linux-gnu-g++-12.2"} < set(words)


def test_there_is_none_without_ccache_and_on_windows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert available(None, tmp_path, engine="host", size="1G") is None
    found = available(tmp_path / PROGRAM, tmp_path, engine="host", size="1G")
    assert found is not None
    assert found.storage == tmp_path / "ccache" / "host"
    monkeypatch.setattr(sys, "platform", "win32")
    assert available(tmp_path / PROGRAM, tmp_path, engine="host", size="1G") is None


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
    """Where the build runs."""

    def ready(self, stage: Path, ccache: str, names: list[str]) -> dict[str, str]:
        compilers.main(ccache, names, stage, {stage / "site"})
        links = stage / "compilers"
        return {path.name: str(path.readlink()) for path in links.iterdir()} if links.is_dir() else {}

    def test_ccache_stands_for_the_compilers_that_are_there(
        self, stage: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        ccache = str(program(tmp_path / PROGRAM))
        for name in ("cc", "gcc-12"):
            program(tmp_path / "system" / name, "#!/bin/sh\n")
        monkeypatch.setenv("PATH", f"{stage / 'compilers'}:{tmp_path / 'system'}")
        assert self.ready(stage, ccache, ["cc", "c++", "gcc-12"]) == {"cc": ccache, "gcc-12": ccache}

    def test_it_stands_for_what_python_was_made_with(
        self, stage: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Debian's Python has setuptools call x86_64-linux-gnu-g++, which nobody else asks for."""
        made_with = {"CC": "x86_64-linux-gnu-gcc -pthread", "CXX": "/opt/bin/g++", "LDSHARED": None}
        monkeypatch.setattr(sysconfig, "get_config_var", made_with.get)
        for name in ("x86_64-linux-gnu-gcc", "g++"):
            program(tmp_path / "system" / name, "#!/bin/sh\n")
        monkeypatch.setenv("PATH", str(tmp_path / "system"))
        ccache = str(program(tmp_path / PROGRAM))
        assert self.ready(stage, ccache, []) == {"x86_64-linux-gnu-gcc": ccache}

    def test_it_stands_for_compilers_only(
        self, stage: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        names = ["gfortran", "ld.gold", "ccache", "gcc-12", "x86_64-linux-gnu-g++-12.2"]
        for name in names:
            program(tmp_path / "system" / name, "#!/bin/sh\n")
        monkeypatch.setenv("PATH", str(tmp_path / "system"))
        names.append(str(program(tmp_path / "elsewhere" / "gcc", "#!/bin/sh\n")))
        found = self.ready(stage, str(program(tmp_path / PROGRAM)), names)
        assert {*found} - {"x86_64-linux-gnu-gcc", "gcc", "g++"} == {"gcc-12", "x86_64-linux-gnu-g++-12.2"}

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
        assert self.ready(stage, str(tmp_path / PROGRAM), ["cc"]) == {}
        assert "no compiler cache" in capsys.readouterr().err

    def test_as_a_program(self, stage: Path, tmp_path: Path) -> None:
        (stage / "inside").mkdir()
        script = shutil.copy(Path(compilers.__file__), stage / "inside")
        words = [sys.executable, "-I", script, str(program(tmp_path / PROGRAM)), "cc", "no-such-cc"]
        program(tmp_path / "system" / "cc", "#!/bin/sh\n")
        subprocess.run(words, check=True, env={"PATH": str(tmp_path / "system")})
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

    @pytest.mark.parametrize("text", ["", "# ", "half a line"])
    def test_a_log_that_is_cut_off(self, tmp_path: Path, text: str) -> None:
        assert self.use(text, tmp_path) == {"hits": 0, "misses": 0, "missed": []}

    def test_no_log(self, tmp_path: Path) -> None:
        assert environment_report.cache_use(tmp_path / "log") is None

    def test_the_rate_of_hits(self) -> None:
        assert CacheUse(hits=3, misses=1).rate() == 0.75
        assert CacheUse(hits=0, misses=0).rate() == 1.0
