"""The two jobs of the bump: one writes what changes, the other one opens the pull request."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from support.door import Door
from support.index import make_index
from support.patched import SOURCE, File, PatchedFarm
from support.repositories import Repository
from support.wheels import make_wheel

if TYPE_CHECKING:
    from pathlib import Path

PYPROJECT = b"""\
[build-system]
requires = ["setuptools"]
[project]
name = "sample"
version = "%s"
"""
# Writes its arguments down; `pr list` gives what the file `open` has.
GH = """\
#!/bin/sh
cd "$(dirname "$0")"
printf '%s\\0' "$@" >> calls; printf '\\n' >> calls
test "$GH_TOKEN" = "s3cret" || exit 1
test "$2" != list || cat open 2> /dev/null
test "$2" != create || echo https://github.invalid/pull/7
"""


def source_of(version: str) -> dict[str, File]:
    return {**SOURCE, "pyproject.toml": File(PYPROJECT % version.encode())}


@pytest.fixture
def farm(tmp_path: Path) -> PatchedFarm:
    """A farm in a repository, which is a clone, with a newer version on its index."""
    farm = PatchedFarm.create(tmp_path / "work", source_of("1.0"), settings={"min-age": 0})
    made = make_index(tmp_path / "build-index")
    farm.index.add(*(made.root / "files").iterdir(), make_wheel(tmp_path, "colorama", "1.0", {}))
    (farm.root / ".gitignore").write_text("/ci-artifacts/\n/cache/\n/.wheelfarm/\n/home/\n")
    (farm.root / "changelog.d").mkdir()
    (farm.root / "changelog.d/.keep").touch()
    subprocess.run(["git", "init", "--quiet", "--bare", tmp_path / "origin"], check=True)
    subprocess.run(["git", "init", "--quiet", "--initial-branch=main", farm.root], check=True)
    repository = Repository(farm.root)
    repository.commit()
    repository.git("remote", "add", "origin", str(tmp_path / "origin"))
    repository.git("push", "--quiet", "origin", "main")
    return farm


@pytest.fixture
def gh(tmp_path: Path) -> Path:
    """A directory with a program in the place of GitHub's own."""
    directory = tmp_path / "bin"
    directory.mkdir()
    (directory / "gh").write_text(GH)
    (directory / "gh").chmod(0o755)
    return directory


def calls(gh: Path) -> list[list[str]]:
    """The arguments of each call."""
    return [text.split("\0") for text in (gh / "calls").read_text().split("\0\n") if text]


@pytest.mark.slow
def test_what_one_job_writes_the_other_one_proposes(
    farm: PatchedFarm,
    gh: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    door, output = Door(farm.root, capsys, monkeypatch), tmp_path / "output"
    output.touch()
    summary = tmp_path / "summary"
    variables = {"GITHUB_OUTPUT": str(output), "GITHUB_STEP_SUMMARY": str(summary)}
    assert door.ci("bump", **variables).returncode == 0
    assert output.read_text() == "changed=false\n"
    farm.release("2.0", source_of("2.0"))
    # A recipe that cannot be moved fails the job, and stops no other one.
    (farm.root / "recipes/broken").mkdir()
    done = door.ci("bump", **variables)
    assert done.returncode == 11, done.stderr
    assert output.read_text().splitlines()[-1] == "changed=true"
    assert "recipes: bump sample to 2.0" in summary.read_text()
    assert "What could not be moved:" in summary.read_text()

    other = tmp_path / "other"
    subprocess.run(["git", "clone", "--quiet", "--branch=main", tmp_path / "origin", other], check=True)
    shutil.copytree(farm.root / "ci-artifacts", other / "ci-artifacts")
    path = f"{gh}{os.pathsep}{os.environ['PATH']}"
    door = Door(other, capsys, monkeypatch)
    done = door.ci("pull-request", PATH=path, GH_TOKEN="s3cret")
    assert (done.returncode, done.stdout) == (0, "https://github.invalid/pull/7\n"), done.stderr
    origin = Repository(tmp_path / "origin")
    log = origin.git("log", "--format=%an: %s", "main..bump-recipes")
    assert log == "github-actions[bot]: recipes: bump sample to 2.0\n"
    recipe = origin.git("show", "bump-recipes:recipes/sample/recipe.toml")
    assert 'version = "2.0"' in recipe
    fragment = origin.git("show", "bump-recipes:changelog.d/+bump-sample.changed.md")
    assert fragment == "`sample` 1.0 → 2.0.\n"
    made = next(each for each in calls(gh) if each[:2] == ["pr", "create"])
    assert made[2:8] == ["--base", "main", "--head", "bump-recipes", "--title", "recipes: bump sample to 2.0"]
    assert "    sample  1.0 → 2.0" in made[9].splitlines()

    (gh / "open").write_text("https://github.invalid/pull/7\n")
    subprocess.run(["git", "-C", other, "checkout", "--quiet", "main"], check=True)
    done = door.ci("pull-request", PATH=path, GH_TOKEN="s3cret")
    assert (done.returncode, done.stdout) == (0, "https://github.invalid/pull/7\n"), done.stderr
    assert calls(gh)[-1][:4] == ["pr", "edit", "https://github.invalid/pull/7", "--title"]


def test_without_changes_there_is_no_pull_request(
    farm: PatchedFarm, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    done = Door(farm.root, capsys, monkeypatch).ci("pull-request")
    assert done.returncode == 14
    assert "nox -s ci-bump writes them" in done.stderr
    assert done.stdout == ""
