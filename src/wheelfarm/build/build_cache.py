"""The kept build directory: what the last build of the same kind compiled, for ninja to go on from.

Ninja compares times, so times are made to tell the truth: a source whose content is as it was at the last
build gets its time of then, any other the time of now. The directory serves only builds with the same inputs
but for the content of sources; it is out of reach while a build uses it, so that a kill leaves none, and
losing it costs time only. What it is built from stands here and in the directory itself, where
`inside/prepare_build_cache.py` compares the two: the directory may stand in a container's volume.

Two more things are kept that are made of the same inputs: in the directory itself the wheel before and after
its repair (`inside/last.py`), and beside it, where the build runs on this machine, the build environment, as
long as it is as it was made.

Nothing helps against a project that does not tell ninja what its generators read. So a record says whether a
build went on from a kept directory, and a release never does.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import stat
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

from wheelfarm.build.directory import ENVIRONMENT
from wheelfarm.build.inside.prepare_build_cache import HELD, held
from wheelfarm.model import sha256_of_json

if TYPE_CHECKING:
    from wheelfarm.build.directory import BuildDirectory
    from wheelfarm.model import Digest

_BESIDE: Final = ("patch.", "config-settings.install-args", "split.", "upstream.")
"""Parts of the rebuild key that change sources or what is installed where, and nothing else of the compile.

