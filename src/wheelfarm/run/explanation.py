"""The commands that the engine would run for a build, as data, with the stored record."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from wheelfarm.build.backends import MESON_PYTHON
from wheelfarm.build.directory import BuildDirectory
from wheelfarm.model import FetchedSource, Name, PatchedTree, PinnedWheel
from wheelfarm.run.decision import read_record

if TYPE_CHECKING:
    from wheelfarm.plan.build import Build
    from wheelfarm.run.farm import Farm


def explanation(farm: Farm, build: Build) -> dict[str, Any]:
    """The commands that the engine would run, with placeholders for what only a build knows.

    Under `record` stands the build record of the wheel with this very key; None where there is none to read.
    """
    root = farm.engine.stages / build.id.slug
    source = FetchedSource(name=build.id.name, version=build.version, path=Path("source"), sha256=build.key)
    wheels = [
        PinnedWheel(name=r.name, version=r.version, path=Path(f"{r.name}.whl"), sha256=build.key)
        for r in build.requirements
    ]
    stage = BuildDirectory(
        build=build,
        root=root,
        inside=farm.engine.inside(root, build.id.target),
        tree=PatchedTree(source=source, path=root / "source"),
        requirements=tuple(wheels),
        backend=MESON_PYTHON if any(r.name == Name("meson-python") for r in build.requirements) else "",
        build_requires=(),
        epoch=0,
        jobs=farm.settings.jobs,
    )
    rendering = farm.engine.render(stage)
    record = read_record(farm.wheelhouse, build.id.variant, build.key)
    return {
        "id": str(build.id),
        "source": build.key_parts["source"],
        "patches": [path.name for path in build.patches],
        "requirements": [f"{r.name}=={r.version}" for r in build.requirements],
        "upstream": [str(each) for each in build.upstream],
        "splits": {
            str(name): split.model_dump(by_alias=True, exclude_none=True, include={"install_tags", "files"})
            for name, split in build.splits.items()
        },
        "origins": dict(build.resolved.origins),
        "key": build.key,
        "key-parts": dict(build.key_parts),
        "record": record.to_mapping() if record else None,
        "files": dict(rendering.files),
        "directory": str(root),
        "steps": [
            {
                "phase": step.phase,
                "argv": step.argv,
                "cwd": str(step.cwd),
                "env": dict(step.env),
            }
            for step in rendering.steps
        ],
    }
