"""The inputs of a recorded build: the planned build that they make, and the files that it needs."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from wheelfarm.errors import ChainError, Collector, PatchError, RecordError, SourceError
from wheelfarm.model import ConfigSettings, LockedRequirement, PinnedWheel, parse_name
from wheelfarm.plan.build import Build, BuildId
from wheelfarm.plan.inputs import build_inputs
from wheelfarm.recipes.farm_settings import Variant
from wheelfarm.recipes.layers import ResolvedRecipe
from wheelfarm.recipes.recipe import Expect, Recipe, SystemPackages, Test
from wheelfarm.recipes.recipe_set import LoadedRecipe
from wheelfarm.system.files import write_atomically

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from wheelfarm.model import Digest
    from wheelfarm.plan.build import Toolchain
    from wheelfarm.plan.inputs import BuildInputs, RequirementInput
    from wheelfarm.provenance.record import Record
    from wheelfarm.recipes.settings import Settings
    from wheelfarm.sources.fetcher import Fetcher
    from wheelfarm.wheelhouse.wheelhouse import Wheelhouse


def record_path(record: Record) -> str:
    """The file of a record, for errors."""
    return f"wheelhouse/{record.variant}/records/{record.key}.json"


@dataclass(frozen=True, kw_only=True)
class RecordedInputs:
    """The inputs of one build, from the records of its wheels."""

    record: Record
    """That of the main wheel."""
    splits: tuple[Record, ...]
    """Those of the wheels that were split off."""
    wheelhouse: Wheelhouse
    settings: Settings
    """With a work directory of its own, for the patches."""

    @cached_property
    def inputs(self) -> BuildInputs:
        """The typed inputs.

        Raises:
            RecordError: when the record is too old to hold them.
        """
        if self.record.inputs is None:
            raise RecordError(
                f"the record of {self.record.recipe} does not hold the inputs of its build",
                where=record_path(self.record),
                why="a wheelfarm before record schema 4 wrote it",
                hint="check out the commit of the farm that wrote it, or build the wheel again",
            )
        return self.record.inputs

    @cached_property
    def stored(self) -> tuple[Path, ...]:
        """The wheels that the records describe, the main one first.

        Raises:
            ChainError: a group with those that are missing or damaged.
        """
        problems, found = Collector(), []
        for record in (self.record, *self.splits):
            with problems.collect():
                wheel = record.wheel
                what = f"the wheel of {record.distribution} itself"
                found.append(self._content(wheel.filename, wheel.sha256, what))
        problems.check()
        return tuple(found)

    @cached_property
    def upstream(self) -> tuple[PinnedWheel, ...]:
        """The wheels of the farm that the build used.

        Raises:
            ChainError: a group with those that are missing or damaged.
        """
        problems, found = Collector(), []
        for wheel in self.record.upstream:
            with problems.collect():
                what = f"the wheel of {wheel.name} that {self.record.recipe} was built on"
                path = self._content(wheel.filename, wheel.sha256, what)
                version = wheel.filename.split("-")[1]
                found.append(
                    PinnedWheel(name=wheel.name, version=version, path=path, sha256=wheel.sha256, farm=True)
                )
        problems.check()
        return tuple(found)

    @cached_property
    def patches(self) -> tuple[Path, ...]:
        """Files with the recorded patches, in their order.

        Raises:
            PatchError: when the text of one does not have the recorded sha256.
        """
        found = []
        for patch in self.record.patches:
            content = (patch.text or "").encode("utf-8", "surrogateescape")
            if hashlib.sha256(content).hexdigest() != patch.sha256:
                raise PatchError(
                    f"the record does not hold {patch.file} as it was applied to {self.record.recipe}",
                    where=record_path(self.record),
                    why=f"the record was changed; the sha256 of the patch was {patch.sha256}",
                    hint="restore the record from a backup",
                )
            path = self.settings.work / "patches" / self.record.key / patch.file
            write_atomically(path, content, "the directory for reproducing")
            found.append(path)
        return tuple(found)

    def fetch(self, build: Build, fetcher: Fetcher) -> None:
        """Fetch the source and the locked wheels into the cache.

        Raises:
            FarmError: a group with all that is missing, or has other bytes than the record says.
        """
        problems = Collector()
        with problems.collect():
            source, recorded = fetcher.source(build.id.name, build.recipe.source), self.record.source
            if source.sha256 != recorded.sha256:
                raise SourceError(
                    f"the source of {build.id.name} has other bytes than the record says",
                    where=source.path.name,
                    why=f"its sha256 is {source.sha256}, the record says {recorded.sha256}",
                )
        digests = {entry.name: entry.sha256 for entry in self.record.build_requirements}
        for requirement in (*build.requirements, *build.provider_requirements):
            with problems.collect():
                wheel = fetcher.wheel(requirement, build.id.target, build.toolchain.glibc)
                expected = digests.get(wheel.name) or wheel.sha256
                if wheel.sha256 != expected:
                    raise SourceError(
                        f"the index now serves a different wheel for {wheel.name} {wheel.version}",
                        where=wheel.path.name,
                        why=f"its sha256 is {wheel.sha256}, the record says {expected}",
                    )
        problems.check()

    def build(self, toolchain: Toolchain) -> Build:
        """The recorded build, with the key that it has on this machine now.

        Args:
            toolchain: the engine's, here.

        Raises:
            RecordError: when the inputs make no recipe.
        """
        record, inputs = self.record, self.inputs
        build_id = BuildId(name=record.recipe, variant=record.variant, target=record.target)
        build = Build(
            id=build_id,
            recipe=LoadedRecipe(
                table=self._recipe(),
                directory=self.settings.recipes / record.recipe,
                patches=self.settings.patches / record.recipe,
            ),
            resolved=self._resolved(),
            variant=Variant(description="as recorded", provider=inputs.provider),
            engine=record.engine,
            toolchain=toolchain,
            patches=self.patches,
            requirements=_locked(inputs.requirements),
            provider_requirements=_locked(inputs.provider_requirements),
            test_requirements=(),
            host=(),
            upstream=tuple(replace(build_id, name=each.name) for each in record.upstream),
            run=(),
            reason="to reproduce its wheel",
        )
        now = build_inputs(build, inputs.upstream)
        return replace(build, inputs=now, key_parts=now.key_parts())

    def _recipe(self) -> Recipe:
        inputs, name = self.inputs, self.record.recipe
        source: dict[str, Any] = inputs.source.model_dump(exclude_defaults=True)
        if inputs.source.kind != "sdist":
            source["url"] = self.record.source.url or ""
        document = {
            "name": name,
            "version": inputs.version,
            "summary": "as recorded",
            "source": source,
            "compilers": list(inputs.compilers),
            "blas": inputs.blas,
            "build-requires": inputs.build_requires,
            # The key of a split makes its name, unless it has one of its own.
            "splits": {
                distribution if split.name else distribution.removeprefix(f"{name}-"): split
                for distribution, split in inputs.splits.items()
            },
        }
        try:
            return Recipe.model_validate(document)
        except ValueError as problem:
            what = f"the inputs in the record of {name} make no recipe"
            raise RecordError(what, where=record_path(self.record), why=str(problem)) from problem

    def _resolved(self) -> ResolvedRecipe:
        inputs, origin = self.inputs, f"the record {self.record.key[:12]}"
        packages = {manager: list(names) for manager, names in inputs.system_packages.items()}
        return ResolvedRecipe(
            config_settings=ConfigSettings.of(inputs.config_settings),
            environment=inputs.environment,
            system_packages=SystemPackages.model_validate(packages),
            cibuildwheel=inputs.cibuildwheel,
            expect=Expect(),
            test=Test(),
            origins=defaultdict(lambda: origin),
        )

    def _content(self, filename: str, sha256: Digest, what: str) -> Path:
        path = self.wheelhouse.find_content(self.record.variant, filename, sha256)
        if path is None:
            raise ChainError(
                f"{what} is not in the wheelhouse any more",
                where=record_path(self.record),
                why=f"{filename} with sha256 {sha256} is missing or damaged",
                hint=f"put it back at wheelhouse/{self.record.variant}/wheels/{sha256[:16]}/",
            )
        return path


def _locked(requirements: Mapping[str, RequirementInput]) -> tuple[LockedRequirement, ...]:
    return tuple(
        LockedRequirement(name=parse_name(name), version=each.version, hashes=frozenset(each.hashes))
        for name, each in requirements.items()
    )
