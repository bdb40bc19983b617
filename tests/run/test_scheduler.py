"""Runs of plans in threads: one failure stops only its dependents; errors that may pass are tried again."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from support.farm import make_farm, plan_of
from support.runs import FOUR, NO_SERVER, QUIET, WAIT, Flaky, OutcomeListener, built, by_name, name, plans_in
from wheelfarm.errors import BuildError, EngineError, FarmError, NetworkError, UnexpectedError
from wheelfarm.run import scheduler as runner
from wheelfarm.run.outcome import Outcome, State
from wheelfarm.run.schedule import Budget, Duration, Need
from wheelfarm.run.scheduler import Retry, Runner

if TYPE_CHECKING:
    from pathlib import Path

    from support.runs import Make
    from wheelfarm.plan.build import Build
    from wheelfarm.plan.graph import Plan


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Plans whose builds need others, by name."""
    return plans_in(tmp_path)


class TestParallel:
    def test_builds_run_at_the_same_time_with_their_shares(self, make: Make) -> None:
        meeting = threading.Barrier(2, timeout=WAIT)
        shares: dict[str, int] = {}

        def perform(build: Build, share: int) -> Outcome:
            shares[name(build)] = share
            if name(build) != "c":
                meeting.wait()
            assert threading.current_thread().daemon
            return built(build)

        plan = make(a=[], b=[], c=["a", "b"])
        outcomes = Runner(budget=FOUR).run(plan, perform, QUIET)
        assert shares == {"a": 2, "b": 2, "c": 4}
        assert list(by_name(outcomes)) == [name(build) for build in plan.builds]

    def test_there_are_no_rounds(self, make: Make) -> None:
        third = threading.Event()

        def perform(build: Build, _share: int) -> Outcome:
            if name(build) == "b":
                assert third.wait(WAIT)
            if name(build) == "c":
                third.set()
            return built(build)

        outcomes = Runner(budget=Budget(cpus=2)).run(make(a=[], b=[], c=["a"]), perform, QUIET)
        assert all(outcome.state.good for outcome in outcomes)

    def test_needs_and_durations_come_from_outside(self, make: Make) -> None:
        began: list[str] = []

        def perform(build: Build, _share: int) -> Outcome:
            began.append(name(build))
            return built(build)

        plan = make(a=[], b=[], c=[])
        ids = {name(build): build.id for build in plan.builds}
        durations = {ids["b"]: Duration(900), ids["c"]: Duration(30)}
        runner = Runner(budget=FOUR, need=lambda _build: Need(exclusive=True), durations=durations)
        runner.run(plan, perform, QUIET)
        assert began == ["b", "a", "c"]
        assert [task.duration for task in runner.tasks(plan) if task.key == ids["a"]] == [Duration(60)]

    def test_a_need_beyond_the_memory_gives_a_warning(self, make: Make, messages: list[str]) -> None:
        shares: list[int] = []

        def perform(build: Build, share: int) -> Outcome:
            shares.append(share)
            return built(build)

        Runner(
            budget=Budget(cpus=4, memory=8 * 10**9),
            need=lambda build: Need(memory=(12 if name(build) == "a" else 1) * 10**9),
        ).run(make(a=[], b=[]), perform, QUIET)
        (line,) = messages
        assert line.startswith("warning: a (plain, ")
        assert line.endswith("needs 12.0 GB of memory, and 8.0 GB may be used: it runs alone, and may fail")
        assert shares == [4, 4]


