"""Publishing to a real devpi-server: staged first, and pushed release by release."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
import requests

from support.faults import Fault, proxy
from support.indexes import PASSWORD, USER, Server, make_devpi_index
from support.publishing import TARGETS, failures_at_once, publication, store
from support.raised import raised
from support.uploads import farm_for, publish
from wheelfarm.errors import ConflictError, PublishError
from wheelfarm.index.comparison import State
from wheelfarm.index.devpi import DevpiIndex
from wheelfarm.model import Name

if TYPE_CHECKING:
    from pathlib import Path


def listed(url: str, project: str) -> set[str]:
    answer = requests.get(f"{url}+simple/{project}/", timeout=30)
    return (
        set() if answer.status_code == 404 else {line.split('"')[1] for line in answer.text.split("<a ")[1:]}
    )


def indexes(server: Server) -> set[str]:
    answer = requests.get(
        f"{server.url}{USER}", headers={"Accept": "application/json"}, auth=(USER, PASSWORD), timeout=30
    )
    return set(answer.json()["result"]["indexes"])


def test_all_of_it_by_way_of_a_staging_index(
    tmp_path: Path, devpi_server: Server, devpi_index: str, messages: list[str]
) -> None:
    farm = farm_for(tmp_path / "farm", devpi_index)
    assert isinstance(publication(farm).index, DevpiIndex)
    before = indexes(devpi_server)
    assert len(publish(farm).to_upload) == 4
    assert len(listed(devpi_index, "alpha")) == len(listed(devpi_index, "beta")) == 2
    assert indexes(devpi_server) == before
    pushed = [line.split()[1] for line in messages if line.startswith("pushing")]
    assert pushed == ["alpha", "beta"]
    assert [each.state for each in publish(farm).differences] == [State.SAME] * 4


def test_nothing_is_seen_of_a_release_that_did_not_arrive(
    tmp_path: Path, devpi_server: Server, devpi_index: str
) -> None:
    with proxy(devpi_server.url) as faulty:
        faulty.faults = [Fault(status=403, times=1000, contains=b"-cp312-cp312")]
        farm = farm_for(tmp_path / "farm", devpi_index.replace(devpi_server.url, faulty.url))
        with pytest.raises(PublishError, match="did not take"):
            publish(farm)
        assert listed(devpi_index, "alpha") == listed(devpi_index, "beta") == set()
        faulty.faults.clear()
        publish(farm)
    assert len(listed(devpi_index, "alpha")) == len(listed(devpi_index, "beta")) == 2


def test_a_server_that_lies_about_the_staging(tmp_path: Path, devpi_server: Server, devpi_index: str) -> None:
    with proxy(devpi_server.url) as faulty:
        faulty.faults = [Fault(status=200, times=1000, contains=b"-cp312-cp312")]
        farm = farm_for(tmp_path / "farm", devpi_index.replace(devpi_server.url, faulty.url))
        with pytest.raises(PublishError, match="staging index does not list"):
            publish(farm)
    assert listed(devpi_index, "alpha") == set()


@pytest.mark.parametrize(
    "fault",
    [
        Fault(cut=700, times=1, after=2),
        Fault(cut_answer=True, times=1, contains=b"targetindex"),
        Fault(status=503, times=2, contains=b"targetindex"),
        Fault("DELETE", status=500, times=9),
    ],
    ids=["cut", "push answer lost", "push 503", "staging stays"],
)
def test_harm_on_the_way(tmp_path: Path, devpi_server: Server, devpi_index: str, fault: Fault) -> None:
    with proxy(devpi_server.url) as faulty:
        faulty.faults = [replace(fault)]
        farm = farm_for(tmp_path / "farm", devpi_index.replace(devpi_server.url, faulty.url))
        publish(farm)
    assert len(listed(devpi_index, "alpha")) == len(listed(devpi_index, "beta")) == 2


def test_a_gateway_in_trouble_at_first(tmp_path: Path, devpi_server: Server, devpi_index: str) -> None:
    """It hides what the server is, and an upload without staging would show a release in parts."""
    with proxy(devpi_server.url) as faulty:
        faulty.faults = [Fault("GET", status=502, times=4)]
        farm = farm_for(tmp_path / "farm", devpi_index.replace(devpi_server.url, faulty.url))
        with pytest.raises(PublishError, match="the index has trouble"):
            publish(farm)
        assert faulty.count("POST") == 0
        faulty.faults.clear()
        publish(farm)
    assert len(listed(devpi_index, "alpha")) == 2


def test_other_bytes_are_refused(tmp_path: Path, devpi_index: str) -> None:
    publish(farm_for(tmp_path / "one", devpi_index))
    before = listed(devpi_index, "beta")
    other = farm_for(tmp_path / "two", devpi_index, content="other", inputs_of="")
    assert raised(lambda: publish(other), ConflictError)
    assert listed(devpi_index, "beta") == before


def test_two_publishers_at_once(tmp_path: Path, devpi_index: str) -> None:
    """They have the same staging index, and one removes it while the other uploads to it."""
    farms = [farm_for(tmp_path / name, devpi_index) for name in ("one", "two")]
    assert failures_at_once(publish, farms) == []
    assert [each.state for each in publish(farms[0]).differences] == [State.SAME] * 4
    assert len(listed(devpi_index, "alpha")) == len(listed(devpi_index, "beta")) == 2


def test_a_wrong_password(tmp_path: Path, devpi_index: str) -> None:
    farm = farm_for(tmp_path / "farm", devpi_index, TWINE_PASSWORD="wrong password")
    with pytest.raises(PublishError) as caught:
        publish(farm)
    assert "status 40" in str(caught.value.why)
    assert "wrong password" not in str(caught.value)


def test_a_user_who_may_not_make_indexes_goes_without_staging(
    tmp_path: Path, devpi_server: Server, messages: list[str]
) -> None:
    url = make_devpi_index(devpi_server, "forall", acl_upload=[":ANONYMOUS:"])
    farm = farm_for(tmp_path / "farm", url, TWINE_USERNAME="", TWINE_PASSWORD="")
    publish(farm)
    assert any(line.startswith("no staging") for line in messages)
    assert len(listed(url, "alpha")) == 2


def test_files_of_a_base_are_not_ours(tmp_path: Path, devpi_server: Server, devpi_index: str) -> None:
    publish(farm_for(tmp_path / "one", devpi_index))
    base = devpi_index.removeprefix(devpi_server.url).strip("/")
    url = make_devpi_index(devpi_server, f"over-{base.rpartition('/')[2]}", bases=[base])
    done = publish(farm_for(tmp_path / "two", url, content="other"))
    assert len(done.to_upload) == 4


def test_old_builds_are_removed_from_a_volatile_index(tmp_path: Path, devpi_server: Server) -> None:
    url = make_devpi_index(devpi_server, "volatile", volatile=True)
    farm = farm_for(tmp_path / "farm", url)
    publish(farm)
    for target in TARGETS:
        store(farm.wheelhouse, "alpha", target=target, content="again")
    publish(farm)
    with proxy(devpi_server.url) as faulty:
        # The first file goes, and the answer that says so is lost.
        faulty.faults = [Fault("DELETE", cut_answer=True, times=1)]
        index = publication(farm_for(tmp_path / "same", url.replace(devpi_server.url, faulty.url))).index
        listed_now = index.list_files([Name("alpha")])[Name("alpha")]
        index.remove(Name("alpha"), [one.filename for one in listed_now if "-1_" in one.filename])
    assert all("-2_" in name for name in listed(url, "alpha"))
    assert len(listed(url, "alpha")) == 2
