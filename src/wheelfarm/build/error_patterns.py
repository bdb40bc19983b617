"""Patterns of error messages, and the class of failure that each means."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from enum import Enum, IntEnum, StrEnum, auto
from typing import Final


class Failure(StrEnum):
    """The classes of failures, by what has to be done about them."""

    SOURCE = "source"
    """The source is unavailable, or is not the pinned one."""
    PATCH = "patch"
    SETTINGS = "settings"
    """A recipe, a lock, a setting or an option is invalid."""
    CONFIGURE = "configure"
    """A requirement of the build is missing, or is not found."""
    BACKEND = "backend"
    """The build backend, or code of the project that it runs, failed in another way."""
    COMPILE = "compile"
    LINK = "link"
    """A linker or loader lacks a library or a symbol, or finds it twice."""
    TEST = "test"
    """The wheel does not install, import or pass its smoke test."""
    REPAIR = "repair"
    GATE = "gate"
    """The wheel is not what the recipe requires."""
    OUT_OF_MEMORY = "out-of-memory"
    OUT_OF_DISK = "out-of-disk"
    TIME_LIMIT = "time-limit"
    NETWORK = "network"
    ENGINE = "engine"
    """The container engine, its image or a container failed."""
    INTERRUPTED = "interrupted"
    OTHER = "other"


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
    EXCEPTION = auto()
    """As INDENTED; after a colon, what is not indented too, up to an empty line."""
    PARAGRAPH = auto()
    """All up to an empty line, or to Meson's note about its log."""
    CYTHON = auto()
    """All up to the position and message that end Cython's block."""


@dataclass(frozen=True)
class ErrorPattern:
    """The lines with a word that match a pattern, and what they mean.

    A pattern is tried only on lines with its word: this keeps a pass over 50 MB short. No pattern takes
    more than linear time.
    """

    failure: Failure
    word: str
    pattern: re.Pattern[str]
    rank: Rank
    follow: Follow


def _patterns(
    failure: Failure,
    *messages: str | tuple[str, str],
    rank: Rank = Rank.ERROR,
    follow: Follow = Follow.NOTHING,
) -> tuple[ErrorPattern, ...]:
    """Patterns of one class: of texts that stand anywhere in a line, or of words with a pattern."""
    pairs = ((each, re.escape(each)) if isinstance(each, str) else each for each in messages)
    return tuple(ErrorPattern(failure, word, re.compile(text), rank, follow) for word, text in pairs)


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
_MESON: Final = r"meson(?:\.build|\.options|_options\.txt):\d+(?::\d+)?: ERROR: "