class TestFailures:
    NEEDS = {"a": [], "b": ["a"], "c": ["b"], "d": ["c"], "e": [], "f": ["e"]}  # noqa: RUF012

    def run(self, plan: Plan, **ends: State | FarmError) -> tuple[dict[str, Outcome], list[str], list[str]]:
        """Outcomes, performed builds and reported builds; those without an end are built."""
        performed: list[str] = []
        reported: list[str] = []

        def perform(build: Build, _share: int) -> Outcome:
            performed.append(name(build))
            end = ends.get(name(build), State.BUILT)
            if isinstance(end, FarmError):
                raise end
            return Outcome(build=build, state=end, why="a test says so", seconds=1.5)

        # Where nothing takes any time, no path is longer than another, and the plan's order decides.
        durations = dict.fromkeys((build.id for build in plan.builds), Duration())
        runner = Runner(budget=Budget(cpus=1), durations=durations)
        outcomes = runner.run(
            plan, perform, OutcomeListener(lambda outcome: reported.append(name(outcome.build)))
        )
        return by_name(outcomes), performed, reported

    def test_all_are_performed_in_order_and_reported_once(self, make: Make) -> None:
        plan = make(**self.NEEDS)
        outcomes, performed, reported = self.run(plan, a=State.CACHED, e=State.CHECKED)
        assert performed == reported == list(outcomes) == [name(build) for build in plan.builds]
        assert {outcome.state for outcome in outcomes.values()} == {State.BUILT, State.CACHED, State.CHECKED}
        assert all(outcome.seconds == 1.5 for outcome in outcomes.values())

    def test_a_failure_blocks_its_dependents_and_nothing_else(self, make: Make) -> None:
        error = BuildError("the compiler broke", hint="read the log")
        outcomes, performed, reported = self.run(make(**self.NEEDS), b=error)
        assert sorted(performed) == ["a", "b", "e", "f"]
        assert sorted(reported) == sorted(self.NEEDS)
        assert {key: str(outcome.state) for key, outcome in outcomes.items()} == {
            "a": "built",
            "b": "failed",
            "c": "blocked",
            "d": "blocked",
            "e": "built",
            "f": "built",
        }
        assert (outcomes["b"].error, outcomes["b"].why) == (error, "the compiler broke")
        assert outcomes["b"].seconds >= 0
        culprit = outcomes["b"].build.id
        for blocked in (outcomes["c"], outcomes["d"]):
            assert blocked.why == f"blocked by {culprit}, which failed"
            assert (blocked.culprit, blocked.attempts, blocked.error) == (culprit, 0, None)

    def test_dependents_are_blocked_at_once(self, make: Make) -> None:
        _, _, reported = self.run(make(a=[], b=["a"], c=["b"], d=[]), a=BuildError("x"))
        assert reported == ["a", "b", "c", "d"]

    def test_a_failure_that_is_returned_blocks_too(self, make: Make) -> None:
        outcomes, _, _ = self.run(make(**self.NEEDS), e=State.FAILED)
        assert outcomes["f"].why == f"blocked by {outcomes['e'].build.id}, which failed"

    def test_a_run_requirement_blocks_as_well(self, tmp_path: Path) -> None:
        plan = plan_of(make_farm(tmp_path, {"a": {}, "b": {"requires": {"run": ["a"]}}}))
        outcomes, _, _ = self.run(plan, a=BuildError("x"))
        assert outcomes["b"].state is State.BLOCKED

    def test_a_part_of_a_plan_does_not_wait_for_the_rest(self, make: Make) -> None:
        plan = make(**self.NEEDS)
        part = plan.only([build.id.name for build in plan.builds if build.id.name in {"c", "d"}])
        outcomes, _, _ = self.run(part, c=BuildError("x"))
        assert {key: str(outcome.state) for key, outcome in outcomes.items()} == {
            "c": "failed",
            "d": "blocked",
        }

    def test_good_states_leave_a_wheel(self) -> None:
        assert {str(state) for state in State if state.good} == {"built", "reused", "cached", "checked"}


@dataclass
class Clock:
    """Time that passes only while somebody sleeps."""

    now: float = 0.0
    slept: list[float] = field(default_factory=list)

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.slept.append(seconds)


