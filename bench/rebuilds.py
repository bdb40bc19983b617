"""Measures rebuilds: what a whole command takes after a small change, as a share of the cold build.

The packages are built one after the other in a farm of their own with an empty compiler cache. Each is then
changed and built again: another install tag, a patch to one .py file, a patch to one .c file. Minutes for
numpy, half an hour for scipy.
"""

from __future__ import annotations

import argparse
import difflib
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import tomlkit

ROOT: Final = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "bench"), str(ROOT / "src")]

from figures import Figure  # noqa: E402

PARTS: Final = ("recipes", "patches", "variants", "pyproject.toml", "tasks.py")
FILES: Final = {
    "numpy": ("numpy/linalg/__init__.py", "numpy/_core/src/common/npy_argparse.c"),
    # Not an __init__.py: scipy copies those into the build directory, and its Cython modules depend on them.
    "scipy": ("scipy/stats/_stats_py.py", "scipy/ndimage/src/ni_filters.c"),
}
"""A .py and a .c file of each package."""
TARGETS: Final = {"numpy": (8.0, 8.0, 10.0), "scipy": (5.0, 5.0, 6.0)}
"""Percent of the cold build: after another install tag, a patch to a .py file, one to a .c file."""
PATCH: Final = "Why: to measure a rebuild.\nUpstream: none, inappropriate\n\n"


class Bench:
    """A farm in which rebuilds are measured."""

    def __init__(self, root: Path, engine: str) -> None:
        self.root = root
        for part in PARTS:
            source = ROOT / part
            (shutil.copytree if source.is_dir() else shutil.copy)(source, root / part)
        self._words = (sys.executable, "-m", "invoke", "chain", "--engine", engine, "--no-remote", "--json")
        self._env = {
            **{name: value for name, value in os.environ.items() if not name.startswith("OPENBLAS_")},
            "PYTHONPATH": str(ROOT / "src"),
            "WHEELFARM_CACHE": str(root / "cache"),
            # Without a cache yet.
            "WHEELFARM_STAGES": str(root / "stages"),
        }

    def chain(self, package: str, *options: str) -> tuple[float, dict[str, Any]]:
        """Run the command; seconds, and what came of the package."""
        began = time.perf_counter()
        done = subprocess.run(
            [*self._words, package, *options],
            cwd=self.root,
            env=self._env,
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        seconds = time.perf_counter() - began
        document = json.loads(done.stdout)
        return seconds, {**document["outcomes"][-1], "peak-memory": document["peak-memory"]}

    def fetch_sources(self) -> None:
        """Use what the user's cache holds, so that no download is measured."""
        shared = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "wheelfarm"
        for part in ("sha256", "answers"):
            if (shared / part).is_dir():
                shutil.copytree(shared / part, self.root / "cache" / part)

    def change_tag(self, package: str) -> None:
        """Another install tag, which no file carries."""
        recipe = self.root / "recipes" / package / "recipe.toml"
        recipe.write_text(recipe.read_text().replace(",devel", ",devel,none-such"))

    def patch(self, package: str, file: str) -> None:
        """Add a patch that adds a line to a file of the source."""
        archive = next((self.root / "cache" / "sha256").rglob(f"{package}-*.tar.gz"))
        with tarfile.open(archive) as tar:
            top = archive.name.removesuffix(".tar.gz")
            member = tar.extractfile(f"{top}/{file}")
            assert member is not None  # noqa: S101 - narrows the type
            old = member.read().decode().splitlines(keepends=True)
        # Less than a new variable would compile to the same bytes, which then need no repair.
        line = "# measured\n" if file.endswith(".py") else "int wheelfarm_measured = 1;\n"
        text = "".join(difflib.unified_diff(old, [*old, line], f"a/{file}", f"b/{file}"))
        name = f"9{len(file):03}-measure-{Path(file).suffix[1:]}.patch"
        place = self.root / "patches" / package / name
        place.parent.mkdir(exist_ok=True)
        place.write_text(PATCH + text)
        recipe = self.root / "recipes" / package / "recipe.toml"
        document = tomlkit.parse(recipe.read_text())
        document["patches"].append({"file": name})
        recipe.write_text(tomlkit.dumps(document))


def targets(package: str, engine: str) -> tuple[float, ...]:
    """The targets of a package; a container makes the environment of numpy from the image each time."""
    return (10.0, 10.0, 10.0) if (package, engine) == ("numpy", "cibuildwheel") else TARGETS[package]


def measure(bench: Bench, package: str, engine: str) -> list[Figure]:
    """The figures of one package."""
    if package != "numpy":
        bench.chain("numpy")
    cold, outcome = bench.chain(package)
    peak, times = outcome["peak-memory"] / 1e6, outcome["times"]
    own = 100 * (1 - (times["build"] + times["fetch"]) / times["total"])
    steps = ", ".join(f"{step} {seconds:.2f}" for step, seconds in times.items())
    figures = [
        Figure(f"{package} ({engine}): seconds of the cold build", cold, "s"),
        Figure(f"{package} ({engine}): memory of the farm's own process", peak, "MB", 100.0),
        Figure(f"{package} ({engine}): the farm's own time in the cold build ({steps})", own, "%", 2.0),
    ]
    script, code = FILES[package]
    changes = (
        ("another install tag", lambda: bench.change_tag(package)),
        ("a patch to one .py file", lambda: bench.patch(package, script)),
        ("a patch to one .c file", lambda: bench.patch(package, code)),
    )
    for (what, change), target in zip(changes, targets(package, engine), strict=True):
        change()
        seconds, outcome = bench.chain(package)
        cache, reused = outcome["compiler-cache"] or {}, outcome["build-cache"]
        counts = f"{cache.get('hits')} hits, {cache.get('misses')} misses"
        detail = f"{seconds:.1f} s, {counts}, build cache {reused}"
        share = 100 * seconds / cold
        figures.append(Figure(f"{package} ({engine}) after {what} ({detail})", share, "%", target))
    return figures


def main() -> None:
    """Measure and show."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--packages", default="numpy", help="numpy, scipy or both, with a comma")
    parser.add_argument("--engine", default="host")
    parser.add_argument("--json", type=Path, default=ROOT / ".wheelfarm" / "rebuilds.json")
    arguments = parser.parse_args()
    figures: list[Figure] = []
    with tempfile.TemporaryDirectory(prefix="wheelfarm-bench-") as scratch:
        bench = Bench(Path(scratch), arguments.engine)
        bench.fetch_sources()
        for package in arguments.packages.split(","):
            measured = measure(bench, package, arguments.engine)
            print("\n".join(map(str, measured)), flush=True)
            figures += measured
    arguments.json.parent.mkdir(parents=True, exist_ok=True)
    arguments.json.write_text(json.dumps([asdict(figure) for figure in figures], indent=1) + "\n")


if __name__ == "__main__":
    main()
