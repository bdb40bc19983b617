"""Patterns of error messages, with the class of failure that each means.

A pattern is tried only on lines with its word, which keeps a pass over a log of 50 MB short, and none takes
more than linear time.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from enum import Enum, IntEnum, auto
from typing import Final

from wheelfarm.build.diagnosis.failure import Failure


class Rank(IntEnum):
    """How specific a message is; the first line of the best rank is the cause."""

    ERROR = 0
    """A program names the problem."""
    EXCEPTION = 1
    """An exception of Python, or a host that could not be reached: often a consequence, or temporary."""
    WORD = 2
    """A message about some error, or about another attempt."""


class Follow(Enum):
    """Which of the lines after it belong to a message."""

    NOTHING = auto()
    SNIPPET = auto()
    """The source line and the caret that compilers show."""
    INDENTED = auto()
    """All that is indented further, across empty lines."""
    PARAGRAPH = auto()
    """All up to an empty line."""
    CYTHON = auto()
    """All up to the position and message that end Cython's block."""


@dataclass(frozen=True)
class ErrorPattern:
    """A word, the pattern of the lines with it, and the class of failure."""

    failure: Failure
    word: str
    pattern: re.Pattern[str]
    rank: Rank = Rank.ERROR
    follow: Follow = Follow.NOTHING


def _pattern(
    failure: Failure,
    word: str,
    pattern: str | None = None,
    *,
    rank: Rank = Rank.ERROR,
    follow: Follow = Follow.NOTHING,
) -> ErrorPattern:
    """A pattern; without one, the word matches anywhere."""
    return ErrorPattern(
        failure, word, re.compile(re.escape(word) if pattern is None else pattern), rank, follow
    )


def _words(failure: Failure, *words: str, rank: Rank = Rank.ERROR) -> tuple[ErrorPattern, ...]:
    return tuple(_pattern(failure, word, rank=rank) for word in words)


_DRIVER: Final = (
    r"(?:^|[\s/\\])(?:[\w.]+-)*(?:gcc|g\+\+|cc|c\+\+|cpp|clang|clang\+\+|gfortran|flang|cc1|cc1plus|f951|as|nvcc)"
    r"(?:-[\d.]+)?(?:\.exe)?: (?:fatal )?error: "
)
# file:line:column: error: of GCC, Clang, gfortran without carets, and assemblers.
_POSITION: Final = (
    r"^\s*(?:[A-Za-z]:)?[^:\s][^:]{0,400}(?::\d+){1,2}: (?:[Ff]atal |internal compiler )?[Ee]rror: (?!\d+$)"
)
# file(line): error C1234: of MSVC, and with other codes, or none, of Intel, NVIDIA and clang-cl.
_BRACKETS: Final = (
    r"\(\d+(?:,\d+)?(?:-\d+)?\) ?: (?:fatal |catastrophic )?error(?: [A-Z]+\d+| #?\d+(?:-D)?)? ?: "
)

