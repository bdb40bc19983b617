"""The rendered workflow is run: its own lines, each job in a fresh clone with what it declares."""

from __future__ import annotations

import platform
import shutil
import sys
from typing import TYPE_CHECKING

import pytest

from support.actions.hosting import Hosting
from support.actions.repository import commit, git, make_repository
from support.actions.workflow import Event, Finished, run_workflow
from support.door import Door
from support.tiny import CHAIN, tiny_farm
from wheelfarm.ci.github import WHEELS
from wheelfarm.model import Python

if TYPE_CHECKING:
    from pathlib import Path

    from support.index import Index

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1800),
    pytest.mark.skipif(
        (sys.platform, platform.machine()) != ("linux", "x86_64"),
        reason="it runs the jobs of Linux on x86_64",
    ),
]
PYTHON = Python.parse(f"{sys.version_info.major}.{sys.version_info.minor}")
MACHINE = f"linux-x86_64-plain-{PYTHON}"
SECRETS = {"PASSWORD": "a-word-that-nobody-may-read"}


@pytest.fixture(scope="module")
def hosting(tmp_path_factory: pytest.TempPathFactory, index: Index) -> Hosting:
    """The repository after a full run on its branch, which published."""
    root = tmp_path_factory.mktemp("actions")
    make_repository(root / "repository", index, PYTHON, root / "published")
    hosting = Hosting(root, root / "repository")
    event = Event(name="push", secrets=SECRETS)
    finished = run_workflow(hosting, event, run="100")
    output = "\n".join(finished.logs.values())
    assert set(finished.results.values()) == {"success"}, output
    assert finished.results.keys() == {
        *("plan", "summary", "verify", "publish", "all-green"),
        *(f"build-{name}-linux-x86_64" for name in ("tinybase", "tinytop", "tinyleaf")),
    }
    assert SECRETS["PASSWORD"] not in output
    page = finished.pages["summary"]
    assert "3 built" in page
    assert f"| tinytop | linux-x86_64 | plain | {PYTHON} | built |" in page
    hosting.runs = ["100"]
    return hosting


def test_a_full_run_ends_with_the_published_index(hosting: Hosting) -> None:
    simple = hosting.root / "published/plain/simple"
    assert {path.name for path in simple.iterdir() if path.is_dir()} == {"tinybase", "tinyleaf", "tinytop"}
    wheels = {path.name: path.read_bytes() for path in (hosting.root / "published").rglob("*.whl")}
    assert len(wheels) == 3
    assert wheels == hosting.attested


def test_a_machine_has_its_own_wheels_and_those_that_it_needs(hosting: Hosting) -> None:
    artifacts = {path.name for path in (hosting.root / "artifacts/100").iterdir()}
    names = ("tinybase", "tinytop", "tinyleaf")
    uploaded = {f"{kind}-{name}-{MACHINE}" for kind in ("wheels", "report") for name in names}
    assert artifacts == uploaded | {"records"}
    leaf = next((hosting.root / "machines").glob("100-build-tinyleaf-*")) / "work/wheelhouse"
    assert {path.name.partition("-")[0] for path in leaf.rglob("*.whl")} == {"tinyleaf"}
    top = next((hosting.root / "machines").glob("100-build-tinytop-*")) / "work/wheelhouse"
    assert {path.name.partition("-")[0] for path in top.rglob("*.whl")} == {"tinybase", "tinytop"}


def _run_tag(hosting: Hosting, tag: str, run: str) -> Finished:
    """Run the jobs of a pushed tag that come after its builds, with the wheels of the full run."""
    shutil.copytree(hosting.root / "artifacts/100", hosting.root / "artifacts" / run)
    builds = {f"build-{name}-linux-x86_64" for name in ("tinybase", "tinytop", "tinyleaf")}
    event = Event(name="push", ref=f"refs/tags/{tag}", secrets=SECRETS)
    return run_workflow(hosting, event, run=run, done=frozenset({"plan", "summary"} | builds))


def test_a_tag_on_main_publishes(hosting: Hosting) -> None:
    """Also one of a commit that is not the last; an empty index gets all wheels, attested."""
    wheels = {path.name for path in (hosting.root / "published").rglob("*.whl")}
    shutil.rmtree(hosting.root / "published")
    hosting.attested.clear()
    git(hosting.repository, "tag", "v1.0")
    git(hosting.repository, "commit", "--quiet", "--allow-empty", "--message", "a later one")
    finished = _run_tag(hosting, "v1.0", "110")
    assert set(finished.results.values()) == {"success"}, "\n".join(finished.logs.values())
    published = {path.name: path.read_bytes() for path in (hosting.root / "published").rglob("*.whl")}
    assert published.keys() == wheels
    assert published == hosting.attested


