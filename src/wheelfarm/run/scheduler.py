"""Runs a plan: the ready queue says what starts, an executor performs it, and this waits."""

from __future__ import annotations

import math
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from heapq import heappop, heappush
from typing import TYPE_CHECKING, Any, Final, ParamSpec, TypeVar

from wheelfarm.errors import CancelledRunError, FarmError
from wheelfarm.plan.build import Build, BuildId
from wheelfarm.run.budget import Budget, Need
from wheelfarm.run.outcome import Interrupted, Outcome, State
from wheelfarm.run.ready_queue import ReadyQueue, Task

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from wheelfarm.plan.graph import Plan
    from wheelfarm.run.ready_queue import Start


P = ParamSpec("P")
T = TypeVar("T")


class Threads(Executor):
    """A thread for each call.

    The ready queue says how many run at once, so there is no pool. Unlike those of a ThreadPoolExecutor these
    are daemons: after an interrupt, one that waits for a server does not keep the interpreter from ending.
    """

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Call the function in a thread of its own."""
        future: Future[T] = Future()
        future.set_running_or_notify_cancel()
        threading.Thread(target=_finish, args=(future, fn, args, kwargs), daemon=True).start()
        return future


def _finish(future: Future[T], fn: Callable[..., T], args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    try:
        result = fn(*args, **kwargs)
    except BaseException as error:  # noqa: BLE001 - result() raises it
        future.set_exception(error)
    else:
        future.set_result(result)


_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def defer_signals() -> Iterator[None]:
    """Hold back SIGINT and SIGTERM for a short block, and raise them after it.

    Only the main thread is ever interrupted; elsewhere this does nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []
    # A handler that Python has not set is None here, and could not be put back.
    before = {number: handler for number in _SIGNALS if (handler := signal.getsignal(number)) is not None}
    for number in before:
        signal.signal(number, lambda number, _frame: came.append(number))
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        for each in came:
            signal.raise_signal(each)


def _never(_error: FarmError) -> bool:
    return False


@dataclass(frozen=True, kw_only=True)
class Retry:
    """When a failed build is begun again.

    Args:
        passing: whether an error may be gone at the next attempt; none may by default.
        attempts: how often a build is begun at most.
        pause: seconds before the second attempt; each further pause is twice as long.
        longest: seconds that no pause exceeds.
    """

    passing: Callable[[FarmError], bool] = _never
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
Tell = Callable[[Outcome], None]

_TICK: Final = 0.5
"""Seconds: on Windows a wait without end cannot be interrupted."""
_GRACE: Final = 8.0
"""Seconds for builds to end after an interrupt; programs get five to end by themselves."""


_UNKNOWN: Final = 60.0
"""Seconds of a build of which nothing is known."""


def _small(_build: Build) -> Need:
    return Need()


def _ignore(*_words: object) -> None:
    """Say nothing, cancel nothing."""


@dataclass(frozen=True, kw_only=True)
class Runner:
    """How plans are run; the rules are those of `ReadyQueue`.

    Args:
        budget: what the builds that run at the same time may use together.
        need: what a build needs; one CPU by default.
        durations: expected seconds by build; one that is missing counts as any unknown one.
        executor: what performs builds; a thread each by default. One that is given is not shut down.
        retry: which failed builds are begun again, and when; in the meantime others have their share.
        cancel: tells the running builds to stop; see `Command.cancelled`.
        say: hears, of a build, what people should know while the run goes on.
        clock: seconds from some moment on.
        sleep: waits for some seconds.
    """

    budget: Budget
    need: Callable[[Build], Need] = _small
    durations: Mapping[BuildId, float] = field(default_factory=dict)
    executor: Executor | None = None
    retry: Retry = field(default_factory=Retry)
    cancel: Callable[[], None] = _ignore
    say: Callable[[Build, str], None] = _ignore
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep

    def run(self, plan: Plan, perform: Perform, *, tell: Tell) -> tuple[Outcome, ...]:
        """Run a plan to its end, whatever fails; what needs a failed build is blocked, and says by whom.

        `tell` and `say` are called in the caller's thread, `perform` in the executor's.

        Raises:
            Interrupted: for a KeyboardInterrupt, once the running builds have been stopped and have ended.
            Exception: for what is no error of the farm, after the same.
        """
        run = _Run(self, plan, perform, tell)
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
        """The builds of a plan as the ready queue and `simulate` take them."""
        return tuple(
            Task(
                key=build.id,
                after=(*build.upstream, *build.run),
                need=self.need(build),
                seconds=self.durations.get(build.id, _UNKNOWN),
            )
            for build in plan.builds
        )


