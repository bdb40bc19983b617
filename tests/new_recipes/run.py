"""Writes a recipe for each package of packages.toml, and builds it through its gate as it is.

Usage: python tests/new_recipes/run.py [--write] [--only NAME,NAME] [--directory DIRECTORY]
       [--wheelhouse DIRECTORY]

Each package is drafted by `inv recipe.new` in a copy of the recipes and settings of this farm, and built by
`inv chain --engine host`, one after the other. What it needs of this farm, as numpy, is built before, and
that time does not count; --wheelhouse names one that is copied, so that what it has is not built again. It
prints a table. With --write it writes result.json, which docs/generate.py makes a page of. It fails where
fewer than four of five pass, or a failure has no sentence.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import textwrap
import time
import tomllib
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

HERE: Final = Path(__file__).parent
ROOT: Final = HERE.parents[1]
LIST: Final = HERE / "packages.toml"
RESULT: Final = HERE / "result.json"
GOAL: Final = 0.8
"""The share of the packages that must pass."""
_COPIED: Final = ("pyproject.toml", "tasks.py", "recipes", "patches", "variants")
_ERROR: Final = re.compile(r"^error\[[\w-]+\]: (.+)$", re.MULTILINE)
_BUILD: Final = re.compile(r"^[\w.-]+ \([\w, -]+\): ")
PATH: Final = re.compile(r"(?<![\w.-])/(?:[\w.+-]+/)+")
"""The directory of a file, where that is a whole path."""
_LONGEST: Final = 300
"""Characters of a sentence in the table."""
_CAUSE: Final = re.compile(r"^  why: (.+(?:\n {4}(?! *File ).+)?)", re.MULTILINE)


@dataclass(frozen=True, kw_only=True)
class Tried:
    """How it went with one package."""

    version: str
    backend: str
    passed: bool
    drafted: float
    """Seconds of `inv recipe.new`."""
    built: float
    """Seconds of the build, with repair and gate."""
    sentence: str = ""
    """Why it did not pass."""
    run: str
    """When the run began (UTC)."""


def make_farm(directory: Path, wheelhouse: Path | None = None) -> Path:
    """A copy of this farm's recipes and settings, and of a wheelhouse."""
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    for name in _COPIED:
        source = ROOT / name
        copy = shutil.copytree if source.is_dir() else shutil.copyfile
        copy(source, directory / name)
    if wheelhouse is not None:
        shutil.copytree(wheelhouse, directory / "wheelhouse", symlinks=True)
    return directory


def invoke(farm: Path, *words: str) -> tuple[subprocess.CompletedProcess[str], float]:
    """Run a task in a farm."""
    started, env = time.monotonic(), {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    command = [sys.executable, "-m", "invoke", *words]
    finished = subprocess.run(command, cwd=farm, env=env, capture_output=True, text=True, check=False)
    return finished, round(time.monotonic() - started, 1)


def sentence_of(finished: subprocess.CompletedProcess[str]) -> str:
    """What a failed task says first, without the name of the build and the directories of this machine."""
    what, cause = _ERROR.search(finished.stderr), _CAUSE.search(finished.stderr)
    lines = [line.strip() for found in (what, cause) if found for line in found[1].splitlines()]
    text = ": ".join(lines)
    return textwrap.shorten(PATH.sub("", _BUILD.sub("", text)), _LONGEST, placeholder=" …")


def try_package(farm: Path, name: str, run: str) -> Tried:
    """Draft the recipe of a package, and build it unedited."""
    new, drafted = invoke(farm, "recipe.new", name, "--json")
    log = farm / f"{name}.log"
    log.write_text(new.stdout + new.stderr, encoding="utf-8")
    tried = Tried(version="", backend="", passed=False, drafted=drafted, built=0, run=run)
    if new.returncode != 0:
        return replace(tried, sentence=sentence_of(new))
    answer, built = json.loads(new.stdout), 0.0
    tried = replace(tried, version=answer["version"], backend=answer["backend"])
    needs = sorted({*answer["requires"]["host"], *answer["requires"]["run"]})
    for packages in (needs, [name]):
        if not packages:
            continue
        chain, built = invoke(farm, "chain", ",".join(packages), "--engine", "host", "--no-remote")
        with log.open("a", encoding="utf-8") as file:
            file.write(chain.stdout + chain.stderr)
        if chain.returncode != 0:
            return replace(tried, built=built, sentence=sentence_of(chain))
    return replace(tried, passed=True, built=built)


def packages() -> dict[str, str]:
    """The list: name → what it has."""
    table = tomllib.loads(LIST.read_text(encoding="utf-8"))
    return {each["name"]: each["has"] for each in table["package"]}


def write_result(name: str, tried: Tried) -> None:
    """Put the result of a package into result.json, in the order of the list: a run may be interrupted."""
    stored = json.loads(RESULT.read_text(encoding="utf-8")) if RESULT.exists() else {}
    stored[name] = asdict(tried)
    ordered = {name: stored[name] for name in packages() if name in stored}
    RESULT.write_text(json.dumps(ordered, indent=1) + "\n", encoding="utf-8")


def main(words: Sequence[str]) -> int:
    """Try all packages of the list."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--write", action="store_true", help="write result.json")
    parser.add_argument("--only", metavar="NAMES", help="separated by commas")
    parser.add_argument("--directory", type=Path, default=ROOT / ".wheelfarm" / "new-recipes")
    parser.add_argument("--wheelhouse", type=Path, help="one that has what is not to be built again")
    options = parser.parse_args(words)
    chosen = options.only.split(",") if options.only else list(packages())
    farm, found = make_farm(options.directory, options.wheelhouse), dict[str, Tried]()
    run = f"{datetime.now(UTC):%Y-%m-%d %H:%M}"
    for name in chosen:
        tried = found[name] = try_package(farm, name, run)
        word = "passed" if tried.passed else "FAILED"
        if options.write:
            write_result(name, tried)
        times = f"{tried.drafted:5.1f} s {tried.built:6.1f} s"
        print(
            f"{word}  {name:14} {tried.version:12} {tried.backend:30} {times}  {tried.sentence}", flush=True
        )
    passed = sum(each.passed for each in found.values())
    silent = [name for name, each in found.items() if not each.passed and not each.sentence]
    print(f"{passed} of {len(found)} pass their gate, unedited")
    return int(passed < GOAL * len(found) or bool(silent))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
