"""Which config settings a build backend takes: most backends ignore a key that they do not know."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from wheelfarm.errors import Collector, RecipeError
from wheelfarm.settings import suggestion

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wheelfarm.plan import Build

_SETUPTOOLS: Final = frozenset(
    {"--global-option", "--build-option", "--verbose", "verbose", "--quiet", "quiet"}
)
KNOWN: Final[Mapping[str, frozenset[str]]] = {
    # Not its build-dir, which the farm sets, nor dist-args and editable-verbose: they are not for wheels.
    "mesonpy": frozenset({"setup-args", "compile-args", "install-args"}),
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


def check_config_settings(build: Build, backend: str) -> bool:
    """Refuse config settings that would silently do nothing.

    Args:
        build: whose recipe's settings they are.
        backend: the source tree's build backend.

    Returns:
        Whether the keys could be checked at all.

    Raises:
        RecipeError: a group with each key that the backend does not take.
    """
    known = KNOWN.get(backend)
    if known is None:
        return False
    problems = Collector()
    for key, _ in build.resolved.config_settings.items:
        if key not in known:
            problems.add(
                RecipeError(
                    f"{backend} takes no config setting {key!r}",
                    where=build.resolved.origins[f"config-settings.{key}"],
                    why="it would have no effect on the wheel",
                    hint=suggestion(key, known),
                )
            )
    problems.check()
    return True
