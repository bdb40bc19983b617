"""Reads a bundle: verifies every byte, and only then puts files into cache, wheelhouse and environment."""

from __future__ import annotations

import io
import tarfile
import tempfile
import zipfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING, Final

from pydantic import ValidationError

from wheelfarm.errors import ArchiveError, HashError, RecordError
from wheelfarm.model import is_digest
from wheelfarm.run.bundle import ENVIRONMENT, FARM, INPUTS, MANIFEST, Manifest
from wheelfarm.run.packed_farm import pack_farm
from wheelfarm.sources.archives import DAMAGED_ZIP
from wheelfarm.sources.cache import CHUNK, Cache, chunks_of, write_chunks
from wheelfarm.system.files import (
    copy_verified,
    explain_os_errors,
    parse_json,
    read_text,
    remove_tree,
    sha256_of_file,
)
from wheelfarm.wheelhouse.layout import DescribedWheel

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from wheelfarm.model import Digest
    from wheelfarm.recipes.settings import Settings
    from wheelfarm.wheelhouse.wheelhouse import Wheelhouse

_HINT: Final = "copy it again, and compare its sha256 with the one that inv index.bundle has printed"
_LARGEST: Final = 64 << 20
"""Bytes of a manifest."""


@dataclass(frozen=True, kw_only=True)
class UnpackedBundle:
    """A bundle whose members have the digests of its manifest, as files in a temporary directory."""

    path: Path
    directory: Path
    manifest: Manifest
    files: Mapping[str, Path]

    def of(self, directory: str) -> Iterator[tuple[Path, Digest]]:
        """The members of one directory, each with its sha256."""
        for name, path in self.files.items():
            if name.startswith(f"{directory}/"):
                yield path, self.manifest.files[name]

    def fill_cache(self, cache: Cache) -> None:
        """Store sources, locked requirements and answers.

        Raises:
            OSError: when the disk is full, or the cache cannot be written.
        """
        for path, sha256 in self.of(INPUTS):
            cache.store(chunks_of(path), path.name, accepted={sha256}, origin=str(self.path))
        for answer in self.manifest.answers:
            cache.remember(answer.question, answer.sha256)

    def store_wheels(self, wheelhouse: Wheelhouse, signed: Mapping[Digest, str]) -> None:
        """Store the wheels with their records.

        Args:
            wheelhouse: where they go.
            signed: the signed records by build key, which take the place of those beside the wheels.

        Raises:
            WheelhouseError: when a record is of other bytes, or the wheelhouse cannot be written.
        """
        for each in self.manifest.wheels:
            record = signed.get(each.key) or self.files[each.record].read_text(encoding="utf-8")
            variant = self.manifest.variant
            wheel = self.files[each.wheel]
            wheelhouse.store(wheel, sha256=each.sha256, variant=variant, key=each.key, record=record)

    def fill_environment(self, directory: Path) -> None:
        """Write the wheels that the farm itself needs.

        Raises:
            WheelhouseError: when the disk is full, or the directory cannot be written.
        """
        for path, sha256 in self.of(ENVIRONMENT):
            copy_verified(path, directory / path.name, sha256)

    def changed_farm_files(self, settings: Settings) -> list[str]:
        """The files of the farm here that are not those of the farm that made the bundle.

        Raises:
            ArchiveError: when those of the bundle cannot be read.
        """
        own = io.BytesIO(pack_farm(settings))
        try:
            with zipfile.ZipFile(own) as here, zipfile.ZipFile(self.files[FARM]) as there:
                found = [{name: each.read(name) for name in each.namelist()} for each in (here, there)]
        except DAMAGED_ZIP as error:
            raise _damaged(self.path, f"{FARM}: {error}") from error
        return sorted(
            name for name in found[0].keys() | found[1].keys() if found[0].get(name) != found[1].get(name)
        )


@contextmanager
def unpacked_bundle(path: Path, directory: Path, sha256: str | None = None) -> Iterator[UnpackedBundle]:
    """Unpack a bundle below a directory, and verify it; the files are removed after the block.

    Args:
        path: the bundle.
        directory: for its files, on a disk that can hold them.
        sha256: what its own sha256 has to be; None for any.

    Raises:
        HashError: when it, or a member, has another digest.
        ArchiveError: when it is no bundle, is cut off, or has other members than its manifest lists.
        WheelhouseError: when the disk is full, or a file cannot be read or written.
    """
    with explain_os_errors(path, "the bundle"):
        if sha256 is not None and (found := sha256_of_file(path)) != sha256:
            why = f"its sha256 is {found}, and {sha256} was wanted"
            raise HashError("the bundle is another one", where=str(path), why=why, hint=_HINT)
        directory.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(prefix="bundle-", dir=directory))
    try:
        with explain_os_errors(path, "the bundle"):
            yield _unpack(path, scratch)
    finally:
        remove_tree(scratch)


