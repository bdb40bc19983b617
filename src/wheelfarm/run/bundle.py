"""A bundle: what a machine without a network needs to install, serve and build some packages, as one archive.

It is a tar archive without compression: wheels and sources are compressed already, and `tar` alone takes out
the environment of the farm. Its first member lists all others with their sha256.
"""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import sys
import tarfile
from collections.abc import Mapping  # noqa: TC003 - pydantic reads the hints at run time
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING, Final, Literal, cast

from wheelfarm.model import Digest, sha256_of_bytes
from wheelfarm.run.build_files import Answer, BuildFiles, Value
from wheelfarm.run.bundle_signatures import collect_attestations
from wheelfarm.run.packed_farm import pack_farm
from wheelfarm.run.services import SilentRunListener
from wheelfarm.sources.cache import mismatch
from wheelfarm.system.files import explain_os_errors, rename_durably, sha256_of_file, temporary_path
from wheelfarm.system.logs import get_logger
from wheelfarm.system.process import Command, run
from wheelfarm.system.shipped import shipped_farm

if TYPE_CHECKING:
    from pathlib import Path

    from wheelfarm.plan.graph import Plan
    from wheelfarm.recipes.settings import Settings
    from wheelfarm.run.farm import Farm

logger = get_logger(__name__)

MANIFEST: Final = "bundle.json"
FARM: Final = "farm.zip"
INPUTS: Final = "inputs"
_WHEELS: Final = "wheels"
_RECORDS: Final = "records"
ENVIRONMENT: Final = "environment"
"""The directory of the farm's own requirements: in a bundle, and below the farm's directory of work."""
_LOCK: Final = "requirements/ci.txt"
"""What nox and the farm need, with hashes."""


class BundledBuild(Value):
    """A build whose wheels and inputs a bundle has."""

    id: str
    key: Digest
    image: str | None
    """The builder image's digest; the image itself is not in the bundle."""


class BundledWheel(Value):
    """A stored wheel with its record: two members of the archive."""

    wheel: str
    sha256: Digest
    key: Digest
    record: str


class Manifest(Value):
    """What a bundle has."""

    version: Literal[1] = 1
    variant: str
    builds: tuple[BundledBuild, ...]
    wheels: tuple[BundledWheel, ...]
    """In the order in which they are stored."""
    answers: tuple[Answer, ...]
    """What the farm's fetcher has found for questions; see `Cache.remember`."""
    files: Mapping[str, Digest]
    """The sha256 of each other member."""


@dataclass(frozen=True, kw_only=True)
class Bundle:
    """A bundle's manifest, and the files of its members on this machine."""

    manifest: Manifest
    paths: Mapping[str, Path] = field(default_factory=dict)
    texts: Mapping[str, bytes] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """The bytes of its members."""
        return sum(path.stat().st_size for path in self.paths.values()) + sum(map(len, self.texts.values()))


