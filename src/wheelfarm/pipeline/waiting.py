"""What was built and is not stored yet: a corrected test must not cost another build."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def keep(dist: Path, waiting: Path) -> None:
    """Keep what the engine made until the gate lets it pass; it is there whole or not at all."""
    draft = waiting.with_name(f".{waiting.name}")
    for old in (draft, waiting):
        shutil.rmtree(old, ignore_errors=True)
    draft.parent.mkdir(parents=True, exist_ok=True)
    shutil.copytree(dist, draft)
    draft.rename(waiting)
