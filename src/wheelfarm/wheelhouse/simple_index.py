"""The simple index: which wheel of a project is current, and the pages that say so.

The JSON pages have the form of the simple repository API (PEP 691, PEP 700 and PEP 714); what only the farm
needs is under `_wheelfarm`, since keys that begin with an underscore are a server's own (PEP 691).
A project may have a status (PEP 792).
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from html import escape
from typing import TYPE_CHECKING, Any, Final, Self
from urllib.parse import quote

from packaging.metadata import parse_email
from packaging.version import Version

from wheelfarm.errors import UsageError, WheelError, WheelhouseError
from wheelfarm.model import Digest, Name, parse_digest
from wheelfarm.system.files import parse_json, sha256_of_file, write_if_changed
from wheelfarm.wheelhouse.layout import metadata_of, name_and_version, wheel_path
from wheelfarm.wheelhouse.tags import served

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from packaging.tags import Tag

    from wheelfarm.model import StoredWheel
    from wheelfarm.wheelhouse.layout import DescribedWheel, Layout

_VERSION: Final = "1.1"
_VERSION_WITH_STATUS: Final = "1.4"
"""The version of the simple repository API that brought the status of a project."""
_PAGE: Final = """\
<!DOCTYPE html>
<html>
<head>
<meta charset="utf-8">
<meta name="pypi:repository-version" content="{version}">
{status}<title>{title}</title>
</head>
<body>
<h1>{title}</h1>
{links}</body>
</html>
"""


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
    """The build key."""
    yanked: str | None = None
    """Why installers should ignore it (PEP 592), which may be empty; None when it is not yanked."""

    @property
    def path(self) -> str:
        """Its path below the variant's directory, with slashes."""
        return wheel_path(self.sha256, self.filename)

    @property
    def url(self) -> str:
        """Its url relative to the project's page."""
        return f"../../{quote(self.path)}"

    @property
    def version(self) -> str:
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
            uploaded=_check_time(document["upload-time"]),
            key=parse_digest(document["_wheelfarm"]["key"]),
            yanked=None if yanked is False else "" if yanked is True else str(yanked),
        )

    def to_link(self) -> str:
        """The file as a link of PEP 503's page.

        No standard has `data-upload-time`; uv reads it where an index or a directory gives no JSON.
        """
        digest = f"sha256={self.metadata_sha256}"
        attributes = {
            "href": f"{self.url}#sha256={self.sha256}",
            "data-upload-time": self.uploaded,
            "data-core-metadata": digest,
            "data-dist-info-metadata": digest,
        }
        if self.requires_python:
            attributes["data-requires-python"] = self.requires_python
        if self.yanked is not None:
            attributes["data-yanked"] = self.yanked
        return _link(self.filename, attributes)


class Status(StrEnum):
    """What an index says of a project as a whole.

    https://packaging.python.org/en/latest/specifications/project-status-markers/
    """

    ACTIVE = "active"
    ARCHIVED = "archived"
    """It gets no new wheels."""
    QUARANTINED = "quarantined"
    """It is unsafe: it gets no new wheels, and none of its wheels is offered."""
    DEPRECATED = "deprecated"
    """It is obsolete."""


@dataclass(frozen=True)
class ProjectStatus:
    """The status of a project, and why it has it."""

    status: Status = Status.ACTIVE
    reason: str = ""

    @property
    def takes_wheels(self) -> bool:
        """Whether an index may take new wheels."""
        return self.status not in {Status.ARCHIVED, Status.QUARANTINED}

    def __str__(self) -> str:
        return f"{self.status}: {self.reason}" if self.reason else str(self.status)

    def to_mapping(self) -> dict[str, str]:
        """The value of `project-status` on a JSON page."""
        return {"status": str(self.status)} | ({"reason": self.reason} if self.reason else {})

    @classmethod
    def from_mapping(cls, document: Mapping[str, str]) -> Self:
        """Read what `to_mapping` made."""
        return cls(Status(document.get("status", Status.ACTIVE)), str(document.get("reason", "")))

    def to_html(self) -> str:
        """The lines of an HTML page's head."""
        values = {"pypi:project-status": str(self.status), "pypi:project-status-reason": self.reason}
        return "".join(
            f'<meta name="{name}" content="{escape(value)}">\n' for name, value in values.items() if value
        )


