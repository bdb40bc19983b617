"""Reads the page of a project in a simple index: HTML (PEP 503) or JSON (PEP 691), whoever wrote it."""

from __future__ import annotations

import codecs
import re
from dataclasses import replace
from datetime import UTC, datetime
from email.message import Message
from html import unescape
from typing import TYPE_CHECKING, Final
from urllib.parse import urljoin

from pypi_simple import ACCEPT_ANY, DistributionPackage, Link, ProjectPage, UnsupportedRepoVersionError
from pypi_simple.util import check_repo_version

from wheelfarm.sources.urls import shown
from wheelfarm.system.files import parse_json
from wheelfarm.system.logs import get_logger

if TYPE_CHECKING:
    from collections.abc import Iterator

logger = get_logger(__name__)

ACCEPT: Final = ACCEPT_ANY
_JSON: Final = "application/vnd.pypi.simple.v1+json"
_HTML: Final = ("text/html", "application/vnd.pypi.simple.v1+html")
_LONGEST_TEXT: Final = 1000
"""Characters of a link's text; file names are shorter."""
_LONGEST_TAG: Final = 8192
"""Characters of a tag; urls with a signature are long."""
_LONGEST_DATE: Final = 40
"""Characters of a date that is wrong which a message has."""
_UPLOAD_TIME: Final = "data-upload-time"
_CHARSETS: Final = frozenset({"utf-8", "ascii", "iso8859-1", "cp1252"})
_START: Final = re.compile(r"<!--|<(a|base|meta)(?=[\s/>])", re.IGNORECASE)
_REST: Final = re.compile(r"""(?:[^<>"']++|"[^"]*+"|'[^']*+')*+>""")
_ATTRIBUTE: Final = re.compile(r"""([^\s=>"'/]++)(?:\s*+=\s*+("[^"]*+"|'[^']*+'|[^\s>"']++))?""")
_END: Final = re.compile(r"</?a(?=[\s/>])", re.IGNORECASE)
_TAG: Final = re.compile("<[^<>]*+>")


def read_page(content: bytes, kind: str, *, url: str, name: str) -> list[DistributionPackage]:
    """The files on a page.

    Args:
        content: the body of the answer.
        kind: its Content-Type.
        url: where it is, for relative links.
        name: the project.

    Raises:
        ValueError: when it is no page of a simple index, whatever is wrong with it.
    """
    header = Message()
    header["Content-Type"] = kind
    try:
        if header.get_content_type() == _JSON:
            files = ProjectPage.from_json_data(parse_json(content), url).packages
            return [replace(each, upload_time=_with_zone(each.upload_time)) for each in files]
        if header.get_content_type() in _HTML:
            return _read_html(content, header.get_content_charset(), url, name)
    except (UnsupportedRepoVersionError, RecursionError, LookupError) as error:
        raise ValueError(str(error)) from error
    raise ValueError(f"the server answers with {kind}")


def _read_html(content: bytes, charset: str | None, url: str, name: str) -> list[DistributionPackage]:
    """The files on a page in HTML, which is UTF-8 unless its header says another encoding of text."""
    # Python has codecs which are slow or unpack, such as punycode and zlib.
    if charset is not None and codecs.lookup(charset).name not in _CHARSETS:
        raise ValueError(f"the server answers in {charset}")
    text = content.decode(charset or "utf-8", "replace")
    links = list(_links(text, url))
    files = [
        replace(DistributionPackage.from_link(link, name), upload_time=_upload_time(link)) for link in links
    ]
    bad = [
        date
        for link, file in zip(links, files, strict=True)
        if file.upload_time is None and (date := link.get_str_attrib(_UPLOAD_TIME))
    ]
    if bad:
        message = "%s: %s of %d files, such as %r, is no date: they count as files without one"
        logger.warning(message, shown(url), _UPLOAD_TIME, len(bad), bad[0][:_LONGEST_DATE])
    return files


def _upload_time(link: Link) -> datetime | None:
    """What PEP 700 has in JSON only, and some indexes in HTML too; None where it is missing or no date."""
    try:
        return _with_zone(datetime.fromisoformat(link.get_str_attrib(_UPLOAD_TIME) or ""))
    except ValueError:
        return None


def _with_zone(time: datetime | None) -> datetime | None:
    """A time with a zone, which is UTC where the index gives none."""
    return time.replace(tzinfo=UTC) if time and not time.tzinfo else time


def _links(text: str, url: str) -> Iterator[Link]:
    """The links of a page.

    Python's own parser, and with it BeautifulSoup, takes the square of the time for tags and comments that
    are not closed. This one looks at each character a limited number of times.
    """
    at, based = 0, False
    while found := _START.search(text, at):
        at = found.end()
        if found[0] == "<!--":
            at = text.find("-->", at)
            if at < 0:
                return
            continue
        rest = _REST.match(text, at, at + _LONGEST_TAG)
        if rest is None:
            continue
        at = rest.end()
        attributes = {
            each[1].lower(): unescape((each[2] or "").strip("\"'")) for each in _ATTRIBUTE.finditer(rest[0])
        }
        match found[1].lower():
            case "base" if "href" in attributes and not based:
                url, based = urljoin(url, attributes["href"]), True
            case "meta" if attributes.get("name") == "pypi:repository-version":
                check_repo_version(attributes.get("content", ""))
            case "a" if "href" in attributes:
                end = _END.search(text, at, at + _LONGEST_TEXT)
                label = unescape(_TAG.sub("", text[at : end.start() if end else at + _LONGEST_TEXT]))
                yield Link(text=label.strip(), url=urljoin(url, attributes.pop("href")), attrs={**attributes})
