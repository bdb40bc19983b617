"""Settings: one value a name, from the command line, the environment or pyproject.toml, in that order."""

from __future__ import annotations

import configparser
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import platformdirs
from pypi_simple import PYPI_SIMPLE_ENDPOINT

from wheelfarm.errors import SettingsError, UsageError
from wheelfarm.model import EngineName, Python
from wheelfarm.settings.strict import parse, read_toml, suggestion
from wheelfarm.settings.tables import FarmTable, Variant

if TYPE_CHECKING:
    from collections.abc import Mapping

PREFIX: Final = "WHEELFARM_"
_PLAIN: Final = (
    "wheelhouse",
    "work",
    "cache",
    "index-url",
    "engine",
    "container-engine",
    "pythons",
    "variant",
    "jobs",
    "time-limit",
    "offline",
)
"""Keys of `[tool.wheelfarm]` that a variable or an option may override."""
_IMAGE: Final = f"{PREFIX}IMAGE_"


@dataclass(frozen=True, kw_only=True)
class Settings:
    """All that a run was told, with the origin of each value."""

    root: Path
    recipes: Path
    patches: Path
    wheelhouse: Path
    work: Path
    cache: Path
    index_url: str
    engine: EngineName | None
    container_engine: str | None
    pythons: tuple[Python, ...]
    variant: str
    variants: Mapping[str, Variant]
    images: Mapping[str, str]
    jobs: int
    time_limit: float
    offline: bool
    defaults: Mapping[str, Any]
    environ: Mapping[str, str]
    origins: Mapping[str, str]

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


def _from_environment(environ: Mapping[str, str]) -> tuple[dict[str, Any], dict[str, str], dict[str, str]]:
    """Values, their origins, and the images, as WHEELFARM_ variables say them."""
    known = {PREFIX + key.upper().replace("-", "_"): key for key in _PLAIN}
    values: dict[str, Any] = {}
    origins: dict[str, str] = {}
    images: dict[str, str] = {}
    for variable, text in environ.items():
        if variable.startswith(_IMAGE):
            images[variable.removeprefix(_IMAGE).lower()] = text
        elif variable in known:
            values[known[variable]] = _typed(known[variable], text, variable)
            origins[known[variable]] = variable
        elif variable.startswith(PREFIX):
            raise SettingsError(f"unknown variable {variable}", hint=suggestion(variable, known))
    return values, origins, images


def _typed(key: str, text: str, origin: str) -> object:
    """A variable's or option's text as the type that `[tool.wheelfarm]` has for that key."""
    try:
        match key:
            case "pythons":
                return [part.strip() for part in text.split(",") if part.strip()]
            case "jobs":
                return int(text)
            case "time-limit":
                return float(text)
            case "offline":
                return {"1": True, "true": True, "0": False, "false": False}[text.lower()]
            case _:
                return text
    except (ValueError, KeyError) as problem:
        raise SettingsError(
            f"bad value {text!r}", where=origin, why=f"{key} is not of that kind"
        ) from problem


def _pip_index(environ: Mapping[str, str]) -> tuple[str, str]:
    """The index that pip and uv are configured to use on this machine, and who says so."""
    for variable in ("PIP_INDEX_URL", "UV_DEFAULT_INDEX", "UV_INDEX_URL"):
        if environ.get(variable):
            return environ[variable], variable
    home = Path(environ.get("HOME") or Path.home())
    config = environ.get("XDG_CONFIG_HOME")
    candidates = [
        Path(environ["PIP_CONFIG_FILE"]) if environ.get("PIP_CONFIG_FILE") else None,
        (Path(config) if config else home / ".config") / "pip" / "pip.conf",
        home / ".pip" / "pip.conf",
        Path("/etc/pip.conf"),
    ]
    for path in candidates:
        if path is None or not path.is_file():
            continue
        parser = configparser.RawConfigParser()
        try:
            parser.read(path, encoding="utf-8")
        except configparser.Error as problem:
            raise SettingsError(
                "cannot read pip's configuration", where=str(path), why=str(problem)
            ) from problem
        if parser.has_option("global", "index-url"):
            return parser.get("global", "index-url"), str(path)
    return PYPI_SIMPLE_ENDPOINT, "default"


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
    project = root / "pyproject.toml"
    document = read_toml(project, error=SettingsError)
    table: dict[str, Any] = dict(document.get("tool", {}).get("wheelfarm", {}))
    origins = dict.fromkeys(table, str(project.name))
    parse(FarmTable, table, where=f"{project.name}: tool.wheelfarm", error=SettingsError)
    values, said_by, images = _from_environment(environ)
    table |= values
    origins |= said_by
    for key, text in (options or {}).items():
        if text is not None:
            table[key] = _typed(key, text, f"--{key}")
            origins[key] = f"--{key.removesuffix('s') if key == 'pythons' else key}"
    said = ", ".join(sorted(set(origins.values()) - {project.name})) or project.name
    error = UsageError if any(origin.startswith("--") for origin in origins.values()) else SettingsError
    farm = parse(FarmTable, table, where=said, error=error)
    index_url, index_origin = (
        (farm.index_url, origins.get("index-url")) if farm.index_url else _pip_index(environ)
    )
    cache = root / farm.cache if farm.cache else platformdirs.user_cache_path("wheelfarm")
    settings = Settings(
        root=root,
        recipes=root / farm.recipes,
        patches=root / farm.patches,
        wheelhouse=root / farm.wheelhouse,
        work=root / farm.work,
        cache=cache,
        index_url=index_url,
        engine=farm.engine,
        container_engine=farm.container_engine,
        pythons=tuple(sorted({Python.parse(text) for text in farm.pythons})),
        variant=farm.variant,
        variants=farm.variants,
        images=farm.images | images,
        jobs=farm.jobs or _cores(),
        time_limit=farm.time_limit,
        offline=farm.offline,
        defaults=farm.defaults,
        environ=environ,
        origins=origins | {"index-url": index_origin or "default"},
    )
    settings.choose_variant(settings.variant)
    return settings
