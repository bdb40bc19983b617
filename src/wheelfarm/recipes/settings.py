"""Settings: one value a name, from the command line, the environment or pyproject.toml, in that order."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

from wheelfarm.errors import Collector, SettingsError, UsageError
from wheelfarm.recipes.base import BaseFarm, read_base
from wheelfarm.recipes.farm_settings import LINUX_SUFFIXES, Defaults, FarmTable
from wheelfarm.recipes.pip_settings import pip_index
from wheelfarm.recipes.strict import SIZE_NOUN, parse, read_toml, size_of, suggestion
from wheelfarm.recipes.variants import derive_variants

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from wheelfarm.errors import FarmError
    from wheelfarm.recipes.index_table import IndexTable
    from wheelfarm.recipes.variant_table import Variant

T = TypeVar("T")

PREFIX: Final = "WHEELFARM_"
OVERRIDABLE: Final = (
    "wheelhouse",
    "work",
    "stages",
    "cache",
    "index-url",
    "mirrors",
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
    "trust-numpy-abi",
    "compiler-cache",
    "compiler-cache-size",
    "compiler-cache-remote",
    "compiler-cache-read-only",
    "workers",
    "workers-store",
)
"""Keys of `[tool.wheelfarm]` that a variable or an option may override."""
_VARIABLES: Final = {PREFIX + key.upper().replace("-", "_"): key for key in OVERRIDABLE}
CACHE_USERNAME: Final = f"{PREFIX}COMPILER_CACHE_USERNAME"
CACHE_PASSWORD: Final = f"{PREFIX}COMPILER_CACHE_PASSWORD"
"""Variables for the server of `compiler-cache-remote`: no file has them."""
SIGN_PIN: Final = f"{PREFIX}SIGN_PIN"
"""Variable for the PIN of the token in `sign-key` of an index: no file has it."""
_IMAGE: Final = f"{PREFIX}IMAGE_"
_IMAGES: Final = {_IMAGE + suffix.upper(): suffix for suffix in LINUX_SUFFIXES}
_PATHS: Final = ("recipes", "patches", "wheelhouse", "work", "stages", "cache")


class Settings(FarmTable):
    """`[tool.wheelfarm]` with variables and options laid over it; relative paths are below the farm."""

    root: Path
    environ: Mapping[str, str]
    origins: Mapping[str, str]
    """Key of `[tool.wheelfarm]` → who gives its value: a variable, an option, a file or the default."""
    base_farm: BaseFarm | None = None
    """What `base` names."""
    versions: Mapping[str, str] = {}
    """Recipe → the version of it that a task names, as numpy==2.3.5."""

    def replace(self, **changes: object) -> Settings:
        """The same settings but for these."""
        return self.model_copy(update=changes)

    @property
    def all_defaults(self) -> tuple[Defaults, ...]:
        """The defaults of the farm's base, and its own over them."""
        return (*([self.base_farm.defaults] if self.base_farm else []), self.defaults)

    @property
    def default_tests(self) -> bool | None:
        """What the defaults expect of test suites in wheels."""
        found = [each.expect.tests for each in self.all_defaults if each.expect.tests is not None]
        return found[-1] if found else None

    @property
    def from_nothing(self) -> bool:
        """Whether a wheel counts only if nothing that an earlier build compiled went into it."""
        return self.release and not self.compiler_cache

    @property
    def uses_numpy_abi(self) -> bool:
        """Whether a stored wheel may serve where NumPy alone has changed: never in a release."""
        return self.trust_numpy_abi and not self.release

    @property
    def private(self) -> tuple[Path, ...]:
        """The directories of the farm and of the user, which the code of a source does not see."""
        home = self.environ.get("HOME")
        own = (self.root, self.work, self.wheelhouse, self.cache, self.stages)
        return (*own, *([Path(home)] if home else []))

    def choose_variant(self, name: str) -> Variant:
        """The variant of that name; a UsageError names the nearest."""
        return _choose(name, self.variants, "variants", self.origins.get("variant"))

    def choose_index(self, name: str) -> IndexTable:
        """The index of that name; a UsageError names the nearest."""
        return _choose(name, self.indexes, "index", "pyproject.toml: tool.wheelfarm.index")


def _choose(name: str, known: Mapping[str, T], table: str, where: str | None) -> T:
    if name not in known:
        hint = suggestion(name, known) if known else f"add [tool.wheelfarm.{table}.<name>]"
        raise UsageError(f"unknown {table.removesuffix('s')} {name!r}", where=where, hint=hint)
    return known[name]


