"""Whether a build continues from a cached build directory, as decided where the build runs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from support.build_caches import cached, lay, stage_in
from wheelfarm.build.build_cache import BuildCache
from wheelfarm.build.inside import prepare_build_cache

if TYPE_CHECKING:
    from wheelfarm.build.directory import BuildDirectory

    Files = dict[str, str | Path]


@pytest.fixture
def stage(tmp_path: Path) -> BuildDirectory:
    """A stage whose source tree has two files."""
    return stage_in(tmp_path)


class TestPreparing:
    """Where the build runs."""

    def continues(self, stage: BuildDirectory) -> bool:
        prepare_build_cache.main(stage.root / "build", stage.root)
        return (stage.root / prepare_build_cache.USED).exists()

    def test_it_goes_on(self, stage: BuildDirectory) -> None:
        found = cached(stage)
        found.restore(lay(stage, {"a.c": "other", "b.c": "b"}))
        assert self.continues(stage)
        assert (stage.root / "build" / "a.o").exists()
        assert (stage.root / "build" / "meson-private").is_dir()

    @pytest.mark.parametrize("changed", ["b.c", "a.H"])
    def test_trials_that_may_have_been_made_of_a_source_are_forgotten(
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

    def test_files_of_the_environment_get_one_time(self, tmp_path: Path) -> None:
        (tmp_path / "a.h").touch()
        (tmp_path / "link").symlink_to("/dev/null")
        prepare_build_cache.set_old_times(tmp_path)
        assert (tmp_path / "a.h").stat().st_mtime == prepare_build_cache.OLD

    def test_what_an_image_has_keeps_its_time(self, tmp_path: Path) -> None:
        for name, stamp in (("of the image.h", 1_700_000_000), ("installed.h", 1_700_000_002)):
            (tmp_path / name).touch()
            os.utime(tmp_path / name, (stamp, stamp))
        prepare_build_cache.set_old_times(tmp_path, since=1_700_000_001)
        assert (tmp_path / "of the image.h").stat().st_mtime == 1_700_000_000
        assert (tmp_path / "installed.h").stat().st_mtime == prepare_build_cache.OLD

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
        subprocess.run([str(env / "bin" / "python"), "-I", str(script), str(build)], check=True)
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
