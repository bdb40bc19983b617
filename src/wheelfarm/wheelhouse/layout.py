"""Where things are in a wheelhouse: paths only, no input or output."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from wheelfarm.errors import WheelhouseError

if TYPE_CHECKING:
    from pathlib import Path

    from wheelfarm.model import Digest, Name

_VARIANT: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


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
        """All of the variant."""
        return self.root / self.variant

    @property
    def wheels(self) -> Path:
        """The content-addressed wheels."""
        return self.directory / "wheels"

    @property
    def records(self) -> Path:
        """The build records."""
        return self.directory / "records"

    @property
    def simple(self) -> Path:
        """The simple index."""
        return self.directory / "simple"

    @property
    def unfinished(self) -> Path:
        """Stands here while something is being written, and after a kill."""
        return self.directory / ".unfinished"

    def wheel(self, sha256: Digest, filename: str) -> Path:
        """The place of a wheel, by its content."""
        return self.directory / wheel_path(sha256, filename)

    def record(self, key: Digest) -> Path:
        """The place of a record, by its rebuild key."""
        return self.records / f"{key}.json"

    def project_index(self, project: Name) -> Path:
        """A project's page for programs, which is also the project_index of its current wheels."""
        return self.simple / project / "index.json"

    def page(self, project: Name) -> Path:
        """A project's page as HTML."""
        return self.simple / project / "index.html"


def wheel_path(sha256: Digest, filename: str) -> str:
    """A wheel's place below its variant's directory, with slashes."""
    return f"wheels/{sha256[:16]}/{filename}"


def metadata_of(wheel: Path) -> Path:
    """The place of a wheel's core metadata (PEP 658)."""
    return wheel.with_name(f"{wheel.name}.metadata")
