"""Checks that the patches of a recipe apply exactly, for each variant and platform, as in a build."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from wheelfarm.model import Platform, Target
from wheelfarm.recipes.source_table import WheelSource
from wheelfarm.recipes.source_tree import patch_tree
from wheelfarm.sources.unpacking import check_pkg_info, unpack

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from wheelfarm.run.patch_tree import PatchTree

TARGETS: Final = {
    Platform.LINUX: "manylinux_x86_64",
    Platform.MACOS: "macosx_arm64",
    Platform.WINDOWS: "win_amd64",
}
"""A target of each platform: what patches are for is a platform."""


@dataclass(frozen=True, kw_only=True)
class CheckedSeries:
    """A series of patches, and the variants and platforms that have it."""

    patches: tuple[str, ...]
    variants: tuple[str, ...]
    platforms: tuple[str, ...]
    everywhere: bool
    """Whether all variants have it on all platforms."""


def check_patches(tree: PatchTree) -> Iterator[CheckedSeries]:
    """Apply each series of a recipe to its source, in a directory that is removed again.

    Raises:
        FarmError: when the source cannot be fetched, or a patch does not apply exactly.
    """
    recipe = tree.recipe
    if isinstance(recipe.table.source, WheelSource) or not recipe.table.patches:
        return
    fetched = tree.fetcher.source(recipe.name, recipe.source)
    found = all_series(tree)
    for series, users in found.items():
        with tree.locked(), tree.draft() as draft:
            unpacked = unpack(fetched, draft / "unpacked", tree.fetcher.limits)
            check_pkg_info(fetched, unpacked)
            patch_tree(recipe, fetched, unpacked, series, environ=tree.settings.environ)
        yield CheckedSeries(
            patches=tuple(map(tree.file_of, series)),
            variants=tuple(dict.fromkeys(variant for variant, _ in users)),
            platforms=tuple(dict.fromkeys(platform.value for _, platform in users)),
            everywhere=len(found) == 1,
        )


def all_series(tree: PatchTree) -> dict[tuple[Path, ...], list[tuple[str, Platform]]]:
    """Each series that some build of a recipe has, with its variants and platforms."""
    found: dict[tuple[Path, ...], list[tuple[str, Platform]]] = {}
    python = tree.settings.pythons[0]
    for variant in tree.settings.variants:
        for platform, suffix in TARGETS.items():
            series = tree.series(variant, Target.parse(f"{python.tag}-{suffix}"))
            if series:
                found.setdefault(series, []).append((variant, platform))
    return found
