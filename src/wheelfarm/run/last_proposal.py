"""Remembers the edit that the last failure of a build proposes, so that it can be shown without a build."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from packaging.utils import canonicalize_name

from wheelfarm.build.edits import Require
from wheelfarm.build.proposals import make_proposal, propose
from wheelfarm.errors import BuildDirectoryError, FarmError, GroupError, YieldError
from wheelfarm.model.requirements import parse_requirement
from wheelfarm.system.files import parse_json, read_text, write_atomically

if TYPE_CHECKING:
    from pathlib import Path

    from wheelfarm.errors import Proposal
    from wheelfarm.plan.build import Build
    from wheelfarm.recipes.recipe_set import RecipeSet
    from wheelfarm.recipes.settings import Settings

_ADDED: Final = "build-requires"
_IGNORED: Final = "Unknown distribution option: 'use_scm_version'"


def adapt_proposal(error: FarmError, build: Build, recipes: RecipeSet) -> None:
    """Let an error propose the farm's own wheels, where the farm has recipes for what the build lacks.

    A version of such a distribution is that of its recipe: no edit of this one changes it.
    """
    for each in error.errors if isinstance(error, GroupError) else (error,):
        if each.proposal is not None:
            each.proposal = _with_farm(each.proposal, build, recipes)


def explain_version(error: FarmError, build: Build, log: Path) -> None:
    """Let the error about a wheel of another version propose setuptools-scm, where only that is missing.

    setuptools ignores its keyword then, and calls the version 0.0.0.
    """
    if not isinstance(error, YieldError) or not log.is_file():
        return
    with log.open(encoding="utf-8", errors="replace") as lines:
        if any(_IGNORED in line for line in lines):
            error.why = "setuptools ignores use_scm_version where setuptools-scm is not installed"
            error.proposal = propose([Require("setuptools-scm")], build.recipe, ())


def _with_farm(proposal: Proposal, build: Build, recipes: RecipeSet) -> Proposal | None:
    edits = dict(proposal.values.get(_ADDED, {}))
    own = {
        text: parsed
        for text in edits.get("add", ())
        if canonicalize_name((parsed := parse_requirement(text)).name) in recipes
    }
    if not own:
        return proposal
    values: dict[str, Any] = {key: value for key, value in proposal.values.items() if key != _ADDED}
    edits["add"] = [text for text in edits["add"] if text not in own]
    if edits := {key: value for key, value in edits.items() if value}:
        values[_ADDED] = edits
    if host := [canonicalize_name(each.name) for each in own.values() if not each.specifier]:
        values["requires"] = {"host": host}
    return make_proposal(values, build.recipe)


def _file(settings: Settings, build: Build) -> Path:
    """Beside the log of the build."""
    return settings.work / "logs" / f"{build.id.slug}.proposal.json"


def remember_proposal(settings: Settings, build: Build, proposal: Proposal | None) -> None:
    """Write what the failure of a build proposes; None removes it."""
    path = _file(settings, build)
    # The failure itself says more than that this cannot be written.
    with suppress(FarmError, OSError):
        if proposal is None:
            path.unlink(missing_ok=True)
        else:
            data = {"key": build.key, "values": proposal.values}
            write_atomically(path, json.dumps(data, indent=1).encode(), "the proposal")


def last_proposal(settings: Settings, build: Build) -> Proposal | None:
    """What the last failure of a build proposes; None where there is none, or the build has changed since."""
    path = _file(settings, build)
    if not path.is_file():
        return None
    try:
        data = parse_json(read_text(path, BuildDirectoryError))
        return make_proposal(data["values"], build.recipe) if data["key"] == build.key else None
    except (BuildDirectoryError, ValueError, KeyError, TypeError, AttributeError):
        return None