def _unpack(path: Path, directory: Path) -> UnpackedBundle:
    files: dict[str, Path] = {}
    try:
        archive = tarfile.open(path, "r:")  # noqa: SIM115 - the block below closes it
    except tarfile.TarError as error:
        raise _foreign(path, str(error)) from error
    try:
        with archive:
            manifest = _read_manifest(archive, path)
            for number, member in enumerate(archive):
                if number == 0:
                    continue
                if member.name in files:
                    raise _damaged(path, f"it has {member.name} twice")
                # Each has its own name, in a directory of its own.
                target = directory / str(number) / PurePosixPath(member.name).name
                files[member.name] = _verified(archive, member, manifest, path, target)
    except (tarfile.TarError, EOFError, UnicodeError, ValueError, OverflowError) as error:
        raise _damaged(path, f"{error}") from error
    unpacked = UnpackedBundle(path=path, directory=directory, manifest=manifest, files=files)
    _check(unpacked)
    return unpacked


def _check(bundle: UnpackedBundle) -> None:
    """Raise unless the bundle has what its manifest speaks of."""
    path, manifest, files = bundle.path, bundle.manifest, bundle.files
    missing = sorted(manifest.files.keys() - files.keys())
    if missing:
        raise _damaged(path, f"{missing[0]} is missing, and {len(missing) - 1} more")
    needed = {name for each in manifest.wheels for name in (each.wheel, each.record)} | {FARM}
    if unknown := sorted(needed - files.keys()):
        raise _damaged(path, f"its manifest speaks of {unknown[0]}, and does not list it")
    for digest in (*(each.key for each in manifest.wheels), *(each.sha256 for each in manifest.answers)):
        # They become names of files.
        if not is_digest(digest):
            raise _damaged(path, f"its manifest has the digest {digest!r:.80}")
    for each in manifest.wheels:
        described = DescribedWheel.read(read_text(files[each.record], RecordError), each.record)
        if (described.sha256, described.filename) != (each.sha256, PurePosixPath(each.wheel).name):
            raise _damaged(path, f"{each.record} is not the record of {each.wheel}")
        if manifest.files[each.wheel] != each.sha256:
            raise _damaged(path, f"its manifest has two digests of {each.wheel}")


def _read_manifest(archive: tarfile.TarFile, path: Path) -> Manifest:
    first = archive.next()
    if first is None or first.name != MANIFEST or not first.isreg() or first.size > _LARGEST:
        raise _foreign(path, f"its first member is not {MANIFEST}")
    stream = archive.extractfile(first)
    text = stream.read() if stream else b""
    if len(text) != first.size:
        raise _damaged(path, f"it ends within {MANIFEST}")
    try:
        document = parse_json(text)
        if isinstance(document, dict) and document.get("version") not in {None, 1}:
            hint = "load it with the wheelfarm that made it"
            what = "the bundle is of a newer wheelfarm"
            raise ArchiveError(what, where=str(path), why=f"version {document['version']}", hint=hint)
        return Manifest.model_validate_json(text)
    except (ValueError, ValidationError) as error:
        raise _damaged(path, f"{MANIFEST}: {error!s:.300}") from error


def _verified(
    archive: tarfile.TarFile, member: tarfile.TarInfo, manifest: Manifest, path: Path, target: Path
) -> Path:
    """Write a member to a file, once its digest is that of the manifest."""
    wanted, stream = manifest.files.get(member.name), archive.extractfile(member) if member.isreg() else None
    if wanted is None or stream is None:
        raise _damaged(path, f"its manifest does not list {member.name[:200]!r} as a file")
    target.parent.mkdir()
    with target.open("wb") as file:
        found = write_chunks(file, _chunks(stream))
    if target.stat().st_size != member.size:
        raise _damaged(path, f"it ends within {member.name}")
    if found != wanted:
        why = f"its sha256 is {found}, and the manifest says {wanted}"
        raise HashError(f"{member.name} in the bundle was changed", where=str(path), why=why, hint=_HINT)
    return target


def _chunks(stream: IO[bytes]) -> Iterator[bytes]:
    while chunk := stream.read(CHUNK):
        yield chunk


def _foreign(path: Path, why: str) -> ArchiveError:
    return ArchiveError("this is no bundle", where=str(path), why=why, hint="inv index.bundle writes one")


def _damaged(path: Path, why: str) -> ArchiveError:
    return ArchiveError("the bundle is damaged", where=str(path), why=why, hint=_HINT)
