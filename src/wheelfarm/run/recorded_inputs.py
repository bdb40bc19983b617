"""From a record to the build that its inputs make."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from glob import escape
from typing import TYPE_CHECKING, Any

from wheelfarm.errors import RecordError
from wheelfarm.model import ConfigSettings, LockedRequirement, parse_name
from wheelfarm.plan.build import Build, BuildId
from wheelfarm.plan.inputs import build_inputs
from wheelfarm.recipes.expect_table import Expect
from wheelfarm.recipes.layers import ResolvedRecipe
from wheelfarm.recipes.loaded_recipe import LoadedRecipe
from wheelfarm.recipes.metadata_table import MetadataEdits
from wheelfarm.recipes.recipe import Recipe, Repair, SystemPackages, Test
from wheelfarm.recipes.source_table import BranchHead
from wheelfarm.recipes.variant_table import Variant
from wheelfarm.wheels.instruction_sets import NATIVE

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from wheelfarm.plan.build import Toolchain
    from wheelfarm.plan.inputs import BuildInputs, RequirementInput
    from wheelfarm.provenance.record import Record
    from wheelfarm.recipes.settings import Settings


def record_path(record: Record) -> str:
    """The file of a record, for errors."""
    return f"wheelhouse/{record.variant}/records/{record.key}.json"


def recorded_inputs(record: Record) -> BuildInputs:
    """The inputs in a record.

    Raises:
        RecordError: when the record is too old to hold them.
    """
    if record.inputs is None:
        raise RecordError(
            f"the record of {record.recipe} does not hold the inputs of its build",
            where=record_path(record),
            why="a wheelfarm before record schema 4 wrote it",
            hint="check out the commit of the farm that wrote it, or build the wheel again",
        )
    return record.inputs


def recorded_build(
    record: Record, toolchain: Toolchain, patches: tuple[Path, ...], settings: Settings
) -> Build:
    """The recorded build, with the key that it has on this machine now.

    Args:
        record: of the main wheel.
        toolchain: the engine's, here.
        patches: files with the recorded patches.
        settings: for the directories of its recipe.

    Raises:
        RecordError: when the inputs make no recipe.
    """
    inputs = recorded_inputs(record)
    build_id = BuildId(name=record.recipe, variant=record.variant, target=record.target)
    build = Build(
        id=build_id,
        recipe=LoadedRecipe(
            table=_recipe(record, inputs),
            directory=settings.recipes / record.recipe,
            patches=settings.patches / record.recipe,
        ),
        resolved=_resolved(record, inputs),
        # Without the lock or recipe that it had then.
        variant=Variant.model_construct(description="as recorded", provider=inputs.provider),
        engine=record.engine,
        toolchain=toolchain,
        patches=patches,
        requirements=_locked(inputs.requirements),
        provider_requirements=_locked(inputs.provider_requirements),
        test_requirements=(),
        host=(),
        upstream=tuple(replace(build_id, name=each.name) for each in record.upstream),
        run=(),
        added_requires=inputs.added_requires,
        training=inputs.training,
        reason="to reproduce its wheel",
    )
    now = build_inputs(build, inputs.upstream)
    return replace(build, inputs=now, key_parts=now.key_parts())


def _recipe(record: Record, inputs: BuildInputs) -> Recipe:
    source: dict[str, Any] = inputs.source.model_dump(mode="json", exclude_defaults=True)
    if inputs.source.kind in {"git", "archive"}:
        source["url"] = record.source.url or ""
    branch = source.pop("branch", None)
    for each in record.non_source or ():
        source.setdefault("allow-in-wheel" if each.in_wheel else "allow", {})[escape(each.file)] = each.reason
    document = {
        "name": record.recipe,
        "version": inputs.version,
        "summary": "as recorded",
        "source": source,
        "compilers": list(inputs.compilers),
        "abi": "none" if inputs.target == record.target.platform_suffix else None,
        "blas": inputs.blas,
        "build-requires": inputs.build_requires,
        "metadata": inputs.metadata or MetadataEdits(),
        # The key of a split makes its name, unless it has one of its own.
        "splits": {
            distribution if split.name else distribution.removeprefix(f"{record.recipe}-"): split
            for distribution, split in inputs.splits.items()
        },
    }
    try:
        recipe = Recipe.model_validate(document)
        if branch is None:
            return recipe
        head = BranchHead.model_validate({**source, "branch": branch})
        return recipe.model_copy(update={"source": head})
    except ValueError as problem:
        what = f"the inputs in the record of {record.recipe} make no recipe"
        raise RecordError(what, where=record_path(record), why=str(problem)) from problem


def _resolved(record: Record, inputs: BuildInputs) -> ResolvedRecipe:
    origin = f"the record {record.key[:12]}"
    expect: dict[str, object] = {"allow": {f"rpath: {glob}": origin for glob in inputs.allowed_rpaths}}
    if inputs.processor:
        expect["instruction-set"] = NATIVE
    packages = {manager: list(names) for manager, names in inputs.system_packages.items()}
    return ResolvedRecipe(
        config_settings=ConfigSettings.of(inputs.config_settings),
        environment=inputs.environment,
        compiler_flags=inputs.compiler_flags,
        system_packages=SystemPackages.model_validate(packages),
        cibuildwheel=inputs.cibuildwheel,
        repair=Repair(exclude=[*inputs.repair_exclude]),
        expect=Expect.model_validate(expect),
        test=Test(),
        origins=defaultdict(lambda: origin),
    )


def _locked(requirements: Mapping[str, RequirementInput]) -> tuple[LockedRequirement, ...]:
    return tuple(
        LockedRequirement(name=parse_name(name), version=each.version, hashes=frozenset(each.hashes))
        for name, each in requirements.items()
    )
