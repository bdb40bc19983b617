"""A farm of real pure packages, from their real source distributions: it is the only index that one needs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[2]
pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

RECIPES: Final = {
    "six": ("1.17.0", "sdist", "ff70335d468e7eb6ec65b95b99d3a2836546063f63acc5171de367e834932a81"),
    # The real setuptools-scm computes its version.
    "python-dateutil": (
        "2.9.0.post0",
        "sdist",
        "37dd54208da7e1cd875388217d5e00ebd4179249f90fb72437e91a35459a0ad3",
    ),
    "pycparser": ("2.22", "sdist", "491c8be9c040f5390f5bf44a5b07752bd07f56edf992381b05c701439eec10f6"),
    "tzdata": ("2025.2", "wheel", "1a403fada01ff9221ca8044d701868fa132215d84beb92242d9acd2147f667a8"),
}
"""Version, kind of the source and sha256 of the file in the public index."""
MORE: Final = {
    "python-dateutil": """
[requires]
run = ["six"]
[test]
imports = ["dateutil"]
"""
}
FILES: Final = {
    "tasks.py": "from wheelfarm.cli.program import collection\n\nnamespace = collection()\n",
    "pyproject.toml": """\
[tool.wheelfarm]
variant = "plain"
[tool.wheelfarm.variants.plain]
description = "no BLAS"
""",
}
CODE: Final = """\
import dateutil, dateutil.tz, pycparser, six, tzdata
from dateutil.parser import parse
assert (dateutil.__version__, six.__version__) == ("2.9.0.post0", "1.17.0")
assert parse("3 March 2024").month == 3
assert pycparser.CParser().parse("int x;").ext[0].name == "x"
"""


@pytest.fixture
def farm(tmp_path: Path) -> Path:
    """A farm as a user writes it."""
    root = tmp_path / "farm"
    for name, (version, kind, sha256) in RECIPES.items():
        path = root / "recipes" / name / "recipe.toml"
        path.parent.mkdir(parents=True)
        path.write_text(
            f'name = "{name}"\nversion = "{version}"\nsummary = "a pure package"\ncompilers = []\n'
            f'source = {{ kind = "{kind}", sha256 = "{sha256}" }}\n{MORE.get(name, "")}'
        )
    for name, text in FILES.items():
        (root / name).write_text(text)
    return root


def inv(farm: Path, *words: str) -> str:
    """Run a task, with the index that this machine is set to."""
    env = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    argv = [sys.executable, "-m", "invoke", *words]
    done = subprocess.run(argv, cwd=farm, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_a_farm_of_real_pure_packages_is_the_only_index(farm: Path, tmp_path: Path) -> None:
    inv(farm, "recipe.lock", "all")
    outcomes = json.loads(inv(farm, "chain", "all", "--engine", "host", "--json"))["outcomes"]
    assert {each["name"]: each["state"] for each in outcomes} == dict.fromkeys(RECIPES, "built")
    warnings = {each["name"]: each["warnings"] for each in outcomes if each["warnings"]}
    (taken,) = warnings.pop("tzdata")
    assert taken.endswith("was taken over from the index, not built")
    assert not warnings

    python = str(tmp_path / "env" / "bin" / "python")
    subprocess.run(["uv", "venv", "--quiet", "--python", sys.executable, tmp_path / "env"], check=True)
    index = (farm / "wheelhouse" / "plain" / "simple").as_uri()
    words = ["uv", "pip", "install", "--quiet", "--no-config", "--python", python, "--default-index", index]
    subprocess.run([*words, "python-dateutil", "pycparser", "tzdata"], check=True)
    subprocess.run([python, "-I", "-c", CODE], check=True)
