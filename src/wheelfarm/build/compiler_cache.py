"""The compiler cache: ccache between a build and its compilers, kept across builds and containers.

A build finds ccache under the compilers' own names, first on its PATH. So no build system needs to know of
it, and none writes its name into a wheel: with and without the cache the bytes are the same. It hits because
every path of a build is fixed: the stage, the environment and the backend's build directory.

What must be known where the build runs, a script does there: see `stage/inside/compilers.py`.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from wheelfarm.plan.inputs import named_programs
from wheelfarm.system.files import temporary_path
from wheelfarm.system.locks import hold_lock

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path, PurePath

PROGRAM: Final = "ccache"
_NAMES: Final = ("cc", "gcc", "c++", "g++", "clang", "clang++")


@dataclass(frozen=True, kw_only=True)
class CompilerCache:
    """Where the cache stands on this machine; containers get its two directories mounted."""

    program: Path
    """The ccache of the farm, one static binary."""
    tools: Path
    """The directory with a copy of it that containers can have."""
    storage: Path
    """What it keeps; each engine has its own, since paths differ and containers may write as another user."""
    size: str

    @classmethod
    def below(cls, directory: Path, *, program: Path, engine: str, size: str) -> CompilerCache:
        """The cache of an engine below a directory."""
        home = directory / PROGRAM
        return cls(program=program, tools=home / "bin", storage=home / engine, size=size)

    def make(self) -> str | None:
        """Make the directories; why the cache cannot be used, or None."""
        try:
            # ccache makes room for its locks itself, but fails hard when it cannot: on a full disk, too.
            (self.storage / "lock").mkdir(parents=True, exist_ok=True)
            self.tools.mkdir(parents=True, exist_ok=True)
            with hold_lock(self.tools.with_name("bin.lock")):
                _lay_program(self.program, self.tools / PROGRAM)
            with tempfile.TemporaryFile(dir=self.storage) as trial:
                trial.write(bytes(1 << 20))
        # filelock's words for a file system without locks.
        except (OSError, NotImplementedError) as problem:
            told = isinstance(problem, OSError) and problem.strerror
            return f"{getattr(problem, 'filename', None) or self.storage}: {told or problem}"
        return None

    def environment(self, *, storage: PurePath, stage: PurePath) -> dict[str, str]:
        """The variables that tell ccache what to do, but for PATH.

        Args:
            storage: the directory of the storage as the build sees it.
            stage: the same of the stage.
        """
        return {
            # Of no file of the machine or the image.
            "CCACHE_CONFIGPATH": (stage / "no-ccache.conf").as_posix(),
            "CCACHE_DIR": storage.as_posix(),
            # ccache fails hard where it can make no temporary files, as the compiler itself would there.
            "CCACHE_TEMPDIR": (stage / "tmp").as_posix(),
            "CCACHE_MAXSIZE": self.size,
            # A compiler that was installed again with the same bytes is the same compiler.
            "CCACHE_COMPILERCHECK": "content",
            # What ccache would not see for itself.
            "CCACHE_EXTRAFILES": (stage / "compilers.txt").as_posix(),
            # What each compile came to; the witness counts it.
            "CCACHE_STATSLOG": (stage / "ccache.log").as_posix(),
        }


def available(found: Path | None, directory: Path, *, engine: str, size: str) -> CompilerCache | None:
    """The cache with the ccache that was found; None without one, and on Windows.

    There ccache would need to stand under a compiler's name as a copy, which MSVC's own environment hides.
    """
    if found is None or sys.platform == "win32":
        return None
    return CompilerCache.below(directory, program=found, engine=engine, size=size)


def compilers_path(stage: PurePath) -> str:
    """What goes first on a build's PATH: ccache under the names of the compilers that are there."""
    return (stage / "compilers").as_posix()


def compilers_words(program: PurePath, stage: PurePath, environment: Mapping[str, str]) -> tuple[str, ...]:
    """The script that makes ccache ready where a build runs, with its arguments.

    Args:
        program: ccache as the build sees it.
        stage: the stage's directory as the build sees it.
        environment: variables of the recipe, which may name compilers among other programs.
    """
    script = (stage / "inside" / "compilers.py").as_posix()
    return ("-I", script, program.as_posix(), *dict.fromkeys([*_NAMES, *named_programs(environment)]))


def _lay_program(program: Path, place: Path) -> None:
    """Copy the program where containers can have it, in one step: builds of other runs may be using it."""
    if os.access(place, os.X_OK) and place.is_file() and place.read_bytes() == program.read_bytes():
        return
    with temporary_path(place.parent) as draft:
        shutil.copy(program, draft)
        draft.replace(place)
