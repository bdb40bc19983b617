"""Resolves what a requirement brings to run, by uv: versions, and what requires each of them."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from packaging.markers import Marker
from packaging.version import Version

from wheelfarm.model import Name, parse_name
from wheelfarm.recipes.lock_compiler import targets_of
from wheelfarm.recipes.locks import marker_environment, parse_lines
from wheelfarm.recipes.uv_resolution import compile_requirements

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from wheelfarm.model import LockedRequirement, Target
    from wheelfarm.recipes.settings import Settings

_PINNED: Final = re.compile(r"([A-Za-z0-9][\w.-]*)==")
_VIA: Final = re.compile(r"\s+#\s+(?:via\s+)?([A-Za-z0-9][\w.-]*)(?:\[[^\]]*\])?$")


@dataclass(frozen=True, kw_only=True)
class ResolvedDistribution:
    """A distribution that a requirement brings."""

    name: Name
    versions: tuple[str, ...]
    """The lowest first: another Python or system may get another one."""
    required_by: tuple[Name, ...]
    """Of the same resolution; none for what was resolved itself."""


Closure = dict[Name, ResolvedDistribution]


def resolve_closure(
    requires: Sequence[str], constraints: Mapping[Name, str], settings: Settings, env: Mapping[str, str]
) -> Closure:
    """All that requirements bring to run on the targets of a farm, and these distributions themselves.

    Args:
        requires: the requirements, perhaps with extras and markers.
        constraints: the versions that some distributions must have, wherever they occur.
        settings: those of the farm.
        env: the environment of uv.

    Raises:
        ProcessError: when they do not resolve.
    """
    text = compile_requirements(
        requires,
        (),
        python=str(min(settings.pythons)),
        env=env,
        index_url=settings.index_url,
        constraints="".join(f"{name}=={version}\n" for name, version in sorted(constraints.items())),
        annotate=True,
    )
    return parse_closure(text, targets_of(settings))


def parse_closure(text: str, targets: Sequence[Target]) -> Closure:
    """The closure in the annotated output of uv, without what no target needs."""
    versions = defaultdict[Name, set[str]](set)
    for pin in parse_lines(text, "the output of uv"):
        if _holds(pin, targets):
            versions[pin.name].add(pin.version)
    parents = _parents(text)
    return {
        name: ResolvedDistribution(
            name=name,
            versions=tuple(sorted(found, key=Version)),
            required_by=tuple(sorted(parents[name] & versions.keys())),
        )
        for name, found in sorted(versions.items())
    }


def _holds(pin: LockedRequirement, targets: Sequence[Target]) -> bool:
    if pin.marker is None:
        return True
    marker = Marker(pin.marker)
    return any(marker.evaluate(marker_environment(target)) for target in targets)


def _parents(text: str) -> dict[Name, set[Name]]:
    """What requires each distribution, by the comments `# via` of uv, which are those of pip-compile."""
    parents, current = defaultdict[Name, set[Name]](set), None
    for line in text.splitlines():
        if pinned := _PINNED.match(line):
            current = parse_name(pinned[1])
        elif current and line.strip() != "# via" and (found := _VIA.match(line)):
            parents[current].add(parse_name(found[1]))
    return parents


def reachable(closure: Closure, roots: Collection[Name], ends: Collection[Name]) -> Closure:
    """The part of a closure that is reached from some distributions, and not through others.

    Args:
        closure: the closure.
        roots: where to begin, also if it is an end.
        ends: distributions whose own requirements do not count.
    """
    found = {name for name in roots if name in closure}
    while True:
        through = found - (set(ends) - set(roots))
        more = {name for name, each in closure.items() if not through.isdisjoint(each.required_by)}
        if more <= found:
            return {name: each for name, each in closure.items() if name in found}
        found |= more
