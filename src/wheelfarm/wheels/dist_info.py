"""The `.dist-info` directory of a wheel: METADATA, WHEEL and RECORD, and whether they agree."""

from __future__ import annotations

import base64
import csv
import email
import io
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from packaging.version import Version

from wheelfarm.errors import Collector, UsageError, WheelError
from wheelfarm.model import Name, parse_digest, parse_name
from wheelfarm.model.wheel_names import parse_tags

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from collections.abc import Set as AbstractSet

    from packaging.tags import Tag

    from wheelfarm.model import Digest

SUFFIX: Final = ".dist-info"
RECORD: Final = "RECORD"
SIGNATURES: Final = (".jws", ".p7s")
"""What the names of RECORD's signatures add to its own."""

_REQUIRED: Final = ("METADATA", "WHEEL", RECORD)
_COLUMNS: Final = 3


@dataclass(frozen=True, kw_only=True)
class Metadata:
    """The core metadata that the farm uses."""

    name: Name
    version: str
    requires_python: str = ""
    requires_dist: tuple[str, ...] = ()


def locate(names: AbstractSet[str]) -> str:
    """Find the one `.dist-info` directory at the top, with METADATA, WHEEL and RECORD in it."""
    found = sorted({name.partition("/")[0] for name in names if name.partition("/")[0].endswith(SUFFIX)})
    if len(found) != 1:
        raise WheelError(
            "a wheel has exactly one .dist-info directory", why=f"found: {', '.join(found) or 'none'}"
        )
    missing = [path for file in _REQUIRED if (path := f"{found[0]}/{file}") not in names]
    if missing:
        raise WheelError(f"{', '.join(missing)} is missing", where=found[0])
    return found[0]


@lru_cache
def read_metadata(data: bytes, where: str) -> Metadata:
    """Read METADATA (core metadata specification); only the fields that the farm uses are validated.

    Cached, since the wheels of a release often have the same.
    """
    from packaging import metadata as core  # noqa: PLC0415 - as slow as the rest of this package together

    try:
        # Parsing validates a field when it is read, so an odd classifier does not make a wheel unreadable.
        parsed = core.Metadata.from_email(data, validate=False)
        return Metadata(
            name=parse_name(parsed.name),
            version=str(parsed.version),
            requires_python=str(parsed.requires_python or ""),
            requires_dist=tuple(str(requirement) for requirement in parsed.requires_dist or ()),
        )
    except (core.InvalidMetadata, ExceptionGroup, UsageError, ValueError, RecursionError) as error:
        raise WheelError("METADATA is not valid core metadata", where=where, why=str(error)) from error


@dataclass(frozen=True, kw_only=True)
class InvalidField:
    """A field of METADATA that an index refuses."""

    field: str
    """Its name, in lower case."""
    values: tuple[str, ...]
    why: str


def invalid_fields(data: bytes, dist_info: str, names: AbstractSet[str]) -> Iterator[InvalidField]:
    """The fields of METADATA that an index refuses, as twine finds them before it sends a wheel.

    `names` are the files of the wheel: those of License-File are below `.dist-info/licenses` (PEP 639).
    Before Metadata-Version 2.4 there is no such field. setuptools wrote it with other versions, and indexes
    ignore it there.
    """
    from packaging import metadata as core  # noqa: PLC0415 - see `read_metadata`

    message = email.message_from_bytes(data)

    def invalid(field: str, why: str, value: str | None = None) -> InvalidField:
        values = [value] if value is not None else map(str, message.get_all(field, []))
        return InvalidField(field=field, values=tuple(values), why=why)

    raw, unparsed = core.parse_email(data)
    stated = raw.get("metadata_version", "")
    if stated in {"1.0", "1.1", "1.2", "2.1", "2.2", "2.3"}:
        raw.pop("license_files", None)
    for field in sorted(unparsed):
        yield invalid(field, "the specification has no such field, or it is there twice or not in UTF-8")
    try:
        core.Metadata.from_raw(raw)
    except ExceptionGroup as group:
        errors = (error for error in group.exceptions if isinstance(error, core.InvalidMetadata))
        for error in sorted(errors, key=lambda error: error.field):
            if error.field == "license-file":
                raw.pop("license_files")
            if error.field not in unparsed:
                yield invalid(error.field, str(error.__cause__ or error))
    for name in raw.get("license_files", ()):
        if f"{dist_info}/licenses/{name}" not in names:
            yield invalid("license-file", f"the wheel has no {dist_info}/licenses/{name}", name)


