"""inv report as one types it, in a farm whose chain was built."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from support.index import Index
from support.markup import Page
from support.wheels import make_wheel
from wheelfarm.recipes.settings import load

TASKS = "from wheelfarm.cli.program import collection\n\nnamespace = collection()\n"
SOURCE = Path(__file__).parents[2] / "src"


@pytest.fixture(scope="module")
def farm(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the farm, in which pages may be written."""
    root = tmp_path_factory.mktemp("report") / "farm"
    shutil.copytree(built, root, symlinks=True)
    (root / "tasks.py").write_text(TASKS)
    return root


def inv(farm: Path, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    env = {"PATH": os.environ["PATH"], "HOME": str(farm / "home"), "PYTHONPATH": str(SOURCE)} | variables
    argv = [sys.executable, "-m", "invoke", "report", *words]
    return subprocess.run(argv, cwd=farm, env=env, capture_output=True, text=True, check=False, timeout=120)


def written(finished: subprocess.CompletedProcess[str], file: Path) -> Page:
    assert finished.returncode == 0, finished.stderr
    assert f"{file}: 2 wheels" in finished.stderr
    assert finished.stdout == ""
    found = Page.read(file.read_text(encoding="utf-8"))
    assert found.faults == []
    return found


@pytest.mark.slow  # builds two packages
def test_the_page_of_a_chain_that_was_built(farm: Path) -> None:
    own = Index(farm.parent / "index")
    wheel = load(farm, environ={}).wheelhouse.rglob("tinytop-*.whl")
    tag = next(wheel).stem.removeprefix("tinytop-1.0-")
    own.add(make_wheel(farm.parent, "tinytop", "1.0", {"tinytop/tests/test_all.py": "x" * 500}, tag=tag))
    file = load(farm, environ={}).work / "report.html"
    page = written(inv(farm, WHEELFARM_INDEX_URL=own.url), file)
    # Digests show which wheel was built on which, and the record has the gate.
    assert "tinytop on tinybase" in page.words
    assert "extension modules" in page.words
    assert "smoke passed passed" in page.words
    assert "Public: tinytop-1.0-" in page.words
    assert "No public wheel to compare with: " in page.words
    first = file.read_bytes()
    written(inv(farm, WHEELFARM_INDEX_URL=own.url), file)
    assert file.read_bytes() == first


def test_without_the_public_wheels(farm: Path, tmp_path: Path) -> None:
    file = tmp_path / "new" / "page.html"
    page = written(inv(farm, "--no-public", "--output", str(file), "--variant", "plain"), file)
    assert "Public wheels are left out: --no-public" in page.words


def test_data_for_programs(farm: Path) -> None:
    file = load(farm, environ={}).work / "report.html"
    file.unlink(missing_ok=True)
    finished = inv(farm, "--json", "--offline", "--packages", "tinytop", "--limit", "1k")
    assert finished.returncode == 0, finished.stderr
    data = json.loads(finished.stdout)
    (variant,) = data["variants"]
    assert [each["name"] for each in variant["findings"]] == ["tinybase", "tinytop"]
    assert (data["limit"], data["public"]) == (1000, "the farm is offline")
    assert [each["names"] for each in variant["sets"]] == [["tinybase", "tinytop"]]
    assert not file.exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--limit", "much"), "'much' is no size"),
        (("--variant", "plian"), "unknown variant 'plian'"),
        (("--no-public", "--output", "recipes"), "recipes is a directory"),
    ],
)
def test_bad_words(farm: Path, words: tuple[str, ...], said: str) -> None:
    finished = inv(farm, *words)
    assert finished.returncode != 0
    assert said in finished.stderr
    assert "Traceback" not in finished.stderr
