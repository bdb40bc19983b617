"""Upload times of the farm's own indexes, as uv, pip and the farm's reader see them: HTTP and files."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from http.server import SimpleHTTPRequestHandler
from typing import TYPE_CHECKING, Final

import pytest
import requests
from pypi_simple import ProjectPage

from support.publishing import publication, publishing_farm, store
from support.raised import only
from support.servers import served
from wheelfarm.errors import WheelhouseError
from wheelfarm.index.serve import prefers_json, serving
from wheelfarm.model import Name
from wheelfarm.sources.network import HttpClient
from wheelfarm.sources.project import Project
from wheelfarm.wheelhouse.simple_index import ProjectIndex

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from wheelfarm.run.farm import Farm

ALPHA: Final = Name("alpha")
DATES: Final = {"1.0": "2026-01-01T00:00:00Z", "2.0": "2026-06-28T00:00:00Z"}
CUTOFF: Final = "2026-06-23T00:00:00Z"
JSON: Final = "application/vnd.pypi.simple.v1+json"
ACCEPT_OF_PIP: Final = f"{JSON}, application/vnd.pypi.simple.v1+html; q=0.1, text/html; q=0.01"
PIP: Final = "pip download --isolated --no-cache-dir --disable-pip-version-check --no-deps"
UV: Final = "uv pip install --no-config --no-cache --no-deps --no-progress"
PLACES: Final = ("static files", "static server", "index.serve")


def set_dates(variant: Path, dates: Mapping[str, str]) -> None:
    """Give the files of alpha other upload times: both pages are written by the farm's own code."""
    page = variant / "simple" / ALPHA / "index.json"
    index = ProjectIndex.from_json(page.read_bytes(), ALPHA, str(page))
    index = replace(index, files=tuple(replace(each, uploaded=dates[each.version]) for each in index.files))
    page.write_bytes(index.to_json())
    page.with_name("index.html").write_bytes(index.to_html())


@pytest.fixture
def farm(tmp_path: Path) -> Farm:
    """alpha 1.0 and a younger alpha 2.0, in the wheelhouse and published to a static index."""
    made = publishing_farm(tmp_path / "farm", {"kind": "static", "url": "../public"}, recipes={"alpha": {}})
    for version in DATES:
        store(made.wheelhouse, "alpha", version, tag="py3-none-any")
        publication(made).publish({ALPHA: version})
    set_dates(made.wheelhouse.root / "plain", DATES)
    set_dates(tmp_path / "public" / "plain", DATES)
    return made


@contextmanager
def reading(farm: Farm, place: str) -> Iterator[str]:
    """The url of a simple index: of static files, of a plain web server over them, or of index.serve."""
    public = farm.settings.root.parent / "public"
    with ExitStack() as stack:
        if place == "static files":
            yield f"{public.as_uri()}/plain/simple/"
        elif place == "static server":
            handler = partial(SimpleHTTPRequestHandler, directory=str(public))
            yield f"http://{stack.enter_context(served(handler))}/plain/simple/"
        else:
            server = serving(farm.wheelhouse.root, host="127.0.0.1", port=0)
            yield f"{stack.enter_context(server)}/plain/simple/"


def run(program: str, *words: object) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", *program.split(), *map(str, words)]
    return subprocess.run(argv, capture_output=True, text=True, check=False)


def downloaded(url: str, directory: Path, *words: str) -> list[str]:
    """The versions that pip downloads."""
    done = run(PIP, "--index-url", url, "--dest", directory, *words, "alpha")
    assert done.returncode == 0, done.stderr
    return [path.name.split("-")[1] for path in directory.iterdir()]


@pytest.mark.parametrize("place", PLACES)
def test_uv_takes_nothing_newer(tmp_path: Path, farm: Farm, place: str) -> None:
    with reading(farm, place) as url:
        for words, version in (((), "2.0"), (("--exclude-newer", CUTOFF), "1.0")):
            site = tmp_path / version
            done = run(UV, "--index-url", url, "--target", site, "--python", sys.executable, *words, "alpha")
            assert done.returncode == 0, done.stderr
            assert f"VERSION = '{version}'" in (site / "alpha.py").read_text()
            assert "missing an upload date" not in done.stderr


@pytest.mark.parametrize("place", PLACES)
def test_the_farm_reads_the_dates(farm: Farm, place: str) -> None:
    with reading(farm, place) as url:
        files = Project.read(ALPHA, HttpClient(index_url=url)).files
    assert {each.version: each.upload_time for each in files} == {
        version: datetime.fromisoformat(date) for version, date in DATES.items()
    }


