"""Workflow files: readable YAML, the same bytes for the same content, and actions pinned to commits."""

from __future__ import annotations

import io
import re
import textwrap
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq

from wheelfarm.errors import Collector, WorkflowError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Document = dict[str, Any]
_WIDTH: Final = 100_000
"""No line is folded: an expression in two lines is harder to read than a long one."""
_LIST_WIDTH: Final = 110
_USES: Final = re.compile(
    r"^\s*(?:- )?uses:\s*['\"]?(?P<action>[^\s@'\"]+)(?:@(?P<ref>[^\s'\"#]+))?['\"]?(?P<rest>.*)$"
)
_IMAGE: Final = re.compile(r"sha256:[0-9a-f]{64}")
_COMMIT: Final = re.compile(r"[0-9a-f]{40}")
_VERSION: Final = re.compile(r"\s+#\s*(?P<version>v\d\S*)\s*")


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


def flow_map(values: Mapping[str, object]) -> CommentedMap:
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


@dataclass(frozen=True)
class ActionPin:
    """The commit of an action, and its version."""

    commit: str
    version: str


DEFAULT_PINS: Final[Mapping[str, ActionPin]] = {
    "actions/checkout": ActionPin("3d3c42e5aac5ba805825da76410c181273ba90b1", "v7.0.1"),
    "actions/setup-python": ActionPin("5fda3b95a4ea91299a34e894583c3862153e4b97", "v7.0.0"),
    "actions/upload-artifact": ActionPin("bbbca2ddaa5d8feaa63e36b76fdaad77386f024f", "v7.0.0"),
    "actions/download-artifact": ActionPin("3e5f45b2cfb9172054b4087a40e8e0b5a5461e7c", "v8.0.1"),
    "actions/attest-build-provenance": ActionPin("a2bbfa25375fe432b6a289bc6b6cd05ecd0c4c32", "v4.1.0"),
}
"""For the first render; later ones keep what the workflow files say, so that dependabot's updates stay."""


def pinned_action(action: str, pins: Mapping[str, ActionPin]) -> CommentedValue:
    """Render a value of `uses`, with the version where dependabot looks for it."""
    pin = pins[action]
    return CommentedValue(f"{action}@{pin.commit}", pin.version)


def read_pins(texts: Mapping[str, str]) -> dict[str, ActionPin]:
    """Read the pins of workflow files, over the defaults.

    Args:
        texts: the files' contents by name; the last one wins.

    Raises:
        WorkflowError: for each action that is not pinned to a commit with its version after it.
    """
    problems = Collector()
    pins = dict(DEFAULT_PINS)
    for where, text in texts.items():
        for number, line in enumerate(text.splitlines(), 1):
            match = _USES.match(line)
            if match is None or match["action"].startswith("."):
                continue
            action, ref, version = match["action"], match["ref"] or "", _VERSION.fullmatch(match["rest"])
            is_image = action.startswith("docker://")
            if _COMMIT.fullmatch(ref) and version:
                pins[action] = ActionPin(ref, version["version"])
            elif not (is_image and _IMAGE.fullmatch(ref)):
                problems.add(_unpinned(action, ref, f"{where}:{number}", is_image=is_image))
    problems.check()
    return pins


def _unpinned(action: str, ref: str, where: str, *, is_image: bool) -> WorkflowError:
    why = f"it has {ref}, which can be moved" if ref else "it has no commit"
    if _COMMIT.fullmatch(ref):
        why = "it has no version after its commit"
    hint = f"uses: {action}@<commit> # <version>, as `git ls-remote --tags` lists it"
    if is_image:
        hint = f"uses: {action}@sha256:<digest>"
    return WorkflowError(f"{action} is not pinned", where=where, why=why, hint=hint)
