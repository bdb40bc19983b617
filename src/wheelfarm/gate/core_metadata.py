"""Refuses core metadata that an index would refuse, before the wheel is stored."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from wheelfarm.build.edits import Require
from wheelfarm.build.proposals import propose
from wheelfarm.errors import Collector, WheelError
from wheelfarm.gate.check import Result, listed
from wheelfarm.model import PublicWheel
from wheelfarm.wheels.dist_info import InvalidField, invalid_fields, read_generator

if TYPE_CHECKING:
    from wheelfarm.errors import Proposal
    from wheelfarm.plan.build import Build
    from wheelfarm.wheels.archive import Wheel

_NEWER: Final = re.compile(r"introduced in metadata version ([\d.]+)")

_WRITTEN: Final = "2.4"
"""The Metadata-Version of the fields that PEP 639 defines: License-Expression and License-File."""
_BACKENDS: Final = {"hatchling": "hatchling>=1.27"}
"""Generator of such fields with an older version → the requirement of its releases that write that one."""


def check_core_metadata(build: Build, wheel: Wheel) -> tuple[Result, ...]:
    """Refuse a wheel with core metadata that twine and indexes refuse.

    Raises:
        WheelError: a group with every field, its value and the remedy.
    """
    problems, where = Collector(), f"{wheel.dist_info}/METADATA"
    generator = read_generator(wheel.read(f"{wheel.dist_info}/WHEEL")) or "an unknown backend"
    for invalid in invalid_fields(wheel.read(where), wheel.dist_info, wheel.names):
        # As the specification writes it; the parser has it in lower case.
        field = invalid.field.title()
        values = listed((f"{value:.100}" for value in invalid.values), "without a value")
        error = WheelError(
            f"{wheel.path.name}: indexes refuse {field}: {values}",
            where=where,
            why=f"{invalid.why}; {generator} wrote it",
            hint=_remedy(build, invalid, field),
        )
        if (newer := _NEWER.search(invalid.why)) and newer[1] == _WRITTEN:
            error.proposal = _newer_backend(build, generator.partition(" ")[0].lower())
        problems.add(error)
    problems.check()
    return (Result(check="metadata", expected="valid core metadata", found="valid"),)


def _newer_backend(build: Build, generator: str) -> Proposal | None:
    """The edit that locks a backend that writes the newer metadata."""
    requirement, header = _BACKENDS.get(generator), build.recipe.lock_header("build.lock")
    if requirement is None or header is None:
        return None
    return propose([Require(requirement)], build.recipe, header.requires)


def _remedy(build: Build, invalid: InvalidField, field: str) -> str:
    if isinstance(build.recipe.source, PublicWheel):
        return f'let the farm build {build.id.name}: source.kind = "sdist"; or take another version over'
    patch = f"correct {field} in the project's metadata by a patch: docs/how-to/patch-a-source.md"
    if newer := _NEWER.search(invalid.why):
        return (
            f"take a backend that writes Metadata-Version {newer[1]}: [build-requires] replace, then "
            f"inv recipe.lock {build.id.name}; or {patch}"
        )
    return patch
