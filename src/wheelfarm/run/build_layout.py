"""The first steps of a build: fetch, patch, and write the build directory."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final

from wheelfarm.build.backends import check_settings
from wheelfarm.build.directory import SOURCE, BuildDirectory, write_directory
from wheelfarm.build.host_engine import programs_environment
from wheelfarm.build.versions import check_version_source
from wheelfarm.model import PatchedTree
from wheelfarm.plan.build import check_unchanged
from wheelfarm.recipes.build_requirements import backend, edit_build_requires
from wheelfarm.recipes.source_table import WheelSource
from wheelfarm.recipes.source_tree import patch_tree
from wheelfarm.sources.unpacking import check_pkg_info, newest, unpack
from wheelfarm.system.files import parse_json, remove_tree

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wheelfarm.model import FetchedSource, PinnedWheel
    from wheelfarm.run.build_pipeline import BuildPipeline


DESCRIPTION: Final = "build.json"
"""The file of a build directory that says what build it is of."""


def _fetch(pipeline: BuildPipeline) -> tuple[FetchedSource, list[PinnedWheel], list[PinnedWheel]]:
    """The source, the locked wheels, and those of the BLAS provider."""
    build, fetcher = pipeline.build, pipeline.services.fetcher
    target, glibc = build.id.target, build.toolchain.glibc
    return (
        fetcher.source(build.id.name, build.recipe.source),
        [fetcher.wheel(requirement, target, glibc) for requirement in build.requirements],
        [fetcher.wheel(line, target, glibc) for line in build.provider_requirements],
    )


def reopen(pipeline: BuildPipeline, upstream: Sequence[PinnedWheel]) -> BuildDirectory | None:
    """The directory that an earlier run has left of this very build; None when there is none.

    Raises:
        FarmError: when what it needs cannot be fetched.
    """
    build, root = pipeline.build, pipeline.root
    try:
        found = parse_json((root / DESCRIPTION).read_bytes())
        key, epoch = str(found["key"]), int(found["epoch"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    table = build.recipe.table.source
    if key != build.key or isinstance(table, WheelSource):
        return None
    source, locked, provider = _fetch(pipeline)
    tree = PatchedTree(source=source, path=root / SOURCE, subdirectory=table.subdirectory or ".")
    return BuildDirectory(
        build=build,
        root=root,
        inside=pipeline.services.engine.inside(root, build.id.target),
        tree=tree,
        requirements=(*locked, *upstream),
        backend=backend(tree.project),
        build_requires=(),
        epoch=epoch,
        jobs=pipeline.jobs,
        limits=pipeline.services.fetcher.limits,
        provider_wheels=tuple(provider),
    )


def lay_out(pipeline: BuildPipeline, upstream: Sequence[PinnedWheel]) -> BuildDirectory:
    """Fetch the source and the locked wheels, patch the source tree, and write the build directory.

    The upstream wheels are the farm's own, for the build environment.

    Raises:
        FarmError: whatever goes wrong; the directory then stays as it is.
    """
    build, root, services = pipeline.build, pipeline.root, pipeline.services
    fetcher, settings = services.fetcher, services.settings
    target = build.id.target
    with pipeline.timings.step("fetch"):
        source, locked, provider = _fetch(pipeline)
    with pipeline.timings.step("prepare"):
        remove_tree(root)
        tree = unpack(source, root / "unpacked", fetcher.limits).rename(root / SOURCE)
        check_pkg_info(source, tree)
        epoch = newest(tree)
        check_unchanged(build)
        patched = patch_tree(build.recipe, source, tree, build.patches, environ=settings.environ)
        edits, where = build.recipe.table.build_requires, build.recipe.where
        directory = BuildDirectory(
            build=build,
            root=root,
            inside=services.engine.inside(root, target),
            tree=patched,
            requirements=(*locked, *upstream),
            backend=backend(patched.project),
            build_requires=tuple(edit_build_requires(patched.project, edits, where=where)),
            epoch=epoch,
            jobs=pipeline.jobs,
            limits=fetcher.limits,
            provider_wheels=tuple(provider),
        )
        (root / DESCRIPTION).write_text(json.dumps({"key": build.key, "epoch": epoch}), encoding="utf-8")
        check_version_source(directory)
        # The programs that know a project's options take as long as writing the rest.
        with ThreadPoolExecutor(max_workers=1) as pool:
            unchecked = pool.submit(check_settings, build, patched.project, programs_environment(settings))
            write_directory(directory)
        for why in unchecked.result():
            pipeline.listener.on_line(f"{build.recipe.where}: {why}")
        return directory
