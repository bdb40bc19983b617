"""Settings: one value a name, from the command line, the environment or pyproject.toml, in that order."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import platformdirs

from wheelfarm.errors import Collector, SettingsError, UsageError
from wheelfarm.model import EngineName, Python
from wheelfarm.settings import overrides
from wheelfarm.settings.pip import pip_index
from wheelfarm.settings.strict import parse, read_toml, suggestion
from wheelfarm.settings.tables import FarmTable, Variant, size_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wheelfarm.settings.ci import CiTable
    from wheelfarm.settings.index import IndexTable


@dataclass(frozen=True, kw_only=True)
class Settings:
    """All that a run was told, with the origin of each value."""

    root: Path
    recipes: Path
    patches: Path
    wheelhouse: Path
    work: Path
    stages: Path
    cache: Path
    index_url: str | None
    """None where nobody names one."""
    indexes: Mapping[str, IndexTable]
    """Where wheels are published to, by name."""
    engine: EngineName | None
    container_engine: str | None
    ci: CiTable
    """What the rendered workflow is like."""
    pythons: tuple[Python, ...]
    place: str | None
    """What stands after the interpreter in the targets of this run; None for this machine's own."""
    variant: str
    variants: Mapping[str, Variant]
    images: Mapping[str, str]
    jobs: int
    """Processors for all builds that run at the same time."""
    memory: int | None
    """Bytes for the same; None for what the machine has."""
    time_limit: float
    offline: bool
    remote: bool
    release: bool
    compiler_cache: bool
    compiler_cache_size: str
    defaults: Mapping[str, Any]
    environ: Mapping[str, str]
    origins: Mapping[str, str]

    @property
    def from_nothing(self) -> bool:
        """Whether a wheel counts only if nothing that an earlier build compiled went into it."""
        return self.release and not self.compiler_cache

    def choose_variant(self, name: str) -> Variant:
        """The variant of that name.

        Raises:
            UsageError: when the farm has none, with the nearest name.
        """
        if name not in self.variants:
            raise UsageError(
                f"unknown variant {name!r}",
                where=self.origins.get("variant"),
                hint=suggestion(name, self.variants),
            )
        return self.variants[name]

    def choose_index(self, name: str) -> IndexTable:
        """The index of that name.

        Raises:
            UsageError: when the farm has none, with the nearest name.
        """
        if name not in self.indexes:
            raise UsageError(
                f"unknown index {name!r}",
                where="pyproject.toml: tool.wheelfarm.index",
                hint=suggestion(name, self.indexes) if self.indexes else "add [tool.wheelfarm.index.<name>]",
            )
        return self.indexes[name]


def default_stages() -> Path:
    """Where builds on this machine stand when nobody says otherwise: the same path on every machine."""
    return Path("C:/wheelfarm") if os.name == "nt" else Path("/var/tmp/wheelfarm").resolve()  # noqa: S108


def _cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def load(
    root: Path, *, environ: Mapping[str, str] | None = None, options: Mapping[str, str | None] | None = None
) -> Settings:
    """The settings of the farm at `root`.

    Args:
        root: the directory that holds pyproject.toml.
        environ: the environment; the process's own by default.
        options: what the command line said, by key of `[tool.wheelfarm]`; None means unsaid.

    Raises:
        SettingsError: for anything that `[tool.wheelfarm]` or a variable says wrong.
        UsageError: for a wrong option.
    """
    environ = dict(os.environ if environ is None else environ)
    farm, origins = _farm(root, environ, options or {})
    index_url, index_origin = (farm.index_url, origins["index-url"]) if farm.index_url else pip_index(environ)
    settings = Settings(
        root=root,
        recipes=root / farm.recipes,
        patches=root / farm.patches,
        wheelhouse=root / farm.wheelhouse,
        work=root / farm.work,
        stages=root / farm.stages if farm.stages else default_stages(),
        cache=root / farm.cache if farm.cache else platformdirs.user_cache_path("wheelfarm"),
        index_url=index_url,
        indexes=farm.index,
        engine=farm.engine,
        container_engine=farm.container_engine,
        ci=farm.ci,
        pythons=tuple(sorted({Python.parse(text) for text in farm.pythons})),
        place=farm.place,
        variant=farm.variant,
        variants=farm.variants,
        images=farm.images | overrides.images(environ),
        jobs=farm.jobs or _cores(),
        memory=size_of(farm.memory) if farm.memory else None,
        time_limit=farm.time_limit,
        offline=farm.offline,
        remote=farm.remote,
        release=farm.release,
        compiler_cache=not farm.release if farm.compiler_cache is None else farm.compiler_cache,
        compiler_cache_size=farm.compiler_cache_size,
        defaults=farm.defaults,
        environ=environ,
        origins=origins | {"index-url": index_origin},
    )
    settings.choose_variant(settings.variant)
    return settings


def _farm(
    root: Path, environ: Mapping[str, str], options: Mapping[str, str | None]
) -> tuple[FarmTable, dict[str, str]]:
    """The farm's table with variables and options laid over it, and who said each value."""
    project = root / "pyproject.toml"
    tool = read_toml(project, error=SettingsError).get("tool", {})
    table = tool.get("wheelfarm", {}) if isinstance(tool, dict) else tool
    problems = Collector()
    with problems.collect():
        parse(FarmTable, table, where=f"{project.name}: tool.wheelfarm", error=SettingsError)
    said = [*overrides.variables(environ, problems), *overrides.options(options)]
    values: dict[str, Any] = {}
    for each in said:
        with problems.collect():
            values[each.key] = each.value()
    problems.check()
    origins = dict.fromkeys((field.alias or "" for field in FarmTable.model_fields.values()), "default")
    origins |= dict.fromkeys(table, project.name) | {each.key: each.origin for each in said}
    return FarmTable.model_validate(table | values), origins
