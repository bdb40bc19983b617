"""The tables of `[tool.wheelfarm]`, as written in pyproject.toml."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

from pydantic import AfterValidator, Field

from wheelfarm.errors import FarmError
from wheelfarm.model import EngineName, Python
from wheelfarm.settings.strict import StrictModel


def _python(text: str) -> str:
    try:
        return str(Python.parse(text))
    except FarmError as problem:
        raise ValueError(problem.what) from problem


PythonText = Annotated[str, AfterValidator(_python)]


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
    lock: str | None = Field(default=None, description="Lock file with the wheels of the provider")
    system_packages: SystemPackages = SystemPackages()


class FarmTable(StrictModel):
    """`[tool.wheelfarm]`."""

    recipes: str = "recipes"
    patches: str = "patches"
    wheelhouse: str = "wheelhouse"
    work: str = Field(default=".wheelfarm", description="Stages and logs")
    cache: str | None = Field(
        default=None, description="Sources and locked wheels; the user's cache by default"
    )
    index_url: str | None = Field(default=None, description="Where sources and build requirements come from")
    engine: Annotated[EngineName | None, Field(strict=False)] = None
    container_engine: str | None = Field(default=None, pattern="^(podman|docker)$")
    pythons: list[PythonText] = Field(default=["3.11"], min_length=1)
    variant: str = "openblas"
    variants: dict[str, Variant] = {}
    images: dict[str, str] = Field(default={}, description="Builder image per platform, as manylinux_x86_64")
    jobs: int = Field(default=0, ge=0, description="Processes of one compile; 0 is one a core")
    time_limit: float = Field(default=7200, gt=0, description="Seconds that one build may take")
    offline: bool = False
    defaults: dict[str, Any] = Field(default={}, description="The farm's layer under every recipe")