Of what is upstream the wheels count, by their own digests: another key may come out with the same bytes.
"""
_LINK: Final = "-> "
_BUILD: Final = "build"
_Sources = dict[str, tuple[str, int]]
"""Path below the source tree → content, or where a link leads; and time in nanoseconds."""


def _running() -> str:
    """What tells this run of the system from others: a power cut can leave whole names of empty files."""
    with suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="utf-8").strip()
    return ""


def context(stage: BuildDirectory) -> Digest:
    """The digest of all inputs of the compile but for the content of sources."""
    parts = stage.build.key_parts.items()
    key = {name: value for name, value in parts if not name.startswith(_BESIDE)}
    # Two wheels of one rebuild key may differ, and the times of what is installed from them do not tell.
    return sha256_of_json({"key": key, "wheels": {wheel.name: wheel.sha256 for wheel in stage.requirements}})


def sources_of(tree: Path) -> _Sources:
    """Content and time of every file of a source tree, and where its links lead."""
    sources: _Sources = {}
    top = len(os.fspath(tree)) + 1
    for parent, directories, names in os.walk(tree):
        for name in (*directories, *names):
            path = os.path.join(parent, name)  # noqa: PTH118 - ten thousand files: Path takes twice the time
            found = os.lstat(path)
            below = path[top:]
            if stat.S_ISLNK(found.st_mode):
                sources[below] = (_LINK + os.readlink(path), 0)  # noqa: PTH115
            elif stat.S_ISREG(found.st_mode):
                with open(path, "rb") as file:  # noqa: PTH123
                    content = hashlib.file_digest(file, "sha256").hexdigest()
                sources[below] = (content + "+x" * bool(found.st_mode & stat.S_IXUSR), found.st_mtime_ns)
    return sources


def alike(now: _Sources, before: _Sources) -> bool:
    """Whether two source trees hold files of the same names, and links that lead to the same.

    A file that comes to stand before another of its name, or gives way to one, changes what an #include
    finds, and no time tells ninja so; nor does one when a link leads to another file that is older.
    """
    return now.keys() == before.keys() and all(
        content == before[name][0]
        for name, (content, _) in now.items()
        if _LINK in (content[: len(_LINK)], before[name][0][: len(_LINK)])
    )


def set_times(tree: Path, sources: _Sources, before: _Sources, now: int) -> _Sources:
    """Give unchanged sources the time that they had before, the others that of now (nanoseconds).

    Returns:
        The sources with the times that they have then: file systems round them, some to two seconds.
    """
    timed: _Sources = {}
    for name, (content, _) in sources.items():
        old, stamp = before[name]
        path = tree / name
        if not content.startswith(_LINK):
            stamp = stamp if old == content else now
            os.utime(path, ns=(stamp, stamp))
            stamp = path.stat().st_mtime_ns
        timed[name] = (content, stamp)
    return timed


@dataclass(frozen=True, kw_only=True)
class Basis:
    """What a build directory is built from."""

    context: Digest
    sources: _Sources

    @property
    def id(self) -> Digest:
        """The digest of it; times do not count."""
        contents = {name: content for name, (content, _) in self.sources.items()}
        # As ASCII: names of files may be no text.
        return sha256_of_json(json.dumps([self.context, contents], sort_keys=True))

    def text(self) -> str:
        """As JSON."""
        return json.dumps({"context": self.context, "running": _running(), "sources": self.sources})

    @classmethod
    def read(cls, path: Path, wanted: Digest) -> Self | None:
        """The basis in a file; None when there is none, or it is of another kind or time."""
        try:
            document = json.loads(path.read_bytes())
            if (document["context"], document["running"]) != (wanted, _running()):
                return None
            sources = {str(name): (str(pair[0]), int(pair[1])) for name, pair in document["sources"].items()}
        except (OSError, ValueError, KeyError, TypeError, AttributeError, IndexError):
            return None
        return cls(context=wanted, sources=sources)


def _as_made(environment: Path, told: Path) -> bool:
    """Whether an environment is as it was when it had been made; a build may change what it is given."""
    try:
        return bool(json.loads(told.read_bytes()) == held(environment))
    except (OSError, ValueError):
        return False


@dataclass(frozen=True)
class Kept:
    """The place beside a stage where its build directory is kept."""

    root: Path
    stage: Path

    @classmethod
    def beside(cls, stage: Path) -> Kept:
        """That of a stage."""
        return cls(stage.with_name(f"{stage.name}.kept"), stage)

    @property
    def source(self) -> Path:
        """What is left of the source tree; it may hold anything, since whoever unpacks over it reads it."""
        return self.root / "source"

    def keep_source(self, tree: Path) -> None:
        """Keep a source tree, whatever a build has done to it; where that cannot be done, nothing is kept."""
        with suppress(OSError):
            if tree.is_dir():
                shutil.rmtree(self.source, ignore_errors=True)
                self.root.mkdir(parents=True, exist_ok=True)
                tree.rename(self.source)

    @property
    def _basis(self) -> Path:
        return self.root / "basis.json"

    def take(self, stage: BuildDirectory, build_dir: Path | None) -> Basis:
        """Give a stage what was kept, if it was of this kind; else throw it away.

        Args:
            stage: what is to be built; the times of its sources are set.
            build_dir: where the directory belongs; None where a container keeps it itself.

        Returns:
            What is being built from, for `keep`.

        Raises:
            OSError: when the stage cannot be written.
        """
        tree = stage.tree.path
        basis = Basis(context=context(stage), sources=sources_of(tree))
        before = self._taken(basis, build_dir)
        told: dict[str, Any] = {"new": basis.id, "old": None}
        if before is not None:
            now = time.time_ns()
            sources = set_times(tree, basis.sources, before.sources, now)
            basis = Basis(context=basis.context, sources=sources)
            changed = [name for name, (content, _) in sources.items() if content != before.sources[name][0]]
            earliest = min([now, *(sources[name][1] for name in changed)])
            told |= {"old": before.id, "files": changed, "changed": earliest}
        (stage.root / "inside" / "kept.json").write_text(json.dumps(told), encoding="utf-8")
        return basis

    def _taken(self, basis: Basis, build_dir: Path | None) -> Basis | None:
        before = Basis.read(self._basis, basis.context)
        try:
            # First, so that it never speaks of a directory that is being changed.
            self._basis.unlink()
            if before is None or not alike(basis.sources, before.sources):
                before = None
            elif build_dir is not None:
                (self.root / _BUILD).rename(build_dir)
                self._give_back_environment()
        except OSError:
            before = None
        shutil.rmtree(self.root, ignore_errors=True)
        return before

    def keep(self, basis: Basis, build_dir: Path | None) -> None:
        """Keep the build directory of a stage; where that cannot be done, nothing is kept.

        Args:
            basis: what `take` gave.
            build_dir: where the directory stands; None where a container keeps it itself.
        """
        with suppress(OSError):
            shutil.rmtree(self.root, ignore_errors=True)
            self.root.mkdir(parents=True)
            if build_dir is not None:
                build_dir.rename(self.root / _BUILD)
                self._keep_environment()
            draft = self._basis.with_suffix(".draft")
            draft.write_text(basis.text(), encoding="utf-8")
            draft.replace(self._basis)

    def _keep_environment(self) -> None:
        """Keep the build environment, with what it held when it had been made."""
        with suppress(OSError):
            (self.stage / HELD).rename(self.root / HELD)
            (self.stage / ENVIRONMENT).rename(self.root / ENVIRONMENT)

    def _give_back_environment(self) -> None:
        """Give a stage the build environment that was kept."""
        if _as_made(self.root / ENVIRONMENT, self.root / HELD):
            (self.root / ENVIRONMENT).rename(self.stage / ENVIRONMENT)
