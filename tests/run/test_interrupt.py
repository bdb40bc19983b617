"""Interrupts of a run, with real threads, signals and programs."""

from __future__ import annotations

import signal
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from support.commands import python, wait_until_gone
from support.runs import FOUR, QUIET, WAIT, Flaky, OutcomeListener, built, by_name, name, plans_in
from wheelfarm.errors import BuildError, CancelledRunError
from wheelfarm.run import scheduler as runner
from wheelfarm.run.outcome import Interrupted, Outcome
from wheelfarm.run.schedule import Budget
from wheelfarm.run.scheduler import Retry, Runner
from wheelfarm.system.process import run

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from concurrent.futures import Future
    from pathlib import Path

    from support.runs import Make
    from wheelfarm.plan.build import Build
    from wheelfarm.plan.graph import Plan


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Plans whose builds need others, by name."""
    return plans_in(tmp_path)


class TestInterrupt:
    @pytest.fixture(autouse=True)
    def _sigterm(self) -> Any:
        """As the doors have it."""
        before = signal.signal(signal.SIGTERM, signal.default_int_handler)
        yield
        signal.signal(signal.SIGTERM, before)

    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
    def test_programs_are_ended_and_nothing_else_starts(self, make: Make, number: signal.Signals) -> None:
        cancelled = threading.Event()
        pids: list[int] = []
        performed: list[str] = []

        def heard(line: str) -> None:
            pids.append(int(line))
            if len(pids) == 2:
                threading.Timer(0.1, signal.pthread_kill, (threading.main_thread().ident, number)).start()

        def perform(build: Build, _share: int) -> Outcome:
            performed.append(name(build))
            if name(build) != "a":
                code = "import os, time; print(os.getpid()); time.sleep(60)"
                run(python(code, cancelled=cancelled), on_line=heard)
            return built(build)

        plan = make(a=[], b=["a"], c=["a"], d=["a"], e=["b"])
        ended: list[str] = []
        runner = Runner(budget=Budget(cpus=2), cancel=cancelled.set)
        began = time.monotonic()
        with pytest.raises(Interrupted) as caught:
            runner.run(plan, perform, OutcomeListener(lambda outcome: ended.append(name(outcome.build))))
        assert time.monotonic() - began < 6
        assert list(by_name(caught.value.outcomes)) == ended == ["a"]
        assert isinstance(caught.value, KeyboardInterrupt)
        assert len(performed) == 3
        assert all(wait_until_gone(pid) for pid in pids)

    def interrupted(self, plan: Plan, ends: Mapping[str, Callable[[Build], Outcome]]) -> dict[str, Outcome]:
        """The outcomes of builds that end as `ends` says once they are cancelled."""
        cancelled = threading.Event()
        begun = threading.Barrier(len(ends) + 1, timeout=WAIT)

        def perform(build: Build, _share: int) -> Outcome:
            begun.wait()
            assert cancelled.wait(WAIT)
            return ends[name(build)](build)

        def interrupt() -> None:
            begun.wait()
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

        threading.Thread(target=interrupt, daemon=True).start()
        with pytest.raises(Interrupted) as caught:
            Runner(budget=FOUR, cancel=cancelled.set).run(plan, perform, QUIET)
        return by_name(caught.value.outcomes)

    def test_outcomes_of_builds_that_end_are_reported(self, make: Make) -> None:
        def fail(_build: Build) -> Outcome:
            raise BuildError("broken")

        def stop(_build: Build) -> Outcome:
            raise CancelledRunError("stopped")

        def slip(_build: Build) -> Outcome:
            raise ZeroDivisionError

        outcomes = self.interrupted(
            make(a=[], b=[], c=[], d=[], e=["b"]), {"a": built, "b": fail, "c": stop, "d": slip}
        )
        assert {key: str(outcome.state) for key, outcome in outcomes.items()} == {
            "a": "built",
            "b": "failed",
            "d": "failed",
        }

    def test_a_build_that_hears_nothing_is_not_waited_for(
        self, make: Make, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(runner, "_GRACE", 0.2)
        forever = threading.Event()

        def hang(build: Build) -> Outcome:
            forever.wait(WAIT)
            return built(build)

        began = time.monotonic()
        assert list(self.interrupted(make(a=[], b=[]), {"a": built, "b": hang})) == ["a"]
        assert time.monotonic() - began < 3
        forever.set()

    def test_a_second_interrupt_leaves_nothing_running_either(self, make: Make) -> None:
        def again(build: Build) -> Outcome:
            time.sleep(0.2)
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
            time.sleep(0.2)
            return built(build)

        assert list(self.interrupted(make(a=[]), {"a": again})) == ["a"]

    @pytest.mark.parametrize("first", [KeyboardInterrupt, ZeroDivisionError])
    def test_an_interrupt_while_builds_are_stopped(self, make: Make, first: type[BaseException]) -> None:
        began, cancelled, ended = threading.Event(), threading.Event(), threading.Event()

        def perform(build: Build, _share: int) -> Outcome:
            if name(build) == "a":
                assert began.wait(WAIT)
                return built(build)
            began.set()
            assert cancelled.wait(WAIT)
            ended.set()
            return built(build)

        def fail(_outcome: Outcome) -> None:
            if not cancelled.is_set():
                raise first

        def cancel() -> None:
            signal.raise_signal(signal.SIGINT)
            cancelled.set()

        with pytest.raises((Interrupted, ZeroDivisionError)) as caught:
            Runner(budget=FOUR, cancel=cancel).run(make(a=[], b=[]), perform, OutcomeListener(fail))
        assert ended.is_set()
        assert isinstance(caught.value, Interrupted) == (first is KeyboardInterrupt)

    def test_while_a_build_is_begun(self, make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
        original = runner.begin

        def begin(*call: Any) -> Future[Outcome]:
            future = original(*call)
            signal.raise_signal(signal.SIGINT)
            return future

        monkeypatch.setattr(runner, "begin", begin)
        cancelled = threading.Event()

        def perform(build: Build, _share: int) -> Outcome:
            assert cancelled.wait(WAIT)
            return built(build)

        with pytest.raises(Interrupted) as caught:
            Runner(budget=FOUR, cancel=cancelled.set).run(make(a=[], b=["a"]), perform, QUIET)
        assert list(by_name(caught.value.outcomes)) == ["a"]

    def test_during_a_pause(self, make: Make) -> None:
        def sleep(_seconds: float) -> None:
            raise KeyboardInterrupt

        retry = Retry(passing=lambda _error: True)
        flaky = Flaky(b=1)
        with pytest.raises(Interrupted) as caught:
            Runner(budget=FOUR, retry=retry, sleep=sleep).run(make(a=[], b=[]), flaky, QUIET)
        assert list(by_name(caught.value.outcomes)) == ["a"]

    def test_an_interrupt_while_an_outcome_is_reported(self, make: Make) -> None:
        ended: list[str] = []

        def tell(outcome: Outcome) -> None:
            ended.append(name(outcome.build))
            raise KeyboardInterrupt

        with pytest.raises(Interrupted) as caught:
            Runner(budget=FOUR).run(
                make(a=[], b=["a"]), lambda build, _share: built(build), OutcomeListener(tell)
            )
        assert list(by_name(caught.value.outcomes)) == ended == ["a"]
