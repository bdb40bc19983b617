"""The simple index on the disk: reading its project_indexes and writing its pages."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from html import escape
from typing import TYPE_CHECKING, Final

from wheelfarm.model import Name
from wheelfarm.system.files import sha256_of_file, write_if_changed
from wheelfarm.wheelhouse.layout import metadata_of
from wheelfarm.wheelhouse.metadata import requires_python, stored_wheel
from wheelfarm.wheelhouse.project_index import META, IndexedFile, ProjectIndex, as_page

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from wheelfarm.model import Digest, StoredWheel
    from wheelfarm.wheelhouse.layout import Layout
    from wheelfarm.wheelhouse.metadata import Described


_PAGE: Final = """\
<!DOCTYPE html>
<html>
<head>
<meta charset="utf-8">
<meta name="pypi:repository-version" content="1.1">
<title>{title}</title>
</head>
<body>
<h1>{title}</h1>
{links}</body>
</html>
"""


def _page(title: str, links: Iterable[str]) -> bytes:
    return _PAGE.format(title=escape(title), links="".join(f"{link}<br>\n" for link in links)).encode()


def _link(text: str, attributes: Mapping[str, str]) -> str:
    rendered = " ".join(f'{name}="{escape(value)}"' for name, value in attributes.items())
    return f"<a {rendered}>{escape(text)}</a>"


def _file(file: IndexedFile) -> str:
    digest = f"sha256={file.metadata_sha256}"
    attributes = {
        "href": f"{file.url}#sha256={file.sha256}",
        "data-core-metadata": digest,
        "data-dist-info-metadata": digest,
    }
    if file.requires_python:
        attributes["data-requires-python"] = file.requires_python
    if file.yanked is not None:
        attributes["data-yanked"] = file.yanked
    return _link(file.filename, attributes)


def project_page(project_index: ProjectIndex) -> bytes:
    """A project's page: a link a wheel."""
    return _page(f"Links for {project_index.project}", map(_file, project_index.files))


def root_page(projects: Sequence[Name]) -> bytes:
    """The index's first page: a link a project."""
    return _page("Simple index", (_link(name, {"href": f"{name}/"}) for name in projects))


def root_json(projects: Sequence[Name]) -> bytes:
    """The index's first page for programs (PEP 691)."""
    return as_page({"meta": META, "projects": [{"name": name} for name in projects]})


def projects(layout: Layout) -> list[Name]:
    """The projects that have a project_index, in order."""
    return sorted(Name(path.parent.name) for path in layout.simple.glob("*/index.json"))


def read_project_index(layout: Layout, project: Name) -> ProjectIndex:
    """A project's project_index, which is empty for a new project.

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
    """The project_indexes of all projects, in order."""
    return (read_project_index(layout, project) for project in projects(layout))


def write_project(layout: Layout, project_index: ProjectIndex) -> None:
    """Write a project's pages, as far as they changed; the JSON page first, since the farm reads that one."""
    write_if_changed(layout.project_index(project_index.project), project_index.to_json())
    write_if_changed(layout.page(project_index.project), project_page(project_index))


def write_root(layout: Layout) -> None:
    """Write the index's first page, as far as it changed."""
    found = projects(layout)
    write_if_changed(layout.simple / "index.json", root_json(found))
    write_if_changed(layout.simple / "index.html", root_page(found))


def list_wheel(layout: Layout, wheel: Described, key: Digest) -> StoredWheel:
    """Make a wheel that is in its place the current one of its slot.

    Only its own project's pages are written, and the first page when the project is new.

    Raises:
        WheelhouseError: when the project's project_index is damaged.
    """
    stored = stored_wheel(layout, wheel, key)
    metadata = metadata_of(stored.path)
    # The file's own time, so that listing it a second time changes nothing.
    uploaded = datetime.fromtimestamp(stored.path.stat().st_mtime, UTC)
    file = IndexedFile(
        filename=wheel.filename,
        sha256=wheel.sha256,
        size=wheel.size,
        metadata_sha256=sha256_of_file(metadata),
        requires_python=requires_python(metadata.read_bytes()),
        uploaded=uploaded.strftime("%Y-%m-%dT%H:%M:%SZ"),
        key=key,
    )
    is_new = not layout.project_index(stored.name).exists()
    project_index = read_project_index(layout, stored.name)
    # Whoever yanked these very bytes did not mean to have them back because they were listed again.
    yanked = next((each.yanked for each in project_index.files if each.sha256 == file.sha256), None)
    write_project(layout, project_index.activating(replace(file, yanked=yanked)))
    if is_new:
        write_root(layout)
    return stored
