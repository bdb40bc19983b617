"""What is said of one wheel."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wheelfarm.report.difference import difference_lines
from wheelfarm.report.quantity import duration, size

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from wheelfarm.gate.suite import SuiteResult


def preparation_lines(told: Mapping[str, Any]) -> Iterator[str]:
    """What would be built again, from what, and where."""
    yield f"{told['id']}: {', '.join(told['wheels'])}"
    for key in ("key", "engine", "place", "source", "patches", "requirements", "upstream"):
        value = told[key]
        text = ", ".join(value) if isinstance(value, list) else value
        yield f"  {key:13} {text or 'none'}"


def rebuilt_lines(told: Mapping[str, Any]) -> Iterator[str]:
    """Whether two builds came out with the same bytes; if not, what differs in them and in what they saw."""
    if told["identical"]:
        yield f"identical: {told['id']}: {told['wheel']}"
        yield f"  sha256 {told['before']}, twice"
        return
    yield f"other bytes: {told['id']}: {told['wheel']}"
    yield f"  sha256 {told['before']} then, {told['after']} now"
    for name, pair in told["inputs"].items():
        before, after = ("none" if pair[side] is None else pair[side] for side in ("before", "after"))
        yield f"  input {name}: {before} -> {after}"
    yield from difference_lines(told["difference"])


def suite_lines(verdict: SuiteResult) -> Iterator[str]:
    """How many tests ended how, then what is to be done to the list of known failures."""
    counts = {
        "passed": verdict.passed,
        "failed": len(verdict.failed),
        "known failures": verdict.expected,
        "known failures that passed": len(verdict.mended),
        "expected to fail by upstream": verdict.upstream,
        "skipped": verdict.skipped,
    }
    told = ", ".join(f"{count:,} {what}" for what, count in counts.items())
    yield f"{told}, in {duration(verdict.seconds)}"
    yield from (f"known failure no longer fails, remove it: {test}" for test in verdict.mended)
    yield from (f"known failure is no test of the suite, remove it: {test}" for test in verdict.unmatched)


def inspection_lines(description: Mapping[str, Any]) -> Iterator[str]:
    """The description of a wheel as a table."""
    yield f"{description['name']} {description['version']}"
    for key, value in description.items():
        if key in {"name", "version"}:
            continue
        if isinstance(value, dict):
            yield f"{key}:"
            yield from (f"  {name:24} {_text(each)}" for name, each in value.items())
        elif isinstance(value, list):
            yield f"{key}:"
            yield from (f"  {_text(each)}" for each in value)
        else:
            yield f"{key}: {size(value) if isinstance(value, int) and value > 1 else value}"


def _text(value: object) -> str:
    match value:
        case dict():
            return ", ".join(f"{key} {_text(each)}" for key, each in value.items())
        case list():
            return ", ".join(_text(each) for each in value)
        case bool():
            return str(value).lower()
        case int():
            return f"{value:,}"
        case _:
            return str(value)
