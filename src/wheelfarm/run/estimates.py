"""Estimates what builds need and how long they take: from earlier runs, or from this machine's speed."""

from __future__ import annotations

import os
import random
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache, partial
from typing import TYPE_CHECKING, Annotated, Final

from pydantic import BaseModel, Field, TypeAdapter

from wheelfarm.model import GitCommit
from wheelfarm.plan.build import BuildId
from wheelfarm.recipes.recipe import cost_of
from wheelfarm.recipes.strict import size_of
from wheelfarm.run.cluster.resources import labels_of
from wheelfarm.run.outcome import State
from wheelfarm.run.schedule import Duration, Need
from wheelfarm.sources.cache import Cache
from wheelfarm.system.environment import system_environment, which
from wheelfarm.system.files import RememberedValues
from wheelfarm.system.process import Command, run

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from wheelfarm.plan.build import Build
    from wheelfarm.plan.graph import Plan
    from wheelfarm.recipes.settings import Settings
    from wheelfarm.run.outcome import Outcome
    from wheelfarm.run.reuse import Published
    from wheelfarm.wheelhouse.wheelhouse import Wheelhouse


_OVERHEAD: Final = 10.0
"""Seconds of each build for its environment, its repair and its gate."""
_COST_PER_BYTE: Final = 40e-6
"""CPU seconds for a byte of source: numpy takes 18 s and scipy 76 s for a megabyte."""
_UNKNOWN_COST: Final = 100.0
_SORTING: Final = 0.021
"""Seconds that the reference machine sorts for: one core of an AMD EPYC of 2023."""
_COMPILING: Final = 0.15
"""Seconds that it compiles `_SOURCE` for."""
_SOURCE: Final = "\n".join(
    f"""double f{n}(double *a, int n) {{
  double s = 0;
  for (int i = 0; i < n; i++) {{ if (a[i] > {n}) s += a[i] * {n}; else s -= a[(i * {n}) % n]; }}
  return s;
}}
int g{n}(const char *s) {{
  int k = 0;
  while (*s) {{ switch (*s++) {{ case 'a': k += {n}; break; case 'b': k *= 3; break; default: k ^= {n}; }} }}
  return k;
}}"""
    for n in range(16)
)
_SPARED: Final = 0.1
"""The share of its compiles beyond which a compiler cache makes a build's duration say little of the next."""


class _Measured(BaseModel, strict=True):
    seconds: Annotated[float, Field(ge=0, allow_inf_nan=False)]


DURATIONS: Final = TypeAdapter(dict[str, _Measured])
"""What the file of measured durations holds, by build."""


def need(build: Build) -> Need:
    """What a build needs of the machine, as its recipe says; its kind is that of `labels_of`."""
    recipe = build.recipe.table
    size = size_of(recipe.memory) if recipe.memory else 0
    machines = " ".join(labels_of(build))
    return Need(cpus=recipe.cpus, memory=size, exclusive=recipe.exclusive, machines=machines)


@cache
def machine_speed(jobs: int) -> float:
    """How much faster than the reference machine a core of this one compiles; measured once, in a second.

    As many compilers run as a build would use: two processors of a cloud machine may be threads of one core.
    Without a compiler, sorting is measured: code that branches and follows pointers, as compilers do.
    """
    compiling = _compiling(jobs)
    if compiling is not None:
        return _COMPILING / max(compiling, 1e-3)
    chance = random.Random(1)  # noqa: S311 - not for secrets
    numbers = [chance.random() for _ in range(100_000)]
    rounds = []
    for _ in range(7):
        began = time.process_time()
        sorted(numbers)
        rounds.append(time.process_time() - began)
    # Other programs can only make a round slower.
    return _SORTING / max(min(rounds), 1e-3)


def _compiling(jobs: int) -> float | None:
    """The CPU seconds of each of some C compilers that run at the same time; None without one."""
    env = system_environment({})
    # CPU time of children does not exist on Windows; on macOS `cc` may ask for an installation.
    if sys.platform != "linux" or which("cc", env) is None:
        return None
    import resource  # noqa: PLC0415 - it is not there on Windows

    command = Command(argv=("cc", "-O2", "-x", "c", "-S", "-o", os.devnull, "-"), env=env, stdin=_SOURCE)
    began = resource.getrusage(resource.RUSAGE_CHILDREN)
    with ThreadPoolExecutor(jobs) as pool:
        finished = list(pool.map(partial(run, check=False), [command] * jobs))
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    if any(each.returncode for each in finished):
        return None
    return (ended.ru_utime + ended.ru_stime - began.ru_utime - began.ru_stime) / jobs


def free_share(jobs: int) -> float:
    """The share of the jobs' CPU time that other programs leave; at least half."""
    try:
        load = os.getloadavg()[0]
    except (AttributeError, OSError):
        return 1.0  # Windows has no load average
    return max(0.5, min(1.0, (os.cpu_count() or jobs) / (jobs + load)))


def estimate(cost: float | None, jobs: int) -> Duration:
    """How long a build takes that was never measured here.

    Args:
        cost: CPU seconds on the reference machine; None when they are unknown.
        jobs: the processors that a run may use.
    """
    work = (_UNKNOWN_COST if cost is None else cost) / machine_speed(jobs)
    return Duration(_OVERHEAD, work / free_share(jobs))


@dataclass(frozen=True)
class DurationEstimates:
    """The durations of earlier runs, in a file of the farm, and estimates for all other builds.

    They make a schedule good, not right.
    """

    settings: Settings

    @property
    def file(self) -> Path:
        return self.settings.work / "durations.json"

    @property
    def _values(self) -> RememberedValues[_Measured]:
        return RememberedValues(self.file, DURATIONS)

    def expected(
        self, plan: Plan, wheelhouse: Wheelhouse, published: Published | None = None
    ) -> Mapping[BuildId, Duration]:
        """How long each build of a plan takes now: no time for what is stored or published."""
        missing = [
            build
            for build in plan.builds
            if not (wheelhouse.find(build.id.variant, build.key) or (published and published.find(build)))
        ]
        return dict.fromkeys((build.id for build in plan.builds), Duration()) | self.of_builds(missing)

    def of_builds(self, builds: Iterable[Build]) -> dict[BuildId, Duration]:
        """How long builds take, wherever their wheels are."""
        known, durations = self._values.read(), dict[BuildId, Duration]()
        for build in builds:
            measured = known.get(_key(build))
            durations[build.id] = (
                estimate(self._cost(build), self.settings.jobs)
                if measured is None
                else Duration(measured.seconds)
            )
        return durations

    def remember(self, outcomes: Sequence[Outcome]) -> None:
        """Write down how long builds took, except those that a cache made shorter."""
        whole = [each for each in outcomes if each.state is State.BUILT and not _cached(each)]
        if whole:
            self._values.add({_key(each.build): _Measured(seconds=each.seconds) for each in whole})

    def _cost(self, build: Build) -> float | None:
        """CPU seconds of a build on the reference machine: the recipe's, or by the size of the source."""
        if build.recipe.table.cost:
            return cost_of(build.recipe.table.cost)
        source = build.recipe.source
        path = None if isinstance(source, GitCommit) else Cache(self.settings.cache).find(source.sha256)
        return _COST_PER_BYTE * path.stat().st_size if path else None


def _cached(outcome: Outcome) -> bool:
    use = outcome.cache_use
    return outcome.build_cache or (use is not None and use.hits > _SPARED * use.compiles)


def _key(build: Build) -> str:
    return f"{build.id.name}/{build.id.variant}/{build.id.target}/{build.engine}"
