"""Taking the published wheels of a build in the place of compiling it: all of them, verified, or none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from wheelfarm.errors import CancelledRunError, FarmError, UnverifiedError
from wheelfarm.run.decision import built_on_others
from wheelfarm.run.published import fetch_published
from wheelfarm.run.recording import regated

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from wheelfarm.gate.check import Result
    from wheelfarm.model import Name, RepairedWheel
    from wheelfarm.plan.build import Build
    from wheelfarm.provenance.record import Record
    from wheelfarm.recipes.settings import Settings
    from wheelfarm.run.published import PublishedBuild, PublishedWheel
    from wheelfarm.run.result import Clock
    from wheelfarm.wheelhouse.wheelhouse import Wheelhouse

    Taken = tuple[RepairedWheel, Record]
    """A published wheel that was fetched and verified, and its record."""


@dataclass(frozen=True, kw_only=True)
class Taking:
    """Fetches and verifies the published wheels of a build.

    Args:
        build: the build.
        found: its wheels in an index.
        settings: the farm's.
        wheelhouse: has the wheels that the build is built on.
        say: hears what is fetched, and why nothing is.
        gate: puts the wheels of the build through its gate.
    """

    build: Build
    found: PublishedBuild
    settings: Settings
    wheelhouse: Wheelhouse
    say: Callable[[str], None]
    gate: Callable[[Mapping[Name, RepairedWheel]], Mapping[Name, tuple[Result, ...]]]

    def run(self, directory: Path, clock: Clock) -> dict[Name, Taken] | None:
        """The wheels with their records by distribution, in a directory that is made; nothing is stored.

        They have passed the gate that the build has here and now: where that has changed since they were
        published, they are put through it.

        Returns:
            None when one of them is not to be had, is not what its papers say, or these do not tell of this
            build; `say` is told which, and why.
        """
        build, name = self.build, self.found.index.name
        try:
            with clock.step("fetch"):
                directory.mkdir(parents=True, exist_ok=True)
                taken = {each.distribution: self._one(each, directory) for each in self.found.wheels}
            if all(record.gate_key == build.gate_key for _, record in taken.values()):
                return taken
            results = self.gate({name: wheel for name, (wheel, _) in taken.items()})
            return {
                name: (wheel, regated(record, build, results[name]))
                for name, (wheel, record) in taken.items()
            }
        except CancelledRunError:
            raise
        except FarmError as error:
            why = "; ".join(line.strip() for line in error.lines())
        except (OSError, ValueError) as error:
            why = str(error)
        self.say(f"warning: {build.id} is built, and not reused from index {name}: {why}")
        return None

    def _one(self, published: PublishedWheel, directory: Path) -> Taken:
        file, index = published.file, self.found.index
        self.say(f"taking {file.filename} from index {index.name}")
        wheel, record = fetch_published(self.build, published, index, directory, self.settings)
        self._check_record(published, record)
        return wheel, record

    def _check_record(self, published: PublishedWheel, record: Record) -> None:
        """Refuse a record that is not one of this build.

        Raises:
            UnverifiedError: naming what differs.
        """
        build, distribution = self.build, published.distribution
        pairs = {
            "key": (record.key, build.key_of(distribution)),
            "key_parts": (dict(record.key_parts), dict(build.key_parts)),
            "distribution": (record.distribution, distribution),
            "version": (record.version, build.version),
            "variant": (record.variant, build.id.variant),
            "target": (record.target, build.id.target),
        }
        differing = [name for name, (told, wanted) in pairs.items() if told != wanted]
        others = built_on_others(self.wheelhouse, build, record)
        if differing or others:
            raise UnverifiedError(
                f"the record of {published.file.filename} is not one of {build.id}",
                why=others or f"it has another {', '.join(differing)}",
            )
        if self.settings.from_nothing and not record.from_nothing:
            raise UnverifiedError(
                f"{published.file.filename} was built with a compiler cache",
                why="a release is built from nothing",
            )