def collect_bundle(farm: Farm, plan: Plan, environment: Path, index: str | None = None) -> Bundle:
    """Collect what the builds of a plan have made, and what they and their gates need.

    What is not in the cache yet is fetched.

    Args:
        farm: the farm.
        plan: the builds, all of them with stored wheels.
        environment: the directory with the wheels that the farm itself needs; see `fetch_environment`.
        index: whose signed attestations of the wheels go along; None for none.

    Raises:
        ChainError: when a wheel is not stored, or was changed.
        UnverifiedError: when the index does not have a wheel with the signatures that it requires.
        FarmError: when an input cannot be fetched.
    """
    services = farm.services(plan, SilentRunListener())
    paths: dict[str, Path] = {}
    texts = {FARM: pack_farm(farm.settings)}
    digests: dict[str, Digest] = {FARM: sha256_of_bytes(texts[FARM])}
    answers: dict[str, Answer] = {}
    wheels: dict[Digest, BundledWheel] = {}
    for build in plan.builds:
        logger.info("collecting %s", build.id)
        found = BuildFiles(services, build)
        found.collect(own_wheels=True)
        answers |= found.answers
        for key, stored in found.stored.items():
            record, wheel = f"{_RECORDS}/{key}.json", f"{_WHEELS}/{stored.file.sha256}/{stored.file.filename}"
            texts[record] = stored.record.encode()
            paths[wheel] = found.paths[stored.file.sha256]
            digests |= {record: sha256_of_bytes(texts[record]), wheel: stored.file.sha256}
            wheels[key] = BundledWheel(wheel=wheel, sha256=stored.file.sha256, key=key, record=record)
        own = {each.sha256 for each in wheels.values()}
        for file in found.sent.values():
            if file.sha256 not in own:
                name = f"{INPUTS}/{file.sha256}/{file.filename}"
                paths[name], digests[name] = found.paths[file.sha256], file.sha256
    if index is not None:
        signed = collect_attestations(farm, index, {key: paths[each.wheel] for key, each in wheels.items()})
        texts |= signed
        digests |= {name: sha256_of_bytes(text) for name, text in signed.items()}
    for path in sorted(environment.iterdir()):
        name = f"{ENVIRONMENT}/{path.name}"
        paths[name], digests[name] = path, sha256_of_file(path)
    builds = tuple(
        BundledBuild(id=str(each.id), key=each.key, image=each.toolchain.facts.get("image"))
        for each in plan.builds
    )
    manifest = Manifest(
        variant=farm.settings.variant,
        builds=builds,
        wheels=tuple(wheels.values()),
        answers=tuple(answers[question] for question in sorted(answers)),
        files=dict(sorted(digests.items())),
    )
    return Bundle(manifest=manifest, paths=paths, texts=texts)


def fetch_environment(settings: Settings, directory: Path) -> None:
    """Fetch the wheels of nox, of the farm's programs and of its libraries, by pip, for this platform.

    Args:
        settings: those of the farm; a farm without `requirements/ci.txt` uses wheelfarm's own.
        directory: where the wheels go.

    Raises:
        ProcessError: when pip fails.
    """
    lock = next(each / _LOCK for each in (settings.root, shipped_farm()) if (each / _LOCK).is_file())
    words = (
        "download",
        "--quiet",
        "--disable-pip-version-check",
        "--require-hashes",
        "--only-binary",
        ":all:",
    )
    argv = (sys.executable, "-m", "pip", *words, "-r", str(lock), "-d", str(directory))
    # With pip's own variables: the sessions of nox make the farm's environment with them.
    run(Command(argv=argv, env=dict(settings.environ)))
    shutil.copyfile(lock, directory / "requirements.txt")


def write_bundle(bundle: Bundle, path: Path) -> Digest:
    """Write a bundle as a whole or not at all, the same bytes for the same members; return its sha256.

    Raises:
        HashError: when a file has changed since it was collected.
        WheelhouseError: when the disk is full, or the directory cannot be written.
    """
    with explain_os_errors(path, "the bundle"), temporary_path(path.parent) as draft:
        with tarfile.open(draft, "w", format=tarfile.PAX_FORMAT) as archive:
            text = bundle.manifest.model_dump_json(indent=1).encode()
            _add(archive, MANIFEST, text)
            for name, sha256 in bundle.manifest.files.items():
                file = bundle.paths.get(name)
                if file is None:
                    _add(archive, name, bundle.texts[name])
                elif (found := _add_file(archive, name, file)) != sha256:
                    raise mismatch(name, str(file), pinned=[sha256], found=found)
        digest = sha256_of_file(draft)
        rename_durably(draft, path)
    return digest


def _add(archive: tarfile.TarFile, name: str, data: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(data)
    archive.addfile(info, io.BytesIO(data))


def _add_file(archive: tarfile.TarFile, name: str, path: Path) -> Digest:
    """Add a file, and return the sha256 of what was added."""
    with path.open("rb") as file:
        read = _Hashed(file)
        info = tarfile.TarInfo(name)
        info.size = os.fstat(file.fileno()).st_size
        archive.addfile(info, cast("IO[bytes]", read))
    return Digest(read.sha256.hexdigest())


class _Hashed:
    """Hashes what is read of a file."""

    def __init__(self, file: IO[bytes]) -> None:
        self.sha256 = hashlib.sha256()
        self._file = file

    def read(self, size: int = -1) -> bytes:
        """Read bytes, as of the file."""
        data = self._file.read(size)
        self.sha256.update(data)
        return data
