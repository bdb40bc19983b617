"""The driver lists libraries of the system, also for a Python in /usr."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.resources import files
from pathlib import Path

import pytest

from wheelfarm.gate.clean_environment import ANSWER, system_libraries

PYTHONS = sorted({Path(sys.executable), *(path for path in [Path("/usr/bin/python3")] if path.exists())})


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("python", PYTHONS, ids=lambda path: path.parts[1])
def test_a_library_of_the_system(tmp_path: Path, python: Path) -> None:
    manifest = {"wheels": [], "imports": [], "smoke": "smoke.py"}
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    # gcc brings it, and no wheel may rely on it.
    (tmp_path / "smoke.py").write_text('import ctypes\nctypes.CDLL("libgomp.so.1")\n')
    subprocess.run([python, "-m", "venv", "--without-pip", tmp_path / "env"], check=True)
    driver = str(files("wheelfarm.gate").joinpath("inside", "driver.py"))
    finished = subprocess.run(
        [tmp_path / "env" / "bin" / "python", "-I", driver, tmp_path],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    answer = json.loads(finished.stdout.splitlines()[-1].removeprefix(ANSWER))
    assert answer["smoke"] == "passed"
    assert [Path(path).name.partition(".")[0] for path in system_libraries(answer["outside"])] == ["libgomp"]
