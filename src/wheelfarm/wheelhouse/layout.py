"""Where things are in a wheelhouse, and what a record and a wheel there say."""

from __future__ import annotations

import os
import re
import zipfile
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self

from packaging.utils import InvalidWheelFilename

from wheelfarm.errors import UsageError, WheelError, WheelhouseError, counted
from wheelfarm.model import Digest, Name, StoredWheel, parse_digest
from wheelfarm.model.wheel_names import parse_wheel_filename
from wheelfarm.system.files import explain_os_errors, parse_json, sha256_of_file

if TYPE_CHECKING:
    from pathlib import Path

    from wheelfarm.wheelhouse.simple_index import IndexedFile

METADATA: Final = ".metadata"
"""What the name of the core metadata beside a wheel adds to the wheel's (PEP 658)."""
_VARIANT: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def wheel_path(sha256: Digest, filename: str) -> str:
    """A wheel's path below its variant's directory, with slashes."""
    return f"wheels/{sha256[:16]}/{filename}"


def metadata_of(wheel: Path) -> Path:
    """The file with a wheel's core metadata (PEP 658)."""
    return wheel.with_name(f"{wheel.name}{METADATA}")


def name_and_version(filename: str) -> tuple[Name, str]:
    """The distribution and the version in a wheel's file name.

    Raises:
        WheelError: when it is not a wheel's file name, or has a directory part.
    """
    try:
        name, version, _, _ = parse_wheel_filename(filename)
    except InvalidWheelFilename as error:
        raise WheelError(f"{filename!r} is not a wheel's file name", why=str(error)) from error
    if "/" in filename:
        raise WheelError(f"{filename!r} is not a wheel's file name", why="it holds a slash")
    return Name(name), str(version)


def read_metadata(wheel: Path) -> bytes:
    """The bytes of a wheel's METADATA file.

    Raises:
        WheelError: when the file is not a zip, or holds no or several METADATA files.
    """
    try:
        with zipfile.ZipFile(wheel) as archive:
            found = [
                member
                for member in archive.namelist()
                if member.endswith(".dist-info/METADATA") and member.count("/") == 1
            ]
            if len(found) == 1:
                return archive.read(found[0])
    except (zipfile.BadZipFile, zlib.error, EOFError, UnicodeDecodeError) as error:
        raise WheelError(f"{wheel.name} is not a zip file", where=str(wheel), why=str(error)) from error
    raise WheelError(
        f"{wheel.name} must hold one METADATA file",
        where=str(wheel),
        why=f"it holds {', '.join(found) or 'none'}",
    )


@dataclass(frozen=True, kw_only=True)
class DescribedWheel:
    """The wheel that a record describes: all that the wheelhouse needs to know of a record."""

    filename: str
    sha256: Digest
    size: int

    @classmethod
    def read(cls, record: str | bytes, where: str) -> Self:
        """Find `wheel.filename`, `wheel.sha256` and `wheel.size` in a record.

        Raises:
            WheelhouseError: when they are not there.
        """
        try:
            wheel = parse_json(record)["wheel"]
            name_and_version(wheel["filename"])
            return cls(
                filename=wheel["filename"], sha256=parse_digest(wheel["sha256"]), size=int(wheel["size"])
            )
        except (ValueError, KeyError, TypeError, AttributeError, UsageError, WheelError) as error:
            raise WheelhouseError(
                "the record does not describe a wheel",
                where=where,
                why=f"wheel.filename, .sha256 and .size are expected: {error!r:.120}",
            ) from error


@dataclass(frozen=True, kw_only=True)
class Layout:
    """The paths of one variant.

    Raises:
        WheelhouseError: when the variant's name cannot be a directory's.
    """

    root: Path
    variant: str

    def __post_init__(self) -> None:
        if not _VARIANT.fullmatch(self.variant):
            raise WheelhouseError(
                f"{self.variant!r} cannot be a variant's directory",
                where=str(self.root),
                why="names hold letters, digits, '.', '_' and '-', and begin with a letter or digit",
            )

    @property
    def directory(self) -> Path:
        return self.root / self.variant

    @property
    def wheels(self) -> Path:
        return self.directory / "wheels"

    @property
    def records(self) -> Path:
        return self.directory / "records"

    @property
    def simple(self) -> Path:
        return self.directory / "simple"

    @property
    def unfinished(self) -> Path:
        """Exists while something is written, and after a kill."""
        return self.directory / ".unfinished"

    def wheel(self, sha256: Digest, filename: str) -> Path:
        return self.directory / wheel_path(sha256, filename)

    def record(self, key: Digest) -> Path:
        return self.records / f"{key}.json"

    def recorded_keys(self) -> list[Digest]:
        """The build keys that have a record, in order."""
        return sorted(Digest(path.stem) for path in self.records.glob("*.json"))

    @property
    def root_index(self) -> Path:
        """The JSON page that lists all projects."""
        return self.simple / "index.json"

    def record_states(self) -> dict[Digest, str]:
        """What changes whenever a record's file does: its time, size and inode, by build key."""
        if not self.records.is_dir():
            return {}
        with os.scandir(self.records) as entries:
            states = {
                Digest(entry.name.removesuffix(".json")): entry.stat()
                for entry in entries
                if entry.name.endswith(".json")
            }
        return {key: f"{each.st_mtime_ns} {each.st_size} {each.st_ino}" for key, each in states.items()}

    def project_index(self, project: Name) -> Path:
        """A project's JSON page, from which the farm reads its current wheels."""
        return self.simple / project / "index.json"

    def page(self, project: Name) -> Path:
        """A project's HTML page."""
        return self.simple / project / "index.html"

    def check(self, key: Digest, *, verify: bool) -> DescribedWheel:
        """Check that the wheel of a build key is there and whole, and return what its record says of it.

        Args:
            key: the build key.
            verify: compare the wheel's digest too, not only its size.

        Raises:
            WheelhouseError: when the record or the wheel is missing or damaged.
        """
        record = self.record(key)
        with explain_os_errors(record):
            wheel = DescribedWheel.read(record.read_bytes(), str(record))
        path, problem = self.wheel(wheel.sha256, wheel.filename), ""
        with explain_os_errors(path):
            if not path.is_file():
                problem = "missing"
            elif (size := path.stat().st_size) != wheel.size:
                problem = f"damaged: it has {counted(size, 'byte')} instead of {wheel.size}"
            elif verify and sha256_of_file(path) != wheel.sha256:
                problem = "damaged: its sha256 is not the recorded one"
        if problem:
            raise WheelhouseError(f"{wheel.filename} is {problem}", where=str(path), hint="build it again")
        return wheel

    def stored_wheel(self, wheel: DescribedWheel | IndexedFile, key: Digest) -> StoredWheel:
        """The `StoredWheel` of a record or of a listed file."""
        name, version = name_and_version(wheel.filename)
        return StoredWheel(
            name=name,
            version=version,
            path=self.wheel(wheel.sha256, wheel.filename),
            sha256=wheel.sha256,
            key=key,
            variant=self.variant,
        )
