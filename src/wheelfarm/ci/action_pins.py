"""Pins actions to commits: a tag can be moved to other code, a commit cannot."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from wheelfarm.ci.yaml_document import CommentedValue
from wheelfarm.errors import Collector, WorkflowError

if TYPE_CHECKING:
    from collections.abc import Mapping

_USES: Final = re.compile(
    r"^\s*(?:- )?uses:\s*['\"]?(?P<action>[^\s@'\"]+)(?:@(?P<ref>[^\s'\"#]+))?['\"]?(?P<rest>.*)$"
)
_IMAGE: Final = re.compile(r"sha256:[0-9a-f]{64}")
_COMMIT: Final = re.compile(r"[0-9a-f]{40}")
_VERSION: Final = re.compile(r"\s+#\s*(?P<version>v\d\S*)\s*")


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
