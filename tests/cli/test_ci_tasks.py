"""ci.render and ci.check on a farm, and ci.last against a host on loopback."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from support.actions.hosting import TOKEN, Hosting
from support.door import Door
from support.farm import write_farm
from support.workflows import SOME
from wheelfarm.ci.action_pins import PINS
from wheelfarm.ci.github import FARM
from wheelfarm.ci.github_runs import last_run
from wheelfarm.ci.runners import OWN, RUNNERS
from wheelfarm.ci.steps import KEPT
from wheelfarm.ci.yaml_document import read
from wheelfarm.errors import NetworkError, UsageError
from wheelfarm.recipes.settings import load

if TYPE_CHECKING:
    from collections.abc import Mapping

ROOT = Path(__file__).parents[2]
CI = {"platforms": list(SOME), "pythons": ["3.11"]}


@pytest.fixture
def farm(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Door:
    recipes = {"numpy": {}, "scipy": {"requires": {"host": ["numpy"]}}}
    root = write_farm(tmp_path / "farm", recipes, settings={"ci": CI, "engine": "host"})
    return Door(root, capsys, monkeypatch)


def test_render_then_check(farm: Door) -> None:
    missing = farm.inv("ci.check")
    assert missing.returncode == 14
    assert "error[workflow]: the workflow is missing" in missing.stderr
    rendered = farm.inv("ci.render")
    assert rendered.returncode == 0, rendered.stderr
    path = farm / ".github/workflows" / FARM
    assert "build-scipy-macos-arm64" in read(path.read_text("utf-8"))["jobs"]
    assert farm.inv("ci.check").returncode == 0

    recipe = farm / "recipes/scipy/recipe.toml"
    recipe.write_text(recipe.read_text("utf-8").replace('host = ["numpy"]', "host = []"), encoding="utf-8")
    stale = farm.inv("ci.check")
    assert stale.returncode == 14
    assert "error[workflow]: the workflow is stale" in stale.stderr
    assert "would be 'needs: [plan]'" in stale.stderr
    assert "next: inv ci.render" in stale.stderr


def test_an_update_of_an_action_stays(farm: Door) -> None:
    """As dependabot makes it, in the rendered file."""
    farm.inv("ci.render")
    path, pin = farm / ".github/workflows" / FARM, PINS["actions/upload-artifact"]
    bumped = path.read_text("utf-8").replace(f"{pin.commit} # {pin.version}", f"{'a' * 40} # v99.0.0")
    path.write_text(bumped, encoding="utf-8")
    assert farm.inv("ci.check").returncode == 0
    farm.inv("ci.render")
    assert path.read_text("utf-8") == bumped


def test_an_action_that_is_not_pinned_in_a_file_of_ones_own(farm: Door) -> None:
    farm.inv("ci.render")
    own = farm / ".github/workflows/own.yaml"
    own.write_text("jobs:\n  a:\n    steps:\n      - uses: actions/checkout@v5\n", encoding="utf-8")
    checked = farm.inv("ci.check")
    assert checked.returncode == 14
    assert "actions/checkout is not pinned" in checked.stderr
    assert "where: .github/workflows/own.yaml:4" in checked.stderr


def test_a_file_of_no_more_use(farm: Door) -> None:
    """What was split once may fit into one file again."""
    farm.inv("ci.render")
    folder = farm / ".github/workflows"
    (folder / "farm-linux-x86_64.yml").write_text((folder / FARM).read_text("utf-8"), encoding="utf-8")
    (folder / "farm-own.yml").write_text("name: mine\n", encoding="utf-8")
    checked = farm.inv("ci.check")
    assert "the workflow is of no more use" in checked.stderr
    assert "farm-linux-x86_64.yml: removed" in farm.inv("ci.render").stdout
    assert {path.name for path in folder.iterdir()} == {FARM, "farm-own.yml"}


def test_the_plan_of_a_run_that_nothing_came_before(farm: Door) -> None:
    told = farm / "told"
    done = farm.inv("ci.plan", "--packages", "scipy", "--platforms", "", GITHUB_OUTPUT=str(told))
    assert done.returncode == 0, done.stderr
    found = dict(line.split("=", 1) for line in told.read_text("utf-8").splitlines())
    assert len(json.loads(found["jobs"])) == 2 * len(SOME)
    assert found.keys() == {"jobs", "left-out"}
    refused = farm.inv("ci.plan", "--packages", "sicpy")
    assert refused.returncode == 2
    assert "no package 'sicpy'" in refused.stderr


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (["ci.build", "numpy", "--python", "3.11,3.12"], "a leg is for one Python"),
        (["ci.build", "numpy", "--place", "solaris_x86_64"], "no such platform"),
        (["ci.build", "numpy", "--place", "win_amd64"], "this machine does not build for win_amd64"),
        (["ci.summary"], "nothing is told of the jobs before"),
        (["ci.render", "--provider", "jenkins"], "unknown provider 'jenkins'"),
    ],
)
def test_words_that_are_wrong(farm: Door, words: list[str], what: str) -> None:
    done = farm.inv(*words)
    assert done.returncode != 0
    assert what in done.stderr


def test_wheels_that_have_not_arrived(farm: Door) -> None:
    """Neither the artifact nor anybody who tells of it: an error before anything is compiled."""
    words = ["ci.build", "scipy", "--python", "3.11", "--variant", "plain"]
    done = farm.inv(*words)
    assert "error[chain]: there are no wheels of numpy-linux-x86_64-plain-3.11" in done.stderr
    told = json.dumps({"plain-3-11": "0" * 64})
    done = farm.inv(*words, PARTS_NUMPY=told)
    assert "error[chain]: the wheels of numpy-linux-x86_64-plain-3.11 have not arrived" in done.stderr
    done = farm.inv(*words, PARTS_NUMPY="{")
    assert "PARTS_NUMPY is not JSON" in done.stderr


def test_gitlab(farm: Door) -> None:
    """Its file stands beside the other, and there a variable tells the digest of each leg."""
    assert farm.inv("ci.check", "--provider", "gitlab").returncode == 14
    assert "gitlab-ci.yml" in farm.inv("ci.render", "--provider", "gitlab").stdout
    farm.inv("ci.render")
    assert farm.inv("ci.check", "--provider", "gitlab").returncode == 0
    assert farm.inv("ci.check").returncode == 0
    words = ["ci.build", "scipy", "--python", "3.11", "--variant", "plain"]
    done = farm.inv(*words, GITLAB_CI="true", PARTS_NUMPY_LINUX_X86_64_PLAIN_3_11="0" * 64)
    assert "the wheels of numpy-linux-x86_64-plain-3.11 have not arrived" in done.stderr


@pytest.mark.parametrize(("result", "kept"), [("success", True), ("failure", False), ("cancelled", False)])
def test_records_are_kept_of_a_run_that_is_whole(farm: Door, result: str, kept: bool) -> None:  # noqa: FBT001
    """Later runs know by them that its builds all ended well."""
    needs = {"plan": {"result": "success"}, "build-numpy-macos-arm64": {"result": result}}
    done = farm.inv("ci.summary", NEEDS=json.dumps(needs))
    assert done.returncode == 0, done.stderr
    assert "### Farm:" in done.stdout
    assert (farm / "parts/records").is_dir() is kept


def test_what_is_pushed_asks_for_no_other_run(farm: Door) -> None:
    """It is built from nothing; the host is not even asked."""
    done = farm.inv("ci.last", GITHUB_EVENT_NAME="push")
    assert (done.returncode, done.stdout) == (0, "run-id=\n")
    assert farm.inv("ci.last", GITHUB_EVENT_NAME="pull_request").returncode == 2


def _last(farm: Door, environ: Mapping[str, str]) -> str | None:
    settings = load(farm.root, environ={"PATH": "/usr/bin", "HOME": str(farm.root), **environ})
    return last_run(settings, FARM, KEPT)


def test_the_last_run_is_the_last_one_whose_builds_ended_well(farm: Door) -> None:
    """Such a run has kept its records; whether anybody approved its publishing is another question."""
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
        with pytest.raises(NetworkError, match="cannot be asked for") as caught:
            _last(farm, environ | {"GITHUB_TOKEN": "other"})
        assert caught.value.why == "it answers with status 403"
        assert "other" not in str(caught.value)
    with pytest.raises(NetworkError):
        _last(farm, environ)
    with pytest.raises(UsageError):
        _last(farm, {})


def test_this_repository_runs_where_there_are_runners() -> None:
    """actionlint's own list of runners is older than some of them."""
    for path in sorted((ROOT / ".github/workflows").glob("*.yml")):
        labels = set(re.findall(r"runs-on: (\S+)", path.read_text("utf-8")))
        assert labels <= {OWN, *RUNNERS.values()}
