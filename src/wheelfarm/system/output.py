"""What a child may see of the host."""

from __future__ import annotations

import codecs
import os
import re
import shutil
from collections import deque
from fnmatch import fnmatchcase
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from wheelfarm.system.process import Command


_KEPT: Final = 2_000_000
"""Characters of output that are kept in memory; the log holds all."""

_LAST_LINES: Final = 20
"""Lines of output that an error shows."""

_BREAK: Final = re.compile("([\r\n])")


class Output:
    """The lines of a command, redacted, on their way to the log, the listener and the result.

    A line that ends with a carriage return is one that the next overwrites, such as a progress bar: the
    listener hears each, the log and the result keep what a terminal would show in the end.
    """

    def __init__(self, command: Command, log: IO[str] | None, on_line: Callable[[str], None] | None) -> None:
        self._command = command
        self._log = log
        self._on_line = on_line
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._parts: list[str] = []
        self._draft = ""
        self._tail: deque[str] = deque()
        self._size = 0

    def feed(self, chunk: bytes, *, final: bool = False) -> None:
        """Take the next bytes; the final ones end the last line too."""
        text = self._decoder.decode(chunk, final)
        if self._draft or "\r" in text:
            self._feed_parts(text)
        else:
            self._feed_lines(text)
        if final and (self._parts or self._draft):
            self._keep()

    def _feed_lines(self, text: str) -> None:
        """As one block: a compiler can print half a million warnings."""
        whole, newline, rest = text.rpartition("\n")
        if newline:
            block = self._command.redact("".join([*self._parts, whole]))
            self._parts.clear()
            if self._on_line is not None:
                for line in block.split("\n"):
                    self._on_line(line)
            self._add(f"{block}\n")
        if rest:
            self._parts.append(rest)

    def _feed_parts(self, text: str) -> None:
        for part in _BREAK.split(text):
            if part == "\r":
                self._draft = self._hear() if self._parts else self._draft
            elif part == "\n":
                self._keep()
            elif part:
                self._parts.append(part)

    def text(self) -> str:
        """What was kept, at most the last 2 MB."""
        return "".join(self._tail)[-_KEPT:]

    def last_lines(self) -> str:
        """The last lines that say something."""
        lines = (line for line in self.text().splitlines() if line.strip())
        return "\n".join(deque(lines, maxlen=_LAST_LINES))

    def note(self, line: str) -> None:
        """Write a line of our own to the log."""
        if self._log is not None:
            self._log.write(f"{line}\n")

    def _hear(self) -> str:
        line = self._command.redact("".join(self._parts))
        self._parts.clear()
        if self._on_line is not None:
            self._on_line(line)
        return line

    def _keep(self) -> None:
        line = self._hear() if self._parts or not self._draft else self._draft
        self._draft = ""
        self._add(f"{line}\n")

    def _add(self, block: str) -> None:
        """Lines with their ends, for the log and the result."""
        if self._log is not None:
            self._log.write(block)
        self._tail.append(block)
        self._size += len(block)
        while self._size - len(self._tail[0]) >= _KEPT:
            self._size -= len(self._tail.popleft())


# Where things are, who one is and how the network is reached. What can change the bytes of a wheel (CFLAGS,
# LDFLAGS, PYTHONPATH, PIP_*, UV_*, CIBW_*, OPENBLAS_*, TZ) is not among them: that a recipe has to say.
_ALLOWED: Final = (
    *("PATH", "HOME", "USER", "LOGNAME", "TMPDIR", "TEMP", "TMP", "XDG_*"),
    *("LANG", "LANGUAGE", "LC_*"),
    *("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "GIT_SSL_CAINFO"),
    *("*_proxy", "*_PROXY"),
    *("DOCKER_HOST", "DOCKER_CONFIG", "CONTAINER_HOST", "CONTAINERS_CONF", "CONTAINERS_STORAGE_CONF"),
)

# Without most of these neither CPython nor the compilers start on Windows, where case does not count.
_ALLOWED_ON_WINDOWS: Final = frozenset(
    (
        *("SYSTEMROOT", "SYSTEMDRIVE", "WINDIR", "COMSPEC", "PATHEXT", "OS"),
        *("USERPROFILE", "USERNAME", "HOMEDRIVE", "HOMEPATH", "APPDATA", "LOCALAPPDATA"),
        *("PROGRAMDATA", "ALLUSERSPROFILE", "PROGRAMFILES", "PROGRAMFILES(X86)", "PROGRAMW6432"),
        *("COMMONPROGRAMFILES", "COMMONPROGRAMFILES(X86)", "COMMONPROGRAMW6432"),
        *("NUMBER_OF_PROCESSORS", "PROCESSOR_ARCHITECTURE", "PROCESSOR_IDENTIFIER"),
    )
)


def allowed(environ: Mapping[str, str], *, keep: Iterable[str] = ()) -> dict[str, str]:
    """The variables of the host that a child may see, sorted by name.

    Args:
        environ: the host's environment.
        keep: further names, or patterns such as `CCACHE_*`.
    """
    patterns = (*_ALLOWED, *keep)
    return {
        name: value
        for name, value in sorted(environ.items())
        if name.upper() in _ALLOWED_ON_WINDOWS or any(fnmatchcase(name, pattern) for pattern in patterns)
    }


def which(program: str, env: Mapping[str, str]) -> Path | None:
    """The file that a child with this environment would run, or None."""
    found = shutil.which(program, path=env.get("PATH", os.defpath))
    return Path(found).absolute() if found else None
