"""Names of distributions, and digests."""

from __future__ import annotations

import hashlib
import json
import re
from typing import Final, NewType

from packaging.utils import canonicalize_name

from wheelfarm.errors import UsageError

Name = NewType("Name", str)
"""A distribution's name, normalized as PEP 503 says."""

Digest = NewType("Digest", str)
"""A sha256 as 64 lower-case hexadecimal digits."""

_DIGEST: Final = re.compile(r"[0-9a-f]{64}")
_NAME: Final = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?")


def parse_name(text: str) -> Name:
    """The normalized name of a distribution (PEP 503).

    Raises:
        UsageError: when it is not a valid name (core metadata specification, "Name").
    """
    if not _NAME.fullmatch(text):
        raise UsageError(
            f"{text!r} is not a distribution name",
            why="names hold letters, digits, '.', '_' and '-', and begin and end with a letter or digit",
        )
    return Name(canonicalize_name(text))


def parse_digest(text: str) -> Digest:
    """A sha256 in its hexadecimal form.

    Raises:
        UsageError: when it is not 64 hexadecimal digits.
    """
    lowered = text.lower()
    if not _DIGEST.fullmatch(lowered):
        raise UsageError(f"{text!r} is not a sha256", why="a sha256 has 64 hexadecimal digits")
    return Digest(lowered)


def sha256_of_bytes(data: bytes) -> Digest:
    """The sha256 of bytes."""
    return Digest(hashlib.sha256(data).hexdigest())


def sha256_of_json(value: object) -> Digest:
    """The sha256 of a value's canonical JSON: keys sorted, no spaces, UTF-8."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return sha256_of_bytes(text.encode())
