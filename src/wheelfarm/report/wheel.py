"""What is said of one wheel."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wheelfarm.report.quantity import size

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


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
