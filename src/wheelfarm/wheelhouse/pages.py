"""The simple index as HTML (PEP 503, PEP 629 and PEP 714); pure rendering."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Final

from wheelfarm.wheelhouse.ledger import META, as_page

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from wheelfarm.model import Name
    from wheelfarm.wheelhouse.ledger import IndexedFile, Ledger

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


def project_page(ledger: Ledger) -> bytes:
    """A project's page: a link a wheel."""
    return _page(f"Links for {ledger.project}", map(_file, ledger.files))


def root_page(projects: Sequence[Name]) -> bytes:
    """The index's first page: a link a project."""
    return _page("Simple index", (_link(name, {"href": f"{name}/"}) for name in projects))


def root_json(projects: Sequence[Name]) -> bytes:
    """The index's first page for programs (PEP 691)."""
    return as_page({"meta": META, "projects": [{"name": name} for name in projects]})
