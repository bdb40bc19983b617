"""Farms whose base is another farm in a git repository."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from support.farm import make_farm, write_farm
from support.repositories import Repository

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from support.farm import Table
    from wheelfarm.recipes.settings import Settings

PATCH: Final = "Why: a test\nUpstream: none\n--- a/a\n+++ b/a\n@@ -1 +1 @@\n-a\n+b\n"
OWN: Final[Table] = {"variants": None}
"""What the settings of a farm leave to its base."""


def commit_farm(root: Path, recipes: Mapping[str, Table] | None = None, **more: Any) -> str:
    """Write a farm as `write_farm` does, and commit it; gives the commit."""
    repository = Repository(root) if (root / ".git").is_dir() else Repository.create(root)
    write_farm(root, recipes, **more)
    return repository.commit()


def farm_over(
    root: Path, base: Path, commit: str, *, files: Mapping[str, str] | None = None, **settings: Any
) -> Settings:
    """A farm over the commit of another one, with files of its own alone."""
    table = {**OWN, **settings, "base": {"git": base.as_uri(), "commit": commit}}
    return make_farm(root, {}, settings=table, files=files)
