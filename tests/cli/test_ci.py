"""ci.render and ci.check, and the sessions of CI jobs, with an API on loopback."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from support.actions.hosting import REVIEWED, TOKEN, Hosting
from support.actions.repository import commit
from support.door import Door
from support.farm import write_farm
from support.publishing import TARGETS, publication, publishing_farm, stock, store
from support.records import sample_record
from support.site_keys import write_keys
from support.workflows import SOME, load_yaml
from wheelfarm.ci.github import FARM, RECORDS_ARTIFACT
from wheelfarm.ci.github_runs import check_commit, check_environment, find_last_run
from wheelfarm.ci.workflow_file import DEFAULT_PINS
from wheelfarm.errors import NetworkError, SettingsError, UsageError, WorkflowError
from wheelfarm.recipes.settings import load

if TYPE_CHECKING:
    from collections.abc import Mapping

ROOT = Path(__file__).parents[2]
CI = {"platforms": list(SOME), "pythons": ["3.11"]}


@pytest.fixture
def farm(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Door:
    recipes = {"numpy": {}, "scipy": {"requires": {"host": ["numpy"]}}}
    root = write_farm(tmp_path / "farm", recipes, settings={"ci": CI, "engine": "host"})
    (root / ".github/workflows").mkdir(parents=True)
    shutil.copy(ROOT / ".github/workflows/build-wheel.yml", root / ".github/workflows")
    (root / "requirements").mkdir()
    shutil.copy(ROOT / "requirements/nox.txt", root / "requirements")
    return Door(root, capsys, monkeypatch)


def test_render_then_check(farm: Door) -> None:
    missing = farm.inv("ci.check")
    assert missing.returncode == 14
    assert "error[workflow]: the workflow is missing" in missing.stderr
    rendered = farm.inv("ci.render", "--json")
    assert rendered.returncode == 0, rendered.stderr
    assert json.loads(rendered.stdout)["file"] == f".github/workflows/{FARM}"
    path = farm / ".github/workflows" / FARM
    assert "build-scipy-macos-arm64" in load_yaml(path.read_text("utf-8"))["jobs"]
    assert farm.inv("ci.check").returncode == 0

    recipe = farm / "recipes/scipy/recipe.toml"
    recipe.write_text(recipe.read_text("utf-8").replace('host = ["numpy"]', "host = []"), encoding="utf-8")
    stale = farm.inv("ci.check")
    assert stale.returncode == 14
    assert "error[workflow]: the workflow is stale" in stale.stderr
    assert "would be 'needs: [plan]'" in stale.stderr
    assert "next: inv ci.render" in stale.stderr


def test_a_missing_reusable_workflow_is_an_error(farm: Door) -> None:
    farm.inv("ci.render")
    (farm / ".github/workflows/build-wheel.yml").unlink()
    checked = farm.inv("ci.check")
    assert checked.returncode == 14
    assert "farm.yml calls a workflow that is missing" in checked.stderr


def test_an_update_of_an_action_stays(farm: Door) -> None:
    """As dependabot makes it, in the rendered file."""
    farm.inv("ci.render")
    path, pin = farm / ".github/workflows" / FARM, DEFAULT_PINS["actions/upload-artifact"]
    bumped = path.read_text("utf-8").replace(f"{pin.commit} # {pin.version}", f"{'a' * 40} # v99.0.0")
    path.write_text(bumped, encoding="utf-8")
    assert farm.inv("ci.check").returncode == 0
    farm.inv("ci.render")
    assert path.read_text("utf-8") == bumped


def test_an_action_without_a_pin_in_another_workflow_is_an_error(farm: Door) -> None:
    farm.inv("ci.render")
    own = farm / ".github/workflows/own.yaml"
    own.write_text("jobs:\n  a:\n    steps:\n      - uses: actions/checkout@v5\n", encoding="utf-8")
    checked = farm.inv("ci.check")
    assert checked.returncode == 14
    assert "actions/checkout is not pinned" in checked.stderr
    assert "where: .github/workflows/own.yaml:4" in checked.stderr


def test_the_plan_of_a_first_run_selects_everything_requested(farm: Door) -> None:
    output = farm / "output"
    done = farm.ci("plan", "--packages", "scipy", "--platforms", "", GITHUB_OUTPUT=str(output))
    assert done.returncode == 0, done.stderr
    found = dict(line.split("=", 1) for line in output.read_text("utf-8").splitlines())
    assert found.keys() == {"jobs"}
    assert len(json.loads(found["jobs"])) == 2 * len(SOME)
    refused = farm.ci("plan", "--packages", "sicpy")
    assert refused.returncode == 2
    assert "no package 'sicpy'" in refused.stderr


BUILD = ("build", "scipy", "--platform", "linux-x86_64", "--variant", "plain", "--python")


@pytest.mark.parametrize(
    ("words", "what"),
    [
        ((*BUILD, "3.11,3.12"), "a matrix entry has one Python"),
        (("build", "numpy", "--platform", "linux_x86_64", "--python", "3.11"), "no platform 'linux_x86_64'"),
        (
            ("build", "numpy", "--platform", "windows-amd64", "--python", "3.11"),
            "does not build for win_amd64",
        ),
        (("summary",), "the results of the jobs are missing"),
    ],
)
def test_a_wrong_option_of_a_session_is_an_error(farm: Door, words: tuple[str, ...], what: str) -> None:
    done = farm.ci(*words)
    assert done.returncode != 0
    assert what in done.stderr


def test_an_unknown_provider_is_an_error(farm: Door) -> None:
    assert "unknown provider 'jenkins'" in farm.inv("ci.render", "--provider", "jenkins").stderr


def test_github_cannot_publish_where_a_key_of_the_site_signs(farm: Door) -> None:
    """A runner of one's own can have the key, as with GitLab."""
    url = write_keys(farm.root, "a")
    with (farm / "pyproject.toml").open("a") as file:
        file.write(
            '[tool.wheelfarm.index.internal]\nkind = "static"\nurl = "s3://wheels/internal"\n'
            f'targets = ["{TARGETS[0]}"]\nsign-key = "{url}"\nsigner-keys = [{{ file = "keys/a.pub" }}]\n'
            '[tool.wheelfarm.ci.publish]\nindex = "internal"\n'
        )
    refused = farm.inv("ci.render")
    assert refused.returncode == SettingsError.exit_code
    assert "the publishing job of GitHub has no private key for index internal" in refused.stderr
    assert not (farm / ".github/workflows" / FARM).exists()
    assert farm.inv("ci.render", "--provider", "gitlab").returncode == 0


