"""twine as a program: one process for many files, and what its output tells of a failure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from wheelfarm.errors import NetworkError, PublishError
from wheelfarm.index.client import refusal
from wheelfarm.index.protocol import UploadFailure
from wheelfarm.system.logs import get_logger
from wheelfarm.system.process import Command, run

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from wheelfarm.errors import FarmError
    from wheelfarm.index.credentials import Credentials
    from wheelfarm.system.process import Flag

logger = get_logger(__name__)

_PLAIN: Final = {
    "NO_COLOR": "1",
    # rich breaks lines where it thinks that the terminal ends.
    "COLUMNS": "1000",
    "TERM": "dumb",
    "PYTHONUNBUFFERED": "1",
}
_UPLOADING: Final = re.compile(r"Uploading (\S+\.whl)\s*")
_STATUS: Final = re.compile(r"HTTPError: (\d{3}) .*?(?: from \S+)?\s*\n\s*(.*)")
_TROUBLE: Final = re.compile(
    r"^(?:requests|urllib3)\.exceptions\.(ConnectionError|\w*Timeout\w*|ChunkedEncodingError|ProtocolError"
    r"|SSLError)\b:?\s*(.*)$",
    re.MULTILINE,
)


def upload(
    files: Sequence[Path],
    url: str,
    *,
    credentials: Credentials | None,
    env: Mapping[str, str],
    log: Path | None,
    cancelled: Flag | None = None,
) -> None:
    """Upload files in this order, with one process.

    Args:
        files: wheels.
        url: where the index takes uploads.
        credentials: who uploads.
        env: the environment in which twine is found and run.
        log: the file that twine's output goes to.
        cancelled: ends the upload when it is set.

    Raises:
        UploadFailure: at the first file that the index does not take.
        ProcessError: when there is no twine.
    """
    sent: list[str] = []

    def on_line(line: str) -> None:
        uploading = _UPLOADING.fullmatch(line)
        if uploading:
            sent.append(uploading[1])
            logger.info("uploading %s", uploading[1])

    # Without user and password twine would ask for them; empty ones mean that there are none.
    login = credentials.environment if credentials else {"TWINE_USERNAME": "", "TWINE_PASSWORD": ""}
    finished = run(
        Command(
            argv=(
                *("twine", "upload", "--non-interactive", "--disable-progress-bar"),
                *("--repository-url", url, *map(str, files)),
            ),
            env={**env, **_PLAIN, **login},
            log=log,
            secrets=(credentials.password,) if credentials else (),
            cancelled=cancelled,
        ),
        on_line=on_line,
        check=False,
    )
    if finished.returncode:
        raise UploadFailure(_error(finished.output, url, log), sent[-1] if sent else None)


def _error(output: str, url: str, log: Path | None) -> FarmError:
    """What twine's output tells: a status, trouble on the way, or something else."""
    error: FarmError
    status, trouble = _STATUS.search(output), _TROUBLE.search(output)
    if status:
        error = refusal("the index did not take a wheel", url, int(status[1]), status[2])
    elif trouble:
        error = NetworkError(
            "the connection to the index broke off",
            where=url,
            why=f"{trouble[1]}: {trouble[2][:200]}",
            hint="publish again: it goes on where it stopped",
        )
    else:
        last = [line for line in output.splitlines() if line.strip()][-5:]
        error = PublishError("twine failed", where=url, why=" / ".join(last)[:500] or "it printed nothing")
        error.retryable = False
    error.log = log
    return error
