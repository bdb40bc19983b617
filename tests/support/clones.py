"""Fresh clones of a farm: what is committed, and an index that another clone has filled."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING, Any

from support.tiny import VARIANT
from wheelfarm.recipes.settings import Settings, load
from wheelfarm.run.farm import Farm
from wheelfarm.run.publication import Publication

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def with_index(
    settings: Settings, *, targets: list[str], url: str, kind: str = "static", **more: str
) -> None:
    """Add an index called `internal` to a farm's pyproject.toml."""
    lines = {"kind": kind, "url": url, **more}
    text = "".join(f'{key} = "{value}"\n' for key, value in lines.items())
    said = f'\n[tool.wheelfarm.index.internal]\ntargets = {targets}\nvariants = {{ {VARIANT} = "" }}\n{text}'
    with (settings.root / "pyproject.toml").open("a") as file:
        file.write(said.replace("'", '"'))


def reloaded(settings: Settings, **options: str) -> Settings:
    """The settings of a farm as its files are now."""
    return load(settings.root, environ=settings.environ, options=dict(options))


def fresh_clone(
    settings: Settings,
    root: Path,
    *,
    environ: Mapping[str, str] | None = None,
    options: Mapping[str, str] | None = None,
) -> Settings:
    """A copy of a farm without what git ignores: no wheelhouse, no work, no stages."""
    skip: Any = shutil.ignore_patterns("wheelhouse", ".wheelfarm", "states")
    shutil.copytree(settings.root, root, ignore=skip)
    variables = {"PATH": os.environ["PATH"], "HOME": str(root / "home"), **(environ or {})}
    return load(root, environ=variables, options=dict(options or {}))


def publish_all(settings: Settings) -> None:
    """Publish what a farm has stored."""
    Publication(farm=Farm(settings=settings), index_name="internal", variant=VARIANT).publish(None)
