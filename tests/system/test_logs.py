"""Messages of the farm: who receives them, and without which secrets."""

from __future__ import annotations

import subprocess
import sys

import pytest

from wheelfarm.system import logs
from wheelfarm.system.logs import add_secrets, get_logger, redact

logger = get_logger("wheelfarm.system.test")


@pytest.fixture(autouse=True)
def _as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "_secrets", set())


def test_nothing_is_printed_without_a_handler() -> None:
    code = "from wheelfarm.system.logs import get_logger; get_logger('wheelfarm.sources').warning('fetching')"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert result.stdout + result.stderr == b""


def test_every_handler_receives_messages_without_secrets(log: pytest.LogCaptureFixture) -> None:
    add_secrets("p/w d")
    logger.info("asking %s and https://me:word@host/x with %s", "https://u:p%2Fw%20d@host", "p/w d")
    assert log.messages == ["asking https://***@host and https://***@host/x with ***"]


def test_a_secret_is_redacted_in_each_form_and_line_by_line() -> None:
    secrets = ("a b/c", "first line\n}\nlast line", "")
    assert redact("a b/c a%20b/c a%20b%2Fc a+b%2Fc", secrets) == "*** *** *** ***"
    assert redact("x first line } last line", secrets) == "x *** } ***"
    assert redact("nothing", ()) == "nothing"
