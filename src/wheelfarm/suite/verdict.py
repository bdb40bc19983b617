"""What came of a suite, told from what the plugin in its room has counted. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from wheelfarm.model import Target
    from wheelfarm.recipes import KnownFailure, Suite


@dataclass(frozen=True, kw_only=True)
class Failed:
    """A test that failed, or could not be set up or collected."""

    test: str
    why: str


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """How many tests ended how, and what is to be said of the known failures."""

    passed: int
    failed: tuple[Failed, ...]
    skipped: int
    expected: int
    """Known failures of the recipe that failed."""
    upstream: int
    """Tests that upstream itself expects to fail, whether they did or not."""
    mended: tuple[str, ...]
    """Known failures of which all tests that ran have passed."""
    unmatched: tuple[str, ...]
    """Known failures that are no test of the suite."""
    seconds: float

    @property
    def good(self) -> bool:
        """Whether nothing failed that may not."""
        return not self.failed

    @classmethod
    def of(
        cls, answer: Mapping[str, Any], known: Sequence[KnownFailure], *, whole: bool, seconds: float
    ) -> Verdict:
        """From the plugin's answer.

        Args:
            answer: what it wrote; known failures are told by their number.
            known: the known failures in that order.
            whole: whether all tests were collected, so that one that matched nothing is none.
            seconds: how long it took, the room included.
        """
        fails, passes = answer["known-failed"], answer["known-passed"]
        numbered = [(str(number), each.test) for number, each in enumerate(known)]
        return cls(
            passed=int(answer["passed"]),
            failed=tuple(Failed(test=each["test"], why=each["why"]) for each in answer["failed"]),
            skipped=int(answer["skipped"]),
            expected=sum(fails.values()),
            upstream=int(answer["upstream"]),
            mended=tuple(test for number, test in numbered if passes.get(number) and not fails.get(number)),
            unmatched=tuple(
                test for number, test in numbered if whole and int(number) not in answer["matched"]
            ),
            seconds=seconds,
        )


def applicable(suite: Suite, *, variant: str, target: Target) -> tuple[KnownFailure, ...]:
    """The known failures that are for a variant and target."""
    return tuple(
        known
        for known in suite.known_failures
        if (known.platforms is None or target.platform in known.platforms)
        and (known.variants is None or variant in known.variants)
    )
