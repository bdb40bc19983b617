"""Settings: one value a name, from the command line, the environment or pyproject.toml, in that order."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import platformdirs

from wheelfarm.errors import Collector, SettingsError, UsageError
from wheelfarm.model import EngineName, Python
from wheelfarm.recipes.farm_settings import LINUX_SUFFIXES, FarmTable, Variant, size_of
from wheelfarm.recipes.pip_settings import pip_index
from wheelfarm.recipes.strict import parse, read_toml, suggestion

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wheelfarm.errors import FarmError
    from wheelfarm.recipes.ci_settings import CiTable
    from wheelfarm.recipes.index_settings import IndexTable
    from wheelfarm.recipes.recipe import Layered


PREFIX: Final = "WHEELFARM_"
OVERRIDABLE: Final = (
    "wheelhouse",
    "work",
    "stages",
    "cache",
    "index-url",
    "engine",
    "container-engine",
    "pythons",
    "platform",
    "variant",
    "jobs",
    "memory",
    "time-limit",
    "offline",
    "remote",
    "release",
    "compiler-cache",
    "compiler-cache-size",
)
"""Keys of `[tool.wheelfarm]` that a variable or an option may override."""
_VARIABLES: Final = {PREFIX + key.upper().replace("-", "_"): key for key in OVERRIDABLE}
_IMAGE: Final = f"{PREFIX}IMAGE_"
_IMAGES: Final = {_IMAGE + suffix.upper(): suffix for suffix in LINUX_SUFFIXES}


@dataclass(frozen=True)
class Override:
    """The value that a variable or an option gives a key."""

    key: str
    text: str
    origin: str
    error: type[FarmError]

    def value(self) -> object:
        """The text as the type that `[tool.wheelfarm]` has for that key.

        Raises:
            FarmError: of class `error`, naming the origin, for what that key cannot be.
        """
        value = self._typed()
        # Alone, so that the error names the one who overrides it.
        parse(FarmTable, {self.key: value}, where=self.origin, error=self.error)
        return value

    def _typed(self) -> object:
        text = self.text
        try:
            match self.key:
                case "pythons":
                    return [part.strip() for part in text.split(",") if part.strip()]
                case "jobs":
                    return self._jobs(int(text))
                case "time-limit":
                    return float(text)
                case "offline" | "remote" | "release" | "compiler-cache":
                    return {"1": True, "true": True, "0": False, "false": False}[text.lower()]
                case _:
                    return text
        except (ValueError, KeyError) as problem:
            why = f"{self.key} is not of that kind"
            raise self.error(f"bad value {text!r}", where=self.origin, why=why) from problem

    def _jobs(self, number: int) -> int:
        """What was typed is meant: 0, which in pyproject.toml is one a core, is no number of processes."""
        if number < 1:
            raise self.error(
                f"bad value {self.text!r}",
                where=self.origin,
                why="a build runs on one processor at least",
                hint="leave it out for all of this machine's",
            )
        return number


def variable_values(environ: Mapping[str, str], problems: Collector) -> list[Override]:
    """What WHEELFARM_ variables say; those that nobody knows become problems."""
    overrides = []
    for variable, text in environ.items():
        if variable in _VARIABLES:
            overrides.append(Override(_VARIABLES[variable], text, variable, SettingsError))
        elif variable.startswith(PREFIX) and variable not in _IMAGES:
            known = _IMAGES if variable.startswith(_IMAGE) else _VARIABLES
            problems.add(SettingsError(f"unknown variable {variable}", hint=suggestion(variable, known)))
    return overrides


def option_values(texts: Mapping[str, str | None]) -> list[Override]:
    """What the command line says; there, one names Pythons with `--python`."""
    return [
        Override(key, text, "--python" if key == "pythons" else f"--{key}", UsageError)
        for key, text in texts.items()
        if text is not None
    ]


def image_variables(environ: Mapping[str, str]) -> dict[str, str]:
    """The builder images that variables name, by the suffix they build for."""
    return {suffix: environ[variable] for variable, suffix in _IMAGES.items() if variable in environ}


@dataclass(frozen=True, kw_only=True)
class Settings:
    """All settings of a run, with the origin of each value."""

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
    platform: str | None
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
    defaults: Layered
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
        options: what the command line overrides, by key of `[tool.wheelfarm]`; None means unsaid.

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
        platform=farm.platform,
        variant=farm.variant,
        variants=farm.variants,
        images=farm.images | image_variables(environ),
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
    """The farm's table with variables and options laid over it, and who overrides each value."""
    project = root / "pyproject.toml"
    tool = read_toml(project, error=SettingsError).get("tool", {})
    table = tool.get("wheelfarm", {}) if isinstance(tool, dict) else tool
    problems = Collector()
    with problems.collect():
        parse(FarmTable, table, where=f"{project.name}: tool.wheelfarm", error=SettingsError)
    overrides = [*variable_values(environ, problems), *option_values(options)]
    values: dict[str, Any] = {}
    for each in overrides:
        with problems.collect():
            values[each.key] = each.value()
    problems.check()
    origins = dict.fromkeys((field.alias or "" for field in FarmTable.model_fields.values()), "default")
    origins |= dict.fromkeys(table, project.name) | {each.key: each.origin for each in overrides}
    return FarmTable.model_validate(table | values), origins
