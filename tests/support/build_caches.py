"""Build directories with a build cache."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from support.farm import make_farm
from support.stages import build_for, make_stage
from wheelfarm.build.build_cache import BuildCache
from wheelfarm.build.host_engine import Host
from wheelfarm.build.inside import prepare_build_cache

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wheelfarm.build.directory import BuildDirectory


def stage_in(tmp_path: Path) -> BuildDirectory:
    """A stage whose source tree has two files."""
    settings = make_farm(tmp_path / "farm")
    engine = Host(settings)
    build = replace(build_for(settings), key_parts={"version": "1.0", "patch.1.a.patch": "1"})
    return lay(make_stage(build, engine, tmp_path / "stages" / "alpha", backend="mesonpy"))


def lay(stage: BuildDirectory, files: Mapping[str, str | Path] | None = None) -> BuildDirectory:
    """A new source tree with what files hold, or where links lead; all were last changed long ago."""
    if stage.root.exists():
        subprocess.run(["rm", "-rf", str(stage.root)], check=True)
    (stage.root / "inside").mkdir(parents=True)
    for name, content in ({"a.c": "a", "b.c": "b"} if files is None else files).items():
        path = stage.tree.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, Path):
            path.symlink_to(content)
        else:
            path.write_text(content)
            os.utime(path, (1_000_000_000, 1_000_000_000))
    return stage


def built(stage: BuildDirectory) -> Path:
    """The build directory after a build."""
    build = stage.root / "build"
    (build / "meson-private").mkdir(parents=True)
    (build / "a.o").write_text("object")
    (build / "build.ninja").write_text("build a.o: c_COMPILER ../source/a.c || order\n")
    return build


def cache_of(stage: BuildDirectory) -> BuildCache:
    """The cache on this machine, as the host engine has it."""
    return BuildCache.beside(stage.root, stage.root / "build")


def cached(stage: BuildDirectory) -> BuildCache:
    """The cache after a first build."""
    cache = cache_of(stage)
    current = cache.restore(stage)
    prepare_build_cache.main(stage.root / "build", stage.root)
    built(stage)
    cache.save(current)
    return cache


def changes(stage: BuildDirectory) -> dict[str, Any]:
    """What the farm says to the script inside."""
    document: dict[str, Any] = json.loads((stage.root / "inside" / "build-cache.json").read_text())
    return document


def times(stage: BuildDirectory) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in stage.tree.path.rglob("*.c")}
