"""What is said of decisions and outcomes: as lines for people, as values for programs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wheelfarm.build.diagnosis.classify import failure_of
from wheelfarm.report.quantity import duration, size
from wheelfarm.run.outcome import State

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from wheelfarm.run.decision import Decision
    from wheelfarm.run.outcome import Outcome


def decision_lines(decisions: Sequence[Decision]) -> Iterator[str]:
    """What a run would do, one line a build, with the reasons."""
    for decision in decisions:
        build = decision.build
        head = f"{build.id.name} {build.version} ({build.id.variant}, {build.id.target}, {build.engine})"
        yield f"{decision.action.value:8} {head}: {'; '.join(decision.why)} [{build.reason}]"


def outcome_line(outcome: Outcome) -> str:
    """How one build ended."""
    build = outcome.build
    head = f"{outcome.state.value:8} {build.id.name} {build.version} ({build.id.variant}, {build.id.target})"
    if outcome.state is State.BUILT and outcome.wheel is not None:
        wheels = (outcome.wheel, *outcome.splits)
        made = " and ".join(f"{wheel.name}, {size(wheel.stat().st_size)}" for wheel in wheels)
        again = f", at attempt {outcome.attempts}" if outcome.retried else ""
        took = f"in {duration(outcome.seconds)}{again}{cache_words(outcome)}"
        return f"{head}: {made}, {took}"
    return f"{head}: {outcome.why}"


def cache_words(outcome: Outcome) -> str:
    """What the compiler cache spared; nothing where there was none."""
    use = outcome.cache_use
    kept = ", on a kept build directory" if outcome.kept_build else ""
    if use is None or not use.compiles:
        return kept
    return f", compiler cache {use.hits} of {use.compiles} ({use.rate():.0%}){kept}"


def summary_lines(outcomes: Sequence[Outcome]) -> Iterator[str]:
    """What came of a run, counted by state; the failures told whole."""
    for outcome in outcomes:
        if outcome.error is not None:
            yield f"failure: {failure_of(outcome.error)}"
            yield from outcome.error.lines()
    yield count_line(outcomes)


def count_line(outcomes: Sequence[Outcome]) -> str:
    """How many builds ended how."""
    counts = {state: sum(outcome.state is state for outcome in outcomes) for state in State}
    retried = sum(outcome.retried for outcome in outcomes)
    told = ", ".join(f"{count} {state.value}" for state, count in counts.items() if count)
    return f"{told} ({retried} retried)" if retried else told or "nothing to do"


def outcome_data(outcome: Outcome) -> dict[str, Any]:
    """An outcome for programs."""
    build = outcome.build
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
        "error": outcome.error.slug if outcome.error else None,
        "failure": failure_of(outcome.error).value if outcome.error else None,
        "blocked-by": str(outcome.culprit) if outcome.culprit else None,
        "compiler-cache": {"hits": outcome.cache_use.hits, "misses": outcome.cache_use.misses}
        if outcome.cache_use
        else None,
        "kept-build": outcome.kept_build,
        "warnings": list(outcome.warnings),
    }
