"""A farm of one's own from nothing: the wheel of wheelfarm, an empty environment and an empty repository."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from support.repositories import Repository
from wheelfarm import __version__
from wheelfarm.run.new_farm import FIRST_RECIPE

ROOT = Path(__file__).parents[2]
_SOURCE = ("PYTHONPATH", "VIRTUAL_ENV", "WHEELFARM_")
"""Variables by which the farm in this repository could be found."""


def run(*words: str | Path, cwd: Path, path: Path | None = None, code: int = 0) -> str:
    """Run a program to its end, with the programs of an environment first on PATH; gives its output."""
    env = {name: value for name, value in os.environ.items() if not name.startswith(_SOURCE)}
    env["PATH"] = os.pathsep.join([*([str(path)] if path else []), "/usr/local/bin", "/usr/bin", "/bin"])
    done = subprocess.run(
        [str(word) for word in words], cwd=cwd, env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == code, f"{words}: {done.stdout}\n{done.stderr}"
    return done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.skipif(sys.platform != "linux", reason="builds with gcc")
def test_the_wheel_alone_starts_a_farm_that_builds(tmp_path: Path) -> None:
    dist, farm = tmp_path / "dist", tmp_path / "own"
    run(sys.executable, "-m", "build", "--wheel", "--outdir", dist, ROOT, cwd=tmp_path)
    (wheel,) = dist.glob("wheelfarm-*.whl")

    # A person: the wheel and nox, in an empty environment.
    python = _environment(tmp_path / "person")
    run(python, "-m", "pip", "install", "--quiet", wheel, "nox", cwd=tmp_path)
    Repository.create(farm)
    assert "13 files written" in run(python.parent / "wheelfarm", "init", cwd=farm)
    assert not (farm / "requirements" / "farm.txt").exists()
    listed = run(python.parent / "nox", "-l", cwd=farm)
    assert f"build-{FIRST_RECIPE}" in listed

    # A job of CI: by hash, from the file that init has written.
    job = _environment(tmp_path / "job")
    requirements = ("--require-hashes", "--requirement", "requirements/nox.txt", "--find-links", dist)
    run(job, "-m", "pip", "install", "--quiet", *requirements, cwd=farm)
    assert "1 recipe OK" in run("inv", "recipe.check", "all", cwd=farm, path=job.parent)
    assert "current: farm.yml" in run("inv", "ci.check", cwd=farm, path=job.parent)

    pinned = (farm / "requirements" / "nox.txt").read_text()
    (farm / "requirements" / "nox.txt").write_text(pinned.partition("wheelfarm==")[0])
    refused = run("inv", "ci.check", cwd=farm, path=job.parent, code=14)
    assert "the jobs of the workflow would not install wheelfarm" in refused
    (farm / "requirements" / "nox.txt").write_text(pinned)

    built = run("nox", "-s", f"build-{FIRST_RECIPE}", "--", "--engine", "host", cwd=farm, path=job.parent)
    assert "1 built" in built
    (stored,) = (farm / "wheelhouse" / "openblas").rglob(f"{FIRST_RECIPE}-*.whl")
    with zipfile.ZipFile(stored) as archive:
        assert any(name.startswith("markupsafe/_speedups.") for name in archive.namelist())
    doctor = run("inv", "doctor", "--engine", "host", cwd=farm, path=job.parent)
    assert doctor.startswith("builds can run here")

    # The environment of the sessions has wheelfarm, and nothing else of the environment that nox is in.
    tools = farm / ".nox" / "farm-farm" / "bin" / "python"
    where = run(tools, "-c", "import wheelfarm; print(wheelfarm.__file__)", cwd=farm).strip()
    assert Path(where).is_relative_to(farm / ".nox" / "farm-farm")
    code = "import importlib.util as u; print(u.find_spec('nox'))"
    assert run(tools, "-c", code, cwd=farm).strip() == "None"

    _check_farm_over_wheelfarm(tmp_path / "over", python.parent, job.parent)


def _check_farm_over_wheelfarm(farm: Path, person: Path, job: Path) -> None:
    """A farm whose base is the installed wheelfarm, with one change of its own."""
    Repository.create(farm)
    assert "9 files written" in run(person / "wheelfarm", "init", "--base", cwd=farm)
    (farm / "recipes/numpy").mkdir(parents=True)
    (farm / "recipes/numpy/recipe.toml").write_text('[append.environment]\nACME = "1"\n')
    label = f"wheelfarm {__version__}"
    listed = run("inv", "recipe.list", cwd=farm, path=job).splitlines()
    assert {line.split()[0]: line.rpartition(" (")[2] for line in listed}[
        "numpy"
    ] == f"{label}, changed here)"
    assert all(label in line for line in listed)
    assert "recipes OK" in run("inv", "recipe.check", "all", cwd=farm, path=job)
    planned = run("inv", "plan", "numpy", "--engine", "host", cwd=farm, path=job)
    assert "not built yet [requested]" in planned
    explained = run("inv", "explain", "numpy", "--engine", "host", cwd=farm, path=job)
    origins = dict(line.split(" <- ") for line in explained.splitlines() if " <- " in line)
    origins = {path.strip(): origin for path, origin in origins.items()}
    assert origins["environment.ACME"] == "recipes/numpy/recipe.toml: append"
    assert origins["source"] == f"{label}: recipes/numpy/recipe.toml"
    assert origins["expect.blas"] == f"{label}: pyproject.toml: tool.wheelfarm.variants.openblas"
    assert "build-scipy" in run(person / "nox", "-l", cwd=farm)


def _environment(directory: Path) -> Path:
    run(sys.executable, "-m", "venv", directory, cwd=directory.parent)
    return directory / "bin" / "python"