# The first match counts: failures of the machine come before their consequences in compilers and linkers.
_PATTERNS: Final = (
    *_patterns(
        Failure.OUT_OF_DISK,
        *("No space left on device", "isk quota exceeded"),
        *("not enough space on the disk", "error LNK1180"),
    ),
    *_patterns(
        Failure.OUT_OF_MEMORY,
        *("Killed signal terminated program", "fatal error: Killed", "unable to execute command: Killed"),
        *("emory exhausted", "out of memory allocating", "LLVM ERROR: out of memory"),
        *("Cannot allocate memory", "error C1060", "error LNK1102"),
        ("std::bad_alloc", r"(?:what\(\): +|instance of ')std::bad_alloc"),
        ("MemoryError", r"^\s*MemoryError\b"),
        # What make and shells print about a child that SIGKILL ended, and its exit code, 128 + 9.
        (" Killed", r"^\S*make\S*: \*\*\* .* Killed$|: line \d+: +\d+ Killed\b"),
        ("137", r"\b(?:code|status)[ =:]+137\b"),
        ("SIGKILL", r"^# was ended by SIGKILL"),
    ),
    *_patterns(
        Failure.ENGINE,
        *("Cannot connect to the Docker daemon", "Cannot connect to Podman"),
        "docker daemon is not running",
        # cibuildwheel, when its container has gone.
        "the container shell has exited",
    ),
    *_patterns(
        Failure.NETWORK,
        *("failure in name resolution", "Name or service not known", "Could not resolve host"),
        *("failed to lookup address", "Temporary failure resolving", "Max retries exceeded"),
        *("onnection timed out", "Read timed out", "TLS handshake", "onnection reset by peer"),
        *("onnection refused", "Network is unreachable", "No route to host"),
        *("CERTIFICATE_VERIFY_FAILED", "certificate verify failed", "Could not fetch URL"),
        *("is the internet available", "Request failed after ", "Failed to fetch: "),
        *("ouldn't resolve host", "nable to resolve host", "ouldn't connect to server"),
        *("ould not connect to server", ("Failed to connect to ", r"Failed to connect to \S+ port ")),
        ("getaddrinfo", r"getaddrinfo (?:failed|E[A-Z_]+)"),
        rank=Rank.EXCEPTION,
    ),
    *_patterns(
        Failure.ENGINE,
        *("Error response from daemon", "OCI runtime", "OCI permission denied", "o such container"),
        *("container state improper", "exec format error", "image not known", "manifest unknown"),
        ("conmon", r"^\s*Error: .*\bconmon\b"),
        ("is not running", r"[Cc]ontainer \S+ is not running"),
    ),
    *_patterns(
        Failure.LINK,
        ("error LNK", r": (?:fatal )?error LNK\d+ ?:"),
        *("undefined reference to", "undefined symbol: ", "multiple definition of", "cannot find -l"),
        *("unable to find library", "library not found for -l", "duplicate symbol", "recompile with -fPIC"),
        *("relocation truncated to fit", "ld returned", "linker command failed", "final link failed"),
        *("file not recognized", "ld: cannot find ", "ld: error: ", "ld: library '"),
    ),
    *_patterns(Failure.LINK, "Undefined symbols for architecture", follow=Follow.INDENTED),
    *_patterns(Failure.REPAIR, "has already repaired this wheel"),
    # inside/check_record.py
    *_patterns(Failure.REPAIR, ("error: RECORD of ", "^error: RECORD of "), follow=Follow.INDENTED),
    *_patterns(
        Failure.SETTINGS,
        ("Unknown option", r"\b(?:ERROR|error): Unknown options?\b"),
        ("for option ", r"\bERROR: Value .* for option "),
        ("unrecognized arguments", r"error: unrecognized arguments"),
    ),
    *_patterns(
        Failure.SETTINGS,
        *("Unrecognized options in config-settings", "No solution found when resolving"),
        follow=Follow.INDENTED,
    ),
    *_patterns(Failure.CONFIGURE, ("ERROR: ", _MESON), follow=Follow.PARAGRAPH),
    *_patterns(
        Failure.CONFIGURE,
        ("No module named '", r"^\s*(?:\w+: )?ModuleNotFoundError: No module named '"),
        rank=Rank.EXCEPTION,
    ),
    *_patterns(
        Failure.CONFIGURE,
        ("CMake Error", r"^\s*CMake Error(?:: | at | in )"),
        *("ERROR Unmet dependencies", "ERROR Missing dependencies", "unable to select packages"),
        follow=Follow.INDENTED,
    ),
    *_patterns(
        Failure.CONFIGURE,
        ("E: ", r"^E: (?:Unable to locate package|Package '.*' has no installation)"),
        ("E: Version '", r"^E: Version '.*' for '.*' was not found"),
        *("configure: error: ", "unable to execute '", "No match for argument: "),
        "error: Microsoft Visual C++",
        ("error: command '", r"error: command '.*' failed: No such file"),
    ),
    *_patterns(
        Failure.COMPILE,
        *(("rror: ", _POSITION), ("error[E", r"^\s*error\[E\d+\]: ")),
        follow=Follow.SNIPPET,
    ),
    *_patterns(
        Failure.COMPILE,
        *(("error", _BRACKETS), ("error: ", _DRIVER)),
        ("Command line error D", r"^\s*cl : Command line error D\d+ ?:"),
    ),
    *_patterns(Failure.COMPILE, "Error compiling Cython file:", follow=Follow.CYTHON),
    *_patterns(
        Failure.INTERRUPTED,
        *("interrupted by user", ("KeyboardInterrupt", r"^\s*KeyboardInterrupt\b")),
        rank=Rank.WORD,
    ),
    *_patterns(
        Failure.OTHER,
        ("rror: ", r"^\s*(?:[\w.+-]+: )?(?:fatal )?[Ee]rror: (?!\d+$)\S"),
        ("ERROR", r"^\s*ERROR(?:: | [A-Z])"),
        rank=Rank.WORD,
        follow=Follow.INDENTED,
    ),
    # delocate, before the exception that names no library.
    *_patterns(Failure.OTHER, (" not found", r"^\S+\.(?:dylib|so) not found(?::$|, requested by \S)")),
    *_patterns(
        Failure.OTHER,
        *(("E: ", r"^E: \S"), ("fatal: ", r"^\s*fatal: \S")),
        ("*** No rule", r"^\S*make\S*: \*\*\* No rule to make target"),
        rank=Rank.WORD,
    ),
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
