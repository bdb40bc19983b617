"""The rendered workflow: its graph, its files, and what is refused."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from support.actions import interpolate
from support.raised import raised
from support.workflows import CHAIN, SOME, documents_of, files_of, jobs_of, workflow_farm
from wheelfarm.ci.github import FARM, Limits
from wheelfarm.ci.runners import compiler_paths
from wheelfarm.ci.steps import INSTALL
from wheelfarm.errors import CycleError, RecipeError, WorkflowError
from wheelfarm.recipes.ci_settings import PLATFORMS

if TYPE_CHECKING:
    from pathlib import Path


def test_a_job_needs_those_whose_wheels_it_uses_and_no_others(tmp_path: Path) -> None:
    jobs = jobs_of(workflow_farm(tmp_path, ci={"platforms": ["linux-x86_64", "macos-arm64"]}))
    assert jobs["build-scipy-linux-x86_64"].needs == ("build-numpy-linux-x86_64",)
    learn = jobs["build-learn-macos-arm64"]
    assert set(learn.needs) == {"build-numpy-macos-arm64", "build-scipy-macos-arm64"}
    assert jobs["build-alone-linux-x86_64"].needs == ()
    # Each after all that it needs.
    seen: set[str] = set()
    for name, job in jobs.items():
        assert seen.issuperset(job.needs)
        seen.add(name)


def test_what_only_runs_with_a_package_needs_it_too(tmp_path: Path) -> None:
    """The gate installs it: its wheel must be there, and what that needs to run."""
    recipes = {"a": {}, "b": {"requires": {"run": ["a"]}}, "c": {"requires": {"host": ["b"]}}}
    jobs = jobs_of(workflow_farm(tmp_path, recipes, ci={"platforms": ["linux-x86_64"]}))
    assert set(jobs["build-c-linux-x86_64"].needs) == {"build-a-linux-x86_64", "build-b-linux-x86_64"}


def test_the_matrix_has_variants_and_pythons(tmp_path: Path) -> None:
    jobs = jobs_of(workflow_farm(tmp_path))
    linux, macos = jobs["build-numpy-linux-x86_64"], jobs["build-numpy-macos-arm64"]
    assert linux.variants == ("plain", "netlib")
    assert [str(python) for python in linux.pythons] == ["3.11", "3.13"]
    # netlib's libraries are Linux packages, so what is not built is not listed.
    assert macos.variants == ("plain",)
    assert jobs["build-scipy-macos-arm64"].variants == ("plain",)
    assert jobs["build-numpy-musllinux-x86_64"].variants == ("plain",)
    every = jobs_of(workflow_farm(tmp_path / "every", ci={"platforms": list(PLATFORMS)}))
    assert {job.platform for job in every.values()} == set(PLATFORMS)


def test_a_recipe_narrows_the_platforms_and_takes_dependents_along(tmp_path: Path) -> None:
    skip = [{"targets": "*-win_*", "reason": "no Fortran compiler"}]
    jobs = jobs_of(workflow_farm(tmp_path, {**CHAIN, "scipy": {**CHAIN["scipy"], "skip": skip}}))
    windows = {job.name for job in jobs.values() if job.platform == "windows-amd64"}
    assert windows == {"numpy", "alone"}


def test_a_recipe_for_no_platform(tmp_path: Path) -> None:
    skip = [{"targets": "*", "reason": "it is retired"}]
    settings = workflow_farm(tmp_path, {**CHAIN, "numpy": {"skip": skip}})
    problems = raised(lambda: jobs_of(settings), RecipeError)
    assert [problem.what for problem in problems] == [
        "numpy is built for no platform",
        "scipy is built for no platform",
        "learn is built for no platform",
    ]
    assert problems[0].why == "numpy skips *: it is retired"
    assert (problems[1].why or "").startswith("it needs numpy")


def test_a_cycle(tmp_path: Path) -> None:
    recipes = {"a": {"requires": {"host": ["b"]}}, "b": {"requires": {"run": ["a"]}}}
    with pytest.raises(CycleError):
        jobs_of(workflow_farm(tmp_path, recipes))


def _jobs(document: dict[str, Any]) -> dict[str, Any]:
    return dict(document["jobs"])


def test_the_file_says_what_the_graph_says(tmp_path: Path) -> None:
    document = documents_of(workflow_farm(tmp_path, ci={"platforms": ["linux-aarch64"]}))[FARM]
    jobs = _jobs(document)
    scipy = jobs["build-scipy-linux-aarch64"]
    assert scipy["needs"] == ["plan", "build-numpy-linux-aarch64"]
    assert scipy["runs-on"] == "ubuntu-24.04-arm"
    assert scipy["strategy"]["matrix"]["python"] == ["3.11", "3.13"]
    assert scipy["strategy"]["fail-fast"] is False
    assert document["permissions"] == {}
    assert document["on"]["workflow_dispatch"]["inputs"].keys() == {"packages", "variant", "platforms"}
    builds = [name for name in jobs if name.startswith("build-")]
    assert jobs["all-green"]["needs"] == ["plan", *builds, "summary"]
    assert "publish" not in jobs


def test_habits(tmp_path: Path) -> None:
    """Least permissions, time limits, and steps that call a session and say nothing else."""
    for job in _jobs(documents_of(workflow_farm(tmp_path))[FARM]).values():
        assert job["permissions"].keys() <= {"contents", "actions"}
        assert set(job["permissions"].values()) == {"read"}
        assert 0 < job["timeout-minutes"] <= 360
        for step in job["steps"]:
            run = step.get("run", "nox -s ")
            assert run == INSTALL or run.startswith("nox -s ")
            assert "${{" not in run
            if step.get("uses", "").startswith("actions/checkout@"):
                assert step["with"] == {"persist-credentials": False}


def test_logs_and_records_are_kept_on_failure_too(tmp_path: Path) -> None:
    job = _jobs(documents_of(workflow_farm(tmp_path))[FARM])["build-numpy-linux-x86_64"]
    kept = next(step for step in job["steps"] if step.get("with", {}).get("path") == "parts/told")
    assert kept["if"] == "always()"
    sent = next(step for step in job["steps"] if step.get("with", {}).get("path") == "parts/made")
    assert "if" not in sent
    # A job that is run again sends on the same names.
    assert kept["with"]["overwrite"] is sent["with"]["overwrite"] is True


def test_only_runs_of_one_pull_request_replace_each_other(tmp_path: Path) -> None:
    """A run that waits for somebody to approve its publishing holds up nobody."""
    said = documents_of(workflow_farm(tmp_path))[FARM]["concurrency"]
    assert said["cancel-in-progress"] is True

    def group(event: str, ref: str, run: str) -> object:
        return interpolate(said["group"], {"github": {"event_name": event, "ref": ref, "run_id": run}})

    pull = group("pull_request", "refs/pull/7/merge", "1")
    assert (
        pull
        == group("pull_request", "refs/pull/7/merge", "2")
        != group("pull_request", "refs/pull/8/merge", "3")
    )
    assert group("push", "refs/heads/main", "4") != group("push", "refs/heads/main", "5")


def test_a_runner_finds_the_compilers_of_upstream() -> None:
    """Rtools has put them elsewhere since 4.2."""
    assert compiler_paths("windows-amd64", ["c", "fortran"]) == (
        "C:/rtools45/x86_64-w64-mingw32.static.posix/bin",
    )
    assert compiler_paths("linux-x86_64", ["c", "fortran"]) == ()


def test_the_publishing_job(tmp_path: Path) -> None:
    index = {"kind": "static", "url": "out", "targets": ["cp311-manylinux_x86_64"]}
    publish = {"index": "internal", "secret": "PASSWORD"}
    settings = workflow_farm(tmp_path, ci={"publish": publish}, index={"internal": index})
    jobs = _jobs(documents_of(settings)[FARM])
    job = jobs["publish"]
    assert job["environment"] == "publish"
    assert "github.event_name == 'push'" in job["if"]
    assert "refs/heads/main" in job["if"]
    assert job["permissions"] == {"contents": "read", "id-token": "write", "attestations": "write"}
    # The secret is there where it is used and nowhere else in the file.
    (only,) = re.findall(r"secrets\.\w+", files_of(settings)[FARM])
    assert only == "secrets.PASSWORD"
    # The host attests what was published: a rebuild has got its number, and other bytes, by then.
    *_, published, attested = job["steps"]
    assert published["env"] == {"TWINE_PASSWORD": "${{ secrets.PASSWORD }}"}
    assert attested["uses"].startswith("actions/attest-build-provenance@")
    assert not any("cache" in str(step.get("uses")) for step in job["steps"])
    # Nobody waits for an approval to see whether all is green.
    assert "publish" not in jobs["all-green"]["needs"]


@pytest.mark.parametrize(("sign", "more"), [(True, {"id-token": "write"}), (False, {})])
def test_a_private_repository_publishes_without_the_hosts_attestations(
    tmp_path: Path,
    sign: bool,  # noqa: FBT001
    more: dict[str, str],
) -> None:
    """And where nobody signs either, the job has no identity."""
    index = {"kind": "static", "url": "out", "targets": ["cp311-manylinux_x86_64"], "sign": sign}
    publish = {"index": "internal", "attest": False}
    settings = workflow_farm(tmp_path, ci={"publish": publish}, index={"internal": index})
    job = _jobs(documents_of(settings)[FARM])["publish"]
    assert job["permissions"] == {"contents": "read", **more}
    assert job["steps"][-1]["run"] == "nox -s ci-publish -- --index internal"


def test_a_runner_of_ones_own(tmp_path: Path) -> None:
    settings = workflow_farm(tmp_path, ci={"runners": {"linux-x86_64": "big-box"}})
    jobs = _jobs(documents_of(settings)[FARM])
    assert jobs["build-numpy-linux-x86_64"]["runs-on"] == "big-box"
    assert jobs["plan"]["runs-on"] == "ubuntu-24.04"


def test_more_than_a_file_holds_is_split_by_platform(tmp_path: Path) -> None:
    settings = workflow_farm(tmp_path)
    half = Limits(size=len(files_of(settings)[FARM]) // 2)
    documents = documents_of(settings, half)
    assert documents.keys() == {FARM, *(f"farm-{platform}.yml" for platform in SOME)}
    calls = _jobs(documents[FARM])
    call = calls["build-linux-x86_64"]
    assert call["uses"] == "./.github/workflows/farm-linux-x86_64.yml"
    # Both linters have to be content with it; they have been run over such files.
    assert "linux-x86_64.yml # zizmor: ignore[self-repository]" in files_of(settings, half)[FARM]
    called = documents["farm-linux-x86_64.yml"]
    assert call["with"].keys() == called["on"]["workflow_call"]["inputs"].keys()
    jobs = _jobs(called)
    assert jobs["build-scipy-linux-x86_64"]["needs"] == ["build-numpy-linux-x86_64"]
    assert set(jobs["parts"]["needs"]) == jobs.keys() - {"parts"}
    # Nothing in it speaks of a job that stands in the other file.
    assert "needs.plan" not in files_of(settings, half)["farm-linux-x86_64.yml"]
    assert "build-linux-x86_64" in calls["all-green"]["needs"]


@pytest.mark.parametrize(
    ("limits", "what"),
    [
        (Limits(told=2000), "46 legs are more than a workflow may have"),
        (Limits(legs=3), "the matrix of build-alone-linux-x86_64 is too large"),
        (Limits(size=1000), "4 recipes on one platform are more than a workflow may hold"),
        (Limits(size=20_000, called=3), "4 platforms are more than a workflow may call"),
    ],
)
def test_more_than_a_workflow_holds(tmp_path: Path, limits: Limits, what: str) -> None:
    with pytest.raises(WorkflowError, match=what):
        files_of(workflow_farm(tmp_path), limits)


def test_the_same_recipes_make_the_same_bytes(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from support.workflows import workflow_farm, files_of;"
        "sys.stdout.write(files_of(workflow_farm(Path(sys.argv[1])))['farm.yml'])"
    )
    found = set()
    for number, seed in enumerate(("1", "2")):
        environ = {"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path), "PATH": "/usr/bin:/bin"}
        words = [sys.executable, "-c", code, str(tmp_path / str(number))]
        found.add(subprocess.run(words, env=environ, capture_output=True, text=True, check=True).stdout)
    (text,) = found
    assert text.startswith("# Drawn by `inv ci.render`")
    assert max(map(len, text.splitlines())) < 200  # one line an expression, and none longer than that


def test_what_jobs_tell_is_no_longer_than_was_counted(tmp_path: Path) -> None:
    """As `toJSON(needs)` gives it, in one file or in one for each platform."""
    settings = workflow_farm(tmp_path)
    jobs = tuple(jobs_of(settings).values())
    outputs = {job.id: {leg.output: "0" * 64 for leg in job.legs} for job in jobs}
    digests = {leg.slug: "0" * 64 for job in jobs for leg in job.legs}
    parts = {"parts": json.dumps(digests, separators=(",", ":"))}
    for told in (outputs, {"build-linux-x86_64": parts}):
        needs = {name: {"result": "cancelled", "outputs": each} for name, each in told.items()}
        with pytest.raises(WorkflowError, match="a workflow may have"):
            files_of(settings, Limits(told=len(json.dumps(needs, indent=2))))
