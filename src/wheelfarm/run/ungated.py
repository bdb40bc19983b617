"""Built and repaired wheels that wait for the gate, so that a corrected test costs no build."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from wheelfarm.build.environment_report import (
    read_compiled_objects,
    read_environment_report,
    read_library_provenance,
    verify_built,
    verify_environment,
)
from wheelfarm.build.repair import built_version, check_normalized, only_wheel
from wheelfarm.errors import CancelledRunError, FarmError, YieldError
from wheelfarm.model import EngineName, PublicWheel, RepairedWheel
from wheelfarm.system.files import sha256_of_file
from wheelfarm.wheelhouse.tags import serves
from wheelfarm.wheels.archive import open_wheel, verify

if TYPE_CHECKING:
    from pathlib import Path

    from wheelfarm.build.directory import BuildDirectory

UNGATED: Final = "ungated"
"""The directory of all of them, in the work directory; each is named by its build key."""


def verify_repaired(directory: BuildDirectory) -> RepairedWheel:
    """The repaired wheel with what the environment report says, once that fits the plan.

    Raises:
        FarmError: when it does not, or when there is not one wheel.
    """
    build, report = directory.build, read_environment_report(directory)
    verify_built(directory, report)
    version = built_version(build)
    path = only_wheel(directory.dist, name=build.id.name, version=version, made_by="the repair tool")
    if not isinstance(build.recipe.source, PublicWheel):
        check_normalized(path.name)
    if not serves(path.name, build.id.target):
        platform = build.id.target.platform_suffix
        raise YieldError(
            f"{build.id}: the build made {path.name}, which is not for {build.id.target}",
            where=f"images.{platform}" if build.engine is EngineName.CIBUILDWHEEL else build.recipe.where,
            why="its tags tell the Python and the C library that it was compiled for",
            hint=f"name a builder image for {platform} in [tool.wheelfarm.images], or find what in the "
            "recipe or its source sets a tag",
        )
    return RepairedWheel(
        path=path,
        sha256=sha256_of_file(path),
        built_sha256=report.built.sha256,
        environment=verify_environment(directory, report),
        toolchain=report.toolchain,
        cache_use=report.compiler_cache,
        build_cache=report.build_cache,
        compiled=read_compiled_objects(directory),
    )


@dataclass(frozen=True)
class UngatedWheel:
    """A repaired wheel with its reports, outside its build directory."""

    path: Path

    def save(self, directory: BuildDirectory) -> None:
        """Copy it from a build directory, so that the copy is there whole or not at all."""
        draft = self.path.with_name(f".{self.path.name}")
        for old in (draft, self.path):
            shutil.rmtree(old, ignore_errors=True)
        draft.parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(directory.dist, draft)
        draft.rename(self.path)

    def restore(self, directory: BuildDirectory, *, from_nothing: bool) -> RepairedWheel | None:
        """Copy it into a new build directory with the same build key; None without a usable one.

        Args:
            directory: the build directory.
            from_nothing: whether a wheel into which an earlier build's compiles went does not count.
        """
        if not self.path.is_dir():
            return None
        shutil.copytree(self.path, directory.dist, dirs_exist_ok=True)
        try:
            repaired = verify_repaired(directory)
            read_library_provenance(directory)
            verify(open_wheel(repaired.path))
        except CancelledRunError:
            raise
        except FarmError:
            # It is damaged, or what it was built on has other bytes by now.
            repaired = None
        if repaired is not None and (repaired.from_nothing or not from_nothing):
            return repaired
        for stale in (self.path, directory.dist):
            shutil.rmtree(stale)
        directory.dist.mkdir()
        return None

    def remove(self) -> None:
        shutil.rmtree(self.path, ignore_errors=True)
