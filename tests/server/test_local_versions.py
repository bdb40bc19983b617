"""Local versions (PEP 440): published to real servers, and chosen by pip and uv as newer than the release."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from support.publishing import TARGETS, publication, store
from support.uploads import farm_for, publish
from wheelfarm.index.comparison import State
from wheelfarm.index.devpi import DevpiIndex

if TYPE_CHECKING:
    from pathlib import Path

    from support.indexes import Server

LOCAL = "1.0+team.1"


@pytest.fixture(params=["pypi", "devpi_index"])
def url(request: pytest.FixtureRequest) -> str:
    """The url of an empty index of each kind."""
    server: Server | str = request.getfixturevalue(request.param)
    return server if isinstance(server, str) else server.url


def installed(site: Path, index: str, requirement: str) -> str:
    """The version that uv installs of an index, for the first target."""
    words = ["uv", "pip", "install", "--no-config", "--no-deps", "--no-cache", "--index-url", index]
    words += ["--python-version", "3.11", "--python-platform", "x86_64-manylinux_2_28", "--only-binary=:all:"]
    subprocess.run(
        [sys.executable, "-m", *words, "--python", sys.executable, "--target", str(site), requirement],
        check=True,
    )
    (found,) = site.glob("alpha-*.dist-info")
    return found.name.removeprefix("alpha-").removesuffix(".dist-info")


def test_beside_the_release(tmp_path: Path, url: str) -> None:
    farm = farm_for(tmp_path / "farm", url)
    assert len(publish(farm).to_upload) == 4
    for target in TARGETS:
        store(farm.wheelhouse, "alpha", LOCAL, target)
    sent = publish(farm).to_upload
    assert {each.filename.split("-")[1] for each in sent} == {LOCAL}
    # The release stays published, and is no longer the newest version of the wheelhouse.
    states = [each.state for each in publish(farm).differences]
    assert states == [*[State.SAME] * 4, *[State.FOREIGN] * 2]
    devpi = isinstance(publication(farm).index, DevpiIndex)
    index = f"{url}+simple/" if devpi else f"{url}simple/"
    assert installed(tmp_path / "newest", index, "alpha") == LOCAL
    # The release matches both, and the local version is the newer one.
    assert installed(tmp_path / "release", index, "alpha==1.0") == LOCAL
    assert installed(tmp_path / "exact", index, f"alpha=={LOCAL}") == LOCAL
    assert installed(tmp_path / "older", index, f"alpha!={LOCAL}") == "1.0"
