"""Trouble on the way to a real pypiserver: it passes, or another run goes on from there."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from support.faults import Fault, Proxy
from support.indexes import LOGIN, Server
from support.publishing import failures_at_once, publication
from support.uploads import PUBLISH, farm_for, names, publish
from wheelfarm.errors import PublishError
from wheelfarm.index.comparison import State

if TYPE_CHECKING:
    from pathlib import Path


# twine itself asks five times after a 5xx, without a pause.
@pytest.mark.parametrize(("status", "times"), [(429, 2), (500, 6), (503, 6)])
def test_an_answer_that_passes(
    tmp_path: Path, pypi: Server, faulty: Proxy, messages: list[str], *, status: int, times: int
) -> None:
    faulty.faults = [Fault(status=status, times=times, after=1)]
    farm = farm_for(tmp_path / "farm", faulty.url)
    publish(farm)
    assert len(names(pypi)) == 4
    assert any(f"status {status}" in line for line in messages)


@pytest.mark.parametrize("cut", [0, 1, 500, 1500])
def test_a_connection_that_breaks_at_a_byte(tmp_path: Path, pypi: Server, faulty: Proxy, cut: int) -> None:
    faulty.faults = [Fault(cut=cut, times=2, after=1)]
    farm = farm_for(tmp_path / "farm", faulty.url)
    publish(farm)
    assert len(names(pypi)) == 4
    assert [each.state for each in publish(farm).differences] == [State.SAME] * 4


def test_an_answer_that_is_lost(tmp_path: Path, pypi: Server, faulty: Proxy) -> None:
    faulty.faults = [Fault(cut_answer=True, times=3)]
    publish(farm_for(tmp_path / "farm", faulty.url))
    assert len(names(pypi)) == 4
    assert faulty.count("POST") == 4


def test_a_page_that_breaks_off(tmp_path: Path, pypi: Server, faulty: Proxy) -> None:
    faulty.faults = [Fault("GET", cut_answer=True, times=2), Fault("GET", status=502, times=1)]
    publish(farm_for(tmp_path / "farm", faulty.url))
    assert len(names(pypi)) == 4


def test_trouble_that_does_not_pass(tmp_path: Path, pypi: Server, faulty: Proxy) -> None:
    faulty.faults = [Fault(status=503, times=1000, contains=b"beta-1.0")]
    farm = farm_for(tmp_path / "farm", faulty.url)
    with pytest.raises(PublishError, match="did not take a wheel"):
        publish(farm)
    # What is there is whole, and beta is not there at all: the next run goes on from here.
    assert {name.partition("-")[0] for name in names(pypi)} == {"alpha"}
    faulty.faults.clear()
    assert len(publish(farm).to_upload) == 2
    assert len(names(pypi)) == 4


def test_two_publishers_at_once(tmp_path: Path, pypi: Server, faulty: Proxy) -> None:
    farms = [farm_for(tmp_path / name, faulty.url) for name in ("one", "two")]
    failures = failures_at_once(publish, farms)
    assert failures == []
    assert len(names(pypi)) == 4
    assert [each.state for each in publish(farms[0]).differences] == [State.SAME] * 4


def test_two_publishers_of_different_builds_at_once(tmp_path: Path, pypi: Server, faulty: Proxy) -> None:
    """Their build keys differ, and so do the names of their wheels."""
    farms = [farm_for(tmp_path / name, faulty.url, content=name) for name in ("one", "two")]
    assert failures_at_once(publish, farms) == []
    first = {path.name: path.read_bytes() for path in pypi.root.iterdir()}
    for farm in farms:
        publication(farm).publish(None)
    for farm in farms:
        found = publication(farm).compare()
        assert [each.state for each in found.differences if each.candidate] == [State.SAME] * 4
    # Nothing that either has published was touched.
    assert first.items() <= {path.name: path.read_bytes() for path in pypi.root.iterdir()}.items()
    assert len(names(pypi)) == 8
    assert {each.error for each in publication(farms[0]).verify(None)} == {None}


@pytest.mark.parametrize("at", ["uploading alpha", "uploading beta"])
def test_a_kill_and_another_run(tmp_path: Path, pypi: Server, at: str) -> None:
    root = tmp_path / "farm"
    farm = farm_for(root, pypi.url)
    env = {**os.environ, **LOGIN, "HOME": str(tmp_path)}
    process = subprocess.Popen(
        [sys.executable, "-c", PUBLISH, str(root)], env=env, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith(at):
            break
    process.send_signal(signal.SIGKILL)
    process.communicate()
    publish(farm)
    assert len(names(pypi)) == 4
    assert [each.state for each in publish(farm).differences] == [State.SAME] * 4
