"""Publishing to a real pypiserver, which has no staging: in order, and in whole releases."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest

from support.disks import fill, small_disk
from support.faults import Fault, Proxy, proxy
from support.indexes import PASSWORD, USER, Server, pypiserver
from support.publishing import TARGETS, publication, store
from support.uploads import farm_for, logs, names, publish
from wheelfarm.errors import FarmError, PublishError
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
