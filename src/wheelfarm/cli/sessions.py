"""build-<name> and test-<name> for every recipe and variant."""

from __future__ import annotations

import hashlib
import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import nox

from wheelfarm.cli.catalogue import read_cards, read_variants, recipes_directory
from wheelfarm.cli.stamp import Stamp, file_state
from wheelfarm.cli.tools import tools_environment

if TYPE_CHECKING:
    from collections.abc import Callable

    from wheelfarm.cli.catalogue import RecipeSummary


def _output(words: list[str]) -> str:
    """What a program prints; nothing when it is gone."""
    try:
        return subprocess.run(words, capture_output=True, text=True, check=False).stdout
    except OSError:
        return ""


def _inv(session: nox.Session, root: Path, *words: str) -> None:
    python = tools_environment(session, root, "farm")
    session.chdir(root)
    command = [str(python), "-m", "invoke", *words]
    session.run(*command, external=True, env={"PYTHONDONTWRITEBYTECODE": "1"})


def _build(root: Path, card: RecipeSummary, variant: str | None) -> Callable[[nox.Session], None]:
    def build(session: nox.Session) -> None:
        words = ["chain", card.name, *(["--variant", variant] if variant else []), *session.posargs]
        name = hashlib.sha256("\0".join(words).encode()).hexdigest()[:16]
        path = root / ".nox" / "stamps" / f"{card.name}-{name}.json"
        # A stamp answers people; who asks for data gets it from the plan.
        stamp = None if "--json" in words else Stamp.read(path)
        if stamp is not None and stamp.holds(
            environ=os.environ, state=lambda each: file_state(Path(each)), output=_output
        ):
            for line in stamp.lines:
                session.log(line)
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        _inv(session, root, *words, "--stamp", str(path))

    build.__doc__ = f"{card.name} {card.version}: {card.summary}"
    return build


def _test(root: Path, card: RecipeSummary, variant: str | None) -> Callable[[nox.Session], None]:
    def test(session: nox.Session) -> None:
        _inv(session, root, "test", card.name, *(["--variant", variant] if variant else []), *session.posargs)

    test.__doc__ = f"Run the upstream tests of the stored wheel of {card.name} {card.version}."
    return test


_CI = {
    "last": "Find the last full run of the workflow.",
    "plan": "Select the builds of the workflow to run.",
    "prepare": "Put compilers that a runner has elsewhere on PATH.",
    "build": "Build one matrix entry of the workflow with the wheels of other jobs.",
    "summary": "Write the table of a run, and collect its records.",
    "collect": "Store the wheels of all jobs.",
    "publish": "Publish the wheels of all variants, or none.",
}


def _ci(root: Path, verb: str, summary: str) -> Callable[[nox.Session], None]:
    def ci(session: nox.Session) -> None:
        # The publish lock has the clients of signing and of object stores.
        python = tools_environment(session, root, "publish" if verb == "publish" else "farm")
        session.chdir(root)
        command = [str(python), "-m", "wheelfarm.cli.ci_run", verb, *session.posargs]
        session.run(*command, external=True, env={"PYTHONDONTWRITEBYTECODE": "1"})

    ci.__doc__ = summary
    return ci


def _register_ci(root: Path) -> None:
    """Register what the steps of the workflow run."""
    for verb, summary in _CI.items():
        nox.session(name=f"ci-{verb}", venv_backend="none", default=False, tags=["ci"])(
            _ci(root, verb, summary)
        )


def register(root: Path) -> None:
    """Register the sessions of the farm at `root`.

    `build-scipy` is for the default variant, or what `-- --variant` says; `build-scipy(reference)` for
    another. A session requires those of the packages that its package is built on.
    """
    _register_ci(root)
    default, variants = read_variants(root)
    cards = read_cards(recipes_directory(root))
    known = {card.name for card in cards}
    for card in cards:
        for variant in (None, *(each for each in variants if each != default)):
            suffix = f"({variant})" if variant else ""
            requires = [f"build-{name}{suffix}" for name in card.needs if name in known]
            tags = ["build", f"build-{variant or default}"]
            nox.session(
                name=f"build-{card.name}{suffix}",
                venv_backend="none",
                default=False,
                tags=tags,
                requires=requires,
            )(_build(root, card, variant))
            nox.session(name=f"test-{card.name}{suffix}", venv_backend="none", default=False, tags=["test"])(
                _test(root, card, variant)
            )
