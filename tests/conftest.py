"""Options and rules of all tests."""

from __future__ import annotations

import os
import shutil
import signal
from typing import TYPE_CHECKING

import pytest
import pytest_socket
from hypothesis import HealthCheck, settings

from support.golden import GOLDEN

if TYPE_CHECKING:
    from collections.abc import Callable

pytest_plugins = ["support.fixtures"]

# How long an example takes depends on what else the machine does, and says nothing of the code.
settings.register_profile("farm", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("farm")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Golden files are written anew on request, and reviewed in the diff; CI lets nothing be skipped."""
    parser.addoption("--update-golden", action="store_true", help="write the golden files anew")
    parser.addoption("--fail-on-skip", action="store_true", help="a skipped test is a failure")


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """A test that is skipped in CI would run nowhere."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is None or not session.config.getoption("--fail-on-skip"):
        return
    skipped = len(reporter.stats.get("skipped", ()))
    if skipped:
        reporter.write_line(f"{skipped} skipped, and --fail-on-skip was said", red=True)
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """No package manager here has a free-threaded Python: its tests run where somebody compiled one."""
    if shutil.which("python3.13t") is None:
        left_out = [item for item in items if item.get_closest_marker("free_threaded")]
        items[:] = [item for item in items if item not in left_out]
        config.hook.pytest_deselected(items=left_out)


def pytest_xdist_auto_num_workers() -> int:
    """One more than there are processors: many tests wait for what they have started."""
    return (os.cpu_count() or 1) + 1


def pytest_runtest_setup() -> None:
    """A test reaches this machine alone."""
    pytest_socket.socket_allow_hosts(["127.0.0.1", "::1"], allow_unix_socket=True)


@pytest.fixture(autouse=True)
def no_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget the secrets of earlier tests: a password "b" would remove each b from messages."""
    monkeypatch.setattr("wheelfarm.system.logs._secrets", set())


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[str, str], None]:
    """Compare a text with the golden file of that name."""
    update = request.config.getoption("--update-golden")

    def compare(name: str, text: str) -> None:
        path = GOLDEN / name
        if update:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8", newline="\n")
        assert path.is_file(), f"{name} is missing: run pytest --update-golden, and look at the diff"
        assert path.read_text(encoding="utf-8") == text

    return compare


def pytest_configure() -> None:
    """A shell starts what runs in the background with Ctrl-C ignored, and children inherit that."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
