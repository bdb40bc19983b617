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

from wheelfarm.model import sha256_of_json

if TYPE_CHECKING:
    from wheelfarm.build.directory import BuildDirectory
    from wheelfarm.model import Digest

_NO_COMPILE: Final = ("patch.", "config-settings.install-args", "split.", "upstream.")
"""Key parts that change sources or what is installed, and no other compile.

Wheels of the build environment count by their sha256: another key may come out with the same bytes.
"""
_LINK: Final = "-> "
_BUILD: Final = "build"
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


@dataclass(frozen=True, kw_only=True)
class CachedBuild:
    """What a build directory was built from."""

    token: str
    """Names this build; the build directory holds it too."""
    inputs: Digest
    sources: Sources

    def write(self, path: Path) -> None:
        """Write it in one step."""
        draft = path.with_suffix(".draft")
        document = {"token": self.token, "inputs": self.inputs, "sources": self.sources}
        draft.write_text(json.dumps(document), encoding="utf-8")
        draft.replace(path)


def _read(path: Path, current: CachedBuild) -> CachedBuild | None:
    """The cached build in a file; None when there is none, or it was built from other inputs."""
    try:
        document = json.loads(path.read_bytes())
        if document["inputs"] != current.inputs or document["sources"].keys() != current.sources.keys():
            return None
        sources = {str(name): (str(pair[0]), int(pair[1])) for name, pair in document["sources"].items()}
        return CachedBuild(token=str(document["token"]), inputs=current.inputs, sources=sources)
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
        """The cache of a build directory."""
        return cls(directory.with_name(f"{directory.name}.cache"), build_dir)

    @property
    def _description(self) -> Path:
        return self.root / "cached-build.json"

    def restore(self, directory: BuildDirectory) -> CachedBuild:
        """Move the cached build into place if its inputs are the same; remove it otherwise.

        Returns:
            What is being built, for `save`.

        Raises:
            OSError: when the build directory cannot be written.
        """
        tree = directory.tree.path
        sources = read_sources(tree)
        current = CachedBuild(
            token=secrets.token_hex(16), inputs=inputs_digest(directory, sources), sources=sources
        )
        before = self._take(current)
        changes: dict[str, object] = {"new": current.token, "old": None}
        if before is not None:
            timed = set_times(tree, sources, before.sources)
            changed = [name for name, (content, _) in timed.items() if content != before.sources[name][0]]
            earliest = min([time.time_ns(), *(timed[name][1] for name in changed)])
            changes |= {"old": before.token, "files": changed, "changed": earliest}
            current = CachedBuild(token=current.token, inputs=current.inputs, sources=timed)
        path = directory.root / "inside" / "build-cache.json"
        path.write_text(json.dumps(changes), encoding="utf-8")
        return current

    def _take(self, current: CachedBuild) -> CachedBuild | None:
        before = _read(self._description, current)
        try:
            # First, so that it never describes a directory that is being changed.
            self._description.unlink()
            if before is not None and self.build_dir is not None:
                (self.root / _BUILD).rename(self.build_dir)
        except OSError:
            before = None
        shutil.rmtree(self.root, ignore_errors=True)
        return before

    def save(self, current: CachedBuild) -> None:
        """Move the build directory into the cache; leave no cache where that fails."""
        with suppress(OSError):
            shutil.rmtree(self.root, ignore_errors=True)
            self.root.mkdir(parents=True)
            if self.build_dir is not None:
                self.build_dir.rename(self.root / _BUILD)
            current.write(self._description)
