"""The compiler cache: ccache between a build and its compilers; each recipe has its own in each engine.

What a build writes there ends up in later builds, so it must not be another recipe's.

A build finds scripts under the compilers' own names, first on its PATH, which write down each call and run
ccache. So no build system needs to know of it, and none writes its name into a wheel: with and without the
cache the bytes are the same. It hits because every path of a build is fixed. `inside/compilers.py` writes the
scripts where the build runs, also without a cache.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from wheelfarm.build.remote_cache import SOCKET
from wheelfarm.model import sha256_of_json
from wheelfarm.plan.inputs import named_programs
from wheelfarm.system.files import temporary_path
from wheelfarm.system.locks import hold_lock

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from contextlib import AbstractContextManager
    from pathlib import Path, PurePath

    from wheelfarm.build.remote_cache import RemoteCache
    from wheelfarm.plan.build import Build

PROGRAM: Final = "ccache"
_NAMES: Final = (
    *("cc", "gcc", "c++", "g++", "clang", "clang++"),
    *("gfortran", "flang", "flang-new", "f77", "f95", "ar", "gcc-ar", "llvm-ar"),
)


@dataclass(frozen=True, kw_only=True)
class CompilerCache:
    """The caches of an engine on this machine; containers get two directories mounted."""

    program: Path
    """The ccache of the farm, one static binary."""
    tools: Path
    """The directory with a copy of it, which containers can mount."""
    storage: Path
    """The directory of an engine's caches: paths differ, and containers may write as another user."""
    size: str
    """The largest that the cache of one recipe may be."""
    remote: RemoteCache | None = None
    """A server that has what other machines have compiled."""

    @classmethod
    def below(
        cls, directory: Path, *, program: Path, engine: str, size: str, remote: RemoteCache | None = None
    ) -> CompilerCache:
        """The cache of an engine below a directory."""
        home = directory / PROGRAM
        return cls(program=program, tools=home / "bin", storage=home / engine, size=size, remote=remote)

    def storage_of(self, recipe: str) -> Path:
        """The cache of a recipe."""
        return self.storage / recipe

    def make(self, recipes: Iterable[str] = ()) -> str | None:
        """Make the directories, also of some recipes; why the cache cannot be used, or None."""
        try:
            self.storage.mkdir(parents=True, exist_ok=True)
            for recipe in recipes:
                # ccache creates this itself, but fails hard when it cannot, as on a full disk.
                (self.storage_of(recipe) / "lock").mkdir(parents=True, exist_ok=True)
            self.tools.mkdir(parents=True, exist_ok=True)
            with hold_lock(self.tools.with_name("bin.lock")):
                _copy_program(self.program, self.tools / PROGRAM)
            with tempfile.TemporaryFile(dir=self.storage) as probe:
                probe.write(bytes(1 << 20))
        # filelock raises NotImplementedError on a file system without locks.
        except (OSError, NotImplementedError) as problem:
            why = isinstance(problem, OSError) and problem.strerror
            return f"{getattr(problem, 'filename', None) or self.storage}: {why or problem}"
        return None

    def environment(self, *, storage: PurePath, directory: PurePath, socket: PurePath) -> dict[str, str]:
        """The variables of ccache, but for PATH; the paths are as the build sees them."""
        return {
            # Of no file of the machine or the image.
            "CCACHE_CONFIGPATH": (directory / "no-ccache.conf").as_posix(),
            "CCACHE_DIR": storage.as_posix(),
            # ccache fails hard where it can make no temporary files, as the compiler itself would there.
            "CCACHE_TEMPDIR": (directory / "tmp").as_posix(),
            "CCACHE_MAXSIZE": self.size,
            # A compiler that was installed again with the same bytes is the same compiler.
            "CCACHE_COMPILERCHECK": "content",
            # What ccache would not see for itself.
            "CCACHE_EXTRAFILES": (directory / "compilers.txt").as_posix(),
            # Hits and misses, for the environment report.
            "CCACHE_STATSLOG": (directory / "tmp" / "ccache.log").as_posix(),
            **(self.remote.environment(socket) if self.remote else {}),
        }

    def namespace(self, build: Build) -> dict[str, str]:
        """The variable that keeps compiles apart: those for one processor, and of recipes on a server."""
        apart: object = build.inputs.processor if build.inputs else None
        if self.remote:
            apart = {"processor": apart, "recipe": build.id.name, "engine": self.storage.name}
        return {"CCACHE_NAMESPACE": sha256_of_json(apart)} if apart else {}


def serve_remote(cache: CompilerCache | None, root: Path) -> AbstractContextManager[None]:
    """Let the build in a directory use the remote cache, if there is one, until the end of the block."""
    remote = cache.remote if cache else None
    return remote.listen(root / SOCKET) if remote else nullcontext()


def compilers_path(directory: PurePath) -> str:
    """The first entry of a build's PATH: scripts under the names of the compilers."""
    return (directory / "compilers").as_posix()


def wrapper_arguments(program: PurePath | None, environment: Mapping[str, str]) -> tuple[str, ...]:
    """The arguments of `inside/compilers.py`: ccache as the build sees it, if any, and names of compilers.

    Variables of the recipe may name compilers among other programs.
    """
    return (program.as_posix() if program else "-", *dict.fromkeys([*_NAMES, *named_programs(environment)]))


def _copy_program(program: Path, target: Path) -> None:
    """Copy the program in one step: builds of other runs may be using it."""
    if os.access(target, os.X_OK) and target.is_file() and target.read_bytes() == program.read_bytes():
        return
    with temporary_path(target.parent) as draft:
        shutil.copy(program, draft)
        draft.replace(target)
