"""Publishing to a real pypiserver, which has no staging: in order, and in whole releases."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from support.disks import fill, small_disk
from support.faults import Fault, Proxy, proxy
from support.indexes import LOGIN, PASSWORD, USER, Server, pypiserver
from support.publishing import TARGETS, failures_at_once, publication, publishing_farm, stock, store, told
from support.raised import only
from wheelfarm.errors import ConflictError, FarmError, IncompleteError, PublishError, UnprovenError
from wheelfarm.index import State

if TYPE_CHECKING:
    from wheelfarm.index import Comparison
    from wheelfarm.pipeline import Farm

PUBLISH = """
import sys
from pathlib import Path
from wheelfarm.pipeline import Farm, Publication
from wheelfarm.settings import load

farm = Farm(settings=load(Path(sys.argv[1])), say=lambda line: print(line, flush=True))
Publication(farm=farm, index_name="internal", variant="plain").transaction(None).publish()
"""


def farm_for(root: Path, url: str, *, content: str = "", **variables: str) -> Farm:
    farm = publishing_farm(
        root,
        {"kind": "simple-upload", "url": url, "variants": {"plain": ""}},
        environ={**LOGIN, **variables},
    )
    stock(farm.house, content=content)
    return farm


def publish(farm: Farm) -> Comparison:
    """Publish all, without the pauses."""
    return replace(publication(farm).transaction(None), sleep=lambda _seconds: None).publish()


def names(server: Server) -> set[str]:
    """The wheels, without those that carry papers."""
    return {path.name for path in server.root.iterdir() if "_wheelfarm_papers-" not in path.name}


def test_all_of_it_and_then_nothing(tmp_path: Path, pypi: Server) -> None:
    farm = farm_for(tmp_path / "farm", pypi.url)
    dry = publication(farm).transaction(None).differ()
    assert len(dry.to_upload) == 4
    assert names(pypi) == set()
    assert len(publish(farm).to_upload) == 4
    assert len(names(pypi)) == 4
    again = publish(farm)
    assert [each.state for each in again.differences] == [State.SAME] * 4


def test_a_dependency_goes_first_and_one_process_sends_all(tmp_path: Path, faulty: Proxy) -> None:
    farm = farm_for(tmp_path / "farm", faulty.url)
    publish(farm)
    sent = [line.split()[1] for line in told(farm) if line.startswith("uploading")]
    assert [name.partition("-")[0] for name in sent] == [
        *("alpha_wheelfarm_papers", "beta_wheelfarm_papers"),
        *("alpha", "alpha", "beta", "beta"),
    ]
    log = (tmp_path / "farm/.wheelfarm/logs/publish-internal.log").read_text()
    assert log.count("$ twine upload") == 1


def test_a_release_named_brings_what_it_needs(tmp_path: Path, pypi: Server) -> None:
    farm = farm_for(tmp_path / "farm", pypi.url)
    for target in TARGETS:
        store(farm.house, "gamma", target=target)
    publication(farm).transaction({"beta": None}).publish()  # type: ignore[dict-item]
    assert {name.partition("-")[0] for name in names(pypi)} == {"alpha", "beta"}


class TestRefused:
    def test_other_bytes_under_a_published_name(self, tmp_path: Path, faulty: Proxy) -> None:
        publish(farm_for(tmp_path / "first", faulty.url))
        faulty.asked.clear()
        farm = farm_for(tmp_path / "second", faulty.url, content="other")
        with pytest.raises(FarmError) as caught:
            publish(farm)
        problems = caught.value.errors  # type: ignore[attr-defined]
        assert {type(each) for each in problems} == {ConflictError}
        assert len(problems) == 4
        assert "build tag 1" in str(problems[0].hint)
        assert faulty.count("POST") == 0

    def test_a_release_without_a_target(self, tmp_path: Path, faulty: Proxy) -> None:
        farm = farm_for(tmp_path / "farm", faulty.url)
        store(farm.house, "beta", "2.0", TARGETS[0], requires=["alpha"])
        error = only(lambda: publish(farm), IncompleteError)
        assert error.what == "beta is not complete: no wheel for cp312-manylinux_x86_64"
        assert faulty.count("POST") == 0

    def test_a_wheel_changed_after_its_gate(self, tmp_path: Path, faulty: Proxy) -> None:
        farm = farm_for(tmp_path / "farm", faulty.url)
        wheel = next(farm.house.root.glob("plain/wheels/*/beta*cp312*.whl"))
        wheel.write_bytes(wheel.read_bytes() + b"\n")
        with pytest.raises(UnprovenError, match="changed after its gate"):
            publish(farm)
        assert faulty.count("POST") == 0

    def test_a_wheel_without_its_record(self, tmp_path: Path, faulty: Proxy) -> None:
        farm = farm_for(tmp_path / "farm", faulty.url)
        for record in farm.house.root.glob("plain/records/*.json"):
            record.unlink()
        with pytest.raises(UnprovenError, match="has no build record"):
            publish(farm)
        assert faulty.count("POST") == 0

    @pytest.mark.parametrize("password", ["", "wrong password"])
    def test_no_right_password(self, tmp_path: Path, faulty: Proxy, password: str) -> None:
        farm = farm_for(tmp_path / "farm", faulty.url, TWINE_PASSWORD=password)
        with pytest.raises(PublishError) as caught:
            publish(farm)
        assert "status 40" in str(caught.value.why)
        assert "password" in str(caught.value.hint).lower()
        assert faulty.count("POST") == 1
        seen = str(caught.value) + "".join(told(farm)) + _logs(farm)
        assert "wrong password" not in seen


def _logs(farm: Farm) -> str:
    return "".join(path.read_text() for path in (farm.settings.work / "logs").glob("*"))


class TestPassing:
    # twine itself asks five times after a 5xx, without a pause.
    @pytest.mark.parametrize(("status", "times"), [(429, 2), (500, 6), (503, 6)])
    def test_an_answer_that_passes(
        self, tmp_path: Path, pypi: Server, faulty: Proxy, status: int, times: int
    ) -> None:
        faulty.faults = [Fault(status=status, times=times, after=1)]
        farm = farm_for(tmp_path / "farm", faulty.url)
        publish(farm)
        assert len(names(pypi)) == 4
        assert any(f"status {status}" in line for line in told(farm))

    @pytest.mark.parametrize("cut", [0, 1, 500, 1500])
    def test_a_connection_that_breaks_at_a_byte(
        self, tmp_path: Path, pypi: Server, faulty: Proxy, cut: int
    ) -> None:
        faulty.faults = [Fault(cut=cut, times=2, after=1)]
        farm = farm_for(tmp_path / "farm", faulty.url)
        publish(farm)
        assert len(names(pypi)) == 4
        assert [each.state for each in publish(farm).differences] == [State.SAME] * 4

    def test_an_answer_that_is_lost(self, tmp_path: Path, pypi: Server, faulty: Proxy) -> None:
        faulty.faults = [Fault(cut_answer=True, times=3)]
        publish(farm_for(tmp_path / "farm", faulty.url))
        assert len(names(pypi)) == 4
        assert faulty.count("POST") == 6

    def test_a_page_that_breaks_off(self, tmp_path: Path, pypi: Server, faulty: Proxy) -> None:
        faulty.faults = [Fault("GET", cut_answer=True, times=2), Fault("GET", status=502, times=1)]
        publish(farm_for(tmp_path / "farm", faulty.url))
        assert len(names(pypi)) == 4

    def test_trouble_that_does_not_pass(self, tmp_path: Path, pypi: Server, faulty: Proxy) -> None:
        faulty.faults = [Fault(status=503, times=1000, contains=b"beta-1.0")]
        farm = farm_for(tmp_path / "farm", faulty.url)
        with pytest.raises(PublishError, match="did not take a wheel"):
            publish(farm)
        # What is there is whole, and beta is not there at all: the next run goes on from here.
        assert {name.partition("-")[0] for name in names(pypi)} == {"alpha"}
        faulty.faults.clear()
        assert len(publish(farm).to_upload) == 2
        assert len(names(pypi)) == 4


class TestServers:
    def test_one_that_lies(self, tmp_path: Path, faulty: Proxy) -> None:
        faulty.faults = [Fault(status=200, times=1000, contains=b"beta")]
        farm = farm_for(tmp_path / "farm", faulty.url)
        with pytest.raises(PublishError, match="did not converge") as caught:
            publish(farm)
        assert "beta-1.0-cp311" in str(caught.value.why)

    def test_a_full_one(self, tmp_path: Path) -> None:
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
            assert len(list(disk.glob("packages/*"))) == 6

    def test_one_that_asks_readers_too(self, tmp_path: Path) -> None:
        with pypiserver(tmp_path / "pypi", protected="update,list,download") as running:
            farm = farm_for(tmp_path / "farm", running.url)
            publish(farm)
            assert len(names(running)) == 4

    def test_credentials_from_netrc(self, tmp_path: Path, pypi: Server) -> None:
        netrc = tmp_path / "netrc"
        netrc.write_text(f'machine 127.0.0.1 login {USER} password "{PASSWORD}"\n')
        farm = farm_for(tmp_path / "farm", pypi.url, NETRC=str(netrc), TWINE_USERNAME="", TWINE_PASSWORD="")
        publish(farm)
        assert len(names(pypi)) == 4

    def test_a_file_of_somebody_else(self, tmp_path: Path, pypi: Server) -> None:
        (pypi.root / "beta-0.9-py3-none-any.whl").write_bytes(b"theirs")
        done = publish(farm_for(tmp_path / "farm", pypi.url))
        assert [each.filename for each in done.of(State.FOREIGN)] == ["beta-0.9-py3-none-any.whl"]
        assert (pypi.root / "beta-0.9-py3-none-any.whl").read_bytes() == b"theirs"


def test_the_password_is_on_no_command_line(tmp_path: Path, faulty: Proxy) -> None:
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
    assert PASSWORD not in "".join(told(farm)) + _logs(farm)


def test_two_publishers_at_once(tmp_path: Path, pypi: Server, faulty: Proxy) -> None:
    farms = [farm_for(tmp_path / name, faulty.url) for name in ("one", "two")]
    failures = failures_at_once(publish, farms)
    assert failures == []
    assert len(names(pypi)) == 4
    assert [each.state for each in publish(farms[0]).differences] == [State.SAME] * 4


def test_two_publishers_of_different_builds_at_once(tmp_path: Path, pypi: Server, faulty: Proxy) -> None:
    """Whoever comes second at a file is refused; another run gives the wheels that lost the next number."""
    farms = [farm_for(tmp_path / name, faulty.url, content=name) for name in ("one", "two")]
    failures = failures_at_once(publish, farms)
    assert failures
    assert all(isinstance(each, FarmError) for each in failures)
    first = {path.name: path.read_bytes() for path in pypi.root.iterdir()}
    for farm in farms:
        publication(farm).publish(None)
    for farm in farms:
        found = publication(farm).transaction(None).differ()
        assert [each.state for each in found.differences if each.offer] == [State.SAME] * 4
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
