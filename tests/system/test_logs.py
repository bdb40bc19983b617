"""Messages of the farm: who receives them, and without which secrets."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest

from wheelfarm.system import logs
from wheelfarm.system.logs import add_secrets, get_logger, print_logs, redact

if TYPE_CHECKING:
    from collections.abc import Iterator

logger = get_logger("wheelfarm.system.test")


@pytest.fixture(autouse=True)
def _as_before(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(logs, "_secrets", set())
    root = logging.getLogger("wheelfarm")
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


def test_messages_go_to_the_last_function_only() -> None:
    first: list[str] = []
    second: list[str] = []
    print_logs(first.append)
    logger.info("fetching %s", "one")
    print_logs(second.append)
    logger.info("fetching %s", "two")
    logger.debug("not printed")
    assert (first, second) == (["fetching one"], ["fetching two"])


def test_every_handler_receives_messages_without_secrets(log: pytest.LogCaptureFixture) -> None:
    add_secrets("p/w d")
    logger.info("asking %s and https://me:word@host/x with %s", "https://u:p%2Fw%20d@host", "p/w d")
    assert log.messages == ["asking https://***@host and https://***@host/x with ***"]


def test_a_secret_is_redacted_in_each_form_and_line_by_line() -> None:
    secrets = ("a b/c", "first line\n}\nlast line", "")
    assert redact("a b/c a%20b/c a%20b%2Fc a+b%2Fc", secrets) == "*** *** *** ***"
    assert redact("x first line } last line", secrets) == "x *** } ***"
    assert redact("nothing", ()) == "nothing"