def _check_time(text: str) -> str:
    """A time of a page, as it is; installers refuse one without a time zone.

    Raises:
        ValueError: when it is no such time.
    """
    if datetime.fromisoformat(text).tzinfo is None:
        raise ValueError(f"{text!r} has no time zone")
    return text


@dataclass(frozen=True, kw_only=True)
class ProjectIndex:
    """The current wheels of a project, ordered by version and file name."""

    project: Name
    files: tuple[IndexedFile, ...] = ()
    status: ProjectStatus = ProjectStatus()

    @property
    def offered(self) -> tuple[IndexedFile, ...]:
        """The files that the pages list for installers."""
        return () if self.status.status is Status.QUARANTINED else self.files

    def activating(self, file: IndexedFile) -> ProjectIndex:
        """The index in which this file is the current one of its slot.

        A file of the same slot and another name goes too: installers prefer the higher platform level, and
        so would never take a build that has a lower one.
        """
        return self.without(lambda other: other.slot == file.slot).adding(file)

    def adding(self, file: IndexedFile) -> ProjectIndex:
        """The index with this file beside the others; one of the same name goes."""
        others = self.without(lambda other: other.filename == file.filename).files
        files = sorted((*others, file), key=lambda item: (Version(item.version), item.filename))
        return replace(self, files=tuple(files))

    def without(self, goes: Callable[[IndexedFile], bool]) -> ProjectIndex:
        """The index without some files."""
        return replace(self, files=tuple(file for file in self.files if not goes(file)))

    def yanking(self, these: Callable[[IndexedFile], bool], reason: str | None) -> ProjectIndex:
        """The index with some files yanked, or, without a reason, not yanked any more."""
        files = (replace(file, yanked=reason) if these(file) else file for file in self.files)
        return replace(self, files=tuple(files))

    def to_json(self) -> bytes:
        """The project's page for programs, which is also what the farm reads."""
        document: dict[str, object] = {
            "name": self.project,
            "versions": list(dict.fromkeys(file.version for file in self.offered)),
            "files": [file.to_mapping() for file in self.offered],
        }
        if self.status == ProjectStatus():
            return _json_page(document)
        document["project-status"] = self.status.to_mapping()
        if self.offered != self.files:
            document["_wheelfarm"] = {"files": [file.to_mapping() for file in self.files]}
        return _json_page(document, _VERSION_WITH_STATUS)

    @classmethod
    def from_json(cls, page: bytes, project: Name, where: str) -> Self:
        """Read a page that `to_json` made.

        Raises:
            WheelhouseError: when something else has written it.
        """
        try:
            document = parse_json(page)
            listed = document.get("_wheelfarm", document)["files"]
            files = tuple(map(IndexedFile.from_mapping, listed))
            status = ProjectStatus.from_mapping(document.get("project-status", {}))
        except (ValueError, KeyError, TypeError, AttributeError, UsageError, WheelError) as error:
            raise WheelhouseError(
                f"the index page of {project} is damaged",
                where=where,
                why=f"it is not what the farm writes: {error!r:.120}",
                hint="remove the file: the next run lists the stored wheels again, without building them",
            ) from error
        return cls(project=project, files=files, status=status)

    def to_html(self) -> bytes:
        """The project's page for installers: a link a wheel."""
        title, links = f"Links for {self.project}", (file.to_link() for file in self.offered)
        if self.status == ProjectStatus():
            return _html_page(title, links)
        return _html_page(title, links, version=_VERSION_WITH_STATUS, status=self.status.to_html())


def root_html(projects: Sequence[Name]) -> bytes:
    """The index's first page: a link a project."""
    return _html_page("Simple index", (_link(name, {"href": f"{name}/"}) for name in projects))


