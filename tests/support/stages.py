"""Build directories for rendering: what an engine renders, without a source or a wheel."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from support.farm import builds_of, make_toolchain
from wheelfarm.build.directory import BuildDirectory
from wheelfarm.model import ConfigSettings, Digest, FetchedSource, PatchedTree, PinnedWheel

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wheelfarm.build.engine import Engine
    from wheelfarm.plan.build import Build
    from wheelfarm.recipes.settings import Settings

EPOCH: Final = 1_600_000_000
OTHER: Final = Digest("c" * 64)


def make_stage(build: Build, engine: Engine, root: Path = Path("/stage"), **changes: Any) -> BuildDirectory:
    """A stage as the engine sees it; only its paths exist, and not even they have to."""
    source = FetchedSource(name=build.id.name, version=build.version, path=Path("source"), sha256=OTHER)
    wheels = tuple(
        PinnedWheel(name=each.name, version=each.version, path=Path(f"{each.name}.whl"), sha256=OTHER)
        for each in build.requirements
    )
    stage = BuildDirectory(
        build=build,
        root=root,
        inside=engine.inside(root, build.id.target),
        tree=PatchedTree(source=source, path=root / "source"),
        requirements=wheels,
        backend="mesonpy" if any(each.name == "meson-python" for each in wheels) else "setuptools.build_meta",
        build_requires=(),
        epoch=EPOCH,
    )
    return replace(stage, **changes)


def build_for(
    settings: Settings,
    target: str = "cp311-manylinux_x86_64",
    *,
    environment: Mapping[str, str] | None = None,
    config: Mapping[str, str | list[str]] | None = None,
    **resolved: Any,
) -> Build:
    """The one build of a farm with one recipe, with other resolved values."""
    (build,) = builds_of(settings, toolchains=[make_toolchain(target)]).values()
    changes: dict[str, Any] = dict(resolved)
    if environment is not None:
        origins = {f"environment.{name}": build.recipe.where for name in environment}
        changes |= {"environment": environment, "origins": {**build.resolved.origins, **origins}}
    if config is not None:
        changes["config_settings"] = ConfigSettings.of(config)
    return replace(build, resolved=replace(build.resolved, **changes))
