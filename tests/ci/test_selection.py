"""Selection of matrix entries: what changed, what a person requested, and what those need."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from support.actions.hosting import combinations
from support.farm import make_toolchain, plan_of
from support.records import sample_record
from support.workflows import CHAIN, jobs_of, workflow_farm
from wheelfarm.ci.selection import (
    Filter,
    JobResults,
    dump_selection,
    find_unchanged,
    load_selection,
    select_entries,
)
from wheelfarm.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from support.farm import Table
    from wheelfarm.ci.matrix import Job
    from wheelfarm.plan.build import BuildId
    from wheelfarm.provenance.record import Record

EVERYTHING = Filter()


@pytest.fixture(scope="module")
def jobs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Job, ...]:
    return tuple(jobs_of(workflow_farm(tmp_path_factory.mktemp("farm"))).values())


def _records(root: Path, recipes: Mapping[str, Table] = CHAIN) -> dict[BuildId, Record]:
    """The records of a run on another machine than the plan's."""
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
    return {str(each.name) for each in find_unchanged(plan.builds, records)}


def test_facts_of_the_machine_do_not_count(tmp_path: Path) -> None:
    assert _unchanged(tmp_path / "now", _records(tmp_path / "then")) == set(CHAIN)


@pytest.mark.parametrize(
    ("name", "change", "unchanged"),
    [
        ("learn", {"version": "2.0"}, {"alone", "numpy", "scipy"}),
        ("scipy", {"environment": {"CFLAGS": "-O3"}}, {"alone", "numpy"}),
        ("numpy", {"config-settings": {"setup-args": "-Dx=1"}}, {"alone"}),
        # Nothing is compiled anew, but the gate expects something else.
        ("numpy", {"expect": {"max-size": {"file": "9M"}}}, {"alone"}),
        ("alone", {"test": {"imports": ["alone"]}}, {"numpy", "scipy", "learn"}),
        ("alone", {"summary": "a better one"}, set(CHAIN)),
    ],
)
def test_dependents_change_with_what_they_need(
    tmp_path: Path, name: str, change: Table, unchanged: set[str]
) -> None:
    now = {**CHAIN, name: {**CHAIN[name], **change}}
    assert _unchanged(tmp_path / "now", _records(tmp_path / "then"), now) == unchanged


def test_the_version_of_cibuildwheel_counts(tmp_path: Path) -> None:
    """It is the same on all machines, and brings the images and interpreters."""
    old = make_toolchain(facts={"cibuildwheel": "4.3.3"})
    new = make_toolchain(facts={"cibuildwheel": "4.4.0"})
    farm = workflow_farm(tmp_path, {"alone": {}})
    (build,) = plan_of(farm, toolchains=[old]).builds
    record = sample_record(recipe=build.id.name, key=build.key, key_parts=build.key_parts)
    records = {build.id: record.model_copy(update={"gate_key": build.gate_key})}
    assert find_unchanged([build], records) == {build.id}
    assert find_unchanged(plan_of(farm, toolchains=[new]).builds, records) == set()


def test_without_records_everything_has_changed(tmp_path: Path) -> None:
    assert _unchanged(tmp_path, {}) == set()


def test_a_pull_request_runs_what_changed(jobs: tuple[Job, ...]) -> None:
    unchanged = {entry.build_id for job in jobs for entry in job.entries if entry.name != "learn"}
    selected = select_entries(jobs, EVERYTHING, unchanged, full=False)
    assert {entry.name for entry in selected} == {"learn"}
    assert select_entries(jobs, EVERYTHING, unchanged, full=True) == {
        entry for job in jobs for entry in job.entries
    }


def test_requested_entries_bring_dependencies_that_changed(jobs: tuple[Job, ...]) -> None:
    requested = Filter(names={"learn"}, variants={"plain"}, platforms={"macos-arm64"})
    every = select_entries(jobs, requested, set(), full=True)
    assert {(entry.name, entry.platform, entry.variant) for entry in every} == {
        (name, "macos-arm64", "plain") for name in ("numpy", "scipy", "learn")
    }
    unchanged = {entry.build_id for job in jobs for entry in job.entries if entry.name == "numpy"}
    assert {entry.name for entry in select_entries(jobs, requested, unchanged, full=True)} == {
        "scipy",
        "learn",
    }


@pytest.mark.parametrize(
    ("requested", "what"),
    [
        (Filter(names={"nunpy"}), "no package 'nunpy'"),
        (Filter(variants={"mkl"}), "no variant 'mkl'"),
        (Filter(platforms={"linux"}), "no platform 'linux'"),
    ],
)
def test_a_value_that_the_workflow_lacks_is_an_error(
    jobs: tuple[Job, ...], requested: Filter, what: str
) -> None:
    with pytest.raises(UsageError, match=what):
        requested.check(jobs)


@given(data=st.data())
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_selected_entry_finds_its_dependencies(jobs: tuple[Job, ...], data: st.DataObject) -> None:
    """Either it runs too or the last run holds it; and what the plan tells is what the jobs read."""
    entries = [entry for job in jobs for entry in job.entries]
    unchanged = {entry.build_id for entry in data.draw(st.sets(st.sampled_from(entries)))}
    names = data.draw(st.one_of(st.none(), st.sets(st.sampled_from(["numpy", "scipy", "learn"]), min_size=1)))
    selected = select_entries(jobs, Filter(names=names), unchanged, full=data.draw(st.booleans()))
    for job in jobs:
        for entry in set(job.entries) & selected:
            assert all(up in selected or up.build_id in unchanged for up in job.dependencies_of(entry))
    text = dump_selection(jobs, selected, "7")
    assert load_selection(jobs, text) == selected
    plans = json.loads(text)
    for job in jobs:
        runs = {(entry.variant, str(entry.python)) for entry in job.entries if entry in selected}
        # GitHub skips the job without a plan, and multiplies the axes of the others.
        assert (job.id in plans) is bool(runs)
        if runs:
            pairs = combinations(plans[job.id]["matrix"])
            assert {(each["variant"], each["python"]) for each in pairs} == runs
            assert plans[job.id]["requires"] == "|".join(job.dependencies)
            assert plans[job.id]["last-run"] == "7"


def test_results_of_jobs() -> None:
    needs = {
        "plan": {"result": "success", "outputs": {"jobs": "{}"}},
        "a": {"result": "failure"},
        "b": {"result": "skipped", "outputs": None},
    }
    results = JobResults.parse(json.dumps(needs))
    assert results.result("a") == "failure"
    assert results.result("nothing") == ""
    assert results.failed == ["a"]
    assert results.output("plan", "jobs") == "{}"
    assert results.output("b", "jobs") == results.output("nothing", "jobs") == ""


@pytest.mark.parametrize(
    "text", [*("", "{", "[]", '"x"'), '{"plan": "success"}', '{"plan": {"outputs": [1]}}']
)
def test_damaged_results_are_an_error(text: str) -> None:
    with pytest.raises(UsageError, match="NEEDS"):
        JobResults.parse(text)
