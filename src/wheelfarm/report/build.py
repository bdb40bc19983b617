"""Builds: the decision about each, its commands, its outcome; lines for people, values for programs."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING, Any, Final

from wheelfarm.build.diagnosis import failure_of
from wheelfarm.errors import proposal_of
from wheelfarm.report.fixes import proposal_data
from wheelfarm.report.text import about, counts, duration, size, table_lines
from wheelfarm.run.outcome import State

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from wheelfarm.plan.build import BuildId
    from wheelfarm.plan.graph import Refused
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
    actions = counts(columns["action"]) or "no builds"
    shared = [columns.pop(name)[0] for name in _SHARED if len(set(columns[name])) == 1]
    rows = list(zip(*columns.values(), strict=True))
    return [
        ": ".join(filter(None, (actions, ", ".join(shared)))),
        *table_lines([*columns], rows, right=("time",), whole=[*columns][:-1], width=width),
    ]


def explanation_lines(build: Mapping[str, Any]) -> Iterator[str]:
    """A build: its record, the origins of its values, its files, and its commands for a shell.

    The environment is printed once, as an array of bash. What only one command sees is part of its line.
    """
    yield f"# {build['id']}, key {build['key'][:12]}"
    yield from _record(build["record"])
    if build["origins"]:
        yield ""
        yield "# where each value comes from"
        width = max(map(len, build["origins"]))
        yield from (f"{path:{width}} <- {origin}" for path, origin in build["origins"].items())
    for name, split in build["splits"].items():
        yield from (f"{name} gets {key} {' '.join(values)}" for key, values in split.items())
    for name, text in build["files"].items():
        yield from ("", f"# {name}", *text.rstrip().split("\n"))
    yield from _commands(build["steps"], build["directory"])


def _record(record: Mapping[str, Any] | None) -> Iterator[str]:
    if record is None:
        yield "not built yet"
        return
    yield f"built by {record['finished']}: {record['wheel']['filename']}"
    yield from (f"  on {each['filename']}, sha256 {each['sha256']}" for each in record["upstream"])
    yield from (f"  with {name}: {version}" for name, version in sorted(record["toolchain"].items()))


def _commands(steps: list[Mapping[str, Any]], root: str) -> Iterator[str]:
    if not steps:
        return
    first, *others = [step["env"] for step in steps]
    shared = {name: value for name, value in first.items() if all(each.get(name) == value for each in others)}
    yield from ("", "# environment of all commands, for bash", f"BUILD={shlex.quote(root)}", "ENVIRONMENT=(")
    yield from (f"  {_assignment(name, value, root)}" for name, value in sorted(shared.items()))
    yield ")"
    for step in steps:
        own = [_assignment(name, value, root) for name, value in step["env"].items() if name not in shared]
        words = [*own, *(_word(word, root) for word in step["argv"])]
        yield from ("", f"# {step['phase']}")
        yield f'cd {_word(step["cwd"], root)} && env -i "${{ENVIRONMENT[@]}}" {" ".join(words)}'


def _assignment(name: str, value: str, root: str) -> str:
    """A variable for `env`, without the password that a proxy's URL may have."""
    scheme, mark, rest = value.partition("://")
    if name.lower().endswith("_proxy") and mark and "@" in rest:
        value = f"{scheme}://***@{rest.rpartition('@')[2]}"
    return f"{name}={_word(value, root)}"


def _word(text: str, root: str) -> str:
    """A word for a shell, with `$BUILD` for the build directory."""
    if root not in text:
        return shlex.quote(text)
    parts = (re.sub(r'([\\"$`])', r"\\\1", part) for part in text.split(root))
    return f'"{"${BUILD}".join(parts)}"'


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


def refused_lines(refused: Sequence[Refused]) -> Iterator[str]:
    """What is wrong with recipes that are not built, and what they block."""
    for each in refused:
        if each.culprit is None:
            yield from each.error.lines()
    for each in refused:
        if each.culprit is not None:
            yield f"{State.BLOCKED.value:8} {each.name}: {_why_refused(each)}"


def refused_data(refused: Refused) -> dict[str, Any]:
    """A recipe that is not built, for programs."""
    own = refused.culprit is None
    return {
        "name": refused.name,
        "state": (State.FAILED if own else State.BLOCKED).value,
        "why": _why_refused(refused),
        "error": refused.error.slug if own else None,
        "failure": failure_of(refused.error).value if own else None,
        "blocked-by": refused.culprit,
    }


def _why_refused(refused: Refused) -> str:
    if refused.culprit is None:
        return refused.error.what
    return f"blocked by {refused.culprit}, whose recipe has an error"


def count_line(outcomes: Sequence[Outcome]) -> str:
    """How many builds ended how."""
    text = counts(state.value for state in State for outcome in outcomes if outcome.state is state)
    retried = sum(outcome.retried for outcome in outcomes)
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
        "proposal": proposal_data(proposal) if error and (proposal := proposal_of(error)) else None,
        "blocked-by": str(outcome.culprit) if outcome.culprit else None,
        "compiler-cache": {"hits": use.hits, "misses": use.misses} if use else None,
        "build-cache": outcome.build_cache,
        "warnings": list(outcome.warnings),
    }