def test_a_tag_beside_main_is_refused(hosting: Hosting) -> None:
    """Whoever may push a tag could publish any commit otherwise."""
    git(hosting.repository, "checkout", "--quiet", "-b", "beside")
    git(hosting.repository, "commit", "--quiet", "--allow-empty", "--message", "not reviewed")
    git(hosting.repository, "tag", "v1.1")
    git(hosting.repository, "checkout", "--quiet", "main")
    finished = _run_tag(hosting, "v1.1", "111")
    output = "\n".join(finished.logs.values())
    assert (finished.results["verify"], finished.results["publish"]) == ("failure", "skipped"), output
    assert "error[workflow]: the commit is not on the branch main\n  where: refs/tags/v1.1" in output


def _change(hosting: Hosting, name: str) -> None:
    recipe = hosting.repository / f"recipes/{name}/recipe.toml"
    recipe.write_text(recipe.read_text("utf-8") + '\n[environment]\nCFLAGS = "-O1"\n', encoding="utf-8")
    commit(hosting.repository, f"another {name}")


def test_a_pull_request_builds_what_changed_with_wheels_of_the_last_run(hosting: Hosting) -> None:
    _change(hosting, "tinytop")
    event = Event(name="pull_request", ref="refs/pull/7/merge")
    finished = run_workflow(hosting, event, run="101")
    assert finished.results == {
        "plan": "success",
        "build-tinybase-linux-x86_64": "skipped",
        "build-tinyleaf-linux-x86_64": "skipped",
        "build-tinytop-linux-x86_64": "success",
        "summary": "success",
        "verify": "skipped",
        "publish": "skipped",
        "all-green": "success",
    }, "\n".join(finished.logs.values())
    assert "branch=main&event=push" in hosting.requests[-2]
    assert hosting.requests[-1].endswith("/runs/100/artifacts?name=records")
    assert "1 built, 2 left out" in finished.pages["summary"]


def test_a_wheel_that_changes_between_jobs_fails_the_build(hosting: Hosting) -> None:
    """The error names it, nothing is built with it, and the run is not green."""

    def harm(step: str, workspace: Path) -> None:
        if step.endswith("download wheels of the last full run, for what did not change"):
            for wheel in (workspace / "ci-artifacts/last-run").rglob("*.whl"):
                wheel.write_bytes(wheel.read_bytes() + b"x")

    _change(hosting, "tinyleaf")
    event = Event(name="workflow_dispatch", inputs={"packages": "tinytop", "variant": "", "platforms": ""})
    finished = run_workflow(hosting, event, run="102", tamper=harm)
    assert finished.results["build-tinytop-linux-x86_64"] == "failure"
    log = finished.logs[f"build-tinytop-linux-x86_64-plain-{PYTHON}"]
    assert "error[hash]" in log
    assert f"the artifact tinybase-{MACHINE} changed after its job uploaded it" in log
    # Only the requested package ran, although tinyleaf has changed.
    assert finished.results["build-tinyleaf-linux-x86_64"] == "skipped"
    assert finished.results["all-green"] == "failure"
    # No later run compares with one that is not whole.
    assert not (hosting.root / "artifacts/102/records").exists()
    assert "ended without a report: failure" in finished.pages["summary"]


def test_gitlab_jobs_find_the_wheels_of_jobs_before(
    tmp_path: Path, index: Index, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each in a farm of its own; GitLab unpacks artifacts at the paths that they came from."""
    settings = {
        "stages": str(tmp_path / "stages"),
        "pythons": [str(PYTHON)],
        "variants": {"netlib": None},
        "ci": {"platforms": ["linux-x86_64"]},
    }
    artifacts = tmp_path / "artifacts"
    for name in ("tinybase", "tinytop", "all"):
        root = tiny_farm(tmp_path / name, index, CHAIN, settings=settings).root
        door = Door(root, capsys, monkeypatch)
        if artifacts.is_dir():
            shutil.copytree(artifacts, door / WHEELS)
        build = ("build", name, "--platform", "linux-x86_64", "--variant", "plain", "--python", str(PYTHON))
        done = door.ci(*(["collect"] if name == "all" else build))
        assert done.returncode == 0, done.stderr
        shutil.copytree(door / WHEELS, artifacts, dirs_exist_ok=True)
    assert {path.name.partition("-")[0] for path in (door / "wheelhouse").rglob("*.whl")} == {
        "tinybase",
        "tinytop",
    }
