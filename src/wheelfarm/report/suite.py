"""What came of an upstream suite, in lines for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wheelfarm.report.quantity import duration

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wheelfarm.suite import Verdict


def suite_lines(verdict: Verdict) -> Iterator[str]:
    """How many tests ended how, then what is to be done to the list of known failures."""
    counts = {
        "passed": verdict.passed,
        "failed": len(verdict.failed),
        "known failures": verdict.expected,
        "known failures that passed": len(verdict.mended),
        "expected to fail by upstream": verdict.upstream,
        "skipped": verdict.skipped,
    }
    told = ", ".join(f"{count:,} {what}" for what, count in counts.items())
    yield f"{told}, in {duration(verdict.seconds)}"
    yield from (f"known failure no longer fails, remove it: {test}" for test in verdict.mended)
    yield from (f"known failure is no test of the suite, remove it: {test}" for test in verdict.unmatched)