def root_json(projects: Sequence[Name]) -> bytes:
    """The index's first page for programs (PEP 691): one line, for the time that it takes to write many."""
    return _json_page({"projects": [{"name": name} for name in projects]}, indent=None)


def _json_page(document: dict[str, object], version: str = _VERSION, indent: int | None = 1) -> bytes:
    whole = {"meta": {"api-version": version}, **document}
    return (json.dumps(whole, sort_keys=True, indent=indent) + "\n").encode()


def _html_page(title: str, links: Iterable[str], *, version: str = _VERSION, status: str = "") -> bytes:
    text = "".join(f"{link}<br>\n" for link in links)
    return _PAGE.format(title=escape(title), links=text, version=version, status=status).encode()


def _link(text: str, attributes: Mapping[str, str]) -> str:
    rendered = " ".join(f'{name}="{escape(value)}"' for name, value in attributes.items())
    return f"<a {rendered}>{escape(text)}</a>"


def projects(layout: Layout) -> list[Name]:
    """The projects that have a page, in order."""
    return sorted(Name(path.parent.name) for path in layout.simple.glob("*/index.json"))


def read_project_index(layout: Layout, project: Name) -> ProjectIndex:
    """The index of a project, which is empty for a new one.

    Raises:
        WheelhouseError: when it is damaged.
    """
    path = layout.project_index(project)
    try:
        page = path.read_bytes()
    except FileNotFoundError:
        return ProjectIndex(project=project)
    return ProjectIndex.from_json(page, project, str(path))


def project_indexes(layout: Layout) -> Iterator[ProjectIndex]:
    """The indexes of all projects, in order."""
    return (read_project_index(layout, project) for project in projects(layout))


def write_project(layout: Layout, index: ProjectIndex) -> None:
    """Write a project's pages, as far as they changed; the JSON page first, since the farm reads that one."""
    write_if_changed(layout.project_index(index.project), index.to_json())
    write_if_changed(layout.page(index.project), index.to_html())


def write_root(layout: Layout) -> None:
    """Write the index's first page, as far as it changed."""
    _write_root(layout, projects(layout))


def _write_root(layout: Layout, found: Sequence[Name]) -> None:
    write_if_changed(layout.root_index, root_json(found))
    write_if_changed(layout.simple / "index.html", root_html(found))


def _add_to_root(layout: Layout, project: Name) -> None:
    """Add a new project to the index's first page; the others are those that the page has.

    To look for a thousand projects on the disk takes longer than the rest of a store. The page has them all:
    what an interrupted run left is repaired before anything else is written.
    """
    try:
        listed = [Name(str(each["name"])) for each in parse_json(layout.root_index.read_bytes())["projects"]]
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        write_root(layout)
    else:
        _write_root(layout, sorted({*listed, project}))


def list_wheel(layout: Layout, wheel: DescribedWheel, key: Digest) -> StoredWheel:
    """Make a stored wheel the current one of its slot.

    Only its own project's pages are written, and the first page when the project is new.

    Raises:
        WheelhouseError: when the project's page is damaged.
    """
    stored = layout.stored_wheel(wheel, key)
    metadata = metadata_of(stored.path)
    # The file's own time, so that listing it a second time changes nothing.
    uploaded = datetime.fromtimestamp(stored.path.stat().st_mtime, UTC)
    file = IndexedFile(
        filename=wheel.filename,
        sha256=wheel.sha256,
        size=wheel.size,
        metadata_sha256=sha256_of_file(metadata),
        requires_python=parse_email(metadata.read_bytes())[0].get("requires_python"),
        uploaded=uploaded.strftime("%Y-%m-%dT%H:%M:%SZ"),
        key=key,
    )
    is_new = not layout.project_index(stored.name).exists()
    index = read_project_index(layout, stored.name)
    # Whoever yanked these very bytes did not mean to have them back because they were listed again.
    yanked = next((each.yanked for each in index.files if each.sha256 == file.sha256), None)
    write_project(layout, index.activating(replace(file, yanked=yanked)))
    if is_new:
        _add_to_root(layout, stored.name)
    return stored
