"""Runs an upstream test suite in a clean environment, and counts its results."""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from wheelfarm.errors import ProcessError, SuiteError, UsageError
from wheelfarm.gate.clean_environment import write_environment
from wheelfarm.gate.tested_code import run_tested
from wheelfarm.model import Name

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from pathlib import Path

    from wheelfarm.build.engine import Engine, ProgressListener
    from wheelfarm.model import PinnedWheel, Target
    from wheelfarm.plan.build import Build
    from wheelfarm.recipes.recipe import KnownFailure, Suite

JUNIT: Final = ".xml"
"""Suffix of the results as JUnit XML, next to the log."""
_OUT: Final = "out"
"""The one directory of the clean environment that the tests write to."""
# Without a fixed hash seed, pytest-xdist's workers collect sets of parameters in different orders.
_ENVIRONMENT: Final = {"PYTHONHASHSEED": "0", "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
_EXIT_CODES: Final = {
    2: "pytest was interrupted",
    3: "pytest itself failed",
    4: "pytest does not understand its arguments",
    5: "no test was selected",
}
"""pytest's exit codes, except those of tests that passed or failed."""


@dataclass(frozen=True, kw_only=True)
class FailedTest:
    """A test that failed, or could not be set up or collected."""

    test: str
    why: str


@dataclass(frozen=True, kw_only=True)
class SuiteResult:
    """Counts of tests by result, and the known failures that need an update."""

    passed: int
    failed: tuple[FailedTest, ...]
    skipped: int
    expected: int
    """Known failures of the recipe that failed."""
    upstream: int
    """Tests that upstream itself expects to fail, whether they failed or not."""
    known_passed: tuple[str, ...]
    """Known failures of which all tests that ran have passed."""
    unmatched: tuple[str, ...]
    """Known failures that match no test of the suite."""
    seconds: float

    @property
    def good(self) -> bool:
        """Whether only known failures failed."""
        return not self.failed

    @classmethod
    def of(
        cls, answer: Mapping[str, Any], known: Sequence[KnownFailure], *, whole: bool, seconds: float
    ) -> SuiteResult:
        """Read the plugin's answer, which numbers the known failures.

        Only where all tests were collected, as `whole` says, a known failure without a match is unmatched.
        The seconds include the installation.
        """
        fails, passes = answer["known-failed"], answer["known-passed"]
        numbered = [(str(number), each.test) for number, each in enumerate(known)]
        return cls(
            passed=int(answer["passed"]),
            failed=tuple(FailedTest(test=each["test"], why=each["why"]) for each in answer["failed"]),
            skipped=int(answer["skipped"]),
            expected=sum(fails.values()),
            upstream=int(answer["upstream"]),
            known_passed=tuple(
                test for number, test in numbered if passes.get(number) and not fails.get(number)
            ),
            unmatched=tuple(
                test for number, test in numbered if whole and int(number) not in answer["matched"]
            ),
            seconds=seconds,
        )


def applicable_failures(
    suite: Suite, *, lineage: Collection[str], target: Target
) -> tuple[KnownFailure, ...]:
    """The known failures of a target, in a variant or one that it extends."""
    return tuple(
        known
        for known in suite.known_failures
        if (known.platforms is None or target.platform in known.platforms)
        and (known.variants is None or not set(lineage).isdisjoint(known.variants))
    )


def tests_name(name: Name) -> Name:
    """The distribution with the upstream tests of a distribution."""
    return Name(f"{name}-tests")


@dataclass(frozen=True, kw_only=True)
class Selection:
    """Which tests of a suite run.

    Args:
        fast: upstream's own quick subset.
        keyword: an expression for pytest's -k.
        arguments: further arguments of pytest.
    """

    fast: bool = False
    keyword: str = ""
    arguments: tuple[str, ...] = ()

    @property
    def whole(self) -> bool:
        """Whether pytest collects all tests, if only to deselect them."""
        return not self.arguments

    def words(self, suite: Suite, *, where: str) -> tuple[str, ...]:
        """The arguments of pytest.

        Raises:
            UsageError: when the recipe has no quick subset.
        """
        if self.fast and not suite.fast:
            raise UsageError(
                "the recipe says no quick subset",
                where=f"{where}: test.suite.fast",
                hint='what upstream\'s own CI selects, as fast = ["-m", "not slow"]',
            )
        keyword = ("-k", self.keyword) if self.keyword else ()
        return (*suite.args, *(suite.fast if self.fast else ()), *keyword, *self.arguments)


def run_suite(
    build: Build,
    suite: Suite,
    engine: Engine,
    directory: Path,
    *,
    wheels: Sequence[PinnedWheel],
    selection: Selection,
    jobs: int,
    log: Path,
    listener: ProgressListener,
) -> SuiteResult:
    """Run the upstream suite of a build's wheel in a clean environment.

    Args:
        build: the build of the wheel.
        suite: its recipe's suite.
        engine: runs the clean environment.
        directory: for the clean environment; it is replaced.
        wheels: the wheel, its tests wheel and all that they need.
        selection: which tests.
        jobs: how many processes share the tests.
        log: receives pytest's output; the results as JUnit XML go next to it.
        listener: receives the output too, and may cancel the run.

    Raises:
        SuiteError: when pytest does not finish.
        UsageError: when the selection needs a quick subset and the recipe has none.
    """
    known = applicable_failures(suite, lineage=build.recipe.lineage(build.id.variant), target=build.id.target)
    manifest = {
        "environment": _ENVIRONMENT | suite.environment,
        "suite": {
            "words": list(selection.words(suite, where=build.recipe.where)),
            "known": [{"test": each.test, "reason": each.reason, "run": each.run} for each in known],
            "jobs": jobs,
            "out": _OUT,
        },
    }
    write_environment(directory, wheels, manifest, time_limit=suite.time_limit)
    out = directory / _OUT
    out.mkdir()
    step = engine.clean_environment(directory, build.id.target, out)
    log.unlink(missing_ok=True)
    began = time.monotonic()
    answer, hint = None, None
    try:
        report = run_tested(engine, step, directory, log=log, time_limit=suite.time_limit, listener=listener)
        why, hint = report.failure(suite.time_limit) or ("", None)
        answer = report.result.suite if report.result and not why else None
        if answer and answer["exit"] in _EXIT_CODES:
            why, answer = f"{_EXIT_CODES[answer['exit']]}\n{report.last_lines}", None
    except ProcessError as problem:
        why = problem.why or problem.what
    if (out / "junit.xml").is_file():
        shutil.copyfile(out / "junit.xml", log.with_suffix(JUNIT))
    if answer is None:
        raise SuiteError(
            f"{build.id}: the upstream suite did not come to its end",
            where=f"{build.recipe.where}: test.suite",
            why=why,
            hint=hint,
            log=log,
        )
    return SuiteResult.of(answer, known, whole=selection.whole, seconds=time.monotonic() - began)
