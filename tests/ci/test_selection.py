"""Which legs of a workflow run: what changed, what was asked for, and what those need."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from support.farm import make_toolchain, plan_of
from support.records import sample_record
from support.workflows import CHAIN, jobs_of, workflow_farm
from wheelfarm.ci.selection import Results, Wish, build_id, outputs, read_outputs, select, unchanged
from wheelfarm.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from support.farm import Table
    from wheelfarm.ci.matrix import Job
    from wheelfarm.plan.build import BuildId
    from wheelfarm.provenance.record import Record

EVERYTHING = Wish()


@pytest.fixture(scope="module")
def jobs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Job, ...]:
    return tuple(jobs_of(workflow_farm(tmp_path_factory.mktemp("farm"))).values())


def _records(root: Path, recipes: Mapping[str, Table] = CHAIN) -> dict[BuildId, Record]:
    """What a run of a farm has recorded, on a machine that is another one than the plan's."""
    here = make_toolchain(facts={"image": "sha256:99", "python": "3.11.9"}, compilers={"c": "cc 14"})
    plan = plan_of(workflow_farm(root, recipes), toolchains=[here])
    return {
        build.id: sample_record(
            recipe=build.id.name,
            distribution=build.id.name,
            key=build.key,
            key_parts=build.key_parts,
            gate_key=build.gate_key,
        )
        for build in plan.builds
    }


def _unchanged(
    root: Path, records: Mapping[BuildId, Record], recipes: Mapping[str, Table] = CHAIN
) -> set[str]:
    nowhere = make_toolchain(facts={}, compilers={}, packages={}, manager=None)
    plan = plan_of(workflow_farm(root, recipes), toolchains=[nowhere])
    return {str(each.name) for each in unchanged(plan.builds, records)}


def test_what_only_the_machine_knows_does_not_count(tmp_path: Path) -> None:
    assert _unchanged(tmp_path / "now", _records(tmp_path / "then")) == set(CHAIN)


@pytest.mark.parametrize(
    ("name", "change", "held"),
    [
        ("learn", {"version": "2.0"}, {"alone", "numpy", "scipy"}),
        ("scipy", {"environment": {"CFLAGS": "-O3"}}, {"alone", "numpy"}),
        ("numpy", {"config-settings": {"setup-args": "-Dx=1"}}, {"alone"}),
        # Nothing is compiled anew, but the gate asks something else.
        ("numpy", {"expect": {"max-size": {"file": "9M"}}}, {"alone"}),
        ("alone", {"test": {"imports": ["alone"]}}, {"numpy", "scipy", "learn"}),
        ("alone", {"summary": "a better one"}, set(CHAIN)),
    ],
)
def test_dependents_change_with_what_they_need(
    tmp_path: Path, name: str, change: Table, held: set[str]
) -> None:
    now = {**CHAIN, name: {**CHAIN[name], **change}}
    assert _unchanged(tmp_path / "now", _records(tmp_path / "then"), now) == held


def test_cibuildwheel_itself_counts(tmp_path: Path) -> None:
    """It is the same on all machines, and brings the images and interpreters."""
    old = make_toolchain(facts={"cibuildwheel": "4.3.3"})
    new = make_toolchain(facts={"cibuildwheel": "4.4.0"})
    farm = workflow_farm(tmp_path, {"alone": {}})
    (build,) = plan_of(farm, toolchains=[old]).builds
    record = sample_record(recipe=build.id.name, key=build.key, key_parts=build.key_parts)
    records = {build.id: record.model_copy(update={"gate_key": build.gate_key})}
    assert unchanged([build], records) == {build.id}
    assert unchanged(plan_of(farm, toolchains=[new]).builds, records) == set()


def test_without_records_everything_has_changed(tmp_path: Path) -> None:
    assert _unchanged(tmp_path, {}) == set()


