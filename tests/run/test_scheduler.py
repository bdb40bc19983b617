"""Schedule: one failure stops only what needs it, and says so."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.farm import make_farm, plan_of
from wheelfarm.errors import BuildError, FarmError
from wheelfarm.run.budget import Budget
from wheelfarm.run.outcome import Outcome, State
from wheelfarm.run.scheduler import Runner

if TYPE_CHECKING:
    from pathlib import Path

    from wheelfarm.plan.build import Build
    from wheelfarm.plan.graph import Plan

NEEDS = {"a": [], "b": ["a"], "c": ["b"], "d": ["c"], "e": [], "f": ["e"]}


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    return plan_of(make_farm(tmp_path, {name: {"requires": {"host": host}} for name, host in NEEDS.items()}))


class _Performer:
    """Ends builds as `ends` says; the others are built."""

    def __init__(self, **ends: State | FarmError) -> None:
        self.ends = ends
        self.performed: list[str] = []

    def __call__(self, build: Build, _share: int) -> Outcome:
        name = str(build.id.name)
        self.performed.append(name)
        match self.ends.get(name, State.BUILT):
            case FarmError() as error:
                raise error
            case State() as state:
                return Outcome(build=build, state=state, why="a test says so", seconds=1.5)


def _run(plan: Plan, performer: _Performer) -> tuple[dict[str, Outcome], list[str]]:
    reported: list[str] = []
    # Where nothing takes any time, no path is longer than another, and the plan's order decides.
    runner = Runner(budget=Budget(cpus=1), durations=dict.fromkeys((each.id for each in plan.builds), 0.0))
    outcomes = runner.run(plan, performer, tell=lambda outcome: reported.append(str(outcome.build.id.name)))
    return {str(outcome.build.id.name): outcome for outcome in outcomes}, reported


def test_all_are_performed_in_order_and_reported_once(plan: Plan) -> None:
    performer = _Performer(a=State.CACHED, e=State.CHECKED)
    outcomes, reported = _run(plan, performer)
    order = [str(build.id.name) for build in plan.builds]
    assert performer.performed == reported == list(outcomes) == order
    assert {outcome.state for outcome in outcomes.values()} == {State.BUILT, State.CACHED, State.CHECKED}
    assert all(outcome.seconds == 1.5 for outcome in outcomes.values())


def test_a_failure_blocks_what_needs_it_and_nothing_else(plan: Plan) -> None:
    error = BuildError("the compiler broke", hint="read the log")
    performer = _Performer(b=error)
    outcomes, reported = _run(plan, performer)
    assert sorted(performer.performed) == ["a", "b", "e", "f"]
    assert sorted(reported) == sorted(NEEDS)
    assert {name: str(outcome.state) for name, outcome in outcomes.items()} == {
        "a": "built",
        "b": "failed",
        "c": "blocked",
        "d": "blocked",
        "e": "built",
        "f": "built",
    }
    assert outcomes["b"].error is error
    assert outcomes["b"].why == "the compiler broke"
    assert outcomes["b"].seconds >= 0


def test_the_blocked_name_the_root_of_it(plan: Plan) -> None:
    outcomes, _ = _run(plan, _Performer(b=BuildError("x")))
    b = outcomes["b"].build.id
    assert outcomes["c"].why == outcomes["d"].why == f"blocked by {b}, which failed"
    assert outcomes["c"].error is None


def test_a_failure_that_is_returned_blocks_too(plan: Plan) -> None:
    outcomes, _ = _run(plan, _Performer(e=State.FAILED))
    assert outcomes["f"].state is State.BLOCKED
    assert outcomes["f"].why == f"blocked by {outcomes['e'].build.id}, which failed"


def test_what_the_wheel_needs_to_run_blocks_as_well(tmp_path: Path) -> None:
    plan = plan_of(make_farm(tmp_path, {"a": {}, "b": {"requires": {"run": ["a"]}}}))
    outcomes, _ = _run(plan, _Performer(a=BuildError("x")))
    assert outcomes["b"].state is State.BLOCKED


def test_a_part_of_a_plan_does_not_wait_for_the_rest(plan: Plan) -> None:
    part = plan.only([build.id.name for build in plan.builds if build.id.name in {"c", "d"}])
    outcomes, _ = _run(part, _Performer(c=BuildError("x")))
    assert {name: str(outcome.state) for name, outcome in outcomes.items()} == {
        "c": "failed",
        "d": "blocked",
    }


def test_good_states_leave_a_wheel() -> None:
    assert {str(state) for state in State if state.good} == {"built", "reused", "cached", "checked"}
