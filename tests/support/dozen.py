"""A farm of twelve tiny packages, each built with one or two of the others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from support.farm import make_farm
from support.index import make_index
from support.packages import make_sdist, tinyleaf
from support.tiny import BUILD, host_settings

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from support.index import Index
    from wheelfarm.recipes.settings import Settings

NAMES: Final = tuple(f"tiny{number:02}" for number in range(12))


def dozen_index(root: Path) -> Index:
    """An index with the source distributions."""
    index = make_index(root)
    for name in NAMES:
        files = {
            path.replace("tinyleaf", name): text.replace("tinyleaf", name)
            for path, text in tinyleaf().items()
        }
        index.add(make_sdist(root, name, files))
    return index


def dozen_farm(root: Path, index: Index, settings: Mapping[str, Any]) -> Settings:
    """A farm of all of them: each needs the one three places before, and every second its neighbor too."""
    recipes, files = {}, {}
    for number, name in enumerate(NAMES):
        needed = [number - 3] if number >= 3 else []
        needed += [number - 1] if number % 2 else []
        recipes[name] = {
            "source": {"kind": "sdist", "sha256": index.sha256(f"{name}-1.0.tar.gz")},
            "compilers": ["c"],
            "requires": {"host": [NAMES[each] for each in needed]},
            "test": {"imports": [name]},
        }
        files[f"recipes/{name}/build.lock"] = index.lock(*BUILD)
    return make_farm(root, recipes, settings={**host_settings(index), **settings}, files=files)
