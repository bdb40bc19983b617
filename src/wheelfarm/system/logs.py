"""The farm's messages, on the loggers of the standard library.

A module logs with `logger = get_logger(__name__)` and `logger.info("fetching %s", filename)`. All loggers are
below `wheelfarm` and print nothing by themselves: the tasks attach a handler (`report.screen.log_to_screen`);
a program that uses the farm as a library attaches handlers of its own, or none.

A message loses its secrets before any handler receives it: credentials in urls, and what `add_secrets` names.
"""

from __future__ import annotations

import logging
import os
import re
import tempfile
import traceback
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, quote_plus

from wheelfarm.errors import FarmError, UnexpectedError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

ROOT: Final = "wheelfarm"
# Without any handler, Python would print warnings to standard error.
logging.getLogger(ROOT).addHandler(logging.NullHandler())

_SHORTEST_LINE: Final = 6
"""Shorter lines of a secret of several lines, such as a lone brace, occur everywhere."""
_IN_URL: Final = re.compile(r"(?<=://)[^/\s@]+(?=@)")

_secrets: set[str] = set()


def redact(text: str, secrets: Iterable[str]) -> str:
    """The text with three stars for each secret, also where it is quoted for a url or a form."""
    forms = sorted({form for secret in secrets if secret for form in _forms(secret)}, key=len, reverse=True)
    return re.sub("|".join(map(re.escape, forms)), "***", text) if forms else text


def _forms(secret: str) -> Iterator[str]:
    yield from (secret, quote(secret), quote(secret, safe=""), quote_plus(secret))
    yield from (line for line in secret.splitlines() if len(line) >= _SHORTEST_LINE)


def add_secrets(*secrets: str) -> None:
    """Remove these texts from all messages from now on."""
    _secrets.update(secrets)


def _without_secrets(text: str) -> str:
    return redact(_IN_URL.sub("***", text), _secrets)


def _hide_secrets(record: logging.LogRecord) -> bool:
    record.msg, record.args = _without_secrets(record.getMessage()), ()
    return True


@contextmanager
def report_unexpected(log: Path | None = None) -> Iterator[None]:
    """Turn an exception that the farm does not expect into an error; its traceback is added to a log.

    Args:
        log: the file; a new one in the system's temporary directory by default.

    Raises:
        UnexpectedError: for any exception that is neither an error of the farm nor an interrupt.
    """
    try:
        yield
    except (FarmError, KeyboardInterrupt, GeneratorExit):
        raise
    except BaseException as error:
        raise unexpected(error, log) from error


def unexpected(error: BaseException, log: Path | None = None) -> UnexpectedError:
    """The error of `report_unexpected`."""
    frames = traceback.extract_tb(error.__traceback__)
    text = _without_secrets("".join(traceback.format_exception(error)))
    with suppress(OSError):
        if log is None:
            descriptor, name = tempfile.mkstemp(prefix="wheelfarm-", suffix=".log")
            os.close(descriptor)
            log = Path(name)
        with log.open("a", encoding="utf-8", errors="backslashreplace") as file:
            file.write(f"\n{text}")
    what = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return UnexpectedError(
        _without_secrets(what),
        where=f"{frames[-1].filename}, line {frames[-1].lineno}" if frames else None,
        why="the farm has a defect here: it does not expect this exception",
        hint="report it, with the traceback at the end of the log",
        log=log,
    )


def get_logger(name: str) -> logging.Logger:
    """The logger of a module, by its `__name__`."""
    logger = logging.getLogger(name)
    logger.addFilter(_hide_secrets)
    return logger
