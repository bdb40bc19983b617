"""The variables and config settings of a build, the same with both engines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from packaging.version import Version

from wheelfarm.build.backends import MESON_PYTHON, with_tags
from wheelfarm.build.versions import version_variables
from wheelfarm.errors import Collector, RecipeError
from wheelfarm.model import Platform
from wheelfarm.plan.inputs import named_programs
from wheelfarm.recipes.providers import Provider

if TYPE_CHECKING:
    from wheelfarm.build.directory import BuildDirectory
    from wheelfarm.model import ConfigSettings
    from wheelfarm.plan.build import Build

RESERVED: Final = frozenset(
    {
        *("PYTHONPATH", "PYTHONHOME", "PYTHONUSERBASE", "PYTHONSTARTUP", "VIRTUAL_ENV", "LD_PRELOAD"),
        *("PATH", "HOME", "SOURCE_DATE_EPOCH", "PYTHONHASHSEED", "PKG_CONFIG_PATH"),
        *("PIP_NO_INDEX", "PIP_DISABLE_PIP_VERSION_CHECK", "GIT_CEILING_DIRECTORIES"),
        *("HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "ALL_PROXY", "NO_PROXY"),
    }
)
"""Names that the farm itself sets; a recipe that set one of them would undo an invariant."""

PROXIES: Final = tuple(
    each
    for name in ("http_proxy", "https_proxy", "ftp_proxy", "all_proxy", "no_proxy")
    for each in (name, name.upper())
)
_NOWHERE: Final = "http://127.0.0.1:9"
"""The discard port (RFC 863): whatever a build tries to fetch fails at once."""


def check_environment(build: Build) -> None:
    """Refuse variables of the recipe that are the farm's own, or that name a missing compiler or tool.

    Raises:
        RecipeError: a group with each variable.
    """
    problems, origins = Collector(), build.resolved.origins
    for name, value in build.resolved.environment.items():
        where = origins[f"environment.{name}"]
        # Windows does not distinguish Path and PATH.
        if name.upper() in RESERVED:
            why = "the farm sets it, so that builds are isolated and come out the same twice"
            problems.add(RecipeError(f"{name} may not be set by a recipe", where=where, why=why))
        for program in named_programs({name: value})[:1]:
            if build.toolchain.programs.get(program) == "(none)":
                hint = f"install {program}, or take {name} out of the recipe"
                what = f"{name} names {program!r}, which is not installed"
                problems.add(RecipeError(what, where=where, hint=hint))
    problems.check()


_LEAST_MACOS: Final = {Provider.ACCELERATE: "14.0"}
"""The oldest macOS of a provider: Accelerate's present LAPACK is of 13.3, and upstream's wheels need 14."""


def _deployment_target(directory: BuildDirectory) -> dict[str, str]:
    """The oldest macOS that the wheel is for, where the provider needs a newer one than the recipe says."""
    least = _LEAST_MACOS.get(directory.provider)
    if least is None or directory.build.id.target.platform is not Platform.MACOS:
        return {}
    minimum = directory.build.resolved.environment.get("MACOSX_DEPLOYMENT_TARGET", "0")
    return {"MACOSX_DEPLOYMENT_TARGET": max(minimum, least, key=Version)}


def build_environment(directory: BuildDirectory) -> dict[str, str]:
    """The variables that the build sees, for both engines: how many jobs, the recipe's, then the farm's own.

    Raises:
        RecipeError: as `check_environment`.
    """
    build, separator = directory.build, directory.build.id.target.platform.path_separator
    found = [path.as_posix() for path in directory.pkg_config_path]
    proxies = {name: "" if name.lower() == "no_proxy" else _NOWHERE for name in PROXIES}
    check_environment(build)
    # Set because Meson puts a ccache that it finds itself before the compiler, and writes so into wheels.
    # On Windows it would then look for a cc instead of MSVC, which ccache is never put before.
    meson = directory.backend == MESON_PYTHON and build.id.target.platform is not Platform.WINDOWS
    compilers = {"CC": "cc", "CXX": "c++"} if meson else {}
    return {
        "MAKEFLAGS": f"-j{directory.jobs}",
        "CMAKE_BUILD_PARALLEL_LEVEL": str(directory.jobs),
        "NPY_NUM_BUILD_JOBS": str(directory.jobs),
        **compilers,
        **version_variables(directory),
        **build.resolved.environment,
        **_deployment_target(directory),
        **({"PKG_CONFIG_PATH": separator.join(found)} if found else {}),
        "SOURCE_DATE_EPOCH": str(directory.epoch),
        # auditwheel's and some generators' output follows the order of sets.
        "PYTHONHASHSEED": "0",
        # What a build needs is in its environment already: pip may not bring anything else.
        "PIP_NO_INDEX": "1",
        # Nor may a build script fetch what nobody has verified: Meson's wraps, CMake's FetchContent, curl.
        # Where a sandbox leaves it no network, this makes the failure an immediate one.
        **({} if build.recipe.table.isolation else proxies),
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        # The repository that the farm is in is none of the source's.
        "GIT_CEILING_DIRECTORIES": directory.inside.as_posix(),
    }


def config_settings(directory: BuildDirectory) -> ConfigSettings:
    """The recipe's config settings, with what meson-python needs on top.

    That is its share of the processors, a fixed build directory (its default one has a random name, which
    ends up in the wheel), no downloads of Meson's wraps, and the install tags of splits.
    """
    settings = directory.build.resolved.config_settings
    if directory.build_dir is None:
        return settings
    values = dict(settings.items)
    values["build-dir"] = (directory.build_dir.as_posix(),)
    # What belongs into a split is installed with the rest, and parted from it afterwards.
    tags = [tag for split in directory.build.splits.values() for tag in split.install_tags or ()]
    install = with_tags(values.get("install-args", ()), tags)
    values |= {"install-args": install} if install else {}
    # The last one counts.
    values["setup-args"] = (*values.get("setup-args", ()), "--wrap-mode=nodownload")
    if not any(word.startswith("-j") for word in values.get("compile-args", ())):
        values["compile-args"] = (*values.get("compile-args", ()), f"-j{directory.jobs}")
    return type(settings).of(values)
