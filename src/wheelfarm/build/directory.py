"""The build directory: all that one build sees.

source/            the patched source tree
requirements/      wheels for the build environment, verified: from the lock and from the farm
requirements.txt   each of them by file and sha256
provider/          BLAS and LAPACK: of wheels, or what inside/netlib.py copies from the system
libraries/         the farm's wheels of C libraries, unpacked
inside/            scripts that run where the build runs
env/               the build environment, where it is made on this machine
dist/              what comes out
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from importlib.resources import files
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Final

from wheelfarm.build.backends import MESON_PYTHON
from wheelfarm.build.provider_files import unpack_pinned, write_provider
from wheelfarm.errors import ChainError
from wheelfarm.model import DEFAULT_LIMITS, Limits
from wheelfarm.recipes.providers import UNPACKED, Provider
from wheelfarm.wheelhouse.tags import is_library
from wheelfarm.wheels.archive import open_wheel

if TYPE_CHECKING:
    from pathlib import Path, PurePath

    from wheelfarm.model import PatchedTree, PinnedWheel
    from wheelfarm.plan.build import Build

LIBRARIES: Final = "libraries"
"""The directory of the unpacked wheels of C libraries."""
SOURCE: Final = "source"
"""The directory of the patched source tree."""
ENVIRONMENT: Final = "env"
"""The directory of the build environment."""
TRAINING: Final = "training.py"
"""The script that a profile is of, beside those of the farm."""
WRITABLE: Final = (SOURCE, ENVIRONMENT, "built", "home", "tmp")
"""What a confined build may change of its directory, beside Meson's build directory."""


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
    limits: Limits = DEFAULT_LIMITS
    provider_wheels: tuple[PinnedWheel, ...] = ()
    """The wheels that the BLAS provider is unpacked from."""

    @property
    def provider(self) -> Provider:
        """The BLAS provider of this build."""
        return self.build.provider

    @property
    def provider_dir(self) -> PurePath | None:
        """The provider's libraries and pkg-config files as the build sees them; compilers find Accelerate."""
        laid_out = self.provider in {*UNPACKED, Provider.NETLIB}
        return self.inside / "provider" if laid_out else None

    @property
    def libraries(self) -> tuple[PinnedWheel, ...]:
        """The farm's wheels that hold a C library for all Pythons."""
        return tuple(each for each in self.requirements if each.farm and is_library(each.path.name))

    @property
    def pkg_config_path(self) -> tuple[PurePath, ...]:
        """The directories of pkg-config files that the build finds, as it sees them."""
        own = [self.provider_dir / "pkgconfig"] if self.provider_dir else []
        return (*own, *self._directories("*.pc"))

    @property
    def library_path(self) -> tuple[PurePath, ...]:
        """The directories of shared libraries that the repair tool finds, as it sees them."""
        own = [self.provider_dir / "lib"] if self.provider_dir else []
        return (*own, *self._directories("*.so*", "*.dylib", "*.dll"))

    def _directories(self, *globs: str) -> list[PurePath]:
        found = {
            self.inside / LIBRARIES / pinned.name / PurePosixPath(member).parent
            for pinned in self.libraries
            for member in open_wheel(pinned.path).names
            if any(PurePosixPath(member).match(glob) for glob in globs)
        }
        return sorted(found)

    @property
    def build_dir(self) -> PurePath | None:
        """Meson's build directory as the build sees it; None with another backend."""
        return self.inside / "build" if self.backend == MESON_PYTHON else None

    @property
    def reusable_build_dir(self) -> PurePath | None:
        """Meson's build directory, where a later build may continue from it; None with a profile."""
        return self.build_dir if self.build.training is None else None

    @property
    def built(self) -> Path:
        """Where the backend of the host engine puts the built wheel."""
        return self.root / "built"

    @property
    def dist(self) -> Path:
        """Where the engine puts the repaired wheel."""
        return self.root / "dist"


def _write_files(directory: BuildDirectory) -> None:
    """The directories, the wheels for the build environment, and the scripts."""
    root = directory.root
    for name in ("requirements", "inside", "dist", "home", "tmp"):
        (root / name).mkdir()
    lines = []
    for wheel in sorted(directory.requirements, key=lambda each: each.name):
        shutil.copyfile(wheel.path, root / "requirements" / wheel.path.name)
        # By file and hash: this admits nothing else.
        url = (directory.inside / "requirements" / wheel.path.name).as_uri()
        lines.append(f"{wheel.name} @ {url} --hash=sha256:{wheel.sha256}\n")
    (root / "requirements.txt").write_text("".join(lines), encoding="utf-8")
    write_scripts(directory)
    if directory.build.training is not None:
        (root / "inside" / TRAINING).write_text(directory.build.training, encoding="utf-8")


def write_scripts(directory: BuildDirectory) -> None:
    """Write the scripts that run where the build runs."""
    for script in files("wheelfarm.build").joinpath("inside").iterdir():
        if script.name.endswith(".py"):
            (directory.root / "inside" / script.name).write_bytes(script.read_bytes())


def write_directory(directory: BuildDirectory) -> None:
    """Write what a build needs around its source tree: requirements, scripts and provider.

    Raises:
        ChainError: when a wheel of the farm that the plan pinned is not among the requirements.
        ProviderError: when a wheel of the provider is not what it should be.
    """
    build = directory.build
    farm = {wheel.name for wheel in directory.requirements if wheel.farm}
    for upstream in build.upstream:
        if upstream.name not in farm:
            raise ChainError(
                f"the farm's wheel of {upstream.name} is not in the build directory", where=str(build.id)
            )
    _write_files(directory)
    write_provider(directory)
    for pinned in directory.libraries:
        unpack_pinned(pinned, directory.root / LIBRARIES / pinned.name, directory.limits)
