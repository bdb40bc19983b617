"""Real numpy through real cibuildwheel, in three variants: minutes each."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from wheelfarm.provenance.record import Record
from wheelfarm.wheels.archive import open_wheel, verify
from wheelfarm.wheels.blas import blas_all
from wheelfarm.wheels.linkage import linkage

ROOT = Path(__file__).parents[2]
pytestmark = [pytest.mark.engine, pytest.mark.timeout(2400)]


def inv(farm: Path, *words: str) -> subprocess.CompletedProcess[str]:
    env = {
        **{key: value for key, value in os.environ.items() if not key.startswith("OPENBLAS_")},
        "PYTHONPATH": str(ROOT / "src"),
    }
    argv = [sys.executable, "-m", "invoke", *words]
    return subprocess.run(argv, cwd=farm, env=env, stdout=subprocess.PIPE, text=True, check=False)


@pytest.fixture(scope="module")
def farm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The farm's own recipes, in a directory of their own."""
    root = tmp_path_factory.mktemp("farm")
    for name in ("recipes", "patches", "variants"):
        shutil.copytree(ROOT / name, root / name)
    for name in ("pyproject.toml", "tasks.py"):
        shutil.copy(ROOT / name, root / name)
    return root


@pytest.mark.parametrize(
    ("variant", "provider", "interface"),
    [
        ("openblas", "openblas", "lp64"),
        ("openblas64", "openblas", "ilp64"),
        ("reference", "reference", "lp64"),
    ],
)
def test_numpy(farm: Path, variant: str, provider: str, interface: str) -> None:
    options = ("numpy", "--variant", variant, "--engine", "cibuildwheel", "--json")
    built = inv(farm, "chain", *options)
    assert built.returncode == 0
    (outcome,) = json.loads(built.stdout)["outcomes"]
    assert outcome["state"] == "built"

    wheel = open_wheel(Path(outcome["wheel"]))
    verify(wheel)
    (blas,) = blas_all(linkage(wheel))
    assert (blas.provider, blas.interface, blas.vendored) == (provider, interface, True)

    path = farm / "wheelhouse" / variant / "records" / f"{outcome['key']}.json"
    record = Record.from_json(path.read_text(), str(path))
    assert record.toolchain["image"]
    environment = {str(entry.name): entry.sha256 for entry in record.build_requirements}
    assert environment["cython"]
    assert environment["meson-python"]

    again = inv(farm, "chain", *options)
    (outcome,) = json.loads(again.stdout)["outcomes"]
    assert outcome["state"] == "cached"
    assert "nothing changed" in outcome["why"]


def test_the_index_installs(farm: Path, tmp_path: Path) -> None:
    """What pip gets from the wheelhouse alone is the farm's numpy."""
    env_dir = tmp_path / "env"
    subprocess.run(["uv", "venv", "--no-project", "--python", sys.executable, env_dir], check=True)
    index = (farm / "wheelhouse" / "reference" / "simple").as_uri()
    python = str(env_dir / "bin" / "python")
    install = ["uv", "pip", "install", "--no-config", "--python", python, "--index-url", index, "numpy"]
    subprocess.run(install, check=True)
    code = "import numpy; print(numpy.show_config('dicts')['Build Dependencies']['blas']['name'])"
    shown = subprocess.run([python, "-I", "-c", code], check=True, stdout=subprocess.PIPE, text=True)
    assert shown.stdout.strip() == "blas"
