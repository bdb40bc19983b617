"""Running a program: its output, its log, its time limit and its end."""

from __future__ import annotations

import codecs
import queue
import re
import shlex
import tempfile
import threading
import time
from collections import deque
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final, Protocol

from wheelfarm.errors import CancelledRunError, ProcessError
from wheelfarm.system import process_group as group
from wheelfarm.system.endings import SIGNALLED, describe_ending, likely_cause
from wheelfarm.system.environment import which
from wheelfarm.system.logs import redact
from wheelfarm.system.process_group import marked
from wheelfarm.system.signals import defer_signals

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping


class Flag(Protocol):
    """A flag that another thread may set, such as a `threading.Event`."""

    def is_set(self) -> bool: ...


@dataclass(frozen=True, kw_only=True)
class Command:
    """A program with its arguments, environment and limits.

    Args:
        argv: the program and its arguments.
        env: the whole environment of the child; see `allowed`.
        cwd: the working directory; None for the farm's own.
        log: the file that the command and its output are appended to.
        time_limit: seconds after which the command and its children are killed.
        secrets: texts to remove from output, log and errors.
        stdin: the text that the child reads; None for an empty input.
        mark: a file that names the child while it runs, and stays when `run` raises; see `end_left_behind`.
        cancelled: when set, the command and its children are ended.
        sandbox: the words before `argv` that confine it; see `sandbox.confine`.
    """

    argv: tuple[str, ...]
    env: Mapping[str, str]
    cwd: Path | None = None
    log: Path | None = None
    time_limit: float | None = None
    secrets: tuple[str, ...] = ()
    stdin: str | None = None
    mark: Path | None = None
    cancelled: Flag | None = None
    sandbox: tuple[str, ...] = ()

    def __str__(self) -> str:
        """The command line, without its secrets."""
        return shlex.join(map(self.redact, self.argv))

    @property
    def program(self) -> str:
        """The name of the program, for messages."""
        return self.redact(Path(self.argv[0]).name)

    def redact(self, text: str) -> str:
        """The text with three stars for each secret."""
        return redact(text, self.secrets)


@dataclass(frozen=True)
class Finished:
    """The result of a command, without its secrets."""

    argv: tuple[str, ...]
    returncode: int
    """The exit code; negative for the number of the signal that ended it."""
    output: str
    """Standard output and error as one, the last 2 MB at most."""
    seconds: float


_LONGEST: Final = 2_000_000
"""Characters of output in memory; the log has all."""
_LAST_LINES: Final = 20
"""Lines of output that an error shows."""
_BREAK: Final = re.compile("([\r\n])")
_LINGER: Final = 1.0
"""Seconds for which children may hold the output open after the command has ended."""

_POLL: Final = 0.1
_SHORTEST: Final = 0.001
"""Seconds of the first wait for an end: most programs end when their output does."""
_CHUNK: Final = 1 << 16
_AHEAD: Final = 32
"""Chunks that are read ahead; a child that prints more waits."""


