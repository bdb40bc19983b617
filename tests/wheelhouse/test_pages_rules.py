"""The rendered pages, read back by pypi-simple: the parser that the farm reads indexes with."""

from __future__ import annotations

import json
from urllib.parse import unquote

from hypothesis import given
from hypothesis import strategies as st
from packaging.version import Version
from pypi_simple import IndexPage, ProjectPage

from wheelfarm.model import Digest, Name
from wheelfarm.wheelhouse.simple_index import IndexedFile, ProjectIndex, root_html, root_json

HERE = "https://index.test/simple/demo/"
digests = st.integers(0, 2**256 - 1).map(lambda number: Digest(f"{number:064x}"))
versions = st.from_regex(
    r"([1-3]!)?[0-9]{1,2}(\.[0-9]){0,2}(rc1|\.post2|\.dev3)?(\+[a-z]{1,3}\.1)?", fullmatch=True
)
# Few characters, so that those which mean something to HTML are never far.
specifiers = st.none() | st.text("\"'<>=&;lt3é", min_size=1)
files = st.builds(
    lambda version, **rest: IndexedFile(filename=f"demo-{version}-py3-none-any.whl", **rest),
    versions,
    sha256=digests,
    size=st.integers(0, 2**40),
    metadata_sha256=digests,
    requires_python=specifiers,
    uploaded=st.just("2026-01-02T03:04:05Z"),
    key=digests,
)


def index_of(listed: list[IndexedFile]) -> ProjectIndex:
    project_index = ProjectIndex(project=Name("demo"))
    for file in listed:
        project_index = project_index.activating(file)
    return project_index


@given(st.lists(files, max_size=5))
def test_the_html_page_has_the_files_of_the_index(listed: list[IndexedFile]) -> None:
    project_index = index_of(listed)
    page = ProjectPage.from_html("demo", project_index.to_html().decode(), HERE)
    assert page.repository_version == "1.1"
    assert [
        (p.filename, p.digests, p.requires_python, p.metadata_digests, unquote(p.url)) for p in page.packages
    ] == [
        (
            file.filename,
            {"sha256": file.sha256},
            file.requires_python,
            {"sha256": file.metadata_sha256},
            f"https://index.test/{file.path}",
        )
        for file in project_index.files
    ]


@given(st.lists(files, max_size=5))
def test_the_json_page_has_the_files_of_the_index(listed: list[IndexedFile]) -> None:
    project_index = index_of(listed)
    text = project_index.to_json()
    assert ProjectIndex.from_json(text, project_index.project, "here") == project_index
    page = ProjectPage.from_json_data(json.loads(text), HERE)
    assert page.versions == list(dict.fromkeys(file.version for file in project_index.files))
    assert [(p.filename, p.size, p.requires_python, p.has_metadata) for p in page.packages] == [
        (file.filename, file.size, file.requires_python, True) for file in project_index.files
    ]


@given(st.lists(files, max_size=8))
def test_a_version_has_one_current_wheel_which_is_the_last(listed: list[IndexedFile]) -> None:
    # 1 and 1.0 are two file names and one version (PEP 440).
    last = {Version(file.version): file for file in listed}
    assert {Version(file.version): file for file in index_of(listed).files} == last
    assert len(index_of(listed).files) == len(last)


def test_the_first_page_lists_the_projects() -> None:
    names = [Name("alpha"), Name("beta")]
    assert IndexPage.from_html(root_html(names).decode()).projects == names
    assert IndexPage.from_json_data(json.loads(root_json(names))).projects == names
