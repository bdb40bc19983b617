"""Runs of a farm that keeps the build directory of the tiny Meson package."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Final

from support.tiny import Run, run_farm, tiny_farm
from support.tinymeson import patch

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from support.farm import Table
    from support.index import Index
    from wheelfarm.recipes.settings import Settings

NAME: Final = "tinymeson"
TEXTS: Final = {"tinymeson/__init__.py": "from tinymeson._ext import values\nNEW = 1\n"}
"""A change to no more than a text."""
WITHOUT: Final = {"compiler-cache": False}
"""No cache is used."""


def run(
    root: Path,
    index: Index,
    changed: dict[str, str] | None = None,
    environ: Mapping[str, str] | None = None,
    settings: Table | None = None,
) -> Run:
    """A run of the farm with these changes to the source, whose wheelhouse is empty."""
    shared = {"stages": str(root.parent / "stages"), "cache": str(root.parent / "cache")}
    farm: Settings = tiny_farm(
        root,
        index,
        {NAME: {"patches": [{"file": "0001-other.patch"}]} if changed else {}},
        settings={**shared, "compiler-cache": True, **(settings or {})},
        environ=environ,
        patches={f"{NAME}/0001-other.patch": patch(**changed)} if changed else {},
    )
    shutil.rmtree(farm.wheelhouse, ignore_errors=True)
    if not changed:
        shutil.rmtree(farm.patches, ignore_errors=True)
    return run_farm(farm)


def made(run: Run) -> tuple[str, bool, tuple[str, ...]]:
    """The values of the module, whether the build continued from the cache, and the compiled sources."""
    assert run.outcomes[NAME].error is None
    record = run.record(NAME)
    assert run.outcomes[NAME].build_cache == record.build_cache
    (values,) = [line for line in run.lines if line.startswith("values ")]
    missed = record.compiler_cache.missed if record.compiler_cache else ()
    return values.removeprefix("values "), record.build_cache, tuple(name.split("/")[-1] for name in missed)


def sha256(run: Run) -> str:
    return run.record(NAME).wheel.sha256
