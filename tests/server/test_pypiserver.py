"""Publishing to a real pypiserver: in order and in whole releases, over trouble on the way, or not at all."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from support.disks import fill, small_disk
from support.faults import Fault, Proxy, proxy
from support.indexes import LOGIN, PASSWORD, USER, Server, pypiserver
from support.publishing import TARGETS, failures_at_once, publication, store
from support.raised import only, raised
from support.uploads import PUBLISH, farm_for, logs, names, publish
from wheelfarm.errors import ConflictError, FarmError, IncompleteError, PublishError, UnprovenError
from wheelfarm.index.comparison import State
from wheelfarm.model import Name


def test_all_of_it_and_then_nothing(tmp_path: Path, pypi: Server) -> None:
    farm = farm_for(tmp_path / "farm", pypi.url)
    dry = publication(farm).compare()
    assert len(dry.to_upload) == 4
    assert names(pypi) == set()
    assert len(publish(farm).to_upload) == 4
    assert len(names(pypi)) == 4
    again = publish(farm)
    assert [each.state for each in again.differences] == [State.SAME] * 4


def test_a_dependency_goes_first_and_one_process_sends_all(
    tmp_path: Path, faulty: Proxy, messages: list[str]
) -> None:
    farm = farm_for(tmp_path / "farm", faulty.url)
    publish(farm)
    sent = [line.split()[1] for line in messages if line.startswith("uploading")]
    assert [name.partition("-")[0] for name in sent] == [
        *("alpha", "alpha", "beta", "beta"),
    ]
    log = (tmp_path / "farm/.wheelfarm/logs/publish-internal.log").read_text()
    assert log.count("$ twine upload") == 1


def test_a_release_named_brings_what_it_needs(tmp_path: Path, pypi: Server) -> None:
    farm = farm_for(tmp_path / "farm", pypi.url)
    for target in TARGETS:
        store(farm.wheelhouse, "gamma", target=target)
    publication(farm).publish({Name("beta"): None})
    assert {name.partition("-")[0] for name in names(pypi)} == {"alpha", "beta"}


def test_one_that_lies(tmp_path: Path, faulty: Proxy) -> None:
    faulty.faults = [Fault(status=200, times=1000, contains=b"beta")]
    farm = farm_for(tmp_path / "farm", faulty.url)
    with pytest.raises(PublishError, match="accepted 2 wheels that it does not list") as caught:
        publish(farm)
    assert "beta-1.0-1_" in str(caught.value.why)


def test_a_full_one(tmp_path: Path) -> None:
    with (
        small_disk(tmp_path / "disk", "size=128k") as disk,
        pypiserver(disk.parent / "pypi") as running,
        proxy(running.url) as before,
    ):
        farm = farm_for(tmp_path / "farm", before.url)
        running.root.rmdir()
        (disk / "packages").mkdir()
        running.root.symlink_to(disk / "packages")
        fill(disk)
        with pytest.raises(FarmError) as caught:
            publish(farm)
        assert caught.value.slug in {"publish", "conflict", "several"}
        # The server may keep half a file; it is never taken for one of ours.
        for path in disk.glob("packages/*"):
            path.unlink()
        (disk / "filler").unlink()
        publish(farm)
        assert len(list(disk.glob("packages/*"))) == 4


def test_one_that_asks_readers_too(tmp_path: Path) -> None:
    with pypiserver(tmp_path / "pypi", protected="update,list,download") as running:
        farm = farm_for(tmp_path / "farm", running.url)
        publish(farm)
        assert len(names(running)) == 4


def test_credentials_from_netrc(tmp_path: Path, pypi: Server) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text(f'machine 127.0.0.1 login {USER} password "{PASSWORD}"\n')
    farm = farm_for(tmp_path / "farm", pypi.url, NETRC=str(netrc), TWINE_USERNAME="", TWINE_PASSWORD="")
    publish(farm)
    assert len(names(pypi)) == 4


def test_a_file_of_somebody_else(tmp_path: Path, pypi: Server) -> None:
    (pypi.root / "beta-0.9-py3-none-any.whl").write_bytes(b"theirs")
    done = publish(farm_for(tmp_path / "farm", pypi.url))
    assert [each.filename for each in done.of(State.FOREIGN)] == ["beta-0.9-py3-none-any.whl"]
    assert (pypi.root / "beta-0.9-py3-none-any.whl").read_bytes() == b"theirs"


def test_the_password_is_on_no_command_line(tmp_path: Path, faulty: Proxy, messages: list[str]) -> None:
    seen: list[str] = []

    def look(_method: str, _path: str) -> None:
        for process in Path("/proc").glob("[0-9]*/cmdline"):
            with suppress(OSError):
                seen.append(process.read_bytes().decode(errors="replace"))

    faulty.on_request = look
    farm = farm_for(tmp_path / "farm", faulty.url)
    publish(farm)
    assert any("twine" in words for words in seen)
    assert not any(PASSWORD in words for words in seen)
    assert PASSWORD not in "".join(messages) + logs(farm)


def test_other_bytes_under_a_published_name(tmp_path: Path, faulty: Proxy) -> None:
    publish(farm_for(tmp_path / "first", faulty.url))
    faulty.requests.clear()
    farm = farm_for(tmp_path / "second", faulty.url, content="other", inputs_of="")
    problems = raised(lambda: publish(farm), ConflictError)
    assert len(problems) == 4
    assert "build number 2" in str(problems[0].hint)
    assert faulty.count("POST") == 0


def test_a_release_without_a_target(tmp_path: Path, faulty: Proxy) -> None:
    farm = farm_for(tmp_path / "farm", faulty.url)
    store(farm.wheelhouse, "beta", "2.0", TARGETS[0], requires=["alpha"])
    error = only(lambda: publish(farm), IncompleteError)
    assert error.what == "beta is not complete: no wheel for cp312-manylinux_x86_64"
    assert faulty.count("POST") == 0


@pytest.mark.parametrize(
    ("pattern", "what"),
    [
        ("plain/wheels/*/beta*cp312*.whl", "changed after its gate"),
        ("plain/records/*.json", "has no build record"),
    ],
)
def test_an_unproven_wheel(tmp_path: Path, faulty: Proxy, pattern: str, what: str) -> None:
    farm = farm_for(tmp_path / "farm", faulty.url)
    path = next(farm.wheelhouse.root.glob(pattern))
    path.write_bytes(path.read_bytes() + b"\nx")
    with pytest.raises(UnprovenError, match=what):
        publish(farm)
    assert faulty.count("POST") == 0


@pytest.mark.parametrize("password", ["", "wrong password"])
def test_no_right_password(tmp_path: Path, faulty: Proxy, password: str, messages: list[str]) -> None:
    farm = farm_for(tmp_path / "farm", faulty.url, TWINE_PASSWORD=password)
    with pytest.raises(PublishError) as caught:
        publish(farm)
    assert "status 40" in str(caught.value.why)
    assert "password" in str(caught.value.hint).lower()
    assert faulty.count("POST") == 1
    seen = str(caught.value) + "".join(messages) + logs(farm)
    assert "wrong password" not in seen


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
    assert any(line.startswith(at) for line in process.stdout)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    publish(farm)
    assert len(names(pypi)) == 4
    assert [each.state for each in publish(farm).differences] == [State.SAME] * 4