_MACHINE: Final = (
    *_words(Failure.OUT_OF_DISK, "No space left on device", "isk quota exceeded"),
    *_words(Failure.OUT_OF_DISK, "not enough space on the disk", "error LNK1180"),
    *_words(Failure.OUT_OF_MEMORY, "Killed signal terminated program", "fatal error: Killed"),
    *_words(Failure.OUT_OF_MEMORY, "unable to execute command: Killed", "emory exhausted"),
    *_words(Failure.OUT_OF_MEMORY, "out of memory allocating", "LLVM ERROR: out of memory"),
    *_words(Failure.OUT_OF_MEMORY, "Cannot allocate memory", "error C1060", "error LNK1102"),
    _pattern(Failure.OUT_OF_MEMORY, "std::bad_alloc", r"(?:what\(\): +|instance of ')std::bad_alloc"),
    _pattern(Failure.OUT_OF_MEMORY, "MemoryError", r"^\s*MemoryError\b"),
    # What make and shells print about a child that SIGKILL ended, and its exit code, 128 + 9.
    _pattern(Failure.OUT_OF_MEMORY, " Killed", r"^\S*make\S*: \*\*\* .* Killed$|: line \d+: +\d+ Killed\b"),
    _pattern(Failure.OUT_OF_MEMORY, "137", r"\b(?:code|status)[ =:]+137\b"),
    _pattern(Failure.OUT_OF_MEMORY, "SIGKILL", r"^# was ended by SIGKILL"),
)
_ENGINE: Final = (
    *_words(Failure.ENGINE, "Cannot connect to the Docker daemon", "Cannot connect to Podman"),
    *_words(Failure.ENGINE, "docker daemon is not running"),
    # cibuildwheel, when its container has gone.
    *_words(Failure.ENGINE, "the container shell has exited"),
)
_NETWORK: Final = (
    *_words(Failure.NETWORK, "failure in name resolution", "Name or service not known", rank=Rank.EXCEPTION),
    *_words(Failure.NETWORK, "Could not resolve host", "failed to lookup address", rank=Rank.EXCEPTION),
    *_words(Failure.NETWORK, "Temporary failure resolving", "Max retries exceeded", rank=Rank.EXCEPTION),
    *_words(Failure.NETWORK, "onnection timed out", "Read timed out", "TLS handshake", rank=Rank.EXCEPTION),
    *_words(Failure.NETWORK, "onnection reset by peer", "onnection refused", rank=Rank.EXCEPTION),
    *_words(Failure.NETWORK, "Network is unreachable", "No route to host", rank=Rank.EXCEPTION),
    *_words(Failure.NETWORK, "CERTIFICATE_VERIFY_FAILED", "Could not fetch URL", rank=Rank.EXCEPTION),
    *_words(Failure.NETWORK, "certificate verify failed", "is the internet available", rank=Rank.EXCEPTION),
    *_words(Failure.NETWORK, "Request failed after ", "Failed to fetch: ", rank=Rank.EXCEPTION),
)
_CONTAINER: Final = (
    *_words(Failure.ENGINE, "Error response from daemon", "OCI runtime", "OCI permission denied"),
    *_words(Failure.ENGINE, "o such container", "container state improper", "exec format error"),
    *_words(Failure.ENGINE, "image not known", "manifest unknown"),
    _pattern(Failure.ENGINE, "conmon", r"^\s*Error: .*\bconmon\b"),
    _pattern(Failure.ENGINE, "is not running", r"[Cc]ontainer \S+ is not running"),
)
_LINK: Final = (
    _pattern(Failure.LINK, "error LNK", r": (?:fatal )?error LNK\d+ ?:"),
    *_words(Failure.LINK, "undefined reference to", "undefined symbol: ", "multiple definition of"),
    *_words(Failure.LINK, "cannot find -l", "unable to find library", "library not found for -l"),
    *_words(Failure.LINK, "duplicate symbol", "recompile with -fPIC", "relocation truncated to fit"),
    *_words(Failure.LINK, "ld returned", "linker command failed", "final link failed"),
    *_words(Failure.LINK, "file not recognized", "ld: cannot find ", "ld: error: ", "ld: library '"),
    _pattern(Failure.LINK, "Undefined symbols for architecture", follow=Follow.INDENTED),
)
_REPAIR: Final = _words(Failure.REPAIR, "has already repaired this wheel")
_SETTINGS: Final = (
    _pattern(Failure.SETTINGS, "Unknown option", r"\b(?:ERROR|error): Unknown options?\b"),
    _pattern(Failure.SETTINGS, "for option ", r"\bERROR: Value .* for option "),
    _pattern(Failure.SETTINGS, "unrecognized arguments", r"error: unrecognized arguments"),
    _pattern(Failure.SETTINGS, "Unrecognized options in config-settings", follow=Follow.INDENTED),
    _pattern(Failure.SETTINGS, "No solution found when resolving", follow=Follow.INDENTED),
)
_CONFIGURE: Final = (
    _pattern(
        Failure.CONFIGURE,
        "ERROR: ",
        r"meson(?:\.build|\.options|_options\.txt):\d+(?::\d+)?: ERROR: ",
        follow=Follow.PARAGRAPH,
    ),
    _pattern(Failure.CONFIGURE, "CMake Error", r"^\s*CMake Error(?:: | at | in )", follow=Follow.INDENTED),
    _pattern(Failure.CONFIGURE, "ERROR Unmet dependencies", follow=Follow.INDENTED),
    _pattern(Failure.CONFIGURE, "ERROR Missing dependencies", follow=Follow.INDENTED),
    _pattern(Failure.CONFIGURE, "unable to select packages", follow=Follow.INDENTED),
    _pattern(Failure.CONFIGURE, "E: ", r"^E: (?:Unable to locate package|Package '.*' has no installation)"),
    *_words(Failure.CONFIGURE, "configure: error: ", "unable to execute '", "No match for argument: "),
    _pattern(Failure.CONFIGURE, "error: Microsoft Visual C++"),
    _pattern(Failure.CONFIGURE, "error: command '", r"error: command '.*' failed: No such file"),
)
_COMPILE: Final = (
    _pattern(Failure.COMPILE, "rror: ", _POSITION, follow=Follow.SNIPPET),
    _pattern(Failure.COMPILE, "error", _BRACKETS),
    _pattern(Failure.COMPILE, "error: ", _DRIVER),
    _pattern(Failure.COMPILE, "error[E", r"^\s*error\[E\d+\]: ", follow=Follow.SNIPPET),
    _pattern(Failure.COMPILE, "Command line error D", r"^\s*cl : Command line error D\d+ ?:"),
    _pattern(Failure.COMPILE, "Error compiling Cython file:", follow=Follow.CYTHON),
)
_WORDS: Final = (
    _pattern(Failure.INTERRUPTED, "interrupted by user", rank=Rank.WORD),
    _pattern(Failure.INTERRUPTED, "KeyboardInterrupt", r"^\s*KeyboardInterrupt\b", rank=Rank.WORD),
    _pattern(
        Failure.OTHER,
        "rror: ",
        r"^\s*(?:[\w.+-]+: )?(?:fatal )?[Ee]rror: (?!\d+$)\S",
        rank=Rank.WORD,
        follow=Follow.INDENTED,
    ),
    _pattern(Failure.OTHER, "ERROR", r"^\s*ERROR(?:: | [A-Z])", rank=Rank.WORD, follow=Follow.INDENTED),
    # delocate, before the exception that names no library.
    _pattern(Failure.OTHER, " not found", r"^\S+\.(?:dylib|so) not found(?::$|, requested by \S)"),
    _pattern(Failure.OTHER, "E: ", r"^E: \S", rank=Rank.WORD),
    _pattern(Failure.OTHER, "fatal: ", r"^\s*fatal: \S", rank=Rank.WORD),
    _pattern(Failure.OTHER, "*** No rule", r"^\S*make\S*: \*\*\* No rule to make target", rank=Rank.WORD),
)

