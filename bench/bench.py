"""Measures the farm's own time and memory, as ratios to the peer in the same run where there is one.

Prints a table, and writes it as JSON with `--json FILE`. The farm's own share of real chains is read from the
records that the wheelhouse holds; `rebuilds.py` measures builds of numpy and scipy.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "bench"), str(ROOT / "tests"), str(ROOT / "src")]

from figures import Figure  # noqa: E402
from generated_farm import generated_farm  # noqa: E402
from publishing import publishing, static_index  # noqa: E402
from scale import scale  # noqa: E402

RUNS = 7
EMPTY = """\
import nox
@nox.session(venv_backend="none")
def empty(session): pass
"""


def seconds(*words: str, cwd: Path) -> float:
    """The wall time of a command that must succeed."""
    started = time.perf_counter()
    subprocess.run(words, cwd=cwd, check=True, capture_output=True)
    return time.perf_counter() - started


def ratio(first: tuple[str, ...], second: tuple[str, ...], *, first_in: Path, second_in: Path) -> float:
    """How many times as long the first takes as the second: the median of pairs, run in turn."""
    pairs = [(seconds(*first, cwd=first_in), seconds(*second, cwd=second_in)) for _ in range(RUNS + 1)]
    # The first pair warms the caches.
    return statistics.median(a / b for a, b in pairs[1:])


def doors(work: Path) -> list[Figure]:
    """`nox -l`, and `nox -s build-…` with nothing to do, against an empty session."""
    nox = (sys.executable, "-m", "nox")
    # The generated farms borrow this farm's environment, which a dry run brings up to date.
    seconds(*nox, "-s", "build-numpy", "--", "--dry-run", "--engine", "host", cwd=ROOT)
    empty = work / "empty"
    empty.mkdir()
    (empty / "noxfile.py").write_text(EMPTY)
    figures = []
    for recipes, target in ((10, 4.0), (500, 8.0)):
        farm = generated_farm(work / str(recipes), recipes).root
        seconds(*nox, "-s", "build-tinytop", cwd=farm)
        for what, words in (("nox -l", ("-l",)), ("nothing to do", ("-s", "build-tinytop"))):
            peer = (*nox, "-s", "empty")
            value = ratio((*nox, *words), peer, first_in=farm, second_in=empty)
            figures.append(Figure(f"{what}, {recipes} recipes: times an empty session", value, "x", target))
    return figures


def shares() -> list[Figure]:
    """The farm's own share of each real build in the wheelhouse, from its record."""
    figures = []
    for path in sorted((ROOT / "wheelhouse").glob("*/records/*.json")):
        record = json.loads(path.read_text())
        times = record["times"]
        if "build" in times:
            own = sum(value for name, value in times.items() if name not in {"build", "fetch", "total"})
            whole = own + times["build"]
            what = f"own share: {record['recipe']} ({record['variant']}, {record['engine']}, {whole:.0f} s)"
            figures.append(Figure(what, 100 * own / whole, "%", 2.0))
    return figures


def memory(work: Path) -> list[Figure]:
    """The most memory that the farm's own process used in a chain."""
    farm = work / "10" / "farm"
    shutil.rmtree(farm / "wheelhouse")
    words = (sys.executable, "-m", "invoke", "chain", "tinytop", "--json")
    env = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    finished = subprocess.run(words, cwd=farm, env=env, check=True, capture_output=True, text=True)
    peak = json.loads(finished.stdout)["peak-memory"]
    return [Figure("memory of the farm's process, tiny chain", peak / 1e6, "MB", 100.0)]


def main() -> None:
    """Measure and show."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, default=ROOT / ".wheelfarm" / "bench.json")
    parser.add_argument("--scale", action="store_true", help="only farms of 500 and 1,500 recipes")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="wheelfarm-bench-") as scratch:
        work = Path(scratch)
        figures = (
            [] if arguments.scale else doors(work) + memory(work) + publishing(work) + static_index(work)
        )
        figures += scale(work)
    figures += [] if arguments.scale else shares()
    print("\n".join(str(figure) for figure in figures))
    arguments.json.parent.mkdir(parents=True, exist_ok=True)
    arguments.json.write_text(json.dumps([asdict(figure) for figure in figures], indent=1) + "\n")


if __name__ == "__main__":
    main()
