"""The build cache: Meson's build directory of the last build, from which ninja continues.

Ninja compares times. So a source with the content that it had in the last build gets its time of then, and a
changed one the time of now. Everything else that can change a compile is one digest: when that differs, the
build starts from an empty directory. While a build uses the directory it is out of the cache, so a killed
build leaves none. `inside/prepare_build_cache.py` checks where the build runs that it is the right one: a
container's volume may hold any.

A project that does not tell ninja what its generators read can still defeat this. So a build record says
whether the build continued from the cache, and a release never does.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import shutil
import stat
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from wheelfarm.errors import WheelhouseError
from wheelfarm.model import sha256_of_json
from wheelfarm.system.files import parse_json, write_atomically

if TYPE_CHECKING:
    from wheelfarm.build.directory import BuildDirectory
    from wheelfarm.model import Digest

_NO_COMPILE: Final = ("patch.", "config-settings.install-args", "split.", "upstream.")
"""Key parts that change sources or what is installed, and no other compile.

Wheels of the build environment count by their sha256: another key may come out with the same bytes.
"""
_LINK: Final = "-> "
_BUILD: Final = "build"
_DESCRIPTION: Final = "cached-build.json"
Sources = dict[str, tuple[str, int]]
"""Path below the source tree → content, or the target of a link; and time in nanoseconds."""


def _boot_id() -> str:
    """Identifies the time since the machine started: a power cut can leave files without their content."""
    with suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="utf-8").strip()
    return ""


def read_sources(tree: Path) -> Sources:
    """Content and time of every file of a source tree, and the target of every link."""
    sources: Sources = {}
    top = len(os.fspath(tree)) + 1
    for parent, directories, names in os.walk(tree):
        for name in (*directories, *names):
            path = os.path.join(parent, name)  # noqa: PTH118 - ten thousand files: Path takes twice the time
            found = os.lstat(path)
            if stat.S_ISLNK(found.st_mode):
                sources[path[top:]] = (_LINK + os.readlink(path), 0)  # noqa: PTH115
            elif stat.S_ISREG(found.st_mode):
                with open(path, "rb") as file:  # noqa: PTH123
                    content = hashlib.file_digest(file, "sha256").hexdigest()
                executable = "+x" * bool(found.st_mode & stat.S_IXUSR)
                sources[path[top:]] = (content + executable, found.st_mtime_ns)
    return sources


def inputs_digest(directory: BuildDirectory, sources: Sources) -> Digest:
    """The digest of all inputs of a compile but the content of sources.

    It includes the names of sources and the targets of links: a new header may shadow another of its name,
    and a link may lead to an older file, which no time tells ninja.
    """
    parts = directory.build.key_parts.items()
    links = {name: content for name, (content, _) in sources.items() if content.startswith(_LINK)}
    inputs = {
        "key": {name: value for name, value in parts if not name.startswith(_NO_COMPILE)},
        "wheels": {wheel.name: wheel.sha256 for wheel in directory.requirements},
        "sources": sorted(sources),
        "links": links,
        "boot": _boot_id(),
    }
    # As ASCII: the name of a file may be no valid text.
    return sha256_of_json(json.dumps(inputs, sort_keys=True))


def set_times(tree: Path, sources: Sources, before: Sources) -> Sources:
    """Give unchanged sources their former time and changed ones the time of now.

    Returns:
        The sources with the times that the file system has stored, which may be rounded.
    """
    now, timed = time.time_ns(), Sources()
    for name, (content, stamp) in sources.items():
        if not content.startswith(_LINK):
            path, (old, former) = tree / name, before[name]
            new = former if old == content else now
            os.utime(path, ns=(new, new))
            stamp = path.stat().st_mtime_ns  # noqa: PLW2901
        timed[name] = (content, stamp)
    return timed


@dataclass(frozen=True)
class CachedBuild:
    """What a build directory was built from."""

    token: str
    """Names this build; the build directory holds it too."""
    inputs: str
    sources: Sources

    @classmethod
    def read(cls, path: Path) -> CachedBuild | None:
        try:
            document = parse_json(path.read_bytes())
            sources = {str(name): (str(pair[0]), int(pair[1])) for name, pair in document["sources"].items()}
            return cls(document["token"], document["inputs"], sources)
        except (OSError, ValueError, KeyError, TypeError, AttributeError, IndexError):
            return None


@dataclass(frozen=True)
class BuildCache:
    """The cache of one build, beside the directory that it is built in."""

    root: Path
    build_dir: Path | None
    """Where a build has its build directory; None where a container keeps it in a volume."""

    @classmethod
    def beside(cls, directory: Path, build_dir: Path | None) -> BuildCache:
        return cls(directory.with_name(f"{directory.name}.cache"), build_dir)

    def restore(self, directory: BuildDirectory) -> CachedBuild:
        """Move the cached build into place if its inputs are the same; remove it otherwise.

        Returns:
            What is being built, for `save`.

        Raises:
            OSError: when the build directory cannot be written.
        """
        tree, token = directory.tree.path, secrets.token_hex(16)
        sources = read_sources(tree)
        inputs = inputs_digest(directory, sources)
        changes: dict[str, object] = {"new": token, "old": None}
        before = self._take(inputs, sources)
        if before is not None:
            sources = set_times(tree, sources, before.sources)
            changed = [name for name, (content, _) in sources.items() if content != before.sources[name][0]]
            earliest = min([time.time_ns(), *(sources[name][1] for name in changed)])
            changes |= {"old": before.token, "files": changed, "changed": earliest}
        path = directory.root / "inside" / "build-cache.json"
        path.write_text(json.dumps(changes), encoding="utf-8")
        return CachedBuild(token, inputs, sources)

    def _take(self, inputs: str, sources: Sources) -> CachedBuild | None:
        """The cached build, with its directory in place; None when there is none, or it is another one."""
        before = CachedBuild.read(self.root / _DESCRIPTION)
        if before and (before.inputs != inputs or before.sources.keys() != sources.keys()):
            before = None
        try:
            # First, so that it never describes a directory that is being changed.
            (self.root / _DESCRIPTION).unlink()
            if before is not None and self.build_dir is not None:
                (self.root / _BUILD).rename(self.build_dir)
        except OSError:
            before = None
        shutil.rmtree(self.root, ignore_errors=True)
        return before

    def save(self, current: CachedBuild) -> None:
        """Move the build directory into the cache; leave no cache where that fails."""
        with suppress(OSError, WheelhouseError):
            shutil.rmtree(self.root, ignore_errors=True)
            self.root.mkdir(parents=True)
            if self.build_dir is not None:
                self.build_dir.rename(self.root / _BUILD)
            write_atomically(self.root / _DESCRIPTION, json.dumps(vars(current)).encode())
