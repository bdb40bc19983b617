"""Writing YAML: readable, and the same bytes for the same content."""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING, Any, Final, Self

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.scalarstring import LiteralScalarString

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from wheelfarm.ci.action_pins import Pin

Step = dict[str, Any]
_UNFOLDED: Final = 100_000
"""A column that no line reaches: an expression in two lines is harder to read than a long one."""


class Noted(str):
    """A value with a comment behind it."""

    __slots__ = ("note",)
    note: str

    def __new__(cls, value: str, note: str) -> Self:
        """A value and its comment."""
        text = super().__new__(cls, value)
        text.note = note
        return text


def uses(action: str, pins: Mapping[str, Pin]) -> Noted:
    """An action by its commit, with the version as a comment, where dependabot looks for it."""
    pin = pins[action]
    return Noted(f"{action}@{pin.commit}", pin.version)


def row(values: Iterable[object]) -> CommentedSeq:
    """A list that is written in one line."""
    listed = CommentedSeq(values)
    listed.fa.set_flow_style()
    return listed


def _node(value: object) -> object:
    """A value as ruamel.yaml takes it, with comments where they belong."""
    if isinstance(value, CommentedSeq):
        return value
    if isinstance(value, dict):
        node = CommentedMap()
        for key, each in value.items():
            node[key] = _node(each)
            if isinstance(each, Noted):
                node.yaml_add_eol_comment(each.note, key, column=0)
        if not value:
            node.fa.set_flow_style()
        return node
    if isinstance(value, list):
        return CommentedSeq(map(_node, value))
    if isinstance(value, str):
        return LiteralScalarString(str(value)) if "\n" in value else str(value)
    return value


def write(document: Mapping[str, Any], *, header: str, spaced: str | None = None) -> str:
    """A document as text.

    Args:
        document: its content, in order.
        header: comment at the top, without its marks.
        spaced: a key whose entries are set apart by empty lines, as those at the top are; None where all
            entries stand at the top.
    """
    yaml = YAML()
    yaml.width = _UNFOLDED
    yaml.indent(mapping=2, sequence=4, offset=2)
    stream = io.StringIO()
    yaml.dump(_node(dict(document)), stream)
    lines = [f"# {line}".rstrip() for line in header.splitlines()]
    inside = False
    for line in stream.getvalue().splitlines():
        top = re.match(r"[^\s#]", line)
        if top:
            inside = line.startswith(f"{spaced}:")
        apart = top or (inside and re.match(r"  [^\s#]", line) and not lines[-1].startswith(f"{spaced}:"))
        lines += ["", line] if apart else [line]
    return "\n".join(lines) + "\n"


def read(text: str) -> Any:  # noqa: ANN401 - whatever a file holds
    """The content of a YAML file, as plain values."""
    return YAML(typ="safe", pure=True).load(text)
