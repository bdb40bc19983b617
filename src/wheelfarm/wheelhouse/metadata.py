"""Read what a record says of its wheel, and check that the wheel is complete."""

from __future__ import annotations

import json
import zipfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from packaging.metadata import parse_email
from packaging.utils import InvalidWheelFilename, parse_wheel_filename

from wheelfarm.errors import UsageError, WheelError, WheelhouseError
from wheelfarm.model import Digest, Name, StoredWheel, parse_digest
from wheelfarm.system.files import explain_os_errors, sha256_of_file

if TYPE_CHECKING:
    from pathlib import Path

    from wheelfarm.model import Digest
    from wheelfarm.wheelhouse.layout import Layout
    from wheelfarm.wheelhouse.project_index import IndexedFile


def name_and_version(filename: str) -> tuple[Name, str]:
    """The distribution and the version that a wheel's file name tells; it has no directory part.

    Raises:
        WheelError: when it is not a wheel's file name.
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
    except (zipfile.BadZipFile, EOFError) as error:
        raise WheelError(f"{wheel.name} is not a zip file", where=str(wheel), why=str(error)) from error
    raise WheelError(
        f"{wheel.name} must hold one METADATA file",
        where=str(wheel),
        why=f"it holds {', '.join(found) or 'none'}",
    )


def requires_python(metadata: bytes) -> str | None:
    """The Requires-Python field of core metadata."""
    return parse_email(metadata)[0].get("requires_python")


@dataclass(frozen=True, kw_only=True)
class Described:
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
            wheel = json.loads(record)["wheel"]
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


def whole(layout: Layout, key: Digest, *, verify: bool) -> Described:
    """What the record of a rebuild key describes, once its wheel is found to be there.

    Args:
        layout: the variant's paths.
        key: the rebuild key.
        verify: compare the wheel's digest too, and not its size only.

    Raises:
        WheelhouseError: when the record or the wheel is missing or damaged.
    """
    record = layout.record(key)
    with explain_os_errors(record):
        wheel = Described.read(record.read_bytes(), str(record))
    place = layout.wheel(wheel.sha256, wheel.filename)
    hint = "build it again"
    with explain_os_errors(place):
        if not place.is_file():
            raise WheelhouseError(f"{wheel.filename} is missing", where=str(place), hint=hint)
        size = place.stat().st_size
        if size != wheel.size:
            raise WheelhouseError(
                f"{wheel.filename} is damaged: it has {size} bytes instead of {wheel.size}",
                where=str(place),
                hint=hint,
            )
        if verify and sha256_of_file(place) != wheel.sha256:
            raise WheelhouseError(
                f"{wheel.filename} is damaged: its sha256 is not the recorded one",
                where=str(place),
                hint=hint,
            )
    return wheel


def stored_wheel(layout: Layout, wheel: Described | IndexedFile, key: Digest) -> StoredWheel:
    """The `StoredWheel` of a record or of a listed file."""
    name, version = name_and_version(wheel.filename)
    return StoredWheel(
        name=name,
        version=version,
        path=layout.wheel(wheel.sha256, wheel.filename),
        sha256=wheel.sha256,
        key=key,
        variant=layout.variant,
    )