def test_missing_wheels_are_an_error_before_the_build(farm: Door) -> None:
    done = farm.ci(*BUILD, "3.11")
    assert "error[chain]: the wheels of numpy-linux-x86_64-plain-3.11 are missing" in done.stderr


def test_the_file_of_gitlab_does_not_disturb_the_other(farm: Door) -> None:
    assert farm.inv("ci.check", "--provider", "gitlab").returncode == 14
    assert "gitlab-ci.yml" in farm.inv("ci.render", "--provider", "gitlab").stdout
    farm.inv("ci.render")
    assert farm.inv("ci.check", "--provider", "gitlab").returncode == 0
    assert farm.inv("ci.check").returncode == 0


@pytest.mark.parametrize(("result", "whole"), [("success", True), ("failure", False), ("cancelled", False)])
def test_the_summary_of_a_run_with_a_failed_job_fails_and_has_no_records(
    farm: Door,
    result: str,
    whole: bool,  # noqa: FBT001
) -> None:
    """Later runs know a full run by its records."""
    report = farm / "ci-artifacts/reports/numpy-macos-arm64-plain-3.11"
    (report / "plain/records").mkdir(parents=True)
    (report / "plain/records/0.json").write_text("{}")
    (report / "outcome.json").write_text('{"entry": "numpy-macos-arm64-plain-3.11", "state": "built"}')
    needs = {"plan": {"result": "success"}, "build-numpy-macos-arm64": {"result": result}}
    done = farm.ci("summary", NEEDS=json.dumps(needs))
    assert (done.returncode == 0) is whole, done.stderr
    assert "### Farm:" in done.stdout
    assert ("error[workflow]: not every job of the run succeeded" in done.stderr) is not whole
    assert (farm / "ci-artifacts/records/plain/records/0.json").is_file() is whole


def test_a_push_uses_no_other_run(farm: Door) -> None:
    """Everything is built from nothing, without a request to the API."""
    done = farm.ci("last", GITHUB_EVENT_NAME="push")
    assert (done.returncode, done.stdout) == (0, "run-id=\n")
    assert farm.ci("last", GITHUB_EVENT_NAME="pull_request").returncode == 2


