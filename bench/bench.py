"""Measures the farm's own time and memory, as ratios to the peer in the same run.

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
from publishing import publishing, static_index  # noqa: E402

from support.tiny import tiny_farm, tiny_index  # noqa: E402

RUNS = 7
NOXFILE = """\
import sys
from pathlib import Path

sys.path.insert(0, {src!r})

from wheelfarm.cli.sessions import register

register(Path(__file__).parent)
"""
EMPTY = """\
import nox
@nox.session(venv_backend="none")
def empty(session): pass
"""
FILLER = """\
name = "{name}"
version = "1.0"
summary = "one of many"

[source]
kind = "sdist"
sha256 = "{sha256}"

[requires]
host = ["tinybase"]

[config-settings]
setup-args = ["-Da=b", "-Dc=d"]
install-args = ["--tags=runtime,python-runtime,devel"]

[environment]
CFLAGS = "-O3"

[expect]
tests = false

[test]
imports = ["filler"]

[platforms.linux.append]
environment.LDFLAGS = "-Wl,--strip-all"
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


def generated_farm(root: Path, recipes: int) -> Path:
    """A farm with two tiny packages that are really built, and others around them."""
    index = tiny_index(root / "index")
    settings = tiny_farm(root / "farm", index)
    farm = settings.root
    for number in range(recipes - 2):
        directory = farm / "recipes" / f"filler-{number:03}"
        directory.mkdir()
        (directory / "recipe.toml").write_text(FILLER.format(name=directory.name, sha256=f"{number:064x}"))
        shutil.copy(farm / "recipes" / "tinytop" / "build.lock", directory)
    (farm / "noxfile.py").write_text(NOXFILE.format(src=str(ROOT / "src")))
    shutil.copy(ROOT / "tasks.py", farm)
    shutil.copytree(ROOT / "requirements", farm / "requirements")
    (farm / ".nox").mkdir()
    (farm / ".nox" / "farm-farm").symlink_to(ROOT / ".nox" / "farm-farm")
    return farm


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
        farm = generated_farm(work / str(recipes), recipes)
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
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="wheelfarm-bench-") as scratch:
        work = Path(scratch)
        figures = doors(work) + memory(work) + publishing(work) + static_index(work)
    figures += shares()
    print("\n".join(str(figure) for figure in figures))
    arguments.json.parent.mkdir(parents=True, exist_ok=True)
    arguments.json.write_text(json.dumps([asdict(figure) for figure in figures], indent=1) + "\n")


if __name__ == "__main__":
    main()
