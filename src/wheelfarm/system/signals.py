"""Interrupts: SIGINT of a terminal, and SIGTERM of CI and service managers."""

from __future__ import annotations

import os
import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, NoReturn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def defer_signals(on_signal: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Hold back SIGINT and SIGTERM for a block, and raise them after it.

    Only the main thread is ever interrupted; elsewhere this does nothing.

    Args:
        on_signal: called at the first one, for a block that takes long.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []

    def defer(number: int, _frame: object) -> None:
        came.append(number)
        if len(came) == 1:
            on_signal()

    # A handler that Python has not set is None here, and could not be put back.
    before = {number: handler for number in SIGNALS if (handler := signal.getsignal(number)) is not None}
    for number in before:
        signal.signal(number, defer)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        for each in came:
            signal.raise_signal(each)


def end_at_signals() -> None:
    """End this process with one line at an interrupt: for the time while nothing runs that has to be ended.

    A signal that is ignored, as by nohup, stays so.
    """
    for number in SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _end)


def _end(_number: int, _frame: object) -> NoReturn:
    os.write(2, b"interrupted: no build was running\n")
    os._exit(130)


def ignore_signals() -> None:
    """Ignore further interrupts."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)


@contextmanager
def interruptible() -> Iterator[None]:
    """Let both signals raise KeyboardInterrupt in the block."""
    before = {number: signal.getsignal(number) for number in SIGNALS}
    try:
        for number, handler in before.items():
            if handler is not signal.SIG_IGN:
                signal.signal(number, signal.default_int_handler)
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
