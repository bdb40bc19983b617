"""How a process ended, in words."""

from __future__ import annotations

import signal

import pytest

from wheelfarm.system.endings import describe_ending, likely_cause


@pytest.mark.parametrize(
    ("code", "ending", "cause"),
    [
        (0, "ended with exit code 0", None),
        (127, "ended with exit code 127", None),
        (-signal.SIGSEGV, "was ended by SIGSEGV", "null pointer"),
        (-signal.SIGILL, "was ended by SIGILL", "-march=native"),
        (-40, "was ended by signal 40", None),
        (137, "ended with exit code 137, which stands for SIGKILL", "memory runs out"),
        (255, "ended with exit code 255", None),
        (0xC0000005, "ended with STATUS_ACCESS_VIOLATION (exit code 0xc0000005)", "null pointer"),
        (0xC000001D, "ended with STATUS_ILLEGAL_INSTRUCTION (exit code 0xc000001d)", "-march=native"),
        (0xC0FFEE00, "ended with exit code 3237998080", None),
    ],
)
def test_endings(code: int, ending: str, cause: str | None) -> None:
    assert describe_ending(code) == ending
    assert (cause or "") in (likely_cause(code) or "")
    assert (likely_cause(code) is None) is (cause is None)
