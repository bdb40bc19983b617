"""Settings: one value a name, from the command line, the environment or pyproject.toml, in that order."""

from __future__ import annotations

import configparser
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import platformdirs
from pypi_simple import PYPI_SIMPLE_ENDPOINT

from wheelfarm.errors import Collector, SettingsError, UsageError
from wheelfarm.model import EngineName, Python
from wheelfarm.settings.strict import parse, read_toml, suggestion
from wheelfarm.settings.tables import FarmTable, Variant

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wheelfarm.errors import FarmError

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


@dataclass(frozen=True)
class _Said:
    """What a variable or an option says of a key."""

    key: str
    text: str
    origin: str
    error: type[FarmError]


def _variables(environ: Mapping[str, str], problems: Collector) -> list[_Said]:
    """What WHEELFARM_ variables say."""
    known = {PREFIX + key.upper().replace("-", "_"): key for key in _PLAIN}
    said = []
    for variable, text in environ.items():
        if variable in known:
            said.append(_Said(known[variable], text, variable, SettingsError))
        elif variable.startswith(PREFIX) and not variable.startswith(_IMAGE):
            problems.add(SettingsError(f"unknown variable {variable}", hint=suggestion(variable, known)))
    return said


def _options(options: Mapping[str, str | None]) -> list[_Said]:
    """What the command line says; there, one names Pythons with `--python`."""
    return [
        _Said(key, text, "--python" if key == "pythons" else f"--{key}", UsageError)
        for key, text in options.items()
        if text is not None
    ]


def _typed(said: _Said) -> object:
    """A variable's or option's text as the type that `[tool.wheelfarm]` has for that key."""
    text = said.text
    try:
        match said.key:
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
        why = f"{said.key} is not of that kind"
        raise said.error(f"bad value {text!r}", where=said.origin, why=why) from problem


class _PipParser(configparser.RawConfigParser):
    """Reads both spellings of a key, as pip does."""

    def optionxform(self, optionstr: str) -> str:
        return super().optionxform(optionstr).replace("_", "-")


def _pip_index(environ: Mapping[str, str]) -> tuple[str, str]:
    """The index that pip and uv are configured to use on this machine, and who says so."""
    for variable in ("PIP_INDEX_URL", "UV_DEFAULT_INDEX", "UV_INDEX_URL"):
        if environ.get(variable):
            # uv takes `name=url` too.
            name, _, url = environ[variable].partition("=")
            return environ[variable] if ":" in name or not url else url, variable
    for path in filter(Path.is_file, _pip_files(environ)):
        parser = _PipParser()
        try:
            parser.read(path, encoding="utf-8")
        except (configparser.Error, UnicodeDecodeError) as problem:
            raise SettingsError(
                "cannot read pip's configuration", where=str(path), why=str(problem)
            ) from problem
        if parser.has_option("global", "index-url"):
            return parser.get("global", "index-url"), str(path)
    return PYPI_SIMPLE_ENDPOINT, "default"


def _pip_files(environ: Mapping[str, str]) -> list[Path]:
    """The files that configure pip, the one that wins first (its documentation, "Configuration Files")."""
    own = environ.get("PIP_CONFIG_FILE")
    if own == os.devnull:
        return []
    home = Path(environ.get("HOME") or Path.home())
    config = Path(environ.get("XDG_CONFIG_HOME") or home / ".config")
    files = [config / "pip" / "pip.conf", home / ".pip" / "pip.conf", Path("/etc/pip.conf")]
    return [Path(own), *files] if own else files


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
    tool = read_toml(project, error=SettingsError).get("tool", {})
    table = tool.get("wheelfarm", {}) if isinstance(tool, dict) else tool
    problems = Collector()
    with problems.collect():
        parse(FarmTable, table, where=f"{project.name}: tool.wheelfarm", error=SettingsError)
    said = [*_variables(environ, problems), *_options(options or {})]
    values: dict[str, Any] = {}
    for each in said:
        with problems.collect():
            values[each.key] = _typed(each)
            # Each alone, so that the error names the one who said it.
            parse(FarmTable, {each.key: values[each.key]}, where=each.origin, error=each.error)
    problems.check()
    farm = FarmTable.model_validate(table | values)
    origins = dict.fromkeys((field.alias or "" for field in FarmTable.model_fields.values()), "default")
    origins |= dict.fromkeys(table, project.name) | {each.key: each.origin for each in said}
    images = {
        name.removeprefix(_IMAGE).lower(): image for name, image in environ.items() if name.startswith(_IMAGE)
    }
    index_url, index_origin = (
        (farm.index_url, origins["index-url"]) if farm.index_url else _pip_index(environ)
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
        origins=origins | {"index-url": index_origin},
    )
    settings.choose_variant(settings.variant)
    return settings
