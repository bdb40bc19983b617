"""pypiserver and devpi give no upload times: who asks for an age gets an error, and no wheel."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
import requests

from support.farm import make_farm
from support.indexes import Server, make_devpi_index
from support.uploads import farm_for, publish
from wheelfarm.build.host_engine import programs_environment
from wheelfarm.errors import ProcessError
from wheelfarm.index.factory import read_url
from wheelfarm.model import Name
from wheelfarm.recipes.recipe_set import read_recipe
from wheelfarm.recipes.release_age import AgeLimit, explain_age
from wheelfarm.recipes.uv_resolution import compile_requirements
from wheelfarm.run.services import make_fetcher
from wheelfarm.sources.network import HttpClient
from wheelfarm.sources.project import Project

if TYPE_CHECKING:
    from pathlib import Path

JSON = "application/vnd.pypi.simple.v1+json"
LATER = "2099-01-01T00:00:00Z"


@pytest.fixture(params=["pypiserver", "devpi"])
def simple(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The simple index of a server to which alpha and beta were published."""
    if request.param == "devpi":
        server: Server = request.getfixturevalue("devpi_server")
        url = make_devpi_index(server, "dates")
    else:
        url = request.getfixturevalue("pypi").url
    farm = farm_for(tmp_path / "published", url)
    publish(farm)
    return read_url("internal", farm.settings, "plain")


def run(*words: object) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", *map(str, words)]
    return subprocess.run(argv, capture_output=True, text=True, check=False)


def test_no_page_has_a_date_and_all_readers_refuse(tmp_path: Path, simple: str) -> None:
    for accept in ("text/html", JSON):
        page = requests.get(f"{simple}alpha/", headers={"Accept": accept}, timeout=30)
        assert page.status_code == 200
        assert "upload-time" not in page.text
    files = Project.read(Name("alpha"), HttpClient(index_url=simple)).files
    assert {each.upload_time for each in files} == {None}

    target = ("--index-url", simple, "alpha", "--no-deps")
    uv = ("uv", "pip", "install", "--no-config", "--no-cache", "--python", sys.executable)
    done = run(*uv, *target, "--target", tmp_path / "site", "--exclude-newer", LATER)
    assert done.returncode != 0
    assert "is missing an upload date" in done.stderr
    pip = ("pip", "download", "--isolated", "--no-cache-dir", "--dest", tmp_path / "got")
    done = run(*pip, *target, "--uploaded-prior-to", LATER)
    assert done.returncode != 0
    assert "does not provide upload-time metadata" in done.stderr

    settings = make_farm(tmp_path / "farm", {"leaf": {}}, settings={"index-url": simple})
    limit = AgeLimit(now=datetime.now(UTC), min_age=timedelta(days=1), enforced=True)
    env = programs_environment(settings)
    with pytest.raises(ProcessError) as caught:
        compile_requirements(["alpha"], (), python="3.11", env=env, index_url=simple, age=limit)
    recipe = read_recipe(settings.recipes / "leaf", settings)
    message = str(caught.value.why)
    error = explain_age(recipe, ["alpha"], make_fetcher(settings), limit, exempt=(), message=message)
    assert error is not None
    assert error.what == "the index gives no dates for alpha"
    assert f"{simple}alpha/ has no upload-time" in str(error.why)
