"""Runs a plan: builds in threads, retries of errors that may pass, and interrupts."""

from __future__ import annotations

import math
import threading
import time
from bisect import insort
from collections import Counter
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from wheelfarm.errors import CancelledRunError, FarmError
from wheelfarm.plan.build import Build, BuildId
from wheelfarm.run.outcome import Interrupted, Outcome, State
from wheelfarm.run.schedule import Budget, Duration, Need, Schedule, Task
from wheelfarm.system.logs import get_logger, report_unexpected
from wheelfarm.system.signals import defer_signals

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wheelfarm.plan.graph import Plan
    from wheelfarm.run.services import RunListener

logger = get_logger(__name__)


@dataclass(frozen=True, kw_only=True)
class Retry:
    """When a failed build is begun again.

    Args:
        passing: whether an error may be gone at the next attempt; none may by default.
        attempts: how often a build is begun at most.
        pause: seconds before the second attempt; each further pause is twice as long.
        longest: seconds that no pause exceeds.
    """

    passing: Callable[[FarmError], bool] = lambda _error: False
    attempts: int = 3
    pause: float = 5.0
    longest: float = 300.0

    def after(self, error: FarmError | None, attempt: int) -> float | None:
        """Seconds until the next attempt, after one (the first is 1) ended so; None for no other."""
        if error is None or attempt >= self.attempts or not self.passing(error):
            return None
        return min(self.longest, self.pause * 2.0 ** (attempt - 1))


Perform = Callable[[Build, int], Outcome]
"""Performs a build with its share of the CPUs; raises FarmError when that fails."""


def begin(perform: Perform, build: Build, share: int) -> Future[Outcome]:
    """Perform a build in a thread of its own.

    Unlike those of a ThreadPoolExecutor it is a daemon: after an interrupt, one that waits for a server does
    not keep the interpreter from ending.
    """
    future: Future[Outcome] = Future()
    threading.Thread(target=_finish, args=(future, perform, build, share), daemon=True).start()
    return future


def _finish(future: Future[Outcome], perform: Perform, build: Build, share: int) -> None:
    try:
        # Whatever it is, the other builds go on.
        with report_unexpected():
            outcome = perform(build, share)
    except BaseException as error:  # noqa: BLE001 - result() raises it
        future.set_exception(error)
    else:
        future.set_result(outcome)


_TICK: Final = 0.5
"""Seconds: on Windows a wait without end cannot be interrupted."""
_GRACE: Final = 8.0
"""Seconds for builds to end after an interrupt; programs get five to end by themselves."""
_UNKNOWN: Final = Duration(60)


@dataclass(frozen=True, kw_only=True)
class Runner:
    """How plans are run; what starts when is decided by `Schedule`.

    Args:
        budget: what the builds that run at the same time may use together.
        need: what a build needs; one CPU by default.
        durations: how long builds are expected to take; one that is missing counts as a minute.
        retry: which failed builds are begun again, and when; in the meantime others have their share.
        cancel: tells the running builds to stop; see `Command.cancelled`.
        clock: seconds from some moment on.
        sleep: waits for some seconds.
    """

    budget: Budget
    need: Callable[[Build], Need] = lambda _build: Need()
    durations: Mapping[BuildId, Duration] = field(default_factory=dict)
    retry: Retry = field(default_factory=Retry)
    cancel: Callable[[], None] = lambda: None
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep

    def run(self, plan: Plan, perform: Perform, listener: RunListener) -> tuple[Outcome, ...]:
        """Run a plan to its end, whatever fails; what needs a failed build is blocked, and says by whom.

        The listener receives how builds end in the caller's thread; each build has a thread of its own.

        Raises:
            Interrupted: for a KeyboardInterrupt, once the running builds have been stopped and have ended.
            Exception: for what is no error of the farm, after the same.
        """
        run = _Run(self, plan, perform, listener)
        try:
            run.to_end()
        except KeyboardInterrupt as interrupt:
            run.stop()
            raise Interrupted(run.outcomes()) from interrupt
        except BaseException:
            run.stop()
            raise
        return run.outcomes()

    def tasks(self, plan: Plan) -> tuple[Task[BuildId], ...]:
        """The builds of a plan as `Schedule` and `simulate` take them."""
        return tuple(
            Task(
                key=build.id,
                after=(*build.upstream, *build.run),
                need=self.need(build),
                duration=self.durations.get(build.id, _UNKNOWN),
            )
            for build in plan.builds
        )


