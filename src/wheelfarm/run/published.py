"""Find the wheels of builds in the farm's indexes by the build key in their names, and fetch them.

An index that cannot be used costs one warning a run, and a build; it never fails a build.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from wheelfarm.errors import FarmError, PublishError, UnverifiedError
from wheelfarm.index.build_tags import BuildSlot, short_key
from wheelfarm.index.factory import open_index
from wheelfarm.index.verify import fetch_listed
from wheelfarm.model import RepairedWheel
from wheelfarm.provenance.attestation import check_signature, verify_attestation, verify_wheel
from wheelfarm.provenance.record import RecordedWheel
from wheelfarm.run.recording import record_from_embedded
from wheelfarm.system.files import sha256_of_file
from wheelfarm.system.logs import get_logger
from wheelfarm.wheelhouse.tags import serves
from wheelfarm.wheels.archive import open_wheel
from wheelfarm.wheels.rewrite import write_tagged

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from wheelfarm.index.protocol import IndexProtocol, ListedFile
    from wheelfarm.model import Digest, Name
    from wheelfarm.plan.build import Build
    from wheelfarm.provenance.record import Record
    from wheelfarm.recipes.settings import Settings
    from wheelfarm.wheelhouse.wheelhouse import Wheelhouse

logger = get_logger(__name__)

_EXAMPLES: Final = (".example.org", ".example.com", ".example.net", ".example", ".invalid")
"""Hosts that are reserved for examples (RFC 2606)."""


@dataclass(frozen=True, kw_only=True)
class PublishedWheel:
    """A wheel that an index lists; nothing of it is verified yet."""

    distribution: Name
    file: ListedFile


@dataclass(frozen=True, kw_only=True)
class PublishedBuild:
    """All wheels of one build in one index, the main one first."""

    index: IndexProtocol
    wheels: tuple[PublishedWheel, ...]

    @property
    def why(self) -> str:
        """As a reason for not building."""
        return f"published in {self.index.name}: {self.wheels[0].file.filename}"


@dataclass
class Published:
    """The indexes of a farm.

    Args:
        settings: the farm's, which name the indexes.
        wheelhouse: its wheelhouse.
    """

    settings: Settings
    wheelhouse: Wheelhouse
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)
    _open: dict[tuple[str, str], IndexProtocol] = field(default_factory=dict, init=False)
    _found: dict[Digest, PublishedBuild | None] = field(default_factory=dict, init=False)
    _broken: set[str] = field(default_factory=set, init=False)

    def find(self, build: Build) -> PublishedBuild | None:
        """The wheels of a build in the first index that has all of them; None without one."""
        if not self.settings.remote or self.settings.offline:
            return None
        with self._lock:
            if build.key not in self._found:
                self._found[build.key] = next(self._search(build), None)
            return self._found[build.key]

    def warn(self, name: str, error: FarmError) -> None:
        """Report once why an index cannot be used, and skip it from now on."""
        if name not in self._broken:
            why = ": ".join(filter(None, (error.what, error.why)))
            logger.warning("no wheels are reused from index %s: %s; building instead", name, why)
        self._broken.add(name)

    def _search(self, build: Build) -> Iterator[PublishedBuild]:
        variant = build.id.variant
        for name, table in self.settings.indexes.items():
            if name in self._broken or table.path(variant) is None or _is_example(table.url):
                continue
            try:
                if (name, variant) not in self._open:
                    self._open[name, variant] = open_index(
                        name, self.settings, variant, wheelhouse=self.wheelhouse, read_only=True
                    )
                index = self._open[name, variant]
                wheels = [_find_wheel(index, build, each) for each in build.distributions]
            except FarmError as error:
                self.warn(name, error)
                continue
            except (OSError, ValueError) as error:
                self.warn(name, PublishError("its response is not that of an index", why=str(error)))
                continue
            if None not in wheels:
                yield PublishedBuild(index=index, wheels=tuple(each for each in wheels if each))


def _is_example(url: str) -> bool:
    """Whether a URL is an example that nobody has replaced yet: such hosts cannot exist."""
    return f".{urlsplit(url).hostname or ''}".endswith(_EXAMPLES)


def _find_wheel(index: IndexProtocol, build: Build, distribution: Name) -> PublishedWheel | None:
    """The wheel with the highest build number of those with the build key and target."""
    wanted, found = short_key(build.key_of(distribution)), []
    for file in index.list_files([distribution])[distribution]:
        slot = BuildSlot.of(file.filename)
        if (
            slot is not None
            and slot.short_key == wanted
            and not file.yanked
            and serves(file.filename, build.id.target)
        ):
            found.append((slot.number, file))
    if not found:
        return None
    return PublishedWheel(distribution=distribution, file=max(found, key=lambda each: each[0])[1])


def fetch_published(
    build: Build, wheel: PublishedWheel, index: IndexProtocol, directory: Path, settings: Settings
) -> tuple[RepairedWheel, Record]:
    """Fetch a published wheel, verify it, and restore the wheel that it was before publishing.

    Args:
        build: the build.
        wheel: one of its wheels.
        index: where it is.
        directory: where it goes.
        settings: the farm's.

    Returns:
        The wheel without its build tag, and its record: from the attestation, or else made from the
        embedded one, without results of a gate.

    Raises:
        FarmError: when it cannot be fetched, or is not what its name, record and attestation say.
    """
    fetched = directory / "published" / wheel.file.filename
    fetched.parent.mkdir(parents=True, exist_ok=True)
    sha256 = fetch_listed(index, wheel.file, fetched)
    key = build.key_of(wheel.distribution)
    embedded = verify_wheel(fetched, short_key(key))
    if embedded.key != key or embedded.distribution != wheel.distribution:
        raise UnverifiedError(
            f"the embedded record of {wheel.file.filename} belongs to another build",
            where=wheel.file.url,
            why=f"its build key is {embedded.key}, not {key}",
        )
    attestation = index.attestations(wheel.distribution, build.version).get(sha256)
    table = settings.choose_index(index.name)
    if table.signer:
        check_signature(fetched, attestation, identity=table.signer, issuer=table.issuer)
    path = write_tagged(open_wheel(fetched), directory, "").path
    restored = sha256_of_file(path)
    if attestation is None:
        record = record_from_embedded(build, embedded, path)
    else:
        record = verify_attestation(fetched, sha256, attestation)
        if record.wheel.unnumbered != restored:
            raise UnverifiedError(
                f"{path.name} cannot be restored from {wheel.file.filename}",
                where=wheel.file.url,
                why=f"its sha256 was {record.wheel.unnumbered} before publishing, and is {restored}",
            )
    stored = RecordedWheel(
        filename=path.name,
        sha256=restored,
        size=path.stat().st_size,
        built_sha256=record.wheel.built_sha256,
    )
    return RepairedWheel(path=path, sha256=restored), record.model_copy(update={"wheel": stored})
