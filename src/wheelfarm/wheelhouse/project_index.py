"""A project's project_index: which wheel is current in each slot; as JSON it is the project's page.

The form is the simple repository API's (PEP 691, PEP 700 and PEP 714); what only the farm needs stands under
`_wheelfarm`, since keys that begin with an underscore are a server's own (PEP 691).
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import quote

from packaging.version import Version

from wheelfarm.errors import UsageError, WheelError, WheelhouseError
from wheelfarm.model import Digest, Name, parse_digest
from wheelfarm.wheelhouse.layout import wheel_path
from wheelfarm.wheelhouse.metadata import name_and_version
from wheelfarm.wheelhouse.tags import served

if TYPE_CHECKING:
    from collections.abc import Callable

    from packaging.tags import Tag

META = {"api-version": "1.1"}


def as_page(document: dict[str, object]) -> bytes:
    """A page for programs, as stable bytes."""
    return (json.dumps(document, sort_keys=True, indent=1) + "\n").encode()


@dataclass(frozen=True, kw_only=True)
class IndexedFile:
    """A wheel that the index lists, and so the current one of its slot."""

    filename: str
    sha256: Digest
    size: int
    """Bytes."""
    metadata_sha256: Digest
    requires_python: str | None
    uploaded: str
    """When it was stored: ISO 8601, UTC."""
    key: Digest
    """The rebuild key of the build that it came from."""
    yanked: str | None = None
    """Why installers should pass it by (PEP 592), which may be empty; None when they need not."""

    @property
    def path(self) -> str:
        """Its place below the variant's directory, with slashes."""
        return wheel_path(self.sha256, self.filename)

    @property
    def url(self) -> str:
        """Its address as seen from the project's page."""
        return f"../../{quote(self.path)}"

    @property
    def version(self) -> str:
        """The version that the file name tells."""
        return name_and_version(self.filename)[1]

    @property
    def slot(self) -> tuple[Version, frozenset[Tag]]:
        """What one wheel at a time is current for: a version, and the tags without their platforms' level."""
        return Version(self.version), served(self.filename)

    def to_mapping(self) -> dict[str, object]:
        """The file as an item of PEP 691's `files`."""
        document: dict[str, object] = {
            "filename": self.filename,
            "url": self.url,
            "hashes": {"sha256": self.sha256},
            "size": self.size,
            "upload-time": self.uploaded,
            # PEP 714: the second name is for clients that know PEP 658 only.
            "core-metadata": {"sha256": self.metadata_sha256},
            "dist-info-metadata": {"sha256": self.metadata_sha256},
            "_wheelfarm": {"key": self.key, "path": self.path},
        }
        if self.requires_python:
            document["requires-python"] = self.requires_python
        if self.yanked is not None:
            document["yanked"] = self.yanked or True
        return document

    @classmethod
    def from_mapping(cls, document: dict[str, Any]) -> Self:
        """Read an item that `to_mapping` made."""
        name_and_version(document["filename"])
        yanked = document.get("yanked", False)
        return cls(
            filename=document["filename"],
            sha256=parse_digest(document["hashes"]["sha256"]),
            size=int(document["size"]),
            metadata_sha256=parse_digest(document["core-metadata"]["sha256"]),
            requires_python=document.get("requires-python"),
            uploaded=str(document["upload-time"]),
            key=parse_digest(document["_wheelfarm"]["key"]),
            yanked=None if yanked is False else "" if yanked is True else str(yanked),
        )


@dataclass(frozen=True, kw_only=True)
class ProjectIndex:
    """The current wheels of a project, ordered by version and file name."""

    project: Name
    files: tuple[IndexedFile, ...] = ()

    @property
    def versions(self) -> list[str]:
        """The versions that the index candidates, oldest first."""
        return list(dict.fromkeys(file.version for file in self.files))

    def activating(self, file: IndexedFile) -> ProjectIndex:
        """The project_index in which this file is the current one of its slot.

        A file of the same slot and another name goes too: installers prefer the higher platform level, and
        so would never take a rebuild that has a lower one.
        """
        return self.without(lambda other: other.slot == file.slot).adding(file)

    def adding(self, file: IndexedFile) -> ProjectIndex:
        """The project_index with this file beside those that it has; one of the same name goes."""
        others = self.without(lambda other: other.filename == file.filename).files
        files = sorted((*others, file), key=lambda item: (Version(item.version), item.filename))
        return replace(self, files=tuple(files))

    def without(self, goes: Callable[[IndexedFile], bool]) -> ProjectIndex:
        """The project_index without some files."""
        return replace(self, files=tuple(file for file in self.files if not goes(file)))

    def yanking(self, these: Callable[[IndexedFile], bool], reason: str | None) -> ProjectIndex:
        """The project_index with some files yanked, or, without a reason, candidates again."""
        files = (replace(file, yanked=reason) if these(file) else file for file in self.files)
        return replace(self, files=tuple(files))

    def to_json(self) -> bytes:
        """The project's page for programs."""
        return as_page(
            {
                "meta": META,
                "name": self.project,
                "versions": self.versions,
                "files": [file.to_mapping() for file in self.files],
            }
        )

    @classmethod
    def from_json(cls, page: bytes, project: Name, where: str) -> Self:
        """Read a page that `to_json` made.

        Raises:
            WheelhouseError: when something else has written it.
        """
        try:
            files = tuple(IndexedFile.from_mapping(item) for item in json.loads(page)["files"])
        except (ValueError, KeyError, TypeError, AttributeError, UsageError, WheelError) as error:
            raise WheelhouseError(
                f"the index page of {project} is damaged",
                where=where,
                why=f"it is not what the farm writes: {error!r:.120}",
                hint="remove the file: the next run lists the stored wheels again, without building them",
            ) from error
        return cls(project=project, files=files)
