"""Decisions and outcomes of builds: lines for people, values for programs."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from wheelfarm.build.diagnosis import failure_of
from wheelfarm.report.text import about, duration, size, table_lines
from wheelfarm.run.outcome import State

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from wheelfarm.plan.build import BuildId
    from wheelfarm.run.decision import Decision
    from wheelfarm.run.outcome import Outcome

_SHARED: Final = ("variant", "target", "engine")
"""Columns of a plan that are printed once where all builds have the same."""


def decision_lines(
    decisions: Sequence[Decision], expected: Mapping[BuildId, float], width: int | None = None
) -> list[str]:
    """What a run would do: counts and what all builds share, then a table with reasons and estimates.

    Args:
        decisions: in the plan's order.
        expected: seconds by build; 0 for one that need not be built.
        width: columns of the terminal; None for as many as it takes.
    """
    columns = {
        "action": [each.action.value for each in decisions],
        "package": [f"{each.build.id.name} {each.build.version}" for each in decisions],
        "variant": [each.build.id.variant for each in decisions],
        "target": [str(each.build.id.target) for each in decisions],
        "engine": [str(each.build.engine) for each in decisions],
        "time": [
            f"~{about(expected[each.build.id])}" if expected.get(each.build.id) else "" for each in decisions
        ],
        "why": [f"{'; '.join(each.why)} [{each.build.reason}]" for each in decisions],
    }
    counts = ", ".join(f"{count} {action}" for action, count in Counter(columns["action"]).items())
    shared = [columns.pop(name)[0] for name in _SHARED if len(set(columns[name])) == 1]
    rows = list(zip(*columns.values(), strict=True))
    return [
        ": ".join(filter(None, (counts or "no builds", ", ".join(shared)))),
        *table_lines([*columns], rows, right=("time",), whole=[*columns][:-1], width=width),
    ]


def outcome_line(outcome: Outcome) -> str:
    """How one build ended."""
    build = outcome.build
    head = f"{outcome.state.value:8} {build.id.name} {build.version} ({build.id.variant}, {build.id.target})"
    if outcome.state is not State.BUILT or outcome.wheel is None:
        return f"{head}: {outcome.why}"
    wheels = " and ".join(
        f"{wheel.name}, {size(wheel.stat().st_size)}" for wheel in (outcome.wheel, *outcome.splits)
    )
    attempt = f", at attempt {outcome.attempts}" if outcome.retried else ""
    return f"{head}: {wheels}, in {duration(outcome.seconds)}{attempt}{_cache_text(outcome)}"


def _cache_text(outcome: Outcome) -> str:
    """What the compiler cache and the build cache spared; empty where there were none."""
    use = outcome.cache_use
    build_cache = ", with a build cache" if outcome.build_cache else ""
    if use is None or not use.compiles:
        return build_cache
    return f", compiler cache {use.hits} of {use.compiles} ({use.rate():.0%}){build_cache}"


def summary_lines(outcomes: Sequence[Outcome]) -> Iterator[str]:
    """The failures of a run in full, then its outcomes by count."""
    for outcome in outcomes:
        if outcome.error is not None:
            yield f"failure: {failure_of(outcome.error)}"
            yield from outcome.error.lines()
    yield count_line(outcomes)


def count_line(outcomes: Sequence[Outcome]) -> str:
    """How many builds ended how."""
    counts = {state: sum(outcome.state is state for outcome in outcomes) for state in State}
    retried = sum(outcome.retried for outcome in outcomes)
    text = ", ".join(f"{count} {state.value}" for state, count in counts.items() if count)
    return f"{text} ({retried} retried)" if retried else text or "nothing to do"


def outcome_data(outcome: Outcome) -> dict[str, Any]:
    """An outcome for programs."""
    build, use, error = outcome.build, outcome.cache_use, outcome.error
    return {
        "name": build.id.name,
        "version": build.version,
        "variant": build.id.variant,
        "target": build.id.target.identifier,
        "engine": build.engine.value,
        "key": build.key,
        "state": outcome.state.value,
        "why": outcome.why,
        "seconds": round(outcome.seconds, 3),
        "times": dict(outcome.times),
        "attempts": outcome.attempts,
        "wheel": str(outcome.wheel) if outcome.wheel else None,
        "splits": [str(wheel) for wheel in outcome.splits],
        "error": error.slug if error else None,
        "failure": failure_of(error).value if error else None,
        "blocked-by": str(outcome.culprit) if outcome.culprit else None,
        "compiler-cache": {"hits": use.hits, "misses": use.misses} if use else None,
        "build-cache": outcome.build_cache,
        "warnings": list(outcome.warnings),
    }