def read_generator(data: bytes) -> str:
    """What WHEEL says has written the wheel, such as `setuptools (80.9.0)`; empty when it does not."""
    return str(email.message_from_bytes(data).get("Generator", ""))


def check_agreement(dist_info: str, metadata: Metadata, name: Name, version: Version) -> None:
    """Raise unless METADATA and the directory's name have the file name's distribution and version."""
    named, _, versioned = dist_info.removesuffix(SUFFIX).partition("-")
    try:
        directory = parse_name(named), str(Version(versioned))
    except (UsageError, ValueError):
        directory = Name(named), versioned
    for where, found in (
        (f"{dist_info}/METADATA", (metadata.name, metadata.version)),
        (dist_info, directory),
    ):
        if found != (name, str(version)):
            raise WheelError(
                "names another distribution or version than the file name",
                where=where,
                why=f"it says {' '.join(found)}, the file name {name} {version}",
            )


def check_format(data: bytes, where: str) -> None:
    """Raise unless WHEEL has a known version of the format."""
    stated = str(email.message_from_bytes(data).get("Wheel-Version", "without a version"))
    if stated.partition(".")[0] != "1":
        raise WheelError(f"the wheel format {stated!r} is not known", where=where)


def check_tags(data: bytes, where: str, expected: frozenset[Tag]) -> None:
    """Raise unless WHEEL has the tags of the file name."""
    message = email.message_from_bytes(data)
    try:
        stated = parse_tags(*map(str, message.get_all("Tag", [])))
    except ValueError as error:
        raise WheelError("WHEEL has no valid tags", where=where, why=str(error)) from error
    if stated != expected:
        raise WheelError(
            "has other tags than the file name",
            where=where,
            why=f"it says {_list(stated)}, the file name {_list(expected)}",
        )


def _list(tags: frozenset[Tag]) -> str:
    return " ".join(sorted(map(str, tags))) or "nothing"


def read_record(data: bytes, where: str, names: AbstractSet[str]) -> dict[str, Digest]:
    """Read the sha256 of each file from a RECORD that lists the files `names` and no other.

    RECORD and its signatures need no line and have no hash (binary distribution format specification).
    """
    problems = Collector()
    digests: dict[str, Digest] = {}
    unhashed = {where, *(where + suffix for suffix in SIGNATURES)}
    for name, value in _rows(data, where):
        if name in unhashed:
            continue
        if name not in names:
            problems.add(WheelError("RECORD lists a file that is not there", where=name))
        elif name in digests:
            problems.add(WheelError("RECORD lists a file twice", where=name))
        else:
            with problems.collect():
                digests[name] = _digest(value, name)
    listed = {error.where for error in problems.errors} | digests.keys() | unhashed
    for name in sorted(names - listed):
        problems.add(WheelError("RECORD does not list a file", where=name))
    problems.check()
    return digests


def _rows(data: bytes, where: str) -> list[tuple[str, str]]:
    try:
        rows = [row for row in csv.reader(io.StringIO(data.decode(), newline=""), strict=True) if row]
    except (UnicodeDecodeError, csv.Error) as error:
        raise WheelError("RECORD is not a table in UTF-8", where=where, why=str(error)) from error
    if any(len(row) != _COLUMNS for row in rows):
        raise WheelError("a line of RECORD has path, hash and size", where=where)
    return [(row[0], row[1]) for row in rows]


def _digest(value: str, where: str) -> Digest:
    """Read `sha256=` and urlsafe base64 without padding.

    The specification admits stronger hashes, which no build backend writes and installers do not compare.
    """
    algorithm, _, text = value.partition("=")
    try:
        digest = base64.b64decode(text + "=" * (-len(text) % 4), b"-_", validate=True).hex()
        return parse_digest(digest if algorithm == "sha256" else value)
    except (UsageError, ValueError) as error:
        raise WheelError(f"RECORD has no usable hash: {value!r}", where=where, why=str(error)) from error


def write_record(rows: Iterable[tuple[str, str, int]], where: str) -> bytes:
    """Write a RECORD of members in order: name, sha256 as hexadecimal digits, size in bytes.

    RECORD itself, whose name is `where`, comes last, without hash and size.
    """
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    for name, sha256, size in rows:
        digest = base64.urlsafe_b64encode(bytes.fromhex(sha256)).rstrip(b"=").decode()
        table.writerow((name, f"sha256={digest}", size))
    table.writerow((where, "", ""))
    return text.getvalue().encode()
