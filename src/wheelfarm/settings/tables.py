"""The tables of `[tool.wheelfarm]`, as written in pyproject.toml."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, Final

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from wheelfarm.errors import FarmError
from wheelfarm.model import PLACES, EngineName, Python
from wheelfarm.settings.strict import StrictModel

LINUX_PLACES: Final = tuple(place for place in PLACES if place.startswith(("manylinux_", "musllinux_")))
"""What wheels are built for in containers, so that it can have a builder image."""


def _python(text: str) -> str:
    try:
        return str(Python.parse(text))
    except FarmError as problem:
        raise ValueError(problem.what) from problem


def _linux_place(text: str) -> str:
    if text not in LINUX_PLACES:
        expected = ", ".join(f"'{place}'" for place in LINUX_PLACES)
        raise PydanticCustomError("linux_place", "no such place on Linux", {"expected": expected})
    return text


PythonText = Annotated[str, AfterValidator(_python)]
LinuxPlace = Annotated[str, AfterValidator(_linux_place)]
PathText = Annotated[str, Field(min_length=1)]


class Provider(StrEnum):
    """What supplies BLAS and LAPACK in a variant."""

    SCIPY_OPENBLAS32 = "scipy-openblas32"
    NETLIB = "netlib"
    NONE = "none"


class SystemPackages(StrictModel):
    """Packages of the system, per package manager."""

    apt: list[str] = []
    dnf: list[str] = []


class Variant(StrictModel):
    """A named, farm-wide choice; each has its own index in the wheelhouse."""

    description: str
    provider: Annotated[Provider, Field(strict=False)] = Provider.NONE
    lock: PathText | None = Field(default=None, description="Lock file with the wheels of the provider")
    system_packages: SystemPackages = SystemPackages()


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
    engine: Annotated[EngineName | None, Field(strict=False)] = None
    container_engine: str | None = Field(default=None, pattern="^(podman|docker)$")
    pythons: list[PythonText] = Field(default=["3.11"], min_length=1)
    variant: str = "openblas"
    variants: dict[str, Variant] = {}
    images: dict[LinuxPlace, str] = Field(
        default={}, description="Builder image per platform, as manylinux_x86_64"
    )
    jobs: int = Field(default=0, ge=0, description="Processes of one compile; 0 is one a core")
    time_limit: float = Field(default=7200, gt=0, description="Seconds that one build may take")
    offline: bool = False
    defaults: dict[str, Any] = Field(default={}, description="The farm's layer under every recipe")
