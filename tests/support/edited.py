"""A farm whose recipes edit the metadata of their wheels, with locks that uv resolves.

The public tinybase 1.0 requires quick<2. The farm's is 1.0+team.1, and requires any quick, and plus. tinytop
requires quick>=2, which the public tinybase excludes, and pins tinybase to the version that it is built with.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from support.farm import HERE
from support.index import Index
from support.locks import compile_lock
from support.packages import make_sdist, tinybase
from support.publishing import tag_of
from support.tiny import tiny_farm, tiny_index
from support.wheels import make_wheel

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from support.farm import Table
    from wheelfarm.recipes.settings import Settings

LOCAL: Final = "1.0+team.1"
RECIPES: Final[Mapping[str, Table]] = {
    "tinybase": {
        "metadata": {"local-version": "team.1", "requires": {"loosen": ["quick"], "add": ["plus>=1"]}}
    },
    "tinytop": {
        "metadata": {"requires": {"add": ["quick>=2"], "pin-to-built": {"tinybase": "~=x.x"}}},
    },
}


def edited_index(root: Path) -> Index:
    """An index with the sources, the public tinybase, and what they require."""
    files = tinybase()
    files["pyproject.toml"] = files["pyproject.toml"].replace(
        "dependencies = []", 'dependencies = ["quick<2"]'
    )
    index = tiny_index(root)
    public = {"tinybase/__init__.py": "def get_include():\n    return '.'\n"}
    index.add(
        make_sdist(root, "tinybase", files),
        make_wheel(root, "tinybase", "1.0", public, requires=["quick<2"], tag=tag_of(HERE)),
        *(make_wheel(root, "quick", version, {}) for version in ("1.0", "2.0")),
        *(make_wheel(root, name, "1.0", {}) for name in ("plus", "colorama")),
    )
    return index


def index_of(farm: Path) -> Index:
    """The index of the farm that the fixture `edited` makes."""
    return Index(farm.with_name("edited-index"))


def edited_farm(
    root: Path,
    index: Index,
    recipes: Mapping[str, Table] = RECIPES,
    *,
    environ: Mapping[str, str] | None = None,
    **more: str,
) -> Settings:
    """A farm of the two recipes; `more` are settings."""
    settings = tiny_farm(root, index, recipes, settings=more, environ=environ)
    for name in recipes:
        for file, text in compile_lock(settings, name).items():
            (settings.recipes / name / file).write_text(text, encoding="utf-8")
    return settings
