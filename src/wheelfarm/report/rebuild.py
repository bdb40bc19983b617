"""What is said of a wheel that is built again from its record."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wheelfarm.report.difference import difference_lines

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


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