_PATTERNS: Final = (
    # Failures of the machine come before their consequences in compilers and linkers.
    *(_MACHINE + _ENGINE + _NETWORK + _CONTAINER),
    *(_LINK + _REPAIR + _SETTINGS + _CONFIGURE + _COMPILE + _WORDS),
)

# A source line that a compiler quotes, and messages that are no errors.
_QUOTED: Final = re.compile(r"^\s*\d*\s+\|")
_MILD: Final = re.compile(r"(?:^|[\s:])(?:[Ww]arning|WARNING|note|remark)(?: [A-Z]*\d+)? ?:")
# Files that a configure script compiles to see whether it can.
_PROBE: Final = re.compile(r"\b_?(?:configtest|conftest)\.[co]\b")
# Wrappers of an error that is already in the log: pip, build, setuptools, cibuildwheel.
_WRAPPER: Final = re.compile(
    r"subprocess-exited-with-error|metadata-generation-failed|[Ff]ailed (?:building|to build)|\bBackend "
    r"|[Cc]ommand (?:'.* (?:failed with|returned)|\[.* failed with|errored out)"
)


def match_line(text: str) -> ErrorPattern | None:
    """The first pattern that matches a line; None for a line that is no error."""
    for found in _PATTERNS:
        if found.word in text and found.pattern.search(text):
            break
    else:
        return None
    if _QUOTED.match(text) or _PROBE.search(text):
        return None
    if _MILD.search(text):
        # pip and others warn of each attempt to reach a host, and go on when one succeeds.
        return replace(found, rank=Rank.WORD) if found.failure is Failure.NETWORK else None
    if found.rank is Rank.WORD and _WRAPPER.search(text):
        return None
    return found
