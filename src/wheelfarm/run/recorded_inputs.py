"""A build made from a record, and from nothing else: the parts of its rebuild key are all that it needs.

They are, by their definition, everything that can change the wheel's bytes. So the build that is made of them
has a key too, and where its parts are not the recorded ones, this machine cannot do what was done then.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from wheelfarm.errors import ChainError, Collector, PatchError, RecordError, SourceError
from wheelfarm.model import ConfigSettings, Digest, LockedRequirement, PinnedWheel, Sdist, parse_name
from wheelfarm.plan.build import Build, BuildId
from wheelfarm.plan.inputs import build_inputs
from wheelfarm.recipes.farm_settings import Variant
from wheelfarm.recipes.layers import ResolvedRecipe
from wheelfarm.recipes.loaded_recipe import LoadedRecipe
from wheelfarm.recipes.recipe import Expect, Recipe, SystemPackages, Test
from wheelfarm.sources.cache import Cache
from wheelfarm.system.files import write_atomically

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from wheelfarm.model import AppliedPatch
    from wheelfarm.plan.build import Toolchain
    from wheelfarm.provenance.record import Record
    from wheelfarm.recipes.settings import Settings
    from wheelfarm.sources.fetcher import Fetcher
    from wheelfarm.wheelhouse.wheelhouse import Wheelhouse


@dataclass(frozen=True, kw_only=True)
class Supplies:
    """All that one record asks for; whatever has other bytes than then is refused."""

    record: Record
    """That of the main wheel."""
    splits: tuple[Record, ...]
    """Those of the wheels that were split off."""
    wheelhouse: Wheelhouse
    patches_today: Path
    """The recipe's patches in the farm, for a record that is too old to hold its own."""
    work: Path
    """Where the patches are written to."""
    cache: Path

    @cached_property
    def stored(self) -> tuple[Path, ...]:
        """The wheels that the records describe, the main one first.

        Raises:
            ChainError: a group with those that are missing or damaged.
        """
        problems, found = Collector(), []
        for record in (self.record, *self.splits):
            with problems.collect():
                what, wheel = f"the wheel of {record.distribution} itself", record.wheel
                found.append(self._content(wheel.filename, wheel.sha256, what))
        problems.check()
        return tuple(found)

    @cached_property
    def upstream(self) -> tuple[PinnedWheel, ...]:
        """The very wheels of the farm that it was built on.

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
        """Files with the patches, in their order.

        Raises:
            PatchError: a group with those whose bytes are not to be had.
        """
        problems, found = Collector(), []
        for patch in self.record.patches:
            with problems.collect():
                content = self._patch(patch)
                path = self.work / "patches" / self.record.key / patch.file
                write_atomically(path, content, "the place for rebuilding")
                found.append(path)
        problems.check()
        return tuple(found)

    def fetch(self, build: Build, fetcher: Fetcher) -> None:
        """Get all that comes from outside into the cache.

        Args:
            build: what the record tells.
            fetcher: with the same cache.

        Raises:
            FarmError: a group with all that is not to be had, or not with the recorded bytes.
        """
        problems = Collector()
        with problems.collect():
            self._fetch_source(build, fetcher)
        recorded = {entry.name: entry.sha256 for entry in self.record.build_requirements}
        for requirement in (*build.requirements, *build.provider_requirements):
            with problems.collect():
                wheel = fetcher.wheel(requirement, build.id.target, build.toolchain.glibc)
                wanted = recorded.get(wheel.name) or wheel.sha256
                if wheel.sha256 != wanted:
                    raise SourceError(
                        f"another wheel of {wheel.name} {wheel.version} is found than the one of then",
                        where=wheel.path.name,
                        why=f"it was one with sha256 {wanted}, and is one with {wheel.sha256}",
                    )
        problems.check()

    def _content(self, filename: str, sha256: Digest, what: str) -> Path:
        path = self.wheelhouse.find_content(self.record.variant, filename, sha256)
        if path is None:
            raise ChainError(
                f"{what} is not in the wheelhouse any more",
                where=record_place(self.record),
                why=f"{filename} with sha256 {sha256} is missing or damaged",
                hint=f"put it back at wheelhouse/{self.record.variant}/wheels/{sha256[:16]}/",
            )
        return path

    def _patch(self, patch: AppliedPatch) -> bytes:
        """The bytes of a patch: from the record, or by their digest from the farm where the record is old."""
        if patch.text is not None:
            content, where = patch.text.encode("utf-8", "surrogateescape"), record_place(self.record)
            why, hint = "the record was changed", "take it from a backup"
        else:
            today = self.patches_today / patch.file
            content, where = today.read_bytes() if today.is_file() else b"", str(today)
            why = "the record is of a form that held no patches, and the farm's was changed or removed"
            hint = f"find the one of then: git log -- patches/{self.record.recipe}/{patch.file}"
        if hashlib.sha256(content).hexdigest() != patch.sha256:
            raise PatchError(
                f"{patch.file} is not to be had as it was applied to {self.record.recipe}",
                where=where,
                why=f"{why}; its sha256 was {patch.sha256}",
                hint=hint,
            )
        return content

    def _fetch_source(self, build: Build, fetcher: Fetcher) -> None:
        source, recorded = build.recipe.source, self.record.source
        lost = not isinstance(source, Sdist) and not source.url
        if lost and Cache(self.cache).find(recorded.sha256) is None:
            raise SourceError(
                f"nothing tells any more where {recorded.filename} is",
                where=record_place(self.record),
                why="the record is of a form that held no url, and the cache does not hold the file",
            )
        found = fetcher.source(build.id.name, source)
        if found.sha256 != recorded.sha256:
            raise SourceError(
                f"the source of {build.id.name} has other bytes than then",
                where=found.path.name,
                why=f"its sha256 was {recorded.sha256} and is {found.sha256}",
            )


def record_place(record: Record) -> str:
    """A record's file as people name it."""
    return f"wheelhouse/{record.variant}/records/{record.key}.json"