def load(
    root: Path, *, environ: Mapping[str, str] | None = None, options: Mapping[str, str | None] | None = None
) -> Settings:
    """The settings of the farm at `root`, the directory that holds pyproject.toml.

    Args:
        root: the farm.
        environ: the environment; the process's own by default.
        options: what the command line overrides, by key of `[tool.wheelfarm]`; None overrides nothing.

    Raises:
        SettingsError: for each bad value in `[tool.wheelfarm]` or a variable, and for a base that is no farm.
        UsageError: for each bad option.
        FarmError: when the base is a commit that cannot be fetched.
    """
    environ = dict(os.environ if environ is None else environ)
    farm, origins = _farm(root, environ, options or {})
    index_url, index_origin = (farm.index_url, origins["index-url"]) if farm.index_url else pip_index(environ)
    images = {suffix: environ[variable] for variable, suffix in _IMAGES.items() if variable in environ}
    base = read_base(farm, work=root / farm.work, cache=root / farm.cache, environ=environ)
    values = dict(farm) | {
        **{name: root / getattr(farm, name) for name in _PATHS},
        "index_url": index_url,
        "pythons": tuple(sorted(set(farm.pythons))),
        "platforms": tuple(dict.fromkeys(farm.platforms)),
        "variants": derive_variants({**(base.variants if base else {}), **farm.variants}),
        "images": farm.images | images,
        "compiler_cache": not farm.release if farm.compiler_cache is None else farm.compiler_cache,
    }
    origins["index-url"] = index_origin
    values |= {"root": root, "environ": environ, "origins": origins, "base_farm": base}
    settings = Settings.model_construct(**values)
    settings.choose_variant(settings.variant)
    return settings


class _Override(NamedTuple):
    """The text that a variable or an option gives for a key."""

    key: str
    text: str
    origin: str
    error: type[FarmError]


def _farm(
    root: Path, environ: Mapping[str, str], options: Mapping[str, str | None]
) -> tuple[FarmTable, dict[str, str]]:
    """The farm's table with variables and options laid over it, and who gives each value."""
    project = root / "pyproject.toml"
    tool = read_toml(project, error=SettingsError).get("tool", {})
    table = tool.get("wheelfarm", {}) if isinstance(tool, dict) else tool
    problems = Collector()
    with problems.collect():
        parse(FarmTable, table, where=f"{project.name}: tool.wheelfarm", error=SettingsError)
    _check_variables(environ, problems)
    overrides = list(_overrides(environ, options))
    values: dict[str, Any] = {}
    for override in overrides:
        with problems.collect():
            values[override.key] = _value(override)
    problems.check()
    origins = dict.fromkeys((field.alias or "" for field in FarmTable.model_fields.values()), "default")
    origins |= dict.fromkeys(table, project.name) | {each.key: each.origin for each in overrides}
    farm = FarmTable.model_validate(table | values)
    both = {origins["release"], origins["trust-numpy-abi"]} == {"--release", "--trust-numpy-abi"}
    if both and farm.release and farm.trust_numpy_abi:
        what = "--release and --trust-numpy-abi exclude each other"
        raise UsageError(what, why="a release builds all against its own NumPy", hint="leave one of them out")
    return farm, origins


def _check_variables(environ: Mapping[str, str], problems: Collector) -> None:
    for variable in environ:
        valid = {*_VARIABLES, *_IMAGES, CACHE_USERNAME, CACHE_PASSWORD, SIGN_PIN}
        if variable.startswith(PREFIX) and variable not in valid:
            known = _IMAGES if variable.startswith(_IMAGE) else valid.difference(_IMAGES)
            problems.add(SettingsError(f"unknown variable {variable}", hint=suggestion(variable, known)))


def _overrides(environ: Mapping[str, str], options: Mapping[str, str | None]) -> Iterator[_Override]:
    for variable, text in environ.items():
        if variable in _VARIABLES:
            yield _Override(_VARIABLES[variable], text, variable, SettingsError)
    for key, option in options.items():
        if option is not None:
            yield _Override(key, option, "--python" if key == "pythons" else f"--{key}", UsageError)


def split_words(text: str) -> list[str]:
    """The words of an option or a variable, which commas separate."""
    return [part.strip() for part in text.split(",") if part.strip()]


def _switch(text: str) -> bool:
    return {"1": True, "true": True, "0": False, "false": False}[text.lower()]


def _pairs(text: str) -> dict[str, str]:
    return {key: value for key, _, value in (word.partition("=") for word in split_words(text))}


def _processors(text: str) -> int:
    # In pyproject.toml 0 means all; as an option it would be a slip.
    if int(text) < 1:
        raise ValueError
    return int(text)


_KINDS: Final[Mapping[str, tuple[Callable[[str], object], str]]] = {
    "pythons": (split_words, "versions, separated by commas"),
    "platform": (split_words, "platforms, separated by commas"),
    "mirrors": (_pairs, "pairs of urls, as https://github.com=https://git.example.org/github"),
    "jobs": (_processors, "a number of processors, at least 1; leave it out for all of this machine's"),
    "time-limit": (float, "a number of seconds"),
    **dict.fromkeys(
        ("offline", "remote", "release", "trust-numpy-abi", "compiler-cache", "compiler-cache-read-only"),
        (_switch, "1, true, 0 or false"),
    ),
}
"""Keys that are no text → how a text is read, and what it has to be."""


def _value(override: _Override) -> object:
    """The text as the type that `[tool.wheelfarm]` has for that key."""
    key, text, origin, error = override
    convert, noun = _KINDS.get(key, (str, "a text"))
    try:
        value = convert(text)
    except (ValueError, KeyError) as problem:
        raise error(f"bad value {text!r}", where=origin, why=f"{key} is {noun}") from problem
    # Alone, so that the error names the one who overrides it.
    parse(FarmTable, {key: value}, where=origin, error=error)
    return value


def parse_size(text: str) -> int:
    """The bytes that an option such as `--limit 250M` means. Raises UsageError when it is no size."""
    try:
        return size_of(text)
    except ValueError as problem:
        raise UsageError(f"{text!r} is no size", hint=f"give {SIZE_NOUN}") from problem
