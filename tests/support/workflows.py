"""Workflows of made-up farms."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ruamel.yaml import YAML

from support.farm import make_farm
from wheelfarm.ci.github import render_github
from wheelfarm.ci.matrix import make_jobs
from wheelfarm.ci.workflow_file import DEFAULT_PINS
from wheelfarm.recipes.recipe_set import read_recipes

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from support.farm import Table
    from wheelfarm.ci.matrix import Job
    from wheelfarm.recipes.settings import Settings

CHAIN: Final[Mapping[str, Table]] = {
    "numpy": {"blas": True},
    "scipy": {"blas": True, "requires": {"host": ["numpy"], "run": ["numpy"]}},
    "learn": {"requires": {"host": ["scipy"], "run": ["numpy", "scipy"]}},
    "alone": {},
}
"""learn needs scipy, which needs numpy; alone needs nothing."""
SOME: Final = ("linux-x86_64", "musllinux-x86_64", "macos-arm64", "windows-amd64")
"""The platforms, unless a test says others."""


def workflow_farm(
    root: Path, recipes: Mapping[str, Table] = CHAIN, *, ci: Table | None = None, **settings: Any
) -> Settings:
    """A farm for two Pythons, with what `[tool.wheelfarm.ci]` says."""
    table = {"pythons": ["3.11", "3.13"], "platforms": list(SOME), **(ci or {})}
    return make_farm(root, recipes, settings={"ci": table, **settings})


def jobs_of(settings: Settings) -> dict[str, Job]:
    """The jobs of a farm's graph, by their id."""
    return {job.id: job for job in make_jobs(read_recipes(settings), settings)}


def render(settings: Settings) -> str:
    """The rendered workflow of a farm."""
    return render_github(tuple(jobs_of(settings).values()), settings, DEFAULT_PINS)


def load_yaml(text: str) -> Any:
    """The content of a YAML file as plain values."""
    return YAML(typ="safe", pure=True).load(text)


def document_of(settings: Settings) -> Any:
    """The rendered workflow of a farm, read again."""
    return load_yaml(render(settings))