def test_a_pull_request_runs_what_changed(jobs: tuple[Job, ...]) -> None:
    held = {build_id(leg) for job in jobs for leg in job.legs if leg.name != "learn"}
    selected = select(jobs, EVERYTHING, held, full=False)
    assert {leg.name for leg in selected} == {"learn"}
    assert select(jobs, EVERYTHING, held, full=True) == {leg for job in jobs for leg in job.legs}


def test_what_was_asked_for_brings_what_it_needs_and_is_not_there(jobs: tuple[Job, ...]) -> None:
    wish = Wish(names={"learn"}, variants={"plain"}, platforms={"macos-arm64"})
    every = select(jobs, wish, set(), full=True)
    assert {(leg.name, leg.platform, leg.variant) for leg in every} == {
        (name, "macos-arm64", "plain") for name in ("numpy", "scipy", "learn")
    }
    held = {build_id(leg) for job in jobs for leg in job.legs if leg.name == "numpy"}
    assert {leg.name for leg in select(jobs, wish, held, full=True)} == {"scipy", "learn"}


@pytest.mark.parametrize(
    ("wish", "what"),
    [
        (Wish(names={"nunpy"}), "no package 'nunpy'"),
        (Wish(variants={"mkl"}), "no variant 'mkl'"),
        (Wish(platforms={"linux"}), "no platform 'linux'"),
    ],
)
def test_words_that_mean_nothing(jobs: tuple[Job, ...], wish: Wish, what: str) -> None:
    with pytest.raises(UsageError, match=what):
        wish.check(jobs)


@given(data=st.data())
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_each_leg_that_runs_finds_its_upstream(jobs: tuple[Job, ...], data: st.DataObject) -> None:
    """Either it runs too or the last run holds it; and what the plan tells is what the jobs read."""
    legs = [leg for job in jobs for leg in job.legs]
    held = {build_id(leg) for leg in data.draw(st.sets(st.sampled_from(legs)))}
    names = data.draw(st.one_of(st.none(), st.sets(st.sampled_from(["numpy", "scipy", "learn"]), min_size=1)))
    selected = select(jobs, Wish(names=names), held, full=data.draw(st.booleans()))
    for job in jobs:
        for leg in set(job.legs) & selected:
            assert all(up in selected or build_id(up) in held for up in job.upstream_of(leg))
    told = outputs(jobs, selected)
    assert read_outputs(jobs, told) == selected
    left_out = json.loads(told["left-out"])
    for job in jobs:
        product = {(variant, str(python)) for variant in job.variants for python in job.pythons}
        gone = {(each["variant"], each["python"]) for each in left_out[job.id]}
        runs = {(leg.variant, str(leg.python)) for leg in job.legs if leg in selected}
        # The host runs the product of the axes without these; a job that none remain of must not run.
        assert product - gone == runs
        assert (job.id in json.loads(told["jobs"])) is bool(runs)


def test_the_results_of_jobs(jobs: tuple[Job, ...]) -> None:
    job = next(job for job in jobs if job.id == "build-scipy-linux-x86_64")
    first, *_ = job.legs
    needs = {
        "plan": {"result": "success", "outputs": {"jobs": "[]"}},
        job.id: {"result": "failure", "outputs": {first.output: "a" * 64, "unknown": "b"}},
        "build-windows-amd64": {
            "result": "success",
            "outputs": {"parts": '{"numpy-windows-amd64-plain-3.11":"c"}'},
        },
    }
    results = Results.read(json.dumps(needs))
    assert results.result(job.id) == "failure"
    assert results.result("nothing") == ""
    assert not results.well
    assert Results.read('{"a": {"result": "success"}, "b": {"result": "skipped"}}').well
    assert results.parts(jobs) == {first.slug: "a" * 64, "numpy-windows-amd64-plain-3.11": "c"}


@pytest.mark.parametrize("text", ["", "{", "[]", '"x"', '{"plan": "success"}'])
def test_results_that_are_none(text: str) -> None:
    with pytest.raises(UsageError, match="NEEDS"):
        Results.read(text)
