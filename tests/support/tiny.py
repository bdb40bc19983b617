"""A farm of the two tiny packages, and runs of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from support.farm import make_farm
from support.index import Index, make_index
from support.packages import BASE_SMOKE, TOP_SMOKE, make_sdist, tinybase, tinytop
from wheelfarm.pipeline import Farm
from wheelfarm.records import Record

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from support.farm import Table
    from wheelfarm.errors import FarmError
    from wheelfarm.schedule import Outcome
    from wheelfarm.settings import Settings

BUILD: Final = ("setuptools", "build", "packaging", "pyproject-hooks")
"""The build requirements of both packages."""


def tiny_index(
    root: Path, *, base: Mapping[str, str] | None = None, top: Mapping[str, str] | None = None
) -> Index:
    """An index with both source distributions, or others in their place."""
    root.mkdir(parents=True, exist_ok=True)
    index = make_index(root)
    index.add(make_sdist(root, "tinybase", base or tinybase()), make_sdist(root, "tinytop", top or tinytop()))
    return index


def tiny_farm(
    root: Path,
    index: Index,
    *,
    base: Table | None = None,
    top: Table | None = None,
    settings: Table | None = None,
    patches: Mapping[str, str] | None = None,
    files: Mapping[str, str] | None = None,
    environ: Mapping[str, str] | None = None,
) -> Settings:
    """A farm with both packages, whose recipes say `base` and `top` over what they must say."""

    def recipe(name: str, said: Table | None) -> dict[str, Any]:
        source = {"kind": "sdist", "sha256": index.sha256(f"{name}-1.0.tar.gz")}
        test = {"imports": [name], "smoke": "smoke.py"}
        return {"source": source, "compilers": ["c"], "test": test, **(said or {})}

    requires = {"requires": {"host": ["tinybase"], "run": ["tinybase"]}}
    locks = {f"recipes/{name}/build.lock": index.lock(*BUILD) for name in ("tinybase", "tinytop")}
    smoke = {"recipes/tinybase/smoke.py": BASE_SMOKE, "recipes/tinytop/smoke.py": TOP_SMOKE}
    return make_farm(
        root,
        {"tinybase": recipe("tinybase", base), "tinytop": requires | recipe("tinytop", top)},
        settings={"index-url": index.url, "engine": "host", "jobs": 1, "time-limit": 120.0}
        | dict(settings or {}),
        patches=patches,
        files=locks | smoke | dict(files or {}),
        environ=environ,
    )


@dataclass
class Run:
    """One run of a farm, with all that was told on the way."""

    settings: Settings
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)

    @property
    def states(self) -> dict[str, str]:
        """How each build ended, by name."""
        return {name: outcome.state.value for name, outcome in self.outcomes.items()}

    def error(self, name: str) -> FarmError:
        """The error of a build that failed."""
        error = self.outcomes[name].error
        assert error is not None
        return error

    def record(self, name: str) -> Record:
        """The record of a build's stored wheel."""
        build = self.outcomes[name].build
        text = Farm(settings=self.settings).house.record(build.id.variant, build.key)
        return Record.from_json(text, name)


def run_farm(settings: Settings, *names: str) -> Run:
    """Run the plan for some distributions, or all."""
    farm = Farm(settings=settings)
    run = Run(settings)
    outcomes = farm.run(
        farm.plan(names or None), hear=lambda _build, line: run.lines.append(line), tell=lambda _outcome: None
    )
    run.outcomes = {str(outcome.build.id.name): outcome for outcome in outcomes}
    return run
