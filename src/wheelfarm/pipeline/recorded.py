"""A build made from a record, and from nothing else: the parts of its rebuild key are all that it needs.

They are, by their definition, everything that can change the wheel's bytes. So the build that is made of them
has a key too, and where its parts are not the recorded ones, this machine cannot do what was done then.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from wheelfarm.errors import RecordError
from wheelfarm.model import ConfigSettings, Digest, LockedRequirement, parse_name
from wheelfarm.plan import Build, BuildId, key_parts
from wheelfarm.recipes import Entry, Expect, Layer, Recipe, Resolved, Test
from wheelfarm.settings import Variant
from wheelfarm.settings.tables import SystemPackages

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from wheelfarm.plan import Toolchain
    from wheelfarm.records import Record
    from wheelfarm.settings import Settings


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
            entry=Entry(
                recipe=self._recipe(),
                directory=settings.recipes / record.recipe,
                patches=settings.patches / record.recipe,
                farm=Layer(),
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
        return replace(build, key_parts=key_parts(build, upstream))

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

    def _resolved(self) -> Resolved:
        settings = {key: self._json(f"config-settings.{key}") for key in self.group("config-settings")}
        return Resolved(
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
