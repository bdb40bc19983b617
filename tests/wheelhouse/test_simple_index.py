"""The pages of the index, read back by pypi-simple, the farm's own parser, and by real installers."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.version import Version
from pypi_simple import IndexPage, ProjectPage

from support.store import VARIANT, put, tiny_wheel
from wheelfarm.model import Digest, Name
from wheelfarm.system.files import sha256_of_file
from wheelfarm.wheelhouse.simple_index import IndexedFile, ProjectIndex, root_html, root_json
from wheelfarm.wheelhouse.wheelhouse import Wheelhouse

if TYPE_CHECKING:
    from pathlib import Path

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
@pytest.mark.slow
def test_a_version_has_one_current_wheel_which_is_the_last(listed: list[IndexedFile]) -> None:
    # 1 and 1.0 are two file names and one version (PEP 440).
    last = {Version(file.version): file for file in listed}
    assert {Version(file.version): file for file in index_of(listed).files} == last
    assert len(index_of(listed).files) == len(last)


def test_the_first_page_lists_the_projects() -> None:
    names = [Name("alpha"), Name("beta")]
    assert IndexPage.from_html(root_html(names).decode()).projects == names
    assert IndexPage.from_json_data(json.loads(root_json(names))).projects == names


@pytest.fixture
def index(tmp_path: Path) -> str:
    wheelhouse = Wheelhouse(tmp_path / "the farm's wheelhouse")
    put(wheelhouse, tiny_wheel(tmp_path / "old", version="1.0+cpu", content="old"), "old")
    put(wheelhouse, tiny_wheel(tmp_path / "new", version="1.0+cpu", content="new"), "new")
    put(wheelhouse, tiny_wheel(tmp_path, version="2.0", requires_python=">=4"), "two")
    put(wheelhouse, tiny_wheel(tmp_path, "other"), "other")
    return (wheelhouse.root / VARIANT / "simple").as_uri()


def run(program: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", *program.split(), *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )


def test_pip_reads_the_index(index: str, tmp_path: Path) -> None:
    pip = "pip download --isolated --no-cache-dir --disable-pip-version-check --no-deps -v"
    done = run(pip, "--index-url", index, "--dest", tmp_path / "got", "demo")
    assert done.returncode == 0, done.stdout
    (got,) = (tmp_path / "got").iterdir()
    # 2.0 is for a later Python, and of the two files of this name the last one is current.
    assert got.name == "demo-1.0+cpu-py3-none-any.whl"
    assert sha256_of_file(got) == sha256_of_file(tmp_path / "new" / got.name)
    assert ".whl.metadata" in done.stdout


def test_pip_refuses_other_bytes(index: str, tmp_path: Path) -> None:
    (wheel,) = (tmp_path / "the farm's wheelhouse" / VARIANT / "wheels").glob("*/other*.whl")
    tiny_wheel(wheel.parent, "other", content="changed behind the farm's back")
    pip = "pip download --isolated --no-cache-dir --disable-pip-version-check --no-deps"
    done = run(pip, "--index-url", index, "--dest", tmp_path / "got", "other")
    assert done.returncode != 0
    assert "DO NOT MATCH THE HASHES" in done.stdout


def test_uv_reads_the_index(index: str, tmp_path: Path) -> None:
    uv = "uv pip install --no-config --no-cache --no-deps"
    done = run(
        uv,
        *("--python", sys.executable, "--index-url", index, "--target", tmp_path / "site"),
        *("demo", "other"),
    )
    assert done.returncode == 0, done.stdout
    assert (tmp_path / "site/demo.py").read_text() == "'new'\n"
    assert (tmp_path / "site/other.py").exists()
