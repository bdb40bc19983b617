"""Build tags of published wheels (PEP 427): a number, `_`, and the first digits of the build key.

`scipy-1.17.1-1_762d9660f05c-cp311-….whl` never has the file name of a public wheel, names the build that it
comes from, and wins over builds with a lower number, so that nothing published is overwritten.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Final

from packaging.utils import InvalidWheelFilename
from packaging.version import Version
from pydantic import TypeAdapter

from wheelfarm.index.candidates import verify_candidate
from wheelfarm.model.wheel_names import parse_wheel_filename
from wheelfarm.system.files import RememberedValues, sha256_of_file
from wheelfarm.wheelhouse.tags import served
from wheelfarm.wheels.archive import open_wheel
from wheelfarm.wheels.rewrite import write_tagged

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from packaging.tags import Tag

    from wheelfarm.index.candidates import Candidate
    from wheelfarm.index.protocol import Listing
    from wheelfarm.model import Digest, Name
    from wheelfarm.wheelhouse.wheelhouse import Wheelhouse

_DIGITS: Final = 12
_DIGESTS: Final = TypeAdapter(dict[str, str])


def short_key(key: Digest) -> str:
    """The digits of a build key that a build tag has."""
    return key[:_DIGITS]


def build_tag(number: int, key: Digest) -> str:
    """The build tag of the wheel with a build key."""
    return f"{number}_{short_key(key)}"


@dataclass(frozen=True, kw_only=True)
class BuildSlot:
    """What a file name says of a wheel: its slot, and which build of the slot it is."""

    version: Version
    tags: frozenset[Tag]
    """Without the level of the platform: another build may have another level."""
    number: int
    short_key: str
    """Empty for a wheel that no farm has published."""

    @classmethod
    def of(cls, filename: str) -> BuildSlot | None:
        """Parse a file name; None for another kind of file."""
        try:
            _, version, build, _ = parse_wheel_filename(filename)
        except InvalidWheelFilename:
            return None
        number, rest = build or (0, "")
        digits = rest.removeprefix("_") if rest.startswith("_") else ""
        return cls(version=version, tags=served(filename), number=number, short_key=digits)


def of_release(filenames: Iterable[str], version: str) -> tuple[str, ...]:
    """The wheels of a version among file names, however the version is written."""
    slots = ((name, BuildSlot.of(name)) for name in filenames)
    return tuple(name for name, slot in slots if slot and str(slot.version) == str(Version(version)))


def superseded(listing: Listing, keep: int) -> dict[Name, tuple[str, ...]]:
    """Wheels of which there are `keep` later builds for the same version and tags.

    Args:
        listing: what an index lists.
        keep: how many builds stay; one at least.
    """
    found: dict[Name, tuple[str, ...]] = {}
    for project, files in listing.items():
        builds: defaultdict[object, list[tuple[int, str]]] = defaultdict(list)
        for name in (file.filename for file in files):
            if slot := BuildSlot.of(name):
                builds[slot.version, slot.tags].append((slot.number, name))
        old = [name for group in builds.values() for _, name in sorted(group, reverse=True)[max(keep, 1) :]]
        if old:
            found[project] = tuple(sorted(old))
    return found


@dataclass
class Tagger:
    """Writes stored wheels under their published names.

    Args:
        wheelhouse: where the build records are.
        directory: where the wheels go.
        memory: the file that remembers the digests of the wheels that were written.
    """

    wheelhouse: Wheelhouse
    directory: Path
    memory: Path
    _written: dict[tuple[Path, str], Candidate] = field(default_factory=dict, init=False)

    @property
    def _values(self) -> RememberedValues[str]:
        return RememberedValues(self.memory, _DIGESTS)

    @cached_property
    def _digests(self) -> dict[str, str]:
        """The digest of each wheel that was written, by that of the stored wheel and the build tag."""
        return self._values.read()

    def is_same(self, candidate: Candidate, tag: str, digest: Digest | None) -> bool:
        """Whether the wheel with a build tag has a digest; only one that is not known to is written."""
        known = self._digests.get(f"{candidate.sha256} {tag}")
        return (known is not None and known == digest) or self.tag(candidate, tag).sha256 == digest

    def remember(self) -> None:
        """Write down the digests of all wheels that were written."""
        self._values.add(
            {
                f"{stored.sha256} {tag}": made.sha256
                for (_, tag), made in self._written.items()
                if (stored := made.stored)
            }
        )

    def tag(self, candidate: Candidate, tag: str) -> Candidate:
        """The wheel with a build tag in its name and in WHEEL; the same wheel and tag make the same bytes.

        Raises:
            UnprovenError: when the stored wheel is not the one that passed the gate.
            WheelError: when it cannot be read.
            OSError: when it cannot be written.
        """
        known = self._written.get((candidate.path, tag))
        if known is not None:
            return known
        verify_candidate(self.wheelhouse, candidate)
        path = write_tagged(open_wheel(candidate.path), self.directory, tag).path
        file = replace(
            candidate.file, filename=path.name, sha256=sha256_of_file(path), size=path.stat().st_size
        )
        made = replace(candidate, file=file, path=path, stored=candidate)
        self._written[candidate.path, tag] = made
        return made
