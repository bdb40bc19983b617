"""What builds need and how long they will take: known from earlier runs, or guessed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from wheelfarm.model import GitCommit
from wheelfarm.recipes.farm_settings import size_of
from wheelfarm.run.budget import Need
from wheelfarm.run.durations import Durations
from wheelfarm.run.outcome import State
from wheelfarm.sources.cache import Cache

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from wheelfarm.plan.build import Build, BuildId
    from wheelfarm.plan.graph import Plan
    from wheelfarm.recipes.settings import Settings
    from wheelfarm.run.outcome import Outcome
    from wheelfarm.run.published import Published
    from wheelfarm.wheelhouse.wheelhouse import Wheelhouse


def need(build: Build) -> Need:
    """What a build needs of the machine, as its recipe says."""
    recipe = build.recipe.table
    size = size_of(recipe.memory) if recipe.memory else 0
    return Need(cpus=recipe.cpus, memory=size, exclusive=recipe.exclusive)


def _source_size(sources: Cache, build: Build) -> int | None:
    """The bytes of a build's source archive, when it is here."""
    source = build.recipe.source
    path = None if isinstance(source, GitCommit) else sources.find(source.sha256)
    return path.stat().st_size if path else None


@dataclass(frozen=True)
class Outlook:
    """The durations of earlier runs, in a file of the farm's."""

    settings: Settings
    say: Callable[[str], None]

    @property
    def _file(self) -> Path:
        return self.settings.work / "durations.json"

    def seconds(self, plan: Plan) -> Mapping[BuildId, float]:
        """How many seconds each build of a plan takes when it is built, as far as can be told."""
        known, warning = Durations.read(self._file)
        if warning:
            self.say(f"warning: {warning}")
        sources = Cache(self.settings.cache)
        return {build.id: known.seconds(build, _source_size(sources, build)) for build in plan.builds}

    def expected(
        self, plan: Plan, wheelhouse: Wheelhouse, published: Published | None = None
    ) -> Mapping[BuildId, float]:
        """How many seconds each build of a plan will take now: none for what is stored or published."""
        seconds = self.seconds(plan)
        stored = {
            build.id
            for build in plan.builds
            if wheelhouse.find(build.id.variant, build.key) or (published and published.find(build))
        }
        return {build_id: 0.0 if build_id in stored else each for build_id, each in seconds.items()}

    def remember(self, outcomes: Sequence[Outcome]) -> None:
        """Write down how long builds took that were built whole; a kept build directory tells nothing."""
        whole = [each for each in outcomes if each.state is State.BUILT and not each.kept_build]
        if whole:
            known, _ = Durations.read(self._file)
            warning = known.with_outcomes(whole).write(self._file)
            if warning:
                self.say(f"warning: {warning}")