@pytest.mark.slow
def test_pip_takes_nothing_newer_from_index_serve(tmp_path: Path, farm: Farm) -> None:
    with reading(farm, "index.serve") as url:
        assert downloaded(url, tmp_path / "all") == ["2.0"]
        assert downloaded(url, tmp_path / "old", "--uploaded-prior-to", CUTOFF) == ["1.0"]


@pytest.mark.slow
def test_pip_reads_no_dates_of_pages_in_html(tmp_path: Path, farm: Farm) -> None:
    """docs/how-to/release-age.md says it: a server must answer in JSON, and of files pip checks no dates."""
    with reading(farm, "static server") as url:
        words = ("--uploaded-prior-to", CUTOFF)
        done = run(PIP, "--index-url", url, "--dest", tmp_path / "none", *words, "alpha")
        assert done.returncode != 0
        assert "does not provide upload-time metadata" in done.stderr
    with reading(farm, "static files") as url:
        assert downloaded(url, tmp_path / "files", *words) == ["2.0"]


def test_publishing_dates_a_wheel_by_the_time_of_its_upload(tmp_path: Path) -> None:
    made = publishing_farm(tmp_path / "farm", {"kind": "static", "url": "../public"}, recipes={"alpha": {}})
    store(made.wheelhouse, "alpha", tag="py3-none-any")
    before = datetime.now(UTC).replace(microsecond=0)
    publication(made).publish(None)
    page = (tmp_path / "public/plain/simple/alpha/index.html").read_text()
    (file,) = Project.read(ALPHA, HttpClient(index_url=f"{tmp_path.as_uri()}/public/plain/simple/")).files
    assert file.upload_time is not None
    assert before <= file.upload_time <= datetime.now(UTC)
    assert f'data-upload-time="{file.upload_time:%Y-%m-%dT%H:%M:%SZ}"' in page


def test_index_serve_answers_in_the_form_that_the_client_prefers(farm: Farm) -> None:
    with reading(farm, "index.serve") as url:
        for path in ("", "alpha/"):
            page = requests.get(url + path, headers={"Accept": ACCEPT_OF_PIP}, timeout=5)
            assert page.headers["Content-Type"] == JSON
            assert page.headers["Vary"] == "Accept"
            html = requests.get(url + path, headers={"Accept": "text/html,*/*;q=0.8"}, timeout=5)
            assert html.headers["Content-Type"].startswith("text/html")
            assert html.headers["Vary"] == "Accept"
        page = requests.get(f"{url}alpha/", headers={"Accept": ACCEPT_OF_PIP}, timeout=5)
        files = ProjectPage.from_json_data(page.json(), page.url).packages
        wheels = [requests.get(each.url, timeout=5) for each in files]
    assert [len(wheel.content) for wheel in wheels] == [each.size for each in files]
    assert {"Vary" in wheel.headers for wheel in wheels} == {False}


@pytest.mark.parametrize(
    ("accept", "json_is_preferred"),
    [
        (ACCEPT_OF_PIP, True),
        (f"{JSON}, text/html;q=0.2", True),
        (JSON, True),
        (f"{JSON};q=0.1, text/html", False),
        (f"{JSON};q=0", False),
        (f"text/html, {JSON}", False),
        (f"{JSON};q=nonsense", False),
        ("text/html, */*;q=0.8", False),
        ("*/*", False),
        ("", False),
        (",;q=,=", False),
    ],
)
def test_json_only_where_the_client_ranks_it_above_html(accept: str, *, json_is_preferred: bool) -> None:
    assert prefers_json(accept) is json_is_preferred


@pytest.mark.parametrize("date", ["yesterday", "2026-01-01T00:00:00", "", 5])
def test_a_page_of_the_farm_with_a_malformed_date_is_damaged(date: object) -> None:
    page = {"files": [{**FILE, "upload-time": date}]}
    read = partial(ProjectIndex.from_json, project=ALPHA, where="simple/alpha/index.json")
    error = only(lambda: read(json.dumps(page).encode()), WheelhouseError)
    assert error.what == "the index page of alpha is damaged"
    assert read(json.dumps({"files": [FILE]}).encode()).files[0].uploaded == DATES["1.0"]


FILE: Final = {
    "filename": "alpha-1.0-py3-none-any.whl",
    "hashes": {"sha256": "a" * 64},
    "size": 1,
    "core-metadata": {"sha256": "b" * 64},
    "upload-time": DATES["1.0"],
    "_wheelfarm": {"key": "c" * 64},
}
