"""The nox sessions of a farm: build-<name> and test-<name> for every recipe, and what CI jobs run.

They need nox and what nox itself depends on; the farm's own libraries are in the environment that they make.
They do not validate recipes: a broken recipe gets a session too, which reports what is wrong.
"""

from __future__ import annotations

import hashlib
import logging
import os
import re
import signal
import subprocess
import sys
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import nox

from wheelfarm.cli.farm_files import FarmFiles, read_table, recipe_files, table_in
from wheelfarm.cli.stamp import Stamp
from wheelfarm.cli.tools import tools_environment

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

_CI: Final = {
    "last": "Find the last full run of the workflow.",
    "plan": "Select the builds of the workflow to run.",
    "prepare": "Put compilers that a runner has elsewhere on PATH.",
    "build": "Build one matrix entry of the workflow with the wheels of other jobs.",
    "summary": "Write the table of a run, and collect its records.",
    "collect": "Store the wheels of all jobs.",
    "verify": "Check that a full run may publish.",
    "publish": "Publish the wheels of all variants, or none.",
    "bump": "Move all recipes to their newest versions.",
    "pull-request": "Open the pull request with what ci-bump has written.",
}
_INTERRUPT_TIMEOUT: Final = 1.0
"""Seconds after which an interrupt of nox is passed on: only a terminal's reaches the run too."""
_END_TIMEOUT: Final = 600.0
"""Seconds for a run to end then: its programs get five, the run itself eight, a package manager more."""


@dataclass(frozen=True)
class RecipeSummary:
    """What a session shows of a recipe, and the packages that it needs."""

    name: str
    version: str
    summary: str
    needs: tuple[str, ...]
    versions: tuple[str, ...] = ()
    """Other versions that it has recipes for."""


def _names(value: object) -> list[str]:
    """The names in a list, normalised as PEP 503 says."""
    return [re.sub(r"[-_.]+", "-", str(name)).lower() for name in value] if isinstance(value, list) else []


def read_summaries(recipes: Path, base: Path | None = None) -> tuple[RecipeSummary, ...]:
    """The recipes below a directory, by name; some may lie over those of a base."""
    files = {file.parent.name: file for each in (base, recipes) if each for file in recipe_files(each)}
    summaries = []
    for name, file in sorted(files.items()):
        own = read_table(file)
        lies_over = base is not None and not file.is_relative_to(base) and own.get("base", True)
        below = read_table(base / name / "recipe.toml") if base and lies_over else {}
        recipe = below | own | table_in(own, "replace")
        overlay = base is None and not own.keys().isdisjoint({"append", "replace"})
        unread = "its base is not here yet" if overlay else "the recipe cannot be read"
        tables = [table_in(recipe, "requires"), table_in(own, "append", "requires")]
        needs = dict.fromkeys(
            name for kind in ("host", "run") for each in tables for name in _names(each.get(kind))
        )
        summaries.append(
            RecipeSummary(
                name=name,
                version=str(recipe.get("version", "?")),
                summary=str(recipe.get("summary", unread)),
                needs=tuple(needs),
                versions=tuple(
                    sorted(path.parent.name for path in file.parent.glob("versions/*/recipe.toml"))
                ),
            )
        )
    return tuple(summaries)


def register(root: Path) -> None:
    """Register all sessions of the farm at `root`."""
    register_recipes(root)
    register_ci(root)


def register_recipes(root: Path) -> None:
    """Register the sessions of the recipes.

    `build-scipy` is for the default variant, or the one after `-- --variant`; `build-scipy(reference)` for
    another.
    A session requires those of the packages that its package is built on.
    """
    # nox looks for uv, which no session of the farm uses.
    logging.getLogger("nox").addFilter(lambda record: "uv binary not found" not in record.getMessage())
    farm = FarmFiles(root)
    if farm.base is None and "base" in farm.table:
        _register("fetch-base", _fetch_base(root), tags=["base"])
    summaries = read_summaries(farm.recipes, farm.base.recipes if farm.base else None)
    known = {each.name for each in summaries}
    variants = farm.variants
    # `nox -l` has a line a package, whose description names the variants.
    suffixes = {"": None} | ({} if _is_listing(sys.argv) else {f"({each})": each for each in variants})
    for each in summaries:
        for suffix, variant in suffixes.items():
            session = _build(root, each, variant)
            session.__doc__ = f"{each.name} {each.version}: {each.summary} [{', '.join(variants)}]"
            # nox gives the sessions that one requires the same words; the chain builds what it needs itself.
            needs = () if "--nightly" in sys.argv else each.needs
            requires = [f"build-{name}{suffix}" for name in needs if name in known]
            tags = [f"build-{variant}"] if variant else ["build"]
            _register(f"build-{each.name}{suffix}", session, tags=tags, requires=requires)
        for version in each.versions:
            session = _build(root, replace(each, name=f"{each.name}=={version}"), None)
            session.__doc__ = f"{each.name} {version}, an older or newer version of the same recipe."
            _register(f"build-{each.name}({version})", session, tags=["versions"])
    for each in summaries:
        for suffix, variant in suffixes.items():
            session = _test(root, each, variant)
            session.__doc__ = f"The upstream tests of the stored wheel of {each.name} {each.version}."
            _register(f"test-{each.name}{suffix}", session, tags=["test"])

    _register("doctor", _doctor(root), tags=["doctor"])


