"""A server in trouble at any request: publishing goes on, or ends with an error and can be continued."""

from __future__ import annotations

from contextlib import contextmanager
from itertools import count
from typing import TYPE_CHECKING

import pytest

from support.faults import Fault, proxy
from support.indexes import make_devpi_index, pypiserver
from support.uploads import farm_for, publish
from wheelfarm.errors import FarmError
from wheelfarm.index.comparison import State

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from support.indexes import Server
    from wheelfarm.run.farm import Farm

    Empty = Callable[[int], AbstractContextManager[tuple[str, str]]]

_NUMBERS = count(1)


@pytest.fixture(params=["pypiserver", "devpi"])
def empty(request: pytest.FixtureRequest, tmp_path: Path) -> Empty:
    """Makes an empty index; gives its server's url, and its own."""

    @contextmanager
    def make(number: int) -> Iterator[tuple[str, str]]:
        if request.param == "pypiserver":
            with pypiserver(tmp_path / f"server-{number}") as pypi:
                yield pypi.url, pypi.url
            return
        server: Server = request.getfixturevalue("devpi_server")
        yield server.url, make_devpi_index(server, f"trouble{next(_NUMBERS)}")

    return make


def _error_of(farm: Farm) -> str:
    """What goes wrong while a farm publishes; nothing when it does not."""
    try:
        publish(farm)
    except FarmError as error:
        return str(error)
    return ""


@pytest.mark.timeout(900)
@pytest.mark.parametrize("times", [1, 1000], ids=["once", "from then on"])
def test_a_server_in_trouble_at_each_request_in_turn(tmp_path: Path, empty: Empty, times: int) -> None:
    for after in range(100):
        with empty(after) as (server, url), proxy(server) as faulty:
            fault = Fault("*", status=500, times=times, after=after)
            faulty.faults = [fault]
            farm = farm_for(tmp_path / str(after), url.replace(server, faulty.url))
            said = _error_of(farm)
            reached = fault.times < times
            assert ("status 500" in said) == bool(said) == (reached and times > 1), (after, said)
            faulty.faults = []
            publish(farm)
            assert [each.state for each in publish(farm).differences] == [State.SAME] * 4
        if not reached:
            assert after > 8
            return
    pytest.fail("publishing has no end")
