"""Names of distributions, digests, and PEP 517 config settings."""

from __future__ import annotations

import hashlib
import json
import re
import shlex
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NewType, Self

from packaging.utils import canonicalize_name

from wheelfarm.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

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
    # A large farm has each name thousands of times.
    return Name(sys.intern(canonicalize_name(text)))


def is_digest(text: str) -> bool:
    """Whether a text is a sha256 as the farm writes it: 64 hexadecimal digits in small letters."""
    return _DIGEST.fullmatch(text) is not None


def parse_digest(text: str) -> Digest:
    """A sha256 in its hexadecimal form; anything else is a UsageError."""
    lowered = text.lower()
    if not is_digest(lowered):
        raise UsageError(f"{text!r} is not a sha256", why="a sha256 has 64 hexadecimal digits")
    return Digest(sys.intern(lowered))


def sha256_of_bytes(data: bytes) -> Digest:
    """The sha256 of bytes."""
    return Digest(hashlib.sha256(data).hexdigest())


def sha256_of_json(value: object) -> Digest:
    """The sha256 of a value's canonical JSON: keys sorted, no spaces, UTF-8."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return sha256_of_bytes(text.encode())


@dataclass(frozen=True)
class ConfigSettings:
    """PEP 517 config settings: each key with one value or a list of them, in a fixed order."""

    items: tuple[tuple[str, tuple[str, ...]], ...] = ()

    @classmethod
    def of(cls, mapping: Mapping[str, str | Iterable[str]]) -> Self:
        """From a table whose values are strings or lists."""
        return cls(
            tuple(
                (key, (value,) if isinstance(value, str) else tuple(value)) for key, value in mapping.items()
            )
        )

    def for_build(self) -> list[str]:
        """As arguments of pypa/build: a repeated key makes a list."""
        return [f"-C{key}={value}" for key, values in self.items for value in values]

    def for_cibuildwheel(self) -> str:
        """As CIBW_CONFIG_SETTINGS: shell words, a repeated key a list item."""
        return " ".join(shlex.quote(f"{key}={value}") for key, values in self.items for value in values)
