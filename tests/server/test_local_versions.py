"""Local versions (PEP 440) on real servers: newer than the release for installers, and reused by the farm."""

from __future__ import annotations

import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from support.clones import fresh_clone, publish_all, reloaded, with_index
from support.edited import LOCAL
from support.indexes import LOGIN
from support.publishing import TARGETS, publication, store
from support.store import check_tidy
from support.tiny import VARIANT, run_farm
from support.uploads import farm_for, publish
from wheelfarm.index.comparison import State
from wheelfarm.index.devpi import DevpiIndex
from wheelfarm.system.machine import native_target

if TYPE_CHECKING:
    from pathlib import Path

    from support.indexes import Server
    from wheelfarm.recipes.settings import Settings


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


def test_a_fresh_clone_reuses_it(edited_chain: Settings, tmp_path: Path, url: str) -> None:
    sender = fresh_clone(edited_chain, tmp_path / "sender", environ=LOGIN)
    shutil.copytree(edited_chain.wheelhouse, sender.wheelhouse, dirs_exist_ok=True)
    targets = [str(native_target(sender.pythons[0]))]
    with_index(sender, targets=targets, url=url, kind="simple-upload")
    publish_all(reloaded(sender))
    clone = fresh_clone(sender, tmp_path / "clone")
    run = run_farm(clone)
    assert run.states == {"tinybase": "reused", "tinytop": "reused"}
    assert run.record("tinybase").version == LOCAL
    check_tidy(clone.wheelhouse, VARIANT)
