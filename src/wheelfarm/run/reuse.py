"""Reuse of published wheels: find those of a build in the farm's indexes by the build key, and verify them.

An index that cannot be used costs one warning a run, and a build; it never fails a build.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from wheelfarm.errors import CancelledRunError, FarmError, PublishError, UnverifiedError
from wheelfarm.index.build_tags import BuildSlot, short_key
from wheelfarm.index.factory import open_index, required_signers
from wheelfarm.index.verify import fetch_listed
from wheelfarm.model import RepairedWheel
from wheelfarm.provenance.attestation import verify_attestation, verify_wheel
from wheelfarm.run.decision import built_on_others
from wheelfarm.run.recording import record_from_embedded, recorded_wheel, regated
from wheelfarm.system.files import sha256_of_file
from wheelfarm.system.logs import get_logger
from wheelfarm.wheelhouse.tags import serves
from wheelfarm.wheels.archive import open_wheel
from wheelfarm.wheels.rewrite import write_tagged

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from wheelfarm.build.engine import ProgressListener
    from wheelfarm.gate.check import Result
    from wheelfarm.index.protocol import IndexProtocol, ListedFile
    from wheelfarm.model import Digest, Name
    from wheelfarm.plan.build import Build
    from wheelfarm.provenance.record import Record
    from wheelfarm.recipes.settings import Settings
    from wheelfarm.run.services import BuildServices, Timings
    from wheelfarm.wheelhouse.wheelhouse import Wheelhouse

    Gate = Callable[[dict[Name, RepairedWheel]], Mapping[Name, tuple[Result, ...]]]

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

    @property
    def indexes(self) -> tuple[str, ...]:
        """The names of the indexes that are searched."""
        if not self.settings.remote or self.settings.offline:
            return ()
        return tuple(name for name, table in self.settings.indexes.items() if not _is_example(table.url))

    def find(self, build: Build) -> PublishedBuild | None:
        """The wheels of a build in the first index that has all of them; None without one."""
        if not self.indexes:
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
        for name in self.indexes:
            if name in self._broken or self.settings.indexes[name].path(variant) is None:
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
            except Exception as error:  # noqa: BLE001 - whatever an index does, it costs a build
                why = f"{type(error).__name__}: {error}"
                self.warn(name, PublishError("its response is not that of an index", why=why))
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
    sha256 = fetch_listed(index, wheel.file, fetched, settings.limits.values())
    key = build.key_of(wheel.distribution)
    embedded = verify_wheel(fetched, short_key(key))
    if embedded.key != key or embedded.distribution != wheel.distribution:
        raise UnverifiedError(
            f"the embedded record of {wheel.file.filename} belongs to another build",
            where=wheel.file.url,
            why=f"its build key is {embedded.key}, not {key}",
        )
    attestation = index.attestations(wheel.distribution, build.version).get(sha256)
    required_signers(settings, index.name).check(fetched, attestation)
    path = write_tagged(open_wheel(fetched), directory, "").path
    restored = RepairedWheel(path=path, sha256=sha256_of_file(path))
    if attestation is None:
        return restored, record_from_embedded(build, embedded, restored)
    record = verify_attestation(fetched, sha256, attestation)
    if record.wheel.unnumbered != restored.sha256:
        raise UnverifiedError(
            f"{path.name} cannot be restored from {wheel.file.filename}",
            where=wheel.file.url,
            why=f"its sha256 was {record.wheel.unnumbered} before publishing, and is {restored.sha256}",
        )
    restored = replace(restored, built_sha256=record.wheel.built_sha256)
    return restored, record.model_copy(update={"wheel": recorded_wheel(restored)})


def reuse_build(
    services: BuildServices,
    build: Build,
    found: PublishedBuild,
    directory: Path,
    *,
    gate: Gate,
    listener: ProgressListener,
    timings: Timings,
) -> tuple[dict[Name, RepairedWheel], dict[Name, Record]] | None:
    """Fetch and verify the published wheels of a build; nothing is stored.

    Where the gate has changed since they were published, they pass it again.

    Args:
        services: the run's.
        build: the build.
        found: its wheels in an index.
        directory: where the wheels go; it is made.
        gate: puts the wheels of the build through its gate.
        listener: receives what is fetched, and why the wheels are unusable.
        timings: for the steps.

    Returns:
        The wheels and their records by distribution; None when one is missing or fails verification.
    """
    wheels: dict[Name, RepairedWheel] = {}
    records: dict[Name, Record] = {}
    try:
        with timings.step("fetch"):
            directory.mkdir(parents=True, exist_ok=True)
            for each in found.wheels:
                listener.on_line(f"fetching {each.file.filename} from index {found.index.name}")
                name = each.distribution
                wheels[name], records[name] = fetch_published(
                    build, each, found.index, directory, services.settings
                )
                _check_record(services, build, each, records[name])
        if any(record.gate_key != build.gate_key for record in records.values()):
            results = gate(wheels)
            records = {name: regated(record, build, results[name]) for name, record in records.items()}
    except CancelledRunError:
        raise
    except FarmError as error:
        why = "; ".join(line.strip() for line in error.lines())
    except Exception as error:  # noqa: BLE001 - as above
        why = f"{type(error).__name__}: {error}"
    else:
        return wheels, records
    listener.on_line(f"warning: {build.id} is built, and not reused from index {found.index.name}: {why}")
    return None


def _check_record(services: BuildServices, build: Build, published: PublishedWheel, record: Record) -> None:
    """Check that a record is one of this build.

    Raises:
        UnverifiedError: naming what differs.
    """
    distribution = published.distribution
    pairs = {
        "key": (record.key, build.key_of(distribution)),
        "key_parts": (dict(record.key_parts), dict(build.key_parts)),
        "distribution": (record.distribution, distribution),
        "version": (record.version, build.version),
        "variant": (record.variant, build.id.variant),
        "target": (record.target, build.id.target),
    }
    differing = [name for name, (recorded, wanted) in pairs.items() if recorded != wanted]
    others = built_on_others(services.wheelhouse, build, record)
    if differing or others:
        raise UnverifiedError(
            f"the record of {published.file.filename} is not one of {build.id}",
            why=others or f"it has another {', '.join(differing)}",
        )
    if services.settings.from_nothing and not record.from_nothing:
        raise UnverifiedError(
            f"{published.file.filename} was built with a compiler cache",
            why="a release is built from nothing",
        )