class TestRetries:
    def patient(self, clock: Clock, **fields: Any) -> Runner:
        retry = {"passing": lambda error: isinstance(error, NetworkError)}
        return Runner(
            budget=Budget(cpus=1),
            retry=Retry(**(retry | fields)),
            clock=lambda: clock.now,
            sleep=clock.sleep,
        )

    def test_an_error_that_passes_costs_time_only(self, make: Make, messages: list[str]) -> None:
        clock, flaky = Clock(), Flaky(a=2)
        outcomes = by_name(self.patient(clock).run(make(a=[], b=["a"]), flaky, QUIET))
        assert (outcomes["a"].state, outcomes["a"].attempts, outcomes["a"].retried) == (State.BUILT, 3, True)
        assert (outcomes["b"].attempts, outcomes["b"].retried) == (1, False)
        assert clock.slept == [5, 10]
        failed = "attempt {} of 3 failed: the index does not answer; the next begins in {} s"
        assert [line.partition("): ")[2] for line in messages] == [failed.format(1, 5), failed.format(2, 10)]
        assert all(line.startswith("a (plain, ") for line in messages)

    def test_an_error_that_stays_is_a_failure_in_the_end(self, make: Make) -> None:
        clock, flaky = Clock(), Flaky(a=99)
        outcomes = by_name(self.patient(clock, attempts=4).run(make(a=[], b=["a"]), flaky, QUIET))
        assert (outcomes["a"].state, outcomes["a"].attempts) == (State.FAILED, 4)
        assert outcomes["a"].error is NO_SERVER
        assert (outcomes["b"].state, outcomes["b"].attempts) == (State.BLOCKED, 0)
        assert clock.slept == [5, 10, 20]

    @pytest.mark.parametrize("error", [BuildError("broken"), EngineError("no engine")])
    def test_other_errors_stay(self, make: Make, error: FarmError) -> None:
        flaky = Flaky(a=1)
        flaky.error = error
        (outcome,) = self.patient(Clock()).run(make(a=[]), flaky, QUIET)
        assert (outcome.state, outcome.attempts, outcome.retried) == (State.FAILED, 1, False)

    def test_nothing_is_retried_unless_somebody_says_so(self, make: Make) -> None:
        (outcome,) = Runner(budget=FOUR).run(make(a=[]), Flaky(a=1), QUIET)
        assert outcome.state is State.FAILED

    def test_others_run_while_one_pauses(self, make: Make) -> None:
        flaky = Flaky(a=1)
        self.patient(Clock()).run(make(a=[], b=[], c=["b"]), flaky, QUIET)
        assert sorted(flaky.performed[:3]) == ["a", "b", "c"]
        assert flaky.performed[3:] == ["a"]

    def test_a_pause_ends_while_others_run(self, make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(runner, "_TICK", 2 * WAIT)
        again = threading.Event()
        flaky = Flaky(a=1)

        def perform(build: Build, share: int) -> Outcome:
            if name(build) == "a" and "a" in flaky.performed:
                again.set()
            if name(build) == "b":
                assert again.wait(WAIT)
            return flaky(build, share)

        retry = Retry(passing=lambda _error: True, pause=0.05)
        outcomes = Runner(budget=Budget(cpus=2), retry=retry).run(make(a=[], b=[]), perform, QUIET)
        assert [outcome.attempts for outcome in by_name(outcomes).values()] == [2, 1]

    def test_a_failure_that_is_returned_counts_too(self, make: Make) -> None:
        def perform(build: Build, _share: int) -> Outcome:
            return Outcome(build=build, state=State.FAILED, why="gone", error=NO_SERVER)

        (outcome,) = self.patient(Clock()).run(make(a=[]), perform, QUIET)
        assert (outcome.state, outcome.attempts) == (State.FAILED, 3)

    def test_pauses_grow_up_to_a_limit(self) -> None:
        retry = Retry(passing=lambda _error: True, attempts=9, pause=5, longest=60)
        pauses = [retry.after(NO_SERVER, attempt) for attempt in range(1, 10)]
        assert pauses == [5, 10, 20, 40, 60, 60, 60, 60, None]
        assert retry.after(None, 1) is None


class TestMistakes:
    @pytest.mark.parametrize("kind", [ZeroDivisionError, RecursionError, SystemExit, asyncio.CancelledError])
    def test_one_of_a_build_is_the_failure_of_that_build(self, make: Make, kind: type[BaseException]) -> None:
        def perform(build: Build, _share: int) -> Outcome:
            if name(build) == "a":
                raise kind("it slips")
            return built(build)

        plan = make(a=[], b=[], c=["a"], d=["b"])
        outcomes = by_name(Runner(budget=FOUR).run(plan, perform, QUIET))
        states = {key: outcome.state.value for key, outcome in outcomes.items()}
        assert states == {"a": "failed", "b": "built", "c": "blocked", "d": "built"}
        error = outcomes["a"].error
        assert isinstance(error, UnexpectedError)
        assert error.what == f"{kind.__name__}: it slips"
        assert error.log is not None
        assert "in perform" in error.log.read_text()
        error.log.unlink()

    def test_one_of_the_listener_does_too(self, make: Make) -> None:
        def tell(_outcome: Outcome) -> None:
            raise BrokenPipeError

        with pytest.raises(BrokenPipeError):
            Runner(budget=FOUR).run(make(a=[]), lambda build, _share: built(build), OutcomeListener(tell))


def test_a_run_need_not_be_in_the_main_thread(make: Make) -> None:
    plan = make(a=[], b=["a"])
    with ThreadPoolExecutor() as pool:
        future = pool.submit(Runner(budget=FOUR).run, plan, lambda build, _share: built(build), QUIET)
        assert [outcome.state for outcome in future.result(WAIT)] == [State.BUILT, State.BUILT]
