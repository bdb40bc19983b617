"""The result of one check, and what the checks have in common: the farm, its engine and the machine."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING

from wheelfarm.errors import EngineError, FarmError
from wheelfarm.model import EngineName
from wheelfarm.system.environment import system_environment
from wheelfarm.system.machine import Machine

if TYPE_CHECKING:
    from wheelfarm.build.engine import Engine
    from wheelfarm.recipes.layers import ResolvedRecipe
    from wheelfarm.recipes.loaded_recipe import LoadedRecipe
    from wheelfarm.run.farm import Farm


class Status(StrEnum):
    """How a check ended."""

    OK = "ok"
    WARNING = "warning"
    """Something that a build may do without."""
    FAULT = "fault"
    """Something that stops a build with the engine of the farm."""


@dataclass(frozen=True, kw_only=True)
class Check:
    """What a check has found.

    Args:
        name: what was checked, such as `compilers`.
        status: how it ended.
        finding: one sentence.
        command: the command that mends it; None where nothing has to be mended, or where none is known.
        details: versions, paths and messages of programs.
    """

    name: str
    status: Status
    finding: str
    command: str | None = None
    details: tuple[str, ...] = ()

    @classmethod
    def of_error(cls, name: str, error: FarmError, status: Status = Status.FAULT) -> Check:
        """An error of the farm as the result of a check."""
        details = tuple(text for text in (error.where, error.why) if text)
        return cls(name=name, status=status, finding=error.what, command=error.hint, details=details)


@dataclass(frozen=True)
class Setup:
    """The farm and the machine that the checks look at."""

    farm: Farm
    machine_of_builds: Machine | None = None
    """The machine as builds on the host see it; by default this one."""

    @cached_property
    def machine(self) -> Machine:
        return self.machine_of_builds or Machine(system_environment(self.farm.settings.environ))

    @cached_property
    def engine(self) -> Engine | None:
        """The engine of the farm; None where the requested one does not work."""
        try:
            return self.farm.engine
        except EngineError:
            return None

    @property
    def builds_in_containers(self) -> bool:
        """Whether builds run in containers, or would if these worked."""
        name = self.engine.name if self.engine else self.farm.settings.engine
        return sys.platform == "linux" and name is EngineName.CIBUILDWHEEL

    @cached_property
    def recipes(self) -> tuple[LoadedRecipe, ...]:
        """The recipes that can be read."""
        return tuple(self.farm.resolvable)

    @cached_property
    def resolved(self) -> tuple[ResolvedRecipe, ...]:
        """The values of the recipes for the variant and each target of the settings."""
        variant, targets = self.farm.settings.variant, self.farm.targets()
        return tuple(
            recipe.resolve(variant=variant, target=target) for recipe in self.recipes for target in targets
        )

    @property
    def languages(self) -> dict[str, list[str]]:
        """The languages that builds compile → the recipes that need each."""
        found: dict[str, list[str]] = {}
        for recipe in self.recipes:
            for language in recipe.table.languages:
                found.setdefault(language, []).append(recipe.name)
        return found

    @property
    def installs_packages(self) -> bool:
        """Whether a build on the host installs what is missing of compilers and system packages."""
        is_root = hasattr(os, "geteuid") and os.geteuid() == 0
        return is_root and self.machine.manager() is not None

    @property
    def needs_system_packages(self) -> bool:
        """Whether a build installs packages of the system."""
        variant = self.farm.settings.choose_variant(self.farm.settings.variant)
        tables = [each.system_packages for each in self.resolved]
        if any(recipe.table.blas for recipe in self.recipes):
            tables.append(variant.system_packages)
        return any(table.apt or table.dnf for table in tables)
