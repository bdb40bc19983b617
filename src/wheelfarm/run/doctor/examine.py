"""Runs all checks of a machine, each on its own: what one raises is its result."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from wheelfarm.errors import EngineError, FarmError
from wheelfarm.run.doctor.blas import check_blas
from wheelfarm.run.doctor.check import Check, Setup, Status
from wheelfarm.run.doctor.container import check_containers
from wheelfarm.run.doctor.index import check_index, check_own_indexes
from wheelfarm.run.doctor.resources import check_disks, check_memory
from wheelfarm.run.doctor.toolchain import (
    check_compilers,
    check_environment,
    check_git,
    check_interpreters,
    check_programs,
    check_sandbox,
)
from wheelfarm.system.files import os_problem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from wheelfarm.run.farm import Farm


def check_engine(setup: Setup) -> Iterator[Check]:
    """The engine that builds here."""
    settings = setup.farm.settings
    origin = f"engine comes from {settings.origins['engine']}"
    try:
        name = setup.farm.engine.name
    except EngineError as error:
        check = Check.of_error("engine", error)
        # What is wrong with containers has a check of its own, with a better command.
        yield replace(check, command=None) if setup.builds_in_containers else check
        return
    chosen = "requested" if settings.engine else "what this machine has"
    yield Check(name="engine", status=Status.OK, finding=f"{name}, {chosen}", details=(origin,))


def check_recipes(setup: Setup) -> Iterator[Check]:
    """Whether the recipes can be read: the other checks look at those that can."""
    broken = setup.farm.recipes.broken
    if broken:
        yield Check(
            name="recipes",
            status=Status.WARNING,
            finding=f"these have errors, and no check looks at them: {', '.join(sorted(broken))}",
            command="inv recipe.check all",
        )


CHECKS: Final[dict[str, Callable[[Setup], Iterator[Check]]]] = {
    "python": check_environment,
    "engine": check_engine,
    "recipes": check_recipes,
    "interpreters": check_interpreters,
    "compilers": check_compilers,
    "blas": check_blas,
    "containers": check_containers,
    "programs": check_programs,
    "git": check_git,
    "sandbox": check_sandbox,
    "disk": check_disks,
    "memory": check_memory,
    "index": check_index,
    "indexes": check_own_indexes,
}
"""Every check, in the order of the table."""


def examine(farm: Farm) -> Iterator[Check]:
    """The results of all checks, as they come; an error of one hides no other."""
    setup = Setup(farm)
    for name, check in CHECKS.items():
        try:
            yield from check(setup)
        except FarmError as error:
            yield Check.of_error(name, error)
        except OSError as error:
            yield Check.of_error(name, os_problem(EngineError, f"{name} cannot be checked", error))
