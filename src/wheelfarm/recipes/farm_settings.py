"""The tables of `[tool.wheelfarm]`, as written in pyproject.toml."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, Literal
from urllib.parse import urlsplit

import platformdirs
from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema

from wheelfarm.model import PLATFORM_SUFFIXES, EngineName, Limits, Python
from wheelfarm.recipes.base_table import BaseTable
from wheelfarm.recipes.index_table import IndexName, IndexTable
from wheelfarm.recipes.recipe import Layer, Layered
from wheelfarm.recipes.strict import (
    SizeText,
    StrictModel,
    TextForm,
    Url,
    VariableName,
    one_of,
    parsed_by,
    size_of,
)
from wheelfarm.recipes.variant_table import Variant

if TYPE_CHECKING:
    from collections.abc import Mapping

PLATFORMS: Final[Mapping[str, str]] = {
    "linux-x86_64": "manylinux_x86_64",
    "linux-aarch64": "manylinux_aarch64",
    "musllinux-x86_64": "musllinux_x86_64",
    "musllinux-aarch64": "musllinux_aarch64",
    "macos-arm64": "macosx_arm64",
    "macos-x86_64": "macosx_x86_64",
    "windows-amd64": "win_amd64",
    "windows-arm64": "win_arm64",
}
"""The platforms of a workflow → what stands after the interpreter in their build identifiers."""
LINUX_SUFFIXES: Final = tuple(suffix for suffix in PLATFORM_SUFFIXES if "linux_" in suffix)
"""What wheels are built for in containers, so that it can have a builder image."""


def _redis(url: str) -> str:
    parts = urlsplit(url)
    database = parts.path.strip("/") or "0"
    if parts.scheme not in {"redis", "rediss"} or not parts.hostname or not database.isdecimal():
        raise ValueError("it is not the url of a Redis server, such as redis://cache.example.org:6379")
    if parts.query or parts.fragment:
        raise ValueError("it has no more than a host, a port and the number of a database")
    return url


def _path(text: str) -> Path:
    if not text:
        raise ValueError("a path is expected")
    return Path(text)


def default_cache() -> Path:
    """The directory of sources and locked wheels unless it is set."""
    return platformdirs.user_cache_path("wheelfarm")


def default_stages() -> Path:
    """The directory of builds on this machine unless it is set: the same path on every machine."""
    return Path("C:/wheelfarm") if os.name == "nt" else Path("/var/tmp/wheelfarm").resolve()  # noqa: S108


def _words(value: object) -> object:
    """A text is a list of one; an option gives several separated by commas."""
    return (value,) if isinstance(value, str) else value


def _processors(number: int) -> int:
    own = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return number or own or 1


PathText = Annotated[Path, parsed_by(_path), WithJsonSchema({"type": "string", "minLength": 1})]
PythonText = Annotated[Python, parsed_by(Python.parse), WithJsonSchema({"type": "string"})]
CiPlatform = Annotated[str, one_of(PLATFORMS, "platform")]
Suffix = Annotated[str, one_of(PLATFORM_SUFFIXES, "platform")]
LinuxSuffix = Annotated[str, one_of(LINUX_SUFFIXES, "platform on Linux")]
RefText = Annotated[
    str,
    TextForm(
        r"[A-Za-z0-9][A-Za-z0-9._/*-]*", "a name of letters, digits and . _ / * -, a letter or digit first"
    ),
]
UrlBeginning = Annotated[
    str, TextForm(r"[a-z][a-z0-9+.-]*://[^\s@]+", "the beginning of a url, such as https://github.com")
]
RedisUrl = Annotated[Url, AfterValidator(_redis)]


class Publishing(StrictModel):
    """`[tool.wheelfarm.ci.publish]`: the job that brings all wheels of a run into an index."""

    index: IndexName = Field(description="Its name in `[tool.wheelfarm.index]`")
    environment: RefText = Field(
        default="publish",
        description="The environment of the job, whose reviewers approve it",
    )
    reviewers: bool = Field(
        default=True,
        description="Whether the environment must have required reviewers, which a private repository "
        "has with some plans only",
    )
    username: str | None = Field(
        default=None,
        description="For the index; `__token__` by default, as for indexes that take tokens",
    )
    secret: VariableName | None = Field(
        default=None,
        description="The secret with the password or token; none where the index asks for none",
    )
    attest: bool = Field(
        default=True,
        description="Whether the host attests the wheels too; for a private repository GitHub does so with "
        "Enterprise Cloud only",
    )


class CiTable(StrictModel):
    """`[tool.wheelfarm.ci]`."""

    platforms: list[CiPlatform] = Field(
        default=list(PLATFORMS),
        min_length=1,
        description="What a full run builds for; a recipe can skip some",
    )
    pythons: list[PythonText] | None = Field(
        default=None, min_length=1, description="Feature versions of a full run; by default the farm's own"
    )
    variants: list[str] | None = Field(
        default=None, min_length=1, description="What a full run builds; by default each variant of the farm"
    )
    runners: dict[CiPlatform, str] = Field(
        default={}, description="Runner label by platform; GitHub's own runners by default"
    )
    branch: RefText = Field(
        default="main",
        description="The branch whose runs are full; later runs compare with them",
    )
    tags: RefText = Field(default="v*", description="Tags whose runs are full and publish")
    publish: Publishing | None = Field(default=None, description="The publishing job; none by default")


class LimitsTable(StrictModel):
    """`[tool.wheelfarm.limits]`: for what comes from outside; the farm's own builds have none of them."""

    unpacked: SizeText = Field(
        default="8G", description="What a source or a wheel of an index or a file may unpack to, all in all"
    )
    members: int = Field(
        default=500_000, ge=1, description="Members of one archive, and the directories above them"
    )
    unpack_time: float = Field(default=600, gt=0, description="Seconds that unpacking a source may take")
    download: SizeText = Field(default="4G", description="The size of a file from a server")
    download_time: float = Field(default=3600, gt=0, description="Seconds that a file may take to arrive")
    page: SizeText = Field(
        default="32M", description="The size of an index's page, unpacked where the server compresses it"
    )
    page_time: float = Field(default=300, gt=0, description="Seconds that a page may take to arrive")

    def values(self) -> Limits:
        """The limits as numbers."""
        sizes = {name: size_of(getattr(self, name)) for name in ("unpacked", "download", "page")}
        return Limits(**{**dict(self), **sizes})


