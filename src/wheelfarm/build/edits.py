"""What a recipe lacks for a build that failed, before anybody has looked at the recipe."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from wheelfarm.recipes.draft.system_libraries import find_library

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wheelfarm.recipes.draft.system_libraries import NameKind, SystemLibrary


class Require(NamedTuple):
    """A build requirement, or another version of one."""

    requirement: str


class SetVariable(NamedTuple):
    """A variable of the build."""

    name: str
    value: str
    """`{version}` stands for the recipe's."""


class Compile(NamedTuple):
    """A language that the recipe does not name."""

    language: str


class Install(NamedTuple):
    """A library of the system."""

    library: SystemLibrary


class Find(NamedTuple):
    """A library of the system, by the name in the message."""

    kind: NameKind


class Import(NamedTuple):
    """The build requirement that brings the module in the message."""


Edit = Require | SetVariable | Compile | Install
"""What can be put into a recipe."""

FORTRAN: Final = frozenset({"gfortran", "flang", "flang-new", "nvfortran", "ifort", "ifx", "f77", "f95"})
"""Names of Fortran compilers."""

_BRINGS: Final[Mapping[str, str]] = {
    **{
        name: name
        for name in (
            *("setuptools", "wheel", "cython", "numpy", "scipy", "pybind11", "nanobind", "cffi", "cppy"),
            *("cmake", "ninja", "meson", "pkgconfig", "pythran", "jinja2", "mako", "packaging", "tomli"),
            *("toml", "six", "pbr", "versioneer", "versioningit", "hatchling", "expandvars", "sip"),
        )
    },
    "distutils": "setuptools",
    "pyximport": "cython",
    "mypyc": "mypy",
    "yaml": "pyyaml",
    "skbuild": "scikit-build",
    "mesonpy": "meson-python",
    "pdm": "pdm-backend",
    "poetry": "poetry-core",
    "sipbuild": "sip",
    "pyqtbuild": "pyqt-builder",
    **{
        name: name.replace("_", "-")
        for name in (
            *("setuptools_scm", "scikit_build_core", "flit_core", "hatch_vcs", "extension_helpers"),
            "setuptools_git_versioning",
        )
    },
}
"""Import package → the distribution that brings it.

A module's name alone is no distribution's: whoever registers it on an index would have it run in the build.
"""


def requirement_of(module: str) -> Require | None:
    """The build requirement that brings a module; None where that is not known."""
    name = _BRINGS.get(module.partition(".")[0].lower())
    return Require(name) if name else None


def complete(template: Edit | Find | Import | None, name: str) -> Edit | None:
    """The edit for the name in a message; None where there is none."""
    match template:
        case Find(kind):
            # Linkers of Windows have the file's name.
            library = find_library(kind, name.removesuffix(".lib") if kind == "links" else name)
            return Install(library) if library else None
        case Import():
            return requirement_of(name)
        case _:
            return template