class _Run:
    """One run of a plan."""

    def __init__(self, runner: Runner, plan: Plan, perform: Perform, listener: RunListener) -> None:
        self._runner = runner
        self._perform = perform
        self._listener = listener
        self._builds = {build.id: build for build in plan.builds}
        self._schedule = Schedule(runner.tasks(plan), runner.budget)
        self._running: dict[Future[Outcome], tuple[BuildId, float]] = {}
        """With the moment when each began."""
        self._paused: list[tuple[float, BuildId]] = []
        """When each is to be begun again, the next first."""
        self._attempts: Counter[BuildId] = Counter()
        self._ended: dict[BuildId, Outcome] = {}

    def outcomes(self) -> tuple[Outcome, ...]:
        """How builds have ended so far, in the plan's order."""
        return tuple(self._ended[build_id] for build_id in self._builds if build_id in self._ended)

    def to_end(self) -> None:
        """Go on until nothing is left to do."""
        for build in self._builds.values():
            if warning := self._runner.budget.warning(self._runner.need(build)):
                logger.warning("%s: %s", build.id, warning)
        while self._paused or not self._schedule.done:
            while self._paused and self._paused[0][0] <= self._runner.clock():
                self._schedule.resume(self._paused.pop(0)[1])
            for build_id, share in self._schedule.start().items():
                self._submit(build_id, share)
            self._wait()

    def stop(self) -> None:
        """Tell the running builds to stop, wait for them, and record those that came to an end.

        Further interrupts change nothing: it takes a few seconds at most, and must leave nothing running.
        """
        with suppress(KeyboardInterrupt), defer_signals():
            if self._running:
                logger.info("stopping the running builds")
            self._runner.cancel()
            ended = wait(self._running, timeout=_GRACE).done
            for future in [future for future in self._running if future in ended]:
                error = future.exception()
                if error is None or (
                    isinstance(error, FarmError) and not isinstance(error, CancelledRunError)
                ):
                    self._record(self._outcome(future))

    def _submit(self, build_id: BuildId, share: int) -> None:
        self._attempts[build_id] += 1
        began = self._runner.clock()
        # A build that was begun and is not known to run would be left behind.
        with defer_signals():
            future = begin(self._perform, self._builds[build_id], share)
            self._running[future] = (build_id, began)

    def _wait(self) -> None:
        """Wait until a build has ended, or a paused one is due."""
        pause = max(0.0, self._paused[0][0] - self._runner.clock()) if self._paused else math.inf
        if not self._running:
            self._runner.sleep(pause)
            return
        ended, _ = wait(self._running, timeout=min(pause, _TICK), return_when=FIRST_COMPLETED)
        for future in [future for future in self._running if future in ended]:
            self._end(self._outcome(future))
            del self._running[future]

    def _outcome(self, future: Future[Outcome]) -> Outcome:
        """How an attempt has ended."""
        build_id, began = self._running[future]
        try:
            outcome = future.result()
        except FarmError as error:
            seconds = self._runner.clock() - began
            outcome = Outcome(
                build=self._builds[build_id], state=State.FAILED, why=error.what, seconds=seconds, error=error
            )
        return replace(outcome, attempts=self._attempts[build_id])

    def _end(self, outcome: Outcome) -> None:
        """An attempt has ended: well, or with another to come, or for good."""
        build, retry = outcome.build, self._runner.retry
        if outcome.state.good:
            self._record(outcome)
            self._schedule.finish(build.id)
        elif (pause := retry.after(outcome.error, outcome.attempts)) is not None:
            attempt = f"attempt {outcome.attempts} of {retry.attempts} failed: {outcome.why}"
            logger.info("%s: %s; the next begins in %g s", build.id, attempt, pause)
            insort(self._paused, (self._runner.clock() + pause, build.id), key=lambda due: due[0])
            self._schedule.stop(build.id)
        else:
            self._record(outcome)
            why = f"blocked by {build.id}, which failed"
            for each in self._schedule.fail(build.id):
                blocked = self._builds[each]
                self._record(
                    Outcome(build=blocked, state=State.BLOCKED, why=why, attempts=0, culprit=build.id)
                )

    def _record(self, outcome: Outcome) -> None:
        if outcome.build.id not in self._ended:
            self._ended[outcome.build.id] = outcome
            self._listener.on_outcome(outcome)