class Defaults(Layered):
    """`[tool.wheelfarm.defaults]`: the farm's layer below every recipe."""

    replace: Layer = Field(
        default=Layer(), description="Takes the place of what the defaults of the farm's base say"
    )


class FarmTable(StrictModel):
    """`[tool.wheelfarm]`."""

    base: BaseTable | None = Field(
        default=None,
        description="The farm whose recipes, variants and defaults lie below the farm's own: an installed "
        "distribution, such as wheelfarm==0.1.0, or a table of a git url and a full commit",
    )
    recipes: PathText = Path("recipes")
    patches: PathText = Path("patches")
    wheelhouse: PathText = Path("wheelhouse")
    work: PathText = Field(default=Path(".wheelfarm"), description="Build directories and logs")
    stages: PathText = Field(
        default_factory=default_stages,
        description="Build directories of the host engine; the path ends up in wheels, "
        "so by default it is the same on every machine",
    )
    cache: PathText = Field(
        default_factory=default_cache,
        description="Sources and locked wheels; the user's cache by default",
    )
    index_url: str | None = Field(default=None, description="Where sources and build requirements come from")
    mirrors: dict[UrlBeginning, Url] = Field(
        default={},
        description="Beginning of the urls of git repositories and archives, as https://github.com → the "
        "mirror that has them, as https://git.example.org/github; a variable has pairs, as `url=mirror`",
    )
    indexes: dict[IndexName, IndexTable] = Field(
        default={}, alias="index", description="Where wheels are published to"
    )
    min_age: int | None = Field(
        default=None,
        ge=0,
        le=36_500,
        description="Days since the upload of what `recipe.new`, `recipe.bump` and `recipe.lock` take from "
        "that index, as their `--min-age`; where the index gives no dates, that is an error",
    )
    ci: CiTable = CiTable()
    engine: Annotated[EngineName | None, Field(strict=False)] = None
    container_engine: Literal["podman", "docker"] | None = None
    pythons: tuple[PythonText, ...] = Field(
        default=(Python(major=3, minor=11),),
        min_length=1,
        strict=False,
        json_schema_extra={"default": ["3.11"]},
    )
    platforms: Annotated[
        tuple[Suffix, ...], BeforeValidator(_words, json_schema_input_type=str | list[str])
    ] = Field(
        default=(),
        alias="platform",
        min_length=1,
        strict=False,
        description="What wheels are built for, such as musllinux_x86_64, or a list; pure wheels are built "
        "on the first. This machine's own by default",
    )
    variant: str = "openblas"
    variants: dict[str, Variant] = {}
    images: dict[LinuxSuffix, str] = Field(
        default={}, description="Builder image per platform, as manylinux_x86_64"
    )
    system_images: dict[str, str] = Field(
        default={}, description="Image by system, as debian12, in which `inv wheel.gate --like` tests a wheel"
    )
    jobs: Annotated[int, Field(ge=0), AfterValidator(_processors)] = Field(
        default=0, validate_default=True, description="Processors for all builds that run at once; 0 is all"
    )
    memory: Annotated[int, parsed_by(size_of), WithJsonSchema({"type": "string"})] | None = Field(
        default=None, description="Memory for all builds together, as 12G; by default what the machine has"
    )
    time_limit: float = Field(default=7200, gt=0, description="Seconds that one build may take")
    limits: LimitsTable = Field(
        default=LimitsTable(), description="For what comes from outside, in size and time"
    )
    offline: bool = False
    remote: bool = Field(
        default=True,
        description="Whether wheels that the farm's indexes list are reused instead of built",
    )
    release: bool = Field(
        default=False, description="Build from nothing: no compiler cache unless it is requested"
    )
    trust_numpy_abi: bool = Field(
        default=False,
        description="Whether a stored wheel is tested and not built again where NumPy alone has changed and "
        "the C API that its modules ask for, as `expect.numpy-api` says, is in the new one; a release "
        "builds it",
    )
    compiler_cache: bool | None = Field(
        default=None,
        description="Whether ccache and the build cache are used; by default except for releases",
    )
    compiler_cache_size: SizeText = Field(
        default="5G", description="The largest size of the compiler cache of a recipe, for each engine"
    )
    compiler_cache_remote: RedisUrl | None = Field(
        default=None,
        description="A Redis server with what other machines have compiled, as redis://host:6379; a release "
        "uses none",
    )
    compiler_cache_read_only: bool = Field(
        default=False, description="Whether builds take from that server and bring nothing there"
    )
    workers: str | None = Field(
        default=None,
        pattern=r"^(none|(tcp|tls)://[^\s/]+:[0-9]+)$",
        description="Address of the Dask scheduler on whose workers `inv chain` builds, as "
        "`tcp://scheduler:8786`; `none`, the default, builds on this machine",
    )
    workers_store: Url | None = Field(
        default=None,
        description="Where files for workers lie: a directory that all machines have, or a url that fsspec "
        "knows; by default they go through the scheduler",
    )
    defaults: Defaults = Field(default=Defaults(), description="The farm's layer below every recipe")
