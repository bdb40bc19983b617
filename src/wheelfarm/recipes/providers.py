"""What supplies BLAS and LAPACK in a variant: its wheels, its interface, and where it exists."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Final, Literal

from wheelfarm.model import Platform

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from wheelfarm.model import LockedRequirement, Target


class Provider(StrEnum):
    """What supplies BLAS and LAPACK in a variant."""

    SCIPY_OPENBLAS32 = "scipy-openblas32"
    SCIPY_OPENBLAS64 = "scipy-openblas64"
    MKL = "mkl"
    NETLIB = "netlib"
    RECIPE = "recipe"
    ACCELERATE = "accelerate"
    NONE = "none"


UNPACKED: Final[Mapping[Provider, tuple[str, ...]]] = {
    Provider.SCIPY_OPENBLAS32: ("scipy-openblas32",),
    Provider.SCIPY_OPENBLAS64: ("scipy-openblas64",),
    Provider.MKL: ("mkl", "mkl-devel", "mkl-include"),
}
"""Distributions that a build has unpacked in its build directory, and that the variant's lock must pin."""
INTERFACES: Final[Mapping[Provider, Literal["lp64", "ilp64"]]] = {
    Provider.SCIPY_OPENBLAS32: "lp64",
    Provider.SCIPY_OPENBLAS64: "ilp64",
    Provider.MKL: "lp64",
    Provider.NETLIB: "lp64",
}
"""The integers of those that have one kind only. libmkl_rt has both, and 32-bit ones by default."""
_NOT_INSTALLED: Final = frozenset({"mkl-devel", "mkl-include"})


INSTALLED: Final = frozenset({Provider.MKL})
"""Those whose libraries no wheel gets a copy of: their own wheels are installed beside it."""


def installed_requirements(locked: Iterable[LockedRequirement]) -> tuple[LockedRequirement, ...]:
    """What is installed of the lock of a variant whose provider is one of `INSTALLED`."""
    return tuple(each for each in locked if each.name not in _NOT_INSTALLED)


def find_provider_refusal(provider: Provider, target: Target) -> str | None:
    """Why there is no such BLAS for a target; None when there is."""
    is_musl, is_linux = target.system == "musllinux", target.platform is Platform.LINUX
    is_macos = target.platform is Platform.MACOS
    refusals = {
        Provider.ACCELERATE: ((not is_macos, "Accelerate is part of macOS"),),
        Provider.NETLIB: (
            (not is_linux, "netlib's BLAS and LAPACK are taken from the system packages of Linux"),
            (
                is_musl,
                "netlib's BLAS and LAPACK are taken from apt or dnf, which no musllinux image has",
            ),
        ),
        Provider.MKL: (
            (is_macos, "Intel has made no MKL for macOS since 2023"),
            (target.arch not in {"x86_64", "amd64"}, f"MKL is for x86-64, and this is {target.arch}"),
            (is_musl, "MKL needs glibc, which musllinux does not have"),
            (not is_linux, "the way to the wheel `mkl` is an RPATH, which Windows does not have"),
        ),
    }
    return next((why for applies, why in refusals.get(provider, ()) if applies), None)
