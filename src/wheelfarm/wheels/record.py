"""RECORD: the list of a wheel's files with their hashes."""

from __future__ import annotations

import base64
import binascii
import csv
import io
from typing import TYPE_CHECKING, Final

from wheelfarm.errors import Collector, UsageError, WheelError
from wheelfarm.model import parse_digest

if TYPE_CHECKING:
    from collections.abc import Iterable
    from collections.abc import Set as AbstractSet

    from wheelfarm.model import Digest

RECORD: Final = "RECORD"
SIGNATURES: Final = (".jws", ".p7s")
"""What the names of its signatures add to its own."""

_COLUMNS: Final = 3


def read_record(data: bytes, where: str, names: AbstractSet[str]) -> dict[str, Digest]:
    """The sha256 of each file, by name, from a RECORD that lists the files `names` and no other.

    RECORD and its signatures need no line and have no hash (binary distribution format specification).

    Raises:
        WheelError: when a line is malformed, or a file is missing, listed twice or not there.
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


def write_record(rows: Iterable[tuple[str, str, int]], where: str) -> bytes:
    """A RECORD of those members: name, sha256 as hexadecimal digits, and size in bytes.

    Args:
        rows: the members in order.
        where: the name of RECORD itself, which comes last, without hash and size.
    """
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    for name, sha256, size in rows:
        digest = base64.urlsafe_b64encode(bytes.fromhex(sha256)).rstrip(b"=").decode()
        table.writerow((name, f"sha256={digest}", size))
    table.writerow((where, "", ""))
    return text.getvalue().encode()


def _rows(data: bytes, where: str) -> list[tuple[str, str]]:
    """Path and hash of each line."""
    try:
        rows = [row for row in csv.reader(io.StringIO(data.decode(), newline=""), strict=True) if row]
    except (UnicodeDecodeError, csv.Error) as error:
        raise WheelError("RECORD is not a table in UTF-8", where=where, why=str(error)) from error
    if any(len(row) != _COLUMNS for row in rows):
        raise WheelError("a line of RECORD has path, hash and size", where=where)
    return [(row[0], row[1]) for row in rows]


def _digest(value: str, where: str) -> Digest:
    """The sha256 from `sha256=` and urlsafe base64 without padding.

    The specification admits stronger ones, which no build backend writes and installers do not compare.
    """
    algorithm, _, text = value.partition("=")
    try:
        digest = base64.b64decode(text + "=" * (-len(text) % 4), b"-_", validate=True).hex()
        return parse_digest(digest if algorithm == "sha256" else value)
    except (UsageError, binascii.Error) as error:
        raise WheelError(f"RECORD has no usable hash: {value!r}", where=where, why=str(error)) from error
