"""Writes readable YAML: the same bytes for the same content."""

from __future__ import annotations

import io
import re
import textwrap
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Document = dict[str, Any]
_WIDTH: Final = 100_000
"""No line is folded: an expression in two lines is harder to read than a long one."""
_LIST_WIDTH: Final = 110


@dataclass(frozen=True)
class CommentedValue:
    """A value of a mapping, with a comment after it."""

    value: object
    comment: str


def flow_list(values: Iterable[object]) -> CommentedSeq:
    """A list in one line."""
    node = CommentedSeq(values)
    node.fa.set_flow_style()
    return node


def flow_map(values: Mapping[str, str]) -> CommentedMap:
    """A mapping in one line."""
    node = CommentedMap(values)
    node.fa.set_flow_style()
    return node


def _node(value: object) -> object:
    """Convert a value to ruamel.yaml's nodes, with comments where they belong."""
    if isinstance(value, CommentedMap | CommentedSeq):
        return value
    if isinstance(value, dict):
        node = CommentedMap()
        for key, each in value.items():
            commented = isinstance(each, CommentedValue)
            node[key] = _node(each.value if commented else each)
            if commented:
                node.yaml_add_eol_comment(each.comment, key, column=0)
        if not value:
            node.fa.set_flow_style()
        return node
    return CommentedSeq(map(_node, value)) if isinstance(value, list) else value


def dump_yaml(document: Mapping[str, Any], *, header: str, spaced: str | None = None) -> str:
    """Render a document.

    Args:
        document: its content, in order.
        header: the comment at the top, without `#`.
        spaced: a top-level key whose entries are separated by empty lines, as those at the top are.
    """
    yaml = YAML()
    yaml.width = _WIDTH
    yaml.indent(mapping=2, sequence=4, offset=2)
    stream = io.StringIO()
    yaml.dump(_node(dict(document)), stream)
    lines = [f"# {line}".rstrip() for line in header.splitlines()]
    inside = False
    for line in stream.getvalue().splitlines():
        top = re.match(r"[^\s#]", line)
        if top:
            inside = line.startswith(f"{spaced}:")
        nested = inside and re.match(r"  [^\s#]", line) and not lines[-1].startswith(f"{spaced}:")
        lines += ["", *_wrap(line)] if top or nested else _wrap(line)
    return "\n".join(lines) + "\n"


def _wrap(line: str) -> list[str]:
    """Wrap a list in one line that is too long for it."""
    match = re.fullmatch(r"( *)(\S+: \[)(.*)\]", line)
    if match is None or len(line) <= _LIST_WIDTH:
        return [line]
    indent, start, values = match.groups()
    wrapped = textwrap.wrap(values, _LIST_WIDTH - len(indent) - 2, break_on_hyphens=False)
    return [indent + start, *(f"{indent}  {each}" for each in wrapped), f"{indent}]"]


def load_yaml(text: str) -> Any:  # noqa: ANN401 - whatever a file holds
    """Read the content of a YAML file as plain values."""
    return YAML(typ="safe", pure=True).load(text)
