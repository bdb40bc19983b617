"""Running a suite in its room."""

from __future__ import annotations

import json
import shutil
import time
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final

from wheelfarm.build.steps import run_step
from wheelfarm.errors import ProcessError, SuiteError, UsageError
from wheelfarm.gate.test_environment import ENTER, inside, lay_wheels
from wheelfarm.model import Name

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from wheelfarm.build.engine import Engine
    from wheelfarm.build.progress import ProgressListener
    from wheelfarm.model import PinnedWheel, Target
    from wheelfarm.plan.build import Build
    from wheelfarm.recipes.recipe import KnownFailure, Suite


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


OUT: Final = "out"
"""The one directory of the room that the tests may write to and that is read afterwards."""
DRIVER: Final = "suite_driver.py"
PLUGIN: Final = "wheelfarm_known.py"
# Without a fixed seed, the workers would collect sets of parameters in orders of their own.
_ENVIRONMENT: Final = {"PYTHONHASHSEED": "0", "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}


def tests_name(name: Name) -> Name:
    """The distribution that holds the upstream tests of another one."""
    return Name(f"{name}-tests")


@dataclass(frozen=True, kw_only=True)
class Selection:
    """Which tests of a suite are run.

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
        """Whether pytest gets to see all tests, if only to deselect them."""
        return not self.arguments

    def words(self, suite: Suite, *, where: str) -> tuple[str, ...]:
        """The arguments of pytest.

        Raises:
            UsageError: when the quick subset is asked for and the recipe says none.
        """
        if self.fast and not suite.fast:
            raise UsageError(
                "the recipe says no quick subset",
                where=f"{where}: test.suite.fast",
                hint='what upstream\'s own CI selects, as fast = ["-m", "not slow"]',
            )
        keyword = ("-k", self.keyword) if self.keyword else ()
        return (*suite.args, *(suite.fast if self.fast else ()), *keyword, *self.arguments)


def lay_suite(
    directory: Path,
    suite: Suite,
    *,
    wheels: Sequence[PinnedWheel],
    words: Sequence[str],
    known: Sequence[KnownFailure],
    jobs: int,
) -> Path:
    """Put into a directory all that the room of a suite is given.

    Args:
        directory: made anew.
        suite: as the recipe says it.
        wheels: all that is to be installed.
        words: the arguments of pytest.
        known: the failures to expect.
        jobs: how many processes share the tests.

    Returns:
        The directory in it for what the tests leave.
    """
    manifest = {
        "driver": DRIVER,
        "wheels": lay_wheels(directory, tuple(wheels)),
        "environment": _ENVIRONMENT | suite.environment,
        "words": list(words),
        "known": [{"test": each.test, "reason": each.reason, "run": each.run} for each in known],
        "jobs": jobs,
        "out": OUT,
    }
    out = directory / OUT
    for each in (out, directory / "plugin"):
        each.mkdir()
    (directory / ENTER).write_bytes(inside(ENTER))
    for script, place in ((DRIVER, directory), (PLUGIN, directory / "plugin")):
        (place / script).write_bytes(files("wheelfarm.gate").joinpath("inside", script).read_bytes())
    (directory / "manifest.json").write_text(json.dumps(manifest, indent=1), encoding="utf-8")
    return out


JUNIT: Final = ".xml"
"""Ending of the results as JUnit XML, beside the log."""
_SHOWN: Final = 20
"""Lines of the output that an error shows."""
_ENDINGS: Final = {
    2: "pytest was interrupted",
    3: "pytest itself failed",
    4: "pytest does not understand its arguments",
    5: "no test was selected",
}
"""Exit codes of pytest, but for those of tests that passed or failed."""


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
) -> Verdict:
    """Run the upstream suite of a build's wheel.

    Args:
        build: whose wheel it is.
        suite: as its recipe says it here.
        engine: makes the room.
        directory: to lay the room out in.
        wheels: the wheel, its tests wheel and all that they need.
        selection: which tests.
        jobs: how many processes share the tests.
        log: what pytest prints goes there; the results as JUnit XML go beside it.
        listener: receives it too, and may cancel the run.

    Raises:
        SuiteError: when the suite does not come to its end.
        UsageError: when the quick subset is asked for and the recipe says none.
    """
    known = applicable(suite, variant=build.id.variant, target=build.id.target)
    words = selection.words(suite, where=build.recipe.where)
    out = lay_suite(directory, suite, wheels=wheels, words=words, known=known, jobs=jobs)
    step = engine.clean_room(directory, build.id.target, out)
    log.unlink(missing_ok=True)
    began = time.monotonic()
    try:
        limit = suite.time_limit
        finished = run_step(engine, step, directory, log=log, time_limit=limit, listener=listener)
        why = "\n".join(finished.output.splitlines()[-_SHOWN:]) or "it ended without an answer"
    except ProcessError as problem:
        why = problem.why or problem.what
    answer = _answer(out)
    if (out / "junit.xml").is_file():
        shutil.copyfile(out / "junit.xml", log.with_suffix(JUNIT))
    ending = None if answer is None else _ENDINGS.get(answer["exit"])
    if answer is None or ending is not None:
        raise SuiteError(
            f"{build.id}: the upstream suite did not come to its end",
            where=f"{build.recipe.where}: test.suite",
            why=f"{ending}\n{why}" if ending else why,
            log=log,
        )
    return Verdict.of(answer, known, whole=selection.whole, seconds=time.monotonic() - began)


def _answer(out: Path) -> dict[str, Any] | None:
    try:
        return dict(json.loads((out / "answer.json").read_bytes()))
    except (OSError, ValueError):
        return None
