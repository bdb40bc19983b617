"""The status of a project in a static index (PEP 792): its pages, publishing, and installers."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pypi_simple import ProjectPage

from support.publishing import VARIANT, publication, publishing_farm, stock, store
from support.raised import only, raised
from wheelfarm.errors import PublishError, WheelhouseError
from wheelfarm.index.build_tags import Tagger
from wheelfarm.index.comparison import State
from wheelfarm.model import Name
from wheelfarm.wheelhouse.simple_index import ProjectIndex, ProjectStatus, Status

if TYPE_CHECKING:
    from wheelfarm.run.farm import Farm

ALPHA = Name("alpha")
TEXT = st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=20).map(str.strip)


@pytest.fixture
def farm(tmp_path: Path) -> Farm:
    """A farm whose wheels are published, and with new ones of alpha."""
    farm = publishing_farm(tmp_path / "farm", {"kind": "static", "url": "../public"})
    stock(farm.wheelhouse)
    publication(farm).publish()
    return farm


def pages(farm: Farm) -> Path:
    return farm.settings.root.parent / "public" / VARIANT / "simple/alpha"


def files_of(farm: Farm) -> list[Any]:
    files: list[Any] = json.loads((pages(farm) / "index.json").read_bytes())["files"]
    return files


def mark(farm: Farm, status: Status, reason: str = "") -> None:
    publication(farm).index.set_status(ALPHA, ProjectStatus(status, reason))


@given(status=st.sampled_from(Status), reason=TEXT)
def test_a_reader_of_simple_pages_finds_the_status(status: Status, reason: str) -> None:
    index = ProjectIndex(project=ALPHA, status=ProjectStatus(status, reason))
    assert ProjectIndex.from_json(index.to_json(), ALPHA, "here") == index
    expected = (None, None) if index.status == ProjectStatus() else (status.value, reason or None)
    for page in (
        ProjectPage.from_json_data(json.loads(index.to_json())),
        ProjectPage.from_html(ALPHA, index.to_html()),
    ):
        assert (page.status, page.status_reason) == expected


def test_an_archived_project_stays_as_it_is(farm: Farm) -> None:
    before = files_of(farm)
    mark(farm, Status.ARCHIVED, "see beta")
    assert {each.state for each in publication(farm).publish().differences} == {State.SAME}
    store(farm.wheelhouse, "alpha", content="again")
    found = publication(farm).compare()
    assert [each.why for each in found.of(State.CLOSED)] == ["its project is archived: see beta"]
    error = only(lambda: publication(farm).publish(), PublishError)
    assert error.what == "alpha takes no wheels: it is archived"
    assert error.why == "see beta"
    assert error.hint == "inv index.status alpha --index internal --set active, if it shall"
    assert files_of(farm) == before


def test_a_project_that_is_archived_while_somebody_publishes(farm: Farm, tmp_path: Path) -> None:
    store(farm.wheelhouse, "alpha", content="again")
    tagger = Tagger(farm.wheelhouse, tmp_path, tmp_path / "published.json")
    left = publication(farm).compare().to_upload
    wheels = [tagger.tag(each.candidate, each.tag) for each in left if each.candidate]
    before = files_of(farm)
    mark(farm, Status.ARCHIVED)
    assert only(lambda: publication(farm).index.upload(wheels), PublishError).retryable is False
    assert files_of(farm) == before


def test_a_quarantined_project_lists_no_wheel_and_loses_none(farm: Farm) -> None:
    before = (pages(farm) / "index.json").read_bytes(), (pages(farm) / "index.html").read_bytes()
    mark(farm, Status.QUARANTINED, "malware")
    assert files_of(farm) == []
    assert "<a " not in (pages(farm) / "index.html").read_text()
    assert publication(farm).index.list_files([ALPHA]) == {ALPHA: ()}
    # beta needs alpha, which nobody can install.
    assert len(raised(lambda: publication(farm).publish(), PublishError)) == 1
    mark(farm, Status.ACTIVE)
    assert ((pages(farm) / "index.json").read_bytes(), (pages(farm) / "index.html").read_bytes()) == before


def test_a_deprecated_project_takes_wheels(farm: Farm) -> None:
    mark(farm, Status.DEPRECATED, "use beta")
    store(farm.wheelhouse, "alpha", content="again")
    publication(farm).publish()
    assert len(files_of(farm)) == 3
    assert publication(farm).index.statuses([ALPHA])[ALPHA] == ProjectStatus(Status.DEPRECATED, "use beta")


@pytest.mark.parametrize("status", ['"sleeping"', "3", "[]", '{"status": "sleeping"}', '{"status": []}'])
def test_a_status_that_the_farm_does_not_write(status: str) -> None:
    text = f'{{"files": [], "project-status": {status}}}'
    with pytest.raises(WheelhouseError, match="the index page of alpha is damaged"):
        ProjectIndex.from_json(text.encode(), ALPHA, "here")


class TestInstallers:
    """pip and uv, with the pages as files."""

    def install(self, tool: str, farm: Farm, target: Path) -> subprocess.CompletedProcess[str]:
        url = pages(farm).parent.as_uri()
        programs = {
            "pip": [sys.executable, "-m", "pip", "install", "--isolated", "--no-cache-dir"],
            "uv": [str(Path(sys.executable).with_name("uv")), "pip", "install", "--no-cache", "--no-config"],
        }
        words = [*programs[tool], "--index-url", url, "--target", str(target), "--no-deps", "alpha"]
        return subprocess.run(words, capture_output=True, text=True, check=False)

    @pytest.mark.parametrize("tool", ["pip", "uv"])
    def test_only_a_quarantined_project_cannot_be_installed(
        self, farm: Farm, tool: str, tmp_path: Path
    ) -> None:
        for status in Status:
            mark(farm, status, "a reason")
            done = self.install(tool, farm, tmp_path / f"{tool}-{status}")
            assert (done.returncode == 0) is (status is not Status.QUARANTINED), done.stderr
            assert (tmp_path / f"{tool}-{status}" / "alpha.py").exists() is (done.returncode == 0)
