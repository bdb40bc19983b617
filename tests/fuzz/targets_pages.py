"""Readers of what servers send: the pages of simple indexes, and those of a static index."""

from __future__ import annotations

from contextlib import suppress
from typing import Final

from fuzz.scratch import scratch, written
from support.farm import LINUX
from support.store import key_of, put, tiny_wheel
from wheelfarm.index.build_tags import BuildSlot
from wheelfarm.index.static import StaticIndex
from wheelfarm.index.storage import Directory
from wheelfarm.index.upload import listed_file
from wheelfarm.model import Digest, Name, Target
from wheelfarm.sources.network import HttpClient
from wheelfarm.sources.project import Project
from wheelfarm.sources.simple_page import read_page
from wheelfarm.wheelhouse.tags import serves
from wheelfarm.wheelhouse.wheelhouse import Wheelhouse

_DEMO: Final = Name("demo")
_TARGET: Final = Target.parse(LINUX)
_ZEROS: Final = "0" * 64


def _use(project: Project) -> None:
    """What a fetch and a publication do with a page."""
    for file in project.files:
        listed = listed_file(file)
        BuildSlot.of(listed.filename)
    project.sdist("1.0", Digest(_ZEROS))
    project.wheel("1.0", {Digest(_ZEROS)}, _TARGET, (2, 28))


def _html(data: bytes) -> None:
    page = written("simple/demo/index.html", data)
    _use(Project.read(_DEMO, HttpClient(index_url=page.parents[1].as_uri())))


def _json(data: bytes) -> None:
    url = "https://index.invalid/simple/demo/"
    with suppress(ValueError):  # its callers say what is wrong with which page
        files = read_page(data, "application/vnd.pypi.simple.v1+json", url=url, name="demo")
        _use(Project(_DEMO, url, tuple(files)))


def _content_type(data: bytes) -> None:
    with suppress(ValueError):
        read_page(b"<a href='x'>x</a>", data.decode("latin-1"), url="https://index.invalid/", name="demo")


def _static(data: bytes) -> None:
    written("static/simple/demo/index.json", data)
    index = StaticIndex("x", Directory(scratch() / "static"), lambda _wheel: None)  # type: ignore[arg-type,return-value]
    for file in index.list_files([_DEMO], {"012345678901"})[_DEMO]:
        slot = BuildSlot.of(file.filename)
        assert slot is None or serves(file.filename, _TARGET) is not None
    index.attestations(_DEMO, "1.0")


def _page_of_a_wheelhouse() -> bytes:
    wheelhouse = Wheelhouse(scratch() / "wheelhouse")
    put(wheelhouse, tiny_wheel(scratch(), "demo"), key_of("a"))
    (page,) = (scratch() / "wheelhouse").rglob("simple/demo/index.json")
    return page.read_bytes()


_HTML: Final = f"""\
<!DOCTYPE html><html><head><meta name="pypi:repository-version" content="1.0"><base href="../"></head><body>
<a href="demo-1.0.tar.gz#sha256={_ZEROS}" data-yanked="why" data-requires-python="&gt;=3">demo-1.0.tar.gz</a>
<br/>
<a href="../x/demo-1.0-cp311-cp311-manylinux_2_17_x86_64.whl#sha256={_ZEROS}" data-core-metadata="sha256=00">
demo-1.0-cp311-cp311-manylinux_2_17_x86_64.whl</a></body></html>
"""
_JSON: Final = f"""\
{{"meta": {{"api-version": "1.1", "_last-serial": 5}}, "name": "demo", "versions": ["1.0"], "files": [
{{"filename": "demo-1.0.tar.gz", "url": "demo-1.0.tar.gz", "hashes": {{"sha256": "{_ZEROS}"}}, "size": 5,
"upload-time": "2025-01-01T00:00:00.000000Z", "yanked": false, "requires-python": ">=3",
"core-metadata": true}}]}}
"""
TARGETS: Final = {
    "page-html": _html,
    "page-json": _json,
    "page-content-type": _content_type,
    "page-static": _static,
}
SEEDS: Final = {
    "page-html": [_HTML.encode()],
    "page-json": [_JSON.encode()],
    "page-content-type": [b"text/html; charset=utf-8", b"application/vnd.pypi.simple.v1+json"],
    "page-static": [_page_of_a_wheelhouse()],
}
