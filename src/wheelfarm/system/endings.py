"""Says how a process ended: exit codes, signals, and the status codes of Windows."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

_MEMORY: Final = "compiled code used memory that is not its own, such as a null pointer or a wrong index"
_INSTRUCTION: Final = (
    "an instruction that this processor lacks: look for -march, -mcpu or a CPU baseline above this one's "
    "(-march=native on another machine) in CFLAGS, config-settings and the source"
)
_DIVISION: Final = "an integer division by zero in compiled code"
_ABORT: Final = (
    "compiled code called abort(): a failed assertion, an uncaught C++ exception or damaged memory"
)
_STACK: Final = "the stack is full: a recursion without end, or large arrays on the stack of a thread"

_SIGNALS: Final[Mapping[str, str]] = {
    "SIGSEGV": _MEMORY,
    "SIGBUS": f"{_MEMORY}; or a mapped file was cut off, or /dev/shm is full",
    "SIGILL": _INSTRUCTION,
    "SIGFPE": _DIVISION,
    "SIGABRT": _ABORT,
    "SIGKILL": "the kernel kills like this when memory runs out: run fewer jobs at once",
    "SIGSYS": "a system call that the sandbox or the container forbids",
    "SIGXCPU": "the limit of processor time (ulimit -t)",
    "SIGXFSZ": "the limit of a file's size (ulimit -f)",
    "SIGTERM": "another process ended it",
}
# https://learn.microsoft.com/openspecs/windows_protocols/ms-erref/596a1078-e883-4972-9bbc-49e60bebca55
_STATUS: Final[Mapping[int, tuple[str, str]]] = {
    0x80000003: ("STATUS_BREAKPOINT", _ABORT),
    0xC0000005: ("STATUS_ACCESS_VIOLATION", _MEMORY),
    0xC0000006: ("STATUS_IN_PAGE_ERROR", "a mapped file can no longer be read"),
    0xC0000017: ("STATUS_NO_MEMORY", "memory ran out: run fewer jobs at once"),
    0xC000001D: ("STATUS_ILLEGAL_INSTRUCTION", _INSTRUCTION),
    0xC0000094: ("STATUS_INTEGER_DIVIDE_BY_ZERO", _DIVISION),
    0xC00000FD: ("STATUS_STACK_OVERFLOW", _STACK),
    0xC0000135: ("STATUS_DLL_NOT_FOUND", "a DLL that it needs is on no path that Windows searches"),
    0xC0000139: ("STATUS_ENTRYPOINT_NOT_FOUND", "a DLL of another version was found first"),
    0xC000013A: ("STATUS_CONTROL_C_EXIT", "it was interrupted"),
    0xC0000142: ("STATUS_DLL_INIT_FAILED", "a DLL failed while it was loaded"),
    0xC0000374: ("STATUS_HEAP_CORRUPTION", _MEMORY),
    0xC0000409: ("STATUS_STACK_BUFFER_OVERRUN", _ABORT),
}
SIGNALLED: Final = 128
"""Shells, container engines and sandboxes report a signal as this plus its number."""


def _signal_name(number: int) -> str | None:
    try:
        return signal.Signals(number).name
    except ValueError:
        return None


def describe_ending(code: int) -> str:
    """How a process ended, in words; the code is negative for the number of a signal."""
    if code < 0:
        return f"was ended by {_signal_name(-code) or f'signal {-code}'}"
    if code in _STATUS:
        return f"ended with {_STATUS[code][0]} (exit code {code:#010x})"
    name = _signal_name(code - SIGNALLED) if code > SIGNALLED else None
    return f"ended with exit code {code}" + (f", which stands for {name}" if name else "")


def likely_cause(code: int) -> str | None:
    """What most likely ended a process; None where the code does not say it."""
    if code in _STATUS:
        return _STATUS[code][1]
    number = -code if code < 0 else code - SIGNALLED
    return _SIGNALS.get(_signal_name(number) or "") if number > 0 else None