def register_ci(root: Path) -> None:
    """Register what the steps of the workflow run."""
    for verb, summary in _CI.items():
        _register(f"ci-{verb}", _ci(root, verb, summary), tags=["ci"])


def _is_listing(words: Sequence[str]) -> bool:
    """Whether nox lists all sessions; only what it shows depends on this."""
    selects = {"-s", "--session", "--sessions", "-t", "--tags", "-k", "--keywords", "--json"}
    return not {"-l", "--list", "--list-sessions"}.isdisjoint(words) and selects.isdisjoint(words)


def _register(
    name: str, session: Callable[[nox.Session], None], *, tags: Sequence[str], requires: Sequence[str] = ()
) -> None:
    nox.session(name=name, venv_backend="none", default=False, tags=tags, requires=requires)(session)


def _run(session: nox.Session, root: Path, *words: str, lock: str = "farm") -> None:
    """Run a module in an environment of the farm."""
    # At SIGTERM nox would end, and leave behind what it runs.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    command = [str(tools_environment(session, root, lock, _bundled(root, words))), "-m", *words]
    session.chdir(root)
    # After Ctrl-C the farm ends its builds and clears the terminal; nox would kill it after half a second.
    session.run(
        *command,
        external=True,
        env={"PYTHONDONTWRITEBYTECODE": "1"},
        interrupt_timeout=_INTERRUPT_TIMEOUT,
        terminate_timeout=_END_TIMEOUT,
    )


def _bundled(root: Path, words: Sequence[str]) -> Path | None:
    """What `inv index.load` has brought for the farm's own environment, where a run is offline."""
    farm = FarmFiles(root)
    setting = os.environ.get("WHEELFARM_OFFLINE") or str(farm.table.get("offline", False))
    offline = "--offline" in words or setting.lower() in {"1", "true"}
    wheels = farm.work / "environment"
    return wheels if offline and wheels.is_dir() else None


def _task(name: str, recipe: RecipeSummary, variant: str | None, session: nox.Session) -> list[str]:
    return [name, recipe.name, *(["--variant", variant] if variant else []), *session.posargs]


def _build(root: Path, recipe: RecipeSummary, variant: str | None) -> Callable[[nox.Session], None]:
    def build(session: nox.Session) -> None:
        words = _task("chain", recipe, variant, session)
        digest = hashlib.sha256("\0".join(words).encode()).hexdigest()[:16]
        path = root / ".nox" / "stamps" / f"{recipe.name}-{digest}.json"
        # A stamp has lines for people; --json needs the plan's data. A branch moves without it.
        stamp = None if {"--json", "--nightly"} & {*words} else Stamp.read(path)
        if stamp is not None and stamp.is_valid(os.environ, _output):
            for line in stamp.lines:
                session.log(line)
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        # The lock of workers has Dask, which few farms need.
        lock = "dask" if _has_workers(root, words) else "farm"
        _run(session, root, "invoke", *words, "--stamp", str(path), lock=lock)

    return build


def _has_workers(root: Path, words: Sequence[str]) -> bool:
    """Whether a chain builds on the workers of a cluster: an option, a variable or the farm says so."""
    for number, word in enumerate(words):
        option, equals, value = word.partition("=")
        if option == "--workers":
            return (value if equals else "".join(words[number + 1 : number + 2])) != "none"
    setting = os.environ.get("WHEELFARM_WORKERS") or FarmFiles(root).table.get("workers", "none")
    return setting != "none"


def _doctor(root: Path) -> Callable[[nox.Session], None]:
    def doctor(session: nox.Session) -> None:
        _run(session, root, "invoke", "doctor", *session.posargs)

    doctor.__doc__ = "Check this machine for builds, and show what mends each fault."
    return doctor


def _fetch_base(root: Path) -> Callable[[nox.Session], None]:
    def fetch(session: nox.Session) -> None:
        _run(session, root, "invoke", "recipe.list", *session.posargs)

    fetch.__doc__ = "Fetch the base of the farm, whose recipes get sessions then."
    return fetch


def _output(words: list[str]) -> str:
    """What a program prints; nothing when it is gone."""
    try:
        return subprocess.run(words, capture_output=True, text=True, check=False).stdout
    except OSError:
        return ""


def _test(root: Path, recipe: RecipeSummary, variant: str | None) -> Callable[[nox.Session], None]:
    return lambda session: _run(session, root, "invoke", *_task("test", recipe, variant, session))


def _ci(root: Path, verb: str, summary: str) -> Callable[[nox.Session], None]:
    def ci(session: nox.Session) -> None:
        # The publish lock has the clients of signing and of object stores.
        lock = "publish" if verb == "publish" else "farm"
        _run(session, root, "wheelfarm.cli.ci_run", verb, *session.posargs, lock=lock)

    ci.__doc__ = summary
    return ci