class _Run:
    """One run of a plan."""

    def __init__(self, runner: Runner, plan: Plan, perform: Perform, tell: Tell) -> None:
        self._runner = runner
        self._executor = runner.executor or Threads()
        self._perform = perform
        self._tell = tell
        self._builds = {build.id: build for build in plan.builds}
        self._ready_queue = ReadyQueue(runner.tasks(plan), runner.budget)
        self._running: dict[Future[Outcome], tuple[BuildId, float]] = {}
        """With the moment when each began."""
        self._paused: list[tuple[float, BuildId]] = []
        """A heap: when each is to be begun again."""
        self._attempts: Counter[BuildId] = Counter()
        self._ended: dict[BuildId, Outcome] = {}

    def outcomes(self) -> tuple[Outcome, ...]:
        """How builds have ended so far, in the plan's order."""
        return tuple(self._ended[build_id] for build_id in self._builds if build_id in self._ended)

    def to_end(self) -> None:
        """Go on until nothing is left to do."""
        for build in self._builds.values():
            if warning := self._runner.budget.warning(self._runner.need(build)):
                self._runner.say(build, warning)
        while not self._ready_queue.done:
            self._resume()
            for start in self._ready_queue.start():
                self._submit(start)
            self._wait()

    def stop(self) -> None:
        """Tell the running builds to stop, wait for them, and keep how those ended that came to an end.

        Further interrupts change nothing: it takes a few seconds at most, and must leave nothing running.
        """
        self._runner.cancel()
        for future in self._running:
            future.cancel()
        deadline = time.monotonic() + _GRACE
        ended: set[Future[Outcome]] = set()
        while len(ended) < len(self._running) and (left := deadline - time.monotonic()) > 0:
            with suppress(KeyboardInterrupt):
                ended = wait(self._running, timeout=left).done
        for future in [future for future in self._running if future in ended and not future.cancelled()]:
            error = future.exception()
            if error is None or (isinstance(error, FarmError) and not isinstance(error, CancelledRunError)):
                self._keep(self._outcome(future))

    def _submit(self, start: Start[BuildId]) -> None:
        self._attempts[start.key] += 1
        began = self._runner.clock()
        # A build that was begun and is not known to run would be left behind.
        with defer_signals():
            future = self._executor.submit(self._perform, self._builds[start.key], start.share)
            self._running[future] = (start.key, began)

    def _wait(self) -> None:
        """Wait until a build has ended, or a paused one is due."""
        pause = self._paused[0][0] - self._runner.clock() if self._paused else math.inf
        if not self._running:
            self._runner.sleep(max(0.0, pause))
            return
        ended, _ = wait(self._running, timeout=max(0.0, min(pause, _TICK)), return_when=FIRST_COMPLETED)
        for future in [future for future in self._running if future in ended]:
            self._end(self._outcome(future))
            del self._running[future]

    def _resume(self) -> None:
        while self._paused and self._paused[0][0] <= self._runner.clock():
            self._ready_queue.resume(heappop(self._paused)[1])

    def _outcome(self, future: Future[Outcome]) -> Outcome:
        """How an attempt has ended."""
        build_id, began = self._running[future]
        try:
            outcome = future.result()
        except FarmError as error:
            outcome = Outcome(
                build=self._builds[build_id],
                state=State.FAILED,
                why=error.what,
                seconds=self._runner.clock() - began,
                error=error,
            )
        return replace(outcome, attempts=self._attempts[build_id])

    def _end(self, outcome: Outcome) -> None:
        """An attempt has ended: well, or with another to come, or for good."""
        build, retry = outcome.build, self._runner.retry
        if outcome.state.good:
            self._keep(outcome)
            self._ready_queue.finish(build.id)
        elif (pause := retry.after(outcome.error, outcome.attempts)) is not None:
            said = f"attempt {outcome.attempts} of {retry.attempts} failed: {outcome.why}"
            self._runner.say(build, f"{said}; the next begins in {pause:g} s")
            heappush(self._paused, (self._runner.clock() + pause, build.id))
            self._ready_queue.pause(build.id)
        else:
            self._keep(outcome)
            for blocked in self._ready_queue.fail(build.id):
                self._keep(_blocked(self._builds[blocked], build.id))

    def _keep(self, outcome: Outcome) -> None:
        if outcome.build.id not in self._ended:
            self._ended[outcome.build.id] = outcome
            self._tell(outcome)


def _blocked(build: Build, culprit: BuildId) -> Outcome:
    why = f"blocked by {culprit}, which failed"
    return Outcome(build=build, state=State.BLOCKED, why=why, attempts=0, culprit=culprit)
