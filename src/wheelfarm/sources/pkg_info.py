"""What a source distribution says of itself, before anything of it is built."""

from __future__ import annotations

from email.parser import HeaderParser
from typing import TYPE_CHECKING

from packaging.version import InvalidVersion, Version

from wheelfarm.errors import FarmError, SourceError
from wheelfarm.model import parse_name

if TYPE_CHECKING:
    from pathlib import Path

    from wheelfarm.model import FetchedSource


def check_pkg_info(source: FetchedSource, tree: Path) -> None:
    """Refuse a source tree whose PKG-INFO is of another distribution or version than the recipe's.

    A tree without PKG-INFO, as a commit has, is told by the wheel that comes of it. The format is that of the
    source distribution specification.

    Raises:
        SourceError: naming both.
    """
    path = tree / "PKG-INFO"
    if not path.is_file():
        return
    fields = HeaderParser().parsestr(path.read_text(encoding="utf-8", errors="replace"))
    found = f"{fields.get('Name', '?')} {fields.get('Version', '?')}"
    try:
        same = parse_name(str(fields["Name"])) == source.name and Version(str(fields["Version"])) == Version(
            source.version
        )
    except (FarmError, InvalidVersion):
        same = False
    if not same:
        raise SourceError(
            f"the source of {source.name} {source.version} is {found}",
            where=source.path.name,
            why="the sha256 in the recipe pins another version's file",
            hint="correct `version` and `sha256` together",
        )