def _last(farm: Door, environ: Mapping[str, str]) -> str | None:
    settings = load(farm.root, environ={"PATH": "/usr/bin", "HOME": str(farm.root), **environ})
    return find_last_run(settings, FARM, RECORDS_ARTIFACT)


def test_the_last_run_is_the_last_one_with_records(farm: Door) -> None:
    """Whether anybody approved its publishing does not matter."""
    hosting = Hosting(farm.root, farm.root)
    with hosting.api() as address:
        environ = {"GITHUB_API_URL": address, "GITHUB_REPOSITORY": "a/b", "GITHUB_TOKEN": TOKEN}
        assert _last(farm, environ) is None
        hosting.runs = ["12", "11"]
        assert _last(farm, environ) is None
        (farm / "artifacts/11/records").mkdir(parents=True)
        assert _last(farm, environ) == "11"
        (farm / "artifacts/12/records").mkdir(parents=True)
        assert _last(farm, environ) == "12"
        with pytest.raises(NetworkError, match="cannot be used") as caught:
            _last(farm, environ | {"GITHUB_TOKEN": "other"})
        assert caught.value.why == "the answer has status 403"
        assert "other" not in str(caught.value)
    with pytest.raises(NetworkError):
        _last(farm, environ)
    with pytest.raises(UsageError):
        _last(farm, {})


@pytest.mark.parametrize(
    ("source", "labels", "built"),
    [
        ({"full_name": "a/b"}, [], True),
        ({"full_name": "else/b"}, [], False),
        ({"full_name": "else/b"}, ["docs"], False),
        ({"full_name": "else/b"}, ["docs", "build-wheels"], True),
        (None, [], False),  # the fork was deleted
    ],
)
def test_a_pull_request_of_a_fork_is_built_once_it_has_the_label(
    farm: Door,
    source: dict[str, str] | None,
    labels: list[str],
    built: bool,  # noqa: FBT001
) -> None:
    pull = {"number": 7, "head": {"repo": source}, "labels": [{"name": label} for label in labels]}
    event = farm / "event.json"
    event.write_text(json.dumps({"action": "opened", "pull_request": pull}))
    environ = {"GITHUB_EVENT_PATH": str(event), "GITHUB_REPOSITORY": "a/b"}
    done = farm.ci("plan", GITHUB_EVENT_NAME="pull_request", **environ)
    assert (done.returncode == 0) is built, done.stderr
    assert ("next: look at what it changes, then give it the label build-wheels" in done.stderr) is not built
    event.write_text(json.dumps({"ref": "refs/heads/main"}))
    assert farm.ci("plan", GITHUB_EVENT_NAME="push", **environ).returncode == 0


@pytest.mark.parametrize(
    ("environments", "error"),
    [
        ({"publish": REVIEWED}, None),
        ({}, "the environment of the publishing job does not exist"),
        ({"publish": {"protection_rules": []}}, "nobody has to approve what is published"),
        ({"publish": {"protection_rules": [{"type": "wait_timer"}]}}, "nobody has to approve"),
        ({"publish": {"protection_rules": [{"type": "required_reviewers", "reviewers": []}]}}, "nobody has"),
    ],
)
def test_a_run_publishes_only_when_somebody_has_to_approve(
    farm: Door, environments: dict[str, dict[str, Any]], error: str | None
) -> None:
    hosting = Hosting(farm.root, farm.root, environments=environments)
    with hosting.api() as address:
        environ = {"GITHUB_API_URL": address, "GITHUB_REPOSITORY": "a/b", "GITHUB_TOKEN": TOKEN}
        settings = load(farm.root, environ={"PATH": "/usr/bin", "HOME": str(farm.root), **environ})
        if error is None:
            check_environment(settings, "publish")
        else:
            with pytest.raises(WorkflowError, match=error):
                check_environment(settings, "publish")


