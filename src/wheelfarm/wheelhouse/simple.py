"""The simple index on the disk: reading its ledgers and writing its pages."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from wheelfarm.model import Digest, Name
from wheelfarm.wheelhouse.atomic import digest_of, update
from wheelfarm.wheelhouse.check import stored_wheel
from wheelfarm.wheelhouse.content import requires_python
from wheelfarm.wheelhouse.layout import metadata_of
from wheelfarm.wheelhouse.ledger import IndexedFile, Ledger
from wheelfarm.wheelhouse.pages import project_page, root_json, root_page

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wheelfarm.model import StoredWheel
    from wheelfarm.wheelhouse.content import Described
    from wheelfarm.wheelhouse.layout import Layout


def projects(layout: Layout) -> list[Name]:
    """The projects that have a ledger, in order."""
    return sorted(Name(path.parent.name) for path in layout.simple.glob("*/index.json"))


def read_ledger(layout: Layout, project: Name) -> Ledger:
    """A project's ledger, which is empty for a new project.

    Raises:
        WheelhouseError: when it is damaged.
    """
    path = layout.ledger(project)
    try:
        page = path.read_bytes()
    except FileNotFoundError:
        return Ledger(project=project)
    return Ledger.from_json(page, project, str(path))


def ledgers(layout: Layout) -> Iterator[Ledger]:
    """The ledgers of all projects, in order."""
    return (read_ledger(layout, project) for project in projects(layout))


def write_project(layout: Layout, ledger: Ledger) -> None:
    """Write a project's pages, as far as they changed; the ledger comes first, since it is what counts."""
    update(layout.ledger(ledger.project), ledger.to_json())
    update(layout.page(ledger.project), project_page(ledger))


def write_root(layout: Layout) -> None:
    """Write the index's first page, as far as it changed."""
    found = projects(layout)
    update(layout.simple / "index.json", root_json(found))
    update(layout.simple / "index.html", root_page(found))


def list_wheel(layout: Layout, wheel: Described, key: Digest) -> StoredWheel:
    """Make a wheel that is in its place the current one of its role.

    Only its own project's pages are written, and the first page when the project is new.

    Raises:
        WheelhouseError: when the project's ledger is damaged.
    """
    stored = stored_wheel(layout, wheel, key)
    metadata = metadata_of(stored.path)
    # The file's own time, so that listing it a second time changes nothing.
    uploaded = datetime.fromtimestamp(stored.path.stat().st_mtime, UTC)
    file = IndexedFile(
        filename=wheel.filename,
        sha256=wheel.sha256,
        size=wheel.size,
        metadata_sha256=digest_of(metadata),
        requires_python=requires_python(metadata.read_bytes()),
        uploaded=uploaded.strftime("%Y-%m-%dT%H:%M:%SZ"),
        key=key,
    )
    is_new = not layout.ledger(stored.name).exists()
    ledger = read_ledger(layout, stored.name)
    # Whoever yanked these very bytes did not mean to have them back because they were listed again.
    yanked = next((each.yanked for each in ledger.files if each.sha256 == file.sha256), None)
    write_project(layout, ledger.pointing(replace(file, yanked=yanked)))
    if is_new:
        write_root(layout)
    return stored