@dataclass(frozen=True)
class Recorded:
    """The parts of a recorded rebuild key, read back.

    Raises:
        RecordError: by each of its methods, when the parts do not say what a build needs.
    """

    record: Record

    def group(self, prefix: str) -> dict[str, str]:
        """The parts whose names begin with a prefix and a dot, by the rest of the name."""
        start = f"{prefix}."
        parts = self.record.key_parts.items()
        return {name.removeprefix(start): value for name, value in parts if name.startswith(start)}

    @property
    def system_packages(self) -> Mapping[str, Sequence[str]]:
        """System packages by package manager."""
        named: dict[str, list[str]] = (
            self._json("system-packages") if "system-packages" in self.record.key_parts else {}
        )
        return named

    @property
    def programs(self) -> tuple[str, ...]:
        """The programs that the recipe named."""
        return tuple(self.group("program"))

    def requirements(self, prefix: str) -> tuple[LockedRequirement, ...]:
        """Locked requirements, with all hashes that their lock allowed."""
        found = []
        for name in self.group(prefix):
            version, *hashes = self._json(f"{prefix}.{name}")
            digests = frozenset(map(Digest, hashes))
            found.append(LockedRequirement(name=parse_name(name), version=version, hashes=digests))
        return tuple(found)

    def build(self, toolchain: Toolchain, patches: tuple[Path, ...], settings: Settings) -> Build:
        """The build that the record tells, with the key that it has here and now.

        Args:
            toolchain: what the engine offers here.
            patches: files with the recorded patches, in their order.
            settings: for the directories that errors name.
        """
        record = self.record
        build_id = BuildId(name=record.recipe, variant=record.variant, target=record.target)
        build = Build(
            id=build_id,
            recipe=LoadedRecipe(
                table=self._recipe(),
                directory=settings.recipes / record.recipe,
                patches=settings.patches / record.recipe,
            ),
            resolved=self._resolved(),
            variant=self._variant(),
            engine=record.engine,
            toolchain=toolchain,
            patches=patches,
            requirements=self.requirements("requirement"),
            provider_requirements=self.requirements("provider"),
            test_requirements=(),
            host=(),
            upstream=tuple(replace(build_id, name=each.name) for each in record.upstream),
            run=(),
            reason="built again from its record",
        )
        upstream = {name: Digest(key) for name, key in self.group("upstream").items()}
        inputs = build_inputs(build, upstream)
        return replace(build, inputs=inputs, key_parts=inputs.key_parts())

    def _recipe(self) -> Recipe:
        source = self._json("source")
        if source["kind"] != "sdist":
            # Only where submodules follow the url is it a part of the key.
            source["url"] = source.get("url") or self.record.source.url or ""
        document = {
            "name": self.record.recipe,
            "version": self.record.version,
            "summary": "built again from its record",
            "source": source,
            "compilers": list(self.group("compiler")),
            "blas": self._part("blas") == "True",
            "build-requires": self._json("build-requires"),
            "splits": dict(map(self._split, self.group("split"))),
        }
        try:
            return Recipe.model_validate(document)
        except ValueError as problem:
            raise self._wrong(str(problem)) from problem

    def _split(self, distribution: str) -> tuple[str, dict[str, Any]]:
        """The key of a split in a recipe, and its table."""
        table = {name.replace("_", "-"): value for name, value in self._json(f"split.{distribution}").items()}
        # Where it has no name of its own, its key makes one.
        own = table.get("name") is not None
        return distribution if own else distribution.removeprefix(f"{self.record.recipe}-"), table

    def _resolved(self) -> ResolvedRecipe:
        settings = {key: self._json(f"config-settings.{key}") for key in self.group("config-settings")}
        return ResolvedRecipe(
            config_settings=ConfigSettings.of(settings),
            environment=self.group("environment"),
            system_packages=SystemPackages.model_validate(dict(self.system_packages)),
            cibuildwheel={key: self._json(f"cibuildwheel.{key}") for key in self.group("cibuildwheel")},
            expect=Expect(),
            test=Test(),
            origins=_Origins(f"the record {self.record.key[:12]}"),
        )

    def _variant(self) -> Variant:
        # As in "openblas (scipy-openblas32)"; system packages are with those of the recipe.
        provider = self._part("variant").rpartition("(")[2].removesuffix(")")
        try:
            return Variant.model_validate({"description": "as recorded", "provider": provider})
        except ValueError as problem:
            raise self._wrong(str(problem)) from problem

    def _part(self, name: str) -> str:
        try:
            return self.record.key_parts[name]
        except KeyError:
            raise self._wrong(f"key_parts has no {name!r}") from None

    def _json(self, name: str) -> Any:  # noqa: ANN401 - whatever the part holds
        try:
            return json.loads(self._part(name))
        except ValueError as problem:
            raise self._wrong(f"key_parts.{name}: {problem}") from problem

    def _wrong(self, why: str) -> RecordError:
        what = f"the record of {self.record.recipe} does not tell how it was built"
        return RecordError(what, where=record_place(self.record), why=why)


class _Origins(dict[str, str]):
    """Where any value comes from: the record."""

    def __init__(self, origin: str) -> None:
        super().__init__()
        self._origin = origin

    def __missing__(self, _key: str) -> str:
        return self._origin