def test_a_tag_publishes_only_a_commit_of_the_main_branch(farm: Door, tmp_path: Path) -> None:
    origin, clone = tmp_path / "origin", tmp_path / "clone"
    shutil.copytree(farm.root, origin)
    commit(origin, "a farm")
    subprocess.run(["git", "clone", "--quiet", str(origin), str(clone)], check=True)
    settings = load(
        clone, environ={"PATH": "/usr/bin:/bin", "HOME": str(farm.root), "GITHUB_REF": "refs/tags/v1"}
    )
    check_commit(settings)
    (clone / "added").touch()
    commit(clone, "beside the branch")
    with pytest.raises(WorkflowError, match="the commit is not on the branch main") as caught:
        check_commit(settings)
    assert caught.value.where == "refs/tags/v1"
    # A checkout without the branch cannot tell, and does not let it pass.
    subprocess.run(["git", "update-ref", "-d", "refs/remotes/origin/main"], cwd=clone, check=True)
    with pytest.raises(WorkflowError, match="the commit is not on the branch main"):
        check_commit(settings)


INDEX = {"kind": "static", "url": "../public"}


def test_a_changed_build_of_a_published_version_gets_the_next_build_number(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each push builds from nothing: without build numbers the first change of a recipe ends publishing."""
    first, second = (publishing_farm(tmp_path / name, INDEX) for name in ("first", "second"))
    stock(first.wheelhouse)
    publication(first).publish(None)
    stock(second.wheelhouse, content="other")
    door = Door(second.settings.root, capsys, monkeypatch)
    dry = door.ci("publish", "--dry-run")
    assert dry.returncode == 0, dry.stderr
    assert re.search(r"^to upload +alpha-1\.0-2_", dry.stdout, re.MULTILINE)
    done = door.ci("publish")
    assert done.returncode == 0, done.stderr
    names = {path.name for path in (tmp_path / "public/plain").glob("wheels/*/alpha-*.whl")}
    assert sorted(name.split("-")[2].partition("_")[0] for name in names) == ["1", "1", "2", "2"]


def test_errors_of_all_variants_come_at_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    farms = [publishing_farm(tmp_path / name, INDEX, recipes={"alpha": {}}) for name in ("first", "second")]
    for variant in ("plain", "netlib"):
        for target in TARGETS:
            store(farms[0].wheelhouse, "alpha", target=target, variant=variant)
            store(farms[1].wheelhouse, "alpha", target=target, variant=variant, content="other", inputs_of="")
    door = Door(farms[0].settings.root, capsys, monkeypatch)
    assert door.ci("publish").returncode == 0
    # The same keys and other bytes: these builds do not reproduce.
    done = Door(farms[1].settings.root, capsys, monkeypatch).ci("publish")
    assert done.returncode != 0
    assert done.stderr.count("error[conflict]") == 4


def _write_records(directory: Path, **sizes: int) -> None:
    """Records of wheels of that many bytes unpacked, by distribution."""
    records = directory / "plain" / "records"
    records.mkdir(parents=True)
    for name, size in sizes.items():
        content = {"extension": size, "python": 100_000}
        record = sample_record(
            recipe="numpy", distribution=name.replace("_", "-"), variant="plain", sizes=content
        )
        (records / f"{name}.json").write_text(record.to_json(), encoding="utf-8")


def test_the_summary_of_a_run_says_which_wheels_have_grown(farm: Door) -> None:
    """By more than a hundredth, since the last full run; splits too."""
    last, own = farm / "ci-artifacts/last-run", farm / "ci-artifacts/reports/numpy-macos-arm64-plain-3.11"
    _write_records(last / "records", numpy=900_000, numpy_tests=900_000, numpy_small=900_000)
    _write_records(own, numpy=910_000, numpy_tests=912_000, numpy_small=800_000, numpy_new=900_000)
    needs = {"plan": {"result": "success"}}
    done = farm.ci("summary", NEEDS=json.dumps(needs))
    assert done.returncode == 0, done.stderr
    title, _, _, _, *rows = done.stdout.partition("### Sizes: ")[2].splitlines()
    assert title == "1 wheel larger by more than 1 % than in the last full run, unpacked"
    (row,) = rows
    assert row.startswith("| numpy-tests 1.17.1 | plain | cp312-manylinux_x86_64 | 1.0 MB | 1.0 MB | +1.2% ")
    assert row.endswith("| extension +12,000 bytes |")
    # Without a last run, or when nothing has grown, there is nothing to say.
    shutil.rmtree(last)
    assert "Sizes" not in farm.ci("summary", NEEDS=json.dumps(needs)).stdout
