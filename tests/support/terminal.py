"""A terminal that shows what a program draws, and refuses a control sequence that it does not know.

with Pseudoterminal([sys.executable, "-c", script], columns=80) as terminal:
    terminal.read_until("[3/9]")
    terminal.resize(40)
    terminal.finish()
assert terminal.rows() == [...]
"""

from __future__ import annotations

import codecs
import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios
import time
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

_PIECE = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|[^\x1b]", re.DOTALL)

_UNFINISHED = re.compile(r"\x1b(\[[0-?]*[ -/]*)?$")


class Picture:
    """Rows of characters; a row that is broken at the edge is joined again when the terminal gets wider."""

    def __init__(self, columns: int) -> None:
        self.columns = columns
        self.cells: list[str] = [""]
        self.broken: list[bool] = [False]
        """Whether a row goes on in the next one."""
        self.row = self.column = 0
        self.cursor_shown = True
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self._rest = ""

    def feed(self, chunk: bytes) -> str:
        """Show some bytes, which may end within a character or a sequence; what they say."""
        decoded = self._decoder.decode(chunk)
        text = self._rest + decoded
        self._rest = found[0] if (found := _UNFINISHED.search(text)) else ""
        text = text.removesuffix(self._rest)
        pieces = _PIECE.findall(text)
        assert "".join(pieces) == text, f"not understood: {text!r}"
        for piece in pieces:
            self._take(piece)
        return decoded

    def _take(self, piece: str) -> None:
        if piece == "\r":
            self.column = 0
        elif piece == "\n":
            self._down()
        elif piece in {"\x1b[?25l", "\x1b[?25h"}:
            self.cursor_shown = piece.endswith("h")
        elif piece == "\x1b[2K":
            self.cells[self.row], self.broken[self.row] = "", False
        elif piece == "\x1b[K":
            self.cells[self.row] = self.cells[self.row][: self.column]
        elif piece == "\x1b[1A":
            self.row = max(0, self.row - 1)
        elif len(piece) == 1:
            assert piece.isprintable(), repr(piece)
            self._put(piece)
        else:
            assert piece.endswith("m"), f"not understood: {piece!r}"

    def _put(self, character: str) -> None:
        if self.column == self.columns:
            self.broken[self.row] = True
            self._down()
            self.column = 0
        row = self.cells[self.row].ljust(self.column)
        self.cells[self.row] = row[: self.column] + character + row[self.column + 1 :]
        self.column += 1

    def _down(self) -> None:
        self.row += 1
        if self.row == len(self.cells):
            self.cells.append("")
            self.broken.append(False)

    def resize(self, columns: int) -> None:
        """As the terminals of today do: rows are broken anew, and the cursor stays at its character."""
        assert not any(self.cells[self.row + 1 :]), "nothing stands below the cursor while a program waits"
        del self.cells[self.row + 1 :], self.broken[self.row + 1 :]
        whole, rest = [], ""
        for cells, broken in zip(self.cells, self.broken, strict=True):
            rest += cells
            if not broken:
                whole.append(rest)
                rest = ""
        self.columns, self.cells, self.broken = columns, [], []
        for line in whole:
            rows = [line[start : start + columns] for start in range(0, len(line), columns)] or [""]
            self.cells += rows
            self.broken += [True] * (len(rows) - 1) + [False]
        self.row, self.column = len(self.cells) - 1, len(self.cells[-1])


class Pseudoterminal:
    """A program in a terminal of its own."""

    def __init__(
        self, argv: Sequence[str], *, columns: int, env: Mapping[str, str], cwd: Path | None = None
    ) -> None:
        self.picture = Picture(columns)
        self.output = ""
        self._ours, theirs = pty.openpty()
        self._tell_size(columns)
        self.process = subprocess.Popen(
            # The terminal that a session's leader opens gets to control it: then Ctrl-C is a signal.
            ["sh", "-c", 'exec "$@" <"$0"', os.ttyname(theirs), *argv],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env=dict(env),
            cwd=cwd,
            start_new_session=True,
        )
        os.close(theirs)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._ours)

    def _tell_size(self, columns: int) -> None:
        fcntl.ioctl(self._ours, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))

    def press_ctrl_c(self) -> None:
        """Type it: the terminal prints `^C` and sends SIGINT to all programs in its foreground."""
        os.write(self._ours, b"\x03")

    def resize(self, columns: int) -> None:
        while select.select([self._ours], [], [], 0.02)[0]:  # a program that draws just now comes too late
            self._read()
        self._tell_size(columns)
        self.picture.resize(columns)

    def _read(self) -> bool:
        """Show what has come; whether more may come."""
        if not select.select([self._ours], [], [], 0.1)[0]:
            return True
        try:
            chunk = os.read(self._ours, 1 << 16)
        except OSError:  # the program has closed its side
            return False
        self.output += self.picture.feed(chunk)
        return bool(chunk)

    def read_until(self, text: str, seconds: float = 20) -> None:
        """Wait until the text stands on the screen."""
        deadline = time.monotonic() + seconds
        while text not in "\n".join(self.picture.cells):
            assert time.monotonic() < deadline, f"{text!r} never came: {self.output!r}"
            assert self._read(), f"{text!r} never came: {self.output!r}"

    def finish(self) -> int:
        """Wait for the program's end; its exit code."""
        while self._read():
            pass
        return self.process.wait(timeout=20)

    def rows(self) -> list[str]:
        """What stands on the screen, without empty rows at the end."""
        rows = [row.rstrip() for row in self.picture.cells]
        while rows and not rows[-1]:
            rows.pop()
        return rows