class Output:
    """Passes the redacted lines of a command to the log, the listener and the result.

    A line that ends with a carriage return is overwritten by the next, as in a progress bar: the listener
    receives each, the log and the result only the last.
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
        """Process the next bytes; the final ones end the last line too."""
        text = self._decoder.decode(chunk, final)
        if self._draft or "\r" in text:
            self._feed_parts(text)
        else:
            self._feed_lines(text)
        if final and (self._parts or self._draft):
            self._end_line()

    def _feed_lines(self, text: str) -> None:
        """Pass whole lines on as one block: a compiler can print half a million warnings."""
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
                self._draft = self._emit() if self._parts else self._draft
            elif part == "\n":
                self._end_line()
            elif part:
                self._parts.append(part)

    def text(self) -> str:
        """The output, at most the last 2 MB."""
        return "".join(self._tail)[-_LONGEST:]

    def last_lines(self) -> str:
        lines = (line for line in self.text().splitlines() if line.strip())
        return "\n".join(deque(lines, maxlen=_LAST_LINES))

    def note(self, line: str) -> None:
        if self._log is not None:
            self._log.write(f"{line}\n")

    def _emit(self) -> str:
        line = self._command.redact("".join(self._parts))
        self._parts.clear()
        if self._on_line is not None:
            self._on_line(line)
        return line

    def _end_line(self) -> None:
        line = self._emit() if self._parts or not self._draft else self._draft
        self._draft = ""
        self._add(f"{line}\n")

    def _add(self, block: str) -> None:
        if self._log is not None:
            self._log.write(block)
        self._tail.append(block)
        self._size += len(block)
        while self._size - len(self._tail[0]) >= _LONGEST:
            self._size -= len(self._tail.popleft())


class _TimeUpError(Exception):
    """The time limit is over."""


def run(command: Command, *, on_line: Callable[[str], None] | None = None, check: bool = True) -> Finished:
    """Run a command to its end.

    Its output (standard output and error as one) goes line by line to the log and to `on_line`. Children in
    its process group that hold the output open are ended shortly after it.

    Args:
        command: what to run.
        on_line: receives each line without its end and its secrets.
        check: whether an exit code other than 0 is an error.

    Raises:
        ProcessError: when the program is not found or not executable, fails, or exceeds its time limit.
        CancelledRunError: when it was cancelled, before its start or since.
    """
    began = time.monotonic()
    _check(command, None)
    with ExitStack() as stack:
        log = None
        if command.log is not None:
            command.log.parent.mkdir(parents=True, exist_ok=True)
            log = stack.enter_context(command.log.open("a", encoding="utf-8", buffering=1))
        output = Output(command, log, on_line)
        output.note(f"$ {command}")
        output.note(command.redact(f"# in {command.cwd or Path.cwd()}"))
        child: group.Child | None = None
        try:
            with marked(command.mark) as note:
                # An interrupt after its start and before it is known would leave it behind.
                with defer_signals():
                    child = _start(command, _stdin(command, stack))
                note(child.pid)
                code = _follow(child, command, output, began)
                if command.sandbox and code > SIGNALLED:
                    code = SIGNALLED - code
        except BaseException as error:
            if child is None:
                raise
            group.end(child)
            if isinstance(error, _TimeUpError):
                limit = f"its time limit of {command.time_limit:g} s"
                output.note(f"# killed at {limit}")
                # Some errors tell the reason alone.
                killed = f"it was killed at {limit}; before that it printed:"
                raise _error(command, f"ran longer than {limit}", output, killed=killed) from None
            output.note("# cancelled" if isinstance(error, CancelledRunError) else "# killed")
            raise
        seconds = time.monotonic() - began
        output.note(f"# {describe_ending(code)} after {seconds:.1f} s")
    if check and code != 0:
        raise _error(command, describe_ending(code), output, hint=likely_cause(code))
    return Finished(tuple(map(command.redact, command.argv)), code, output.text(), seconds)


def run_attached(command: Command) -> int:
    """Run a command on the terminal of this process, with its input and output; give its exit code.

    Raises:
        ProcessError: when the program is not found or not executable.
    """
    return group.attach(_argv(command), command)


def _stdin(command: Command, stack: ExitStack) -> IO[bytes] | None:
    """The input as a file: unlike a pipe it never blocks, even when the child does not read it."""
    if command.stdin is None:
        return None
    file = stack.enter_context(tempfile.TemporaryFile())  # noqa: SIM115 - the stack closes it
    file.write(command.stdin.encode())
    file.seek(0)
    return file


def _argv(command: Command) -> tuple[str, ...]:
    """The words of a command, with the path of its program.

    Raises:
        ProcessError: when the program or the working directory is not there.
    """
    program, *arguments = command.argv
    where = str(command)
    if command.cwd is not None and not command.cwd.is_dir():
        raise ProcessError(
            f"{command.program} cannot run in {command.cwd}", where=where, why="there is no such directory"
        )
    # We look the program up ourselves: Windows would search the farm's own PATH, not the child's.
    found = program if Path(program).name != program else which(program, command.env)
    hint = f"install {command.program} or put its directory on PATH"
    if found is None:
        raise ProcessError(f"{command.program} was not found", where=where, why="not on PATH", hint=hint)
    return (*command.sandbox, str(found), *arguments)


def _start(command: Command, stdin: IO[bytes] | None) -> group.Child:
    argv, where = _argv(command), str(command)
    hint = f"install {command.program} or put its directory on PATH"
    try:
        return group.start(argv, command, stdin)
    except FileNotFoundError:
        why = "neither the file nor, for a script, the interpreter in its first line may be missing"
        raise ProcessError(f"{command.program} was not found", where=where, why=why, hint=hint) from None
    except (OSError, ValueError) as error:
        why = command.redact(getattr(error, "strerror", None) or str(error))
        raise ProcessError(
            f"{command.program} cannot be executed",
            where=where,
            why=why,
            hint=f"check {argv[len(command.sandbox)]}",
        ) from error


def _follow(child: group.Child, command: Command, output: Output, began: float) -> int:
    """Pass the output on until the child has ended, and return its exit code."""
    deadline = None if command.time_limit is None else began + command.time_limit
    chunks: queue.Queue[bytes | None] = queue.Queue(_AHEAD)
    assert child.stdout is not None  # noqa: S101 - narrows the type
    threading.Thread(target=_read, args=(child.stdout, chunks), daemon=True).start()
    for chunk in _chunks(child, command, chunks, deadline):
        output.feed(chunk)
    output.feed(b"", final=True)
    pause = _SHORTEST
    while child.poll() is None:  # it has closed its output, and ends at once or works on
        _check(command, deadline)
        time.sleep(pause)
        pause = min(_POLL, 2 * pause)
    return child.returncode


def _read(pipe: IO[bytes], chunks: queue.Queue[bytes | None]) -> None:
    """Move bytes from the pipe to the queue, in a thread: Windows cannot wait for a pipe."""
    with pipe:
        while chunk := pipe.read(_CHUNK):
            chunks.put(chunk)
    chunks.put(None)


def _chunks(
    child: group.Child, command: Command, chunks: queue.Queue[bytes | None], deadline: float | None
) -> Iterator[bytes]:
    """The output up to its end, or shortly after the child's end when its children hold it open."""
    until, ended = None, False
    while True:
        _check(command, deadline)
        now = time.monotonic()
        if until is None and child.poll() is not None:
            until = now + _LINGER
        if until is not None and now > until:
            if ended:  # a child outside the group may hold it open for ever
                return
            group.end(child)
            until, ended = time.monotonic() + _LINGER, True
        try:
            chunk = chunks.get(timeout=_POLL)
        except queue.Empty:
            continue
        if chunk is None:
            return
        yield chunk


def _check(command: Command, deadline: float | None) -> None:
    if command.cancelled is not None and command.cancelled.is_set():
        raise CancelledRunError(
            f"{command.program} was stopped",
            where=str(command),
            why="the run was interrupted",
            hint="run it again: finished builds are stored",
            log=command.log,
        )
    if deadline is not None and time.monotonic() >= deadline:
        raise _TimeUpError


def _error(
    command: Command, ending: str, output: Output, *, killed: str = "", hint: str | None = None
) -> ProcessError:
    printed = output.last_lines()
    directory = f" (in {command.cwd})" if command.cwd else ""
    return ProcessError(
        f"{command.program} {ending}",
        where=f"{command}{command.redact(directory)}",
        why=f"{killed}\n{printed or 'nothing'}" if killed else printed or "it printed nothing",
        hint=hint,
        log=command.log,
    )
