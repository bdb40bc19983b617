"""Servers that the tests of this directory share; each test has an index of its own."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING

import pytest

from support.faults import Proxy, proxy
from support.indexes import Server, devpi, make_devpi_index, pypiserver

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_NUMBERS = count(1)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All that is here needs real servers, and takes seconds."""
    for item in items:
        if item.path.parent.name == "server":
            item.add_marker(pytest.mark.server)
            item.add_marker(pytest.mark.slow)


@pytest.fixture
def pypi(tmp_path: Path) -> Iterator[Server]:
    """A pypiserver of this test's own."""
    with pypiserver(tmp_path / "pypiserver") as server:
        yield server


@pytest.fixture
def faulty(pypi: Server) -> Iterator[Proxy]:
    """A proxy before it."""
    with proxy(pypi.url) as before:
        yield before


@pytest.fixture(scope="session")
def devpi_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A devpi-server."""
    with devpi(tmp_path_factory.mktemp("devpi")) as server:
        yield server


@pytest.fixture
def devpi_index(devpi_server: Server) -> str:
    """The url of an empty index of devpi."""
    return make_devpi_index(devpi_server, f"prod{next(_NUMBERS)}")
