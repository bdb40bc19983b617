"""The tables of `[tool.wheelfarm]`, as written in pyproject.toml."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Annotated, Final

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from wheelfarm.errors import UsageError
from wheelfarm.model import PLATFORM_SUFFIXES, EngineName
from wheelfarm.recipes.ci_settings import CiTable, PythonText
from wheelfarm.recipes.index_settings import IndexName, IndexTable
from wheelfarm.recipes.recipe import Expect, Layered, SystemPackages
from wheelfarm.recipes.strict import SIZE, SizeText, StrictModel

LINUX_SUFFIXES: Final = tuple(
    suffix for suffix in PLATFORM_SUFFIXES if suffix.startswith(("manylinux_", "musllinux_"))
)
"""What wheels are built for in containers, so that it can have a builder image."""


def _suffix(text: str) -> str:
    if text not in PLATFORM_SUFFIXES:
        expected = ", ".join(f"'{suffix}'" for suffix in PLATFORM_SUFFIXES)
        raise PydanticCustomError("suffix", "no such platform", {"expected": expected})
    return text


def _linux_suffix(text: str) -> str:
    if text not in LINUX_SUFFIXES:
        expected = ", ".join(f"'{suffix}'" for suffix in LINUX_SUFFIXES)
        raise PydanticCustomError("linux_suffix", "no such platform on Linux", {"expected": expected})
    return text


SuffixText = Annotated[str, AfterValidator(_suffix)]
LinuxSuffix = Annotated[str, AfterValidator(_linux_suffix)]
PathText = Annotated[str, Field(min_length=1)]


def size_of(text: str) -> int:
    """The bytes that a `SizeText` means."""
    factor: int = 1000 ** (1 + "kMGT".index(text[-1]))
    return max(1, round(float(text[:-1]) * factor))


def amount(text: str) -> int:
    """The bytes that a word of the command line means.

    Raises:
        UsageError: when it is no `SizeText`.
    """
    if not re.fullmatch(SIZE, text):
        raise UsageError(f"{text!r} is no size", hint="say it as 250M or 1.5G, in powers of ten")
    return size_of(text)


class Provider(StrEnum):
    """What supplies BLAS and LAPACK in a variant."""

    SCIPY_OPENBLAS32 = "scipy-openblas32"
    NETLIB = "netlib"
    ACCELERATE = "accelerate"
    NONE = "none"


class Variant(StrictModel):
    """A named, farm-wide choice; each has its own index in the wheelhouse."""

    description: str
    provider: Annotated[Provider, Field(strict=False)] = Provider.NONE
    lock: PathText | None = Field(default=None, description="Lock file with the wheels of the provider")
    system_packages: SystemPackages = SystemPackages()
    expect: Expect = Field(default=Expect(), description="What must be true of a wheel that links its BLAS")


class FarmTable(StrictModel):
    """`[tool.wheelfarm]`."""

    recipes: PathText = "recipes"
    patches: PathText = "patches"
    wheelhouse: PathText = "wheelhouse"
    work: PathText = Field(default=".wheelfarm", description="Stages and logs")
    stages: PathText | None = Field(
        default=None,
        description="Stages of builds on this machine; a path that ends up in wheels, "
        "and so the same on every machine by default",
    )
    cache: PathText | None = Field(
        default=None, description="Sources and locked wheels; the user's cache by default"
    )
    index_url: str | None = Field(default=None, description="Where sources and build requirements come from")
    index: dict[IndexName, IndexTable] = Field(default={}, description="Where wheels are published to")
    ci: CiTable = CiTable()
    engine: Annotated[EngineName | None, Field(strict=False)] = None
    container_engine: str | None = Field(default=None, pattern="^(podman|docker)$")
    pythons: list[PythonText] = Field(default=["3.11"], min_length=1)
    platform: SuffixText | None = Field(
        default=None,
        description="What wheels are built for here, such as musllinux_x86_64; this machine's own by default",
    )
    variant: str = "openblas"
    variants: dict[str, Variant] = {}
    images: dict[LinuxSuffix, str] = Field(
        default={}, description="Builder image per platform, as manylinux_x86_64"
    )
    jobs: int = Field(default=0, ge=0, description="Processors for all builds that run at once; 0 is all")
    memory: SizeText | None = Field(
        default=None, description="What builds may hold together, as 12G; by default what the machine has"
    )
    time_limit: float = Field(default=7200, gt=0, description="Seconds that one build may take")
    offline: bool = False
    remote: bool = Field(
        default=True,
        description="Whether wheels that the farm's indexes have already are taken instead of built",
    )
    release: bool = Field(
        default=False, description="Build from nothing: no compiler cache unless it is requested"
    )
    compiler_cache: bool | None = Field(
        default=None,
        description="Whether ccache and the build cache are used; by default except for releases",
    )
    compiler_cache_size: SizeText = Field(
        default="5G", description="The most that ccache keeps for an engine"
    )
    defaults: Layered = Field(default=Layered(), description="The farm's layer below every recipe")
