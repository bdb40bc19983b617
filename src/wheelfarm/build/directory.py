"""The build directory: all that one build sees.

source/            the patched source tree
requirements/      wheels for the build environment, verified: from the lock and from the farm
requirements.txt   each of them by file and sha256
provider/          BLAS and LAPACK
inside/            scripts that run where the build runs
env/               the build environment, where it is made on this machine
dist/              what comes out
"""

from __future__ import annotations

import os
import shutil
import stat
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING, Final

from wheelfarm.build.backends import MESON_PYTHON
from wheelfarm.build.blas_provider import unpack_openblas
from wheelfarm.errors import BuildDirectoryError, ChainError, ProviderError
from wheelfarm.recipes.build_requirements import backend, edit_build_requires
from wheelfarm.recipes.farm_settings import Provider

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path, PurePath

    from wheelfarm.model import PatchedTree, PinnedWheel
    from wheelfarm.plan.build import Build

SOURCE: Final = "source"
"""The directory of the patched source tree."""
ENVIRONMENT: Final = "env"
"""The directory of the build environment."""
SCRIPTS: Final = (
    "environment_report.py",
    "netlib.py",
    "compilers.py",
    "prepare_build_cache.py",
    "library_provenance.py",
)


@dataclass(frozen=True, kw_only=True)
class BuildDirectory:
    """The directory of one build, with what belongs to it."""

    build: Build
    root: Path
    inside: PurePath
    """The same directory as the build sees it: in a container, another path."""
    tree: PatchedTree
    requirements: tuple[PinnedWheel, ...]
    backend: str
    build_requires: tuple[str, ...]
    epoch: int
    """SOURCE_DATE_EPOCH: seconds, the newest file of the source."""
    jobs: int = 1
    """Its share of the processors."""
    provider_wheel: PinnedWheel | None = None
    """The wheel of the BLAS provider, where it is one."""

    @property
    def provider(self) -> Provider:
        """The BLAS provider of this build."""
        return self.build.variant.provider if self.build.recipe.table.blas else Provider.NONE

    @property
    def build_dir(self) -> PurePath | None:
        """Meson's build directory as the build sees it; None with another backend."""
        return self.inside / "build" if self.backend == MESON_PYTHON else None

    @property
    def built(self) -> Path:
        """Where the backend of the host engine puts the built wheel."""
        return self.root / "built"

    @property
    def dist(self) -> Path:
        """Where the engine puts the repaired wheel."""
        return self.root / "dist"


def newest(tree: Path) -> int:
    """The time of the newest file, in seconds; 1980 at least, the beginning of zip's time."""
    zip_epoch = 315532800
    latest = zip_epoch
    for directory, directories, names in os.walk(tree):
        for name in (*directories, *names):
            found = os.lstat(os.path.join(directory, name))  # noqa: PTH118 - ten thousand: Path is slower
            # A link's own time is when it was unpacked.
            if not stat.S_ISLNK(found.st_mode):
                latest = max(latest, int(found.st_mtime))
    return latest


def requirements_text(wheels: Sequence[PinnedWheel], inside: PurePath) -> str:
    """A requirements file of these wheels by file and hash, which admits nothing else."""
    lines = []
    for wheel in sorted(wheels, key=lambda each: each.name):
        path = inside / "requirements" / wheel.path.name
        url = path.as_uri()
        lines.append(f"{wheel.name} @ {url} --hash=sha256:{wheel.sha256}")
    return "\n".join(lines) + "\n"


def _write_files(root: Path, requirements: Sequence[PinnedWheel], *, inside: PurePath) -> None:
    """The directories, the wheels for the build environment, and the scripts."""
    for directory in ("requirements", "inside", "dist", "home", "tmp"):
        (root / directory).mkdir()
    for wheel in requirements:
        shutil.copyfile(wheel.path, root / "requirements" / wheel.path.name)
    for script in SCRIPTS:
        text = files("wheelfarm.build").joinpath("inside", script).read_bytes()
        (root / "inside" / script).write_bytes(text)
    (root / "requirements.txt").write_text(requirements_text(requirements, inside), encoding="utf-8")


def _required(provider: PinnedWheel | None, build: Build) -> PinnedWheel:
    if provider is None:
        raise ProviderError(
            f"the variant {build.id.variant!r} has no wheel of its BLAS for {build.id.target}",
            hint="add it to the variant's lock file",
        )
    return provider


def make_directory(
    build: Build,
    *,
    root: Path,
    inside: PurePath,
    tree: PatchedTree,
    requirements: Sequence[PinnedWheel],
    provider: PinnedWheel | None,
    epoch: int,
    jobs: int,
) -> BuildDirectory:
    """Make the build directory around a patched tree in `root/source`.

    Args:
        build: what is to be built.
        root: the build directory, which holds the tree already.
        inside: the same directory as the build will see it.
        tree: the patched source tree.
        requirements: wheels for the build environment; the farm's own among them.
        provider: the wheel of the variant's BLAS, where it comes as a wheel.
        epoch: SOURCE_DATE_EPOCH in seconds.
        jobs: its share of the processors.

    Raises:
        BuildDirectoryError: when the directory cannot be written.
        ChainError: when a wheel of the farm that the plan pinned is not among the requirements.
        RecipeError: where an edit of the build requirements has no effect.
        ProviderError: when the provider's wheel is missing or is not what it should be.
    """
    farm = {wheel.name for wheel in requirements if wheel.farm}
    for upstream in build.upstream:
        if upstream.name not in farm:
            raise ChainError(
                f"the farm's wheel of {upstream.name} is not in the build directory", where=str(build.id)
            )
    try:
        _write_files(root, requirements, inside=inside)
        build_requires = edit_build_requires(
            tree.path, build.recipe.table.build_requires, where=build.recipe.where
        )
        directory = BuildDirectory(
            build=build,
            root=root,
            inside=inside,
            tree=tree,
            requirements=tuple(requirements),
            backend=backend(tree.path),
            build_requires=tuple(build_requires),
            epoch=epoch,
            jobs=jobs,
            provider_wheel=provider,
        )
        if directory.provider is Provider.SCIPY_OPENBLAS32:
            unpack_openblas(root, _required(provider, build), inside=inside, target=build.id.target)
    except OSError as problem:
        raise BuildDirectoryError(
            f"cannot make the build directory of {build.id}",
            where=problem.filename or str(root),
            why=problem.strerror,
        ) from problem
    return directory
