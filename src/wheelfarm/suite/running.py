"""Running a suite in its room."""

from __future__ import annotations

import json
import shutil
import time
from typing import TYPE_CHECKING, Any, Final

from wheelfarm.engine import run_step
from wheelfarm.errors import ProcessError, SuiteError
from wheelfarm.suite.room import Selection, lay_suite
from wheelfarm.suite.verdict import Verdict, applicable

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from wheelfarm.engine import Engine, Follower
    from wheelfarm.model import PinnedWheel
    from wheelfarm.plan import Build
    from wheelfarm.recipes import Suite

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
    follower: Follower,
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
        follower: hears it too, and may cancel the run.

    Raises:
        SuiteError: when the suite does not come to its end.
        UsageError: when the quick subset is asked for and the recipe says none.
    """
    known = applicable(suite, variant=build.id.variant, target=build.id.target)
    words = selection.words(suite, where=build.entry.where)
    out = lay_suite(directory, suite, wheels=wheels, words=words, known=known, jobs=jobs)
    step = engine.clean_room(directory, build.id.target, out)
    log.unlink(missing_ok=True)
    began = time.monotonic()
    try:
        limit = suite.time_limit
        finished = run_step(engine, step, directory, log=log, time_limit=limit, follower=follower)
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
            where=f"{build.entry.where}: test.suite",
            why=f"{ending}\n{why}" if ending else why,
            log=log,
        )
    return Verdict.of(answer, known, whole=selection.whole, seconds=time.monotonic() - began)


def _answer(out: Path) -> dict[str, Any] | None:
    try:
        return dict(json.loads((out / "answer.json").read_bytes()))
    except (OSError, ValueError):
        return None
