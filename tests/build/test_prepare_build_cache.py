"""Settling in: whether a build goes on from a kept build directory, told where the build runs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from support.kept import kept, lay, stage_in
from wheelfarm.build.build_cache import Kept
from wheelfarm.build.inside import prepare_build_cache as settle

if TYPE_CHECKING:
    from wheelfarm.build.directory import BuildDirectory

    Files = dict[str, str | Path]


@pytest.fixture
def stage(tmp_path: Path) -> BuildDirectory:
    """A stage whose source tree has two files."""
    return stage_in(tmp_path)


class TestSettling:
    """Where the build runs."""

    def settled(self, stage: BuildDirectory) -> bool:
        """Whether the build goes on from what is kept."""
        settle.main(stage.root / "build", stage.root)
        return (stage.root / "kept-build").exists()

    def test_it_goes_on(self, stage: BuildDirectory) -> None:
        found = kept(stage)
        found.take(lay(stage, {"a.c": "other", "b.c": "b"}), stage.root / "build")
        assert self.settled(stage)
        assert (stage.root / "build" / "a.o").exists()
        assert (stage.root / "build" / "meson-private").is_dir()

    @pytest.mark.parametrize("changed", ["b.c", "a.H"])
    def test_trials_that_may_have_been_made_of_a_source_are_forgotten(
        self, stage: BuildDirectory, changed: str
    ) -> None:
        files = {"a.c": "a", "b.c": "b", "a.H": ""}
        found = kept(lay(stage, files))
        found.take(lay(stage, files | {changed: "other"}), stage.root / "build")
        assert self.settled(stage)
        assert (stage.root / "build" / "a.o").exists()
        assert not (stage.root / "build" / "meson-private").exists()

    @pytest.mark.parametrize("fault", ["marked otherwise", "unmarked", "another system", "from the future"])
    def test_it_is_emptied(self, stage: BuildDirectory, monkeypatch: pytest.MonkeyPatch, fault: str) -> None:
        """Also when the farm takes it for the right one: a container's volume may be any."""
        found = kept(stage)
        found.take(lay(stage, {"a.c": "other", "b.c": "b"}), stage.root / "build")
        build = stage.root / "build"
        mark = build / settle.MARK
        match fault:
            case "marked otherwise":
                mark.write_text(json.dumps(json.loads(mark.read_text()) | {"built-from": "0"}))
            case "unmarked":
                mark.unlink()
            case "another system":
                monkeypatch.setattr(settle, "system", lambda _root: "updated")
            case _:
                later = time.time_ns() + 10**9
                os.utime(build / "a.o", ns=(later, later))
        (build / "link").symlink_to("meson-private")
        assert not self.settled(stage)
        assert [path.name for path in build.iterdir()] == [settle.OWN]

    def test_its_own_files_may_be_new(self, stage: BuildDirectory) -> None:
        found = kept(stage)
        found.take(lay(stage, {"a.c": "other", "b.c": "b"}), stage.root / "build")
        pycache = stage.root / "build" / settle.OWN / "pycache"
        pycache.mkdir()
        (pycache / "pip.pyc").touch()
        assert self.settled(stage)

    def test_files_of_the_environment_get_one_time(self, tmp_path: Path) -> None:
        (tmp_path / "a.h").touch()
        (tmp_path / "link").symlink_to("/dev/null")
        settle.settle(tmp_path)
        assert (tmp_path / "a.h").stat().st_mtime == settle.OLD

    def test_what_an_image_has_keeps_its_time(self, tmp_path: Path) -> None:
        for name, stamp in (("of the image.h", 1_700_000_000), ("installed.h", 1_700_000_002)):
            (tmp_path / name).touch()
            os.utime(tmp_path / name, (stamp, stamp))
        settle.settle(tmp_path, since=1_700_000_001)
        assert (tmp_path / "of the image.h").stat().st_mtime == 1_700_000_000
        assert (tmp_path / "installed.h").stat().st_mtime == settle.OLD

    def test_what_cannot_be_set_is_left(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(*_words: object) -> None:
            raise PermissionError

        (tmp_path / "a.h").touch()
        monkeypatch.setattr(os, "utime", refuse)
        settle.settle(tmp_path)

    def test_as_a_program(self, stage: BuildDirectory) -> None:
        Kept.beside(stage.root).take(stage, None)
        script = stage.root / "inside" / "prepare_build_cache.py"
        script.write_bytes(Path(settle.__file__).read_bytes())
        env = stage.root / "env"
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(env)], check=True)
        build = stage.root / "build"
        subprocess.run([str(env / "bin" / "python"), "-I", str(script), str(build)], check=True)
        assert (build / settle.MARK).is_file()
        assert (env / "pyvenv.cfg").stat().st_mtime == settle.OLD


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
        before = settle.system(path)
        (path / "usr/include/a.h").touch()
        assert settle.system(path) == before
        query.write_text("#!/bin/sh\necho libc6-dev 2.36-10\n")
        assert settle.system(path) != before

    @pytest.mark.parametrize("place", ["usr/include", "usr/local/include"])
    def test_without_packages_the_directories_tell(self, path: Path, place: str) -> None:
        os.utime(path / place, (1, 1))
        before = settle.system(path)
        assert settle.system(path) == before
        (path / place / "a.h").touch()
        assert settle.system(path) != before
