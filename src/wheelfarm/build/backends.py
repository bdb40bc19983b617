"""Checks of config settings against the build backend: most backends ignore unknown keys."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from wheelfarm.build.install_tags import check_install_tags
from wheelfarm.build.meson import check_meson_options
from wheelfarm.errors import Collector, RecipeError
from wheelfarm.recipes.build_requirements import backend
from wheelfarm.recipes.strict import suggestion

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from wheelfarm.plan.build import Build

MESON_PYTHON: Final = "mesonpy"
_SETUPTOOLS: Final = frozenset(
    {"--global-option", "--build-option", "--verbose", "verbose", "--quiet", "quiet"}
)
KNOWN: Final[Mapping[str, frozenset[str]]] = {
    # Not its build-dir, which the farm sets, nor dist-args and editable-verbose: they are not for wheels.
    MESON_PYTHON: frozenset({"setup-args", "compile-args", "install-args"}),
    # setuptools.build_meta._ConfigSettingsTranslator
    "setuptools.build_meta": _SETUPTOOLS,
    "setuptools.build_meta:__legacy__": _SETUPTOOLS,
    # Both take config settings, as PEP 517 demands, and use none.
    "hatchling.build": frozenset(),
    "flit_core.buildapi": frozenset(),
}
"""Backend → the keys that have an effect on a wheel; a backend that is not here is not checked.

scikit-build-core is not: its keys are the paths of all its settings, and it refuses unknown ones itself.
"""


def check_settings(build: Build, tree: Path, env: Mapping[str, str]) -> tuple[str, ...]:
    """Refuse config settings, and options in them, that would have no effect or are invalid.

    Args:
        build: whose recipe's settings they are.
        tree: the patched source tree.
        env: the environment of the programs that list the options.

    Returns:
        What could not be checked, and why.

    Raises:
        RecipeError: a group with everything that is invalid.
    """
    problems = Collector()
    unchecked: list[str | None] = []
    backend_name = backend(tree)
    with problems.collect():
        unchecked.append(check_config_settings(build, backend_name))
    with problems.collect():
        check_install_tags(build, meson=backend_name == MESON_PYTHON)
    if backend_name == MESON_PYTHON:
        with problems.collect():
            unchecked.append(check_meson_options(build, tree, env))
    problems.check()
    return tuple(why for why in unchecked if why is not None)


def check_config_settings(build: Build, backend_name: str) -> str | None:
    """Refuse config settings that the backend would ignore.

    Args:
        build: whose recipe's settings they are.
        backend_name: the source tree's build backend.

    Returns:
        Why the keys could not be checked; None when they were.

    Raises:
        RecipeError: a group with each key that the backend does not take.
    """
    known = KNOWN.get(backend_name)
    if known is None:
        why = f"{backend_name} publishes no list of what it takes"
        return f"config settings are not checked: {why}" if build.resolved.config_settings.items else None
    problems = Collector()
    for key, _ in build.resolved.config_settings.items:
        if key not in known:
            problems.add(
                RecipeError(
                    f"{backend_name} takes no config setting {key!r}",
                    where=build.resolved.origins[f"config-settings.{key}"],
                    why="it would have no effect on the wheel",
                    hint=suggestion(key, known),
                )
            )
    problems.check()
    return None
