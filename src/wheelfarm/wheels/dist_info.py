"""The `.dist-info` directory of a wheel: where it is, its METADATA and WHEEL, and whether they agree."""

from __future__ import annotations

import email
from typing import TYPE_CHECKING, Final

from packaging.tags import Tag, parse_tag
from packaging.version import InvalidVersion, Version

from wheelfarm.errors import UsageError, WheelError
from wheelfarm.model import Name, parse_name
from wheelfarm.wheels.wheel import Metadata

if TYPE_CHECKING:
    from collections.abc import Iterable

SUFFIX: Final = ".dist-info"
REQUIRED: Final = ("METADATA", "WHEEL", "RECORD")


def locate(names: Iterable[str]) -> str:
    """The one `.dist-info` directory at the top, with METADATA, WHEEL and RECORD in it.

    Raises:
        WheelError: when there is none, several, or a file is missing.
    """
    names = set(names)
    found = sorted({name.partition("/")[0] for name in names if name.partition("/")[0].endswith(SUFFIX)})
    match found:
        case [only]:
            missing = [f"{only}/{file}" for file in REQUIRED if f"{only}/{file}" not in names]
            if missing:
                raise WheelError(f"{', '.join(missing)} is missing", where=only)
            return only
        case _:
            raise WheelError(
                "a wheel has exactly one .dist-info directory",
                why=f"found: {', '.join(found) or 'none'}",
            )


def read_metadata(data: bytes, where: str) -> Metadata:
    """METADATA (core metadata specification); only the fields that the farm uses are validated.

    Raises:
        WheelError: when one of those is missing or invalid.
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
            provides_extra=tuple(parsed.provides_extra or ()),
        )
    except (core.InvalidMetadata, ExceptionGroup, UsageError) as error:
        raise WheelError("METADATA is not valid core metadata", where=where, why=str(error)) from error


def check_agreement(dist_info: str, metadata: Metadata, name: Name, version: Version) -> None:
    """The directory's name and METADATA must say what the file name says.

    Raises:
        WheelError: when one of them names another distribution or version.
    """
    stated = f"{name} {version}"
    for where, other_name, other_version in (
        (f"{dist_info}/METADATA", metadata.name, metadata.version),
        (dist_info, *_split(dist_info)),
    ):
        if (other_name, other_version) != (name, str(version)):
            raise WheelError(
                "names another distribution or version than the file name",
                where=where,
                why=f"it says {other_name} {other_version}, the file name {stated}",
            )


def _split(dist_info: str) -> tuple[str, str]:
    """Name and version, both normalised; as written when they cannot be."""
    name, _, version = dist_info.removesuffix(SUFFIX).partition("-")
    try:
        return parse_name(name), str(Version(version))
    except (UsageError, InvalidVersion):
        return name, version


def check_tags(data: bytes, where: str, expected: frozenset[Tag]) -> None:
    """WHEEL: a version of the format that is known, and the tags of the file name.

    Raises:
        WheelError: when it is another format or has other tags.
    """
    message = email.message_from_bytes(data)
    if str(message.get("Wheel-Version", "")).partition(".")[0] != "1":
        raise WheelError(
            f"the wheel format {message.get('Wheel-Version', 'without a version')!r} is not known",
            where=where,
        )
    stated = frozenset(tag for line in message.get_all("Tag", []) for tag in parse_tag(str(line)))
    if stated != expected:
        raise WheelError(
            "has other tags than the file name",
            where=where,
            why=f"it says {_list(stated)}, the file name {_list(expected)}",
        )


def _list(tags: frozenset[Tag]) -> str:
    return " ".join(sorted(map(str, tags))) or "nothing"
