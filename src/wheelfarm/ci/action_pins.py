"""Actions by commit: a tag can be moved to other code, a commit cannot."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from wheelfarm.errors import Collector, WorkflowError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_USES: Final = re.compile(
    r"^\s*(?:- )?uses:\s*['\"]?(?P<action>[^\s@'\"]+)(?:@(?P<ref>[^\s'\"#]+))?['\"]?(?P<rest>.*)$"
)
_IMAGE: Final = re.compile(r"sha256:[0-9a-f]{64}")
_COMMIT: Final = re.compile(r"[0-9a-f]{40}")
_VERSION: Final = re.compile(r"\s+#\s*(?P<version>v\d\S*)\s*")


@dataclass(frozen=True)
class Pin:
    """An action at one commit, and the version that the commit is."""

    commit: str
    version: str


PINS: Final[Mapping[str, Pin]] = {
    "actions/checkout": Pin("3d3c42e5aac5ba805825da76410c181273ba90b1", "v7.0.1"),
    "actions/setup-python": Pin("5fda3b95a4ea91299a34e894583c3862153e4b97", "v7.0.0"),
    "actions/upload-artifact": Pin("bbbca2ddaa5d8feaa63e36b76fdaad77386f024f", "v7.0.0"),
    "actions/download-artifact": Pin("3e5f45b2cfb9172054b4087a40e8e0b5a5461e7c", "v8.0.1"),
    "actions/attest-build-provenance": Pin("a2bbfa25375fe432b6a289bc6b6cd05ecd0c4c32", "v4.1.0"),
}
"""Where a farm begins; from then on its own files say which, so that dependabot's updates stay."""


def _used(text: str, where: str) -> Iterator[tuple[str, Pin | WorkflowError]]:
    for number, line in enumerate(text.splitlines(), 1):
        match = _USES.match(line)
        if match is None or match["action"].startswith("."):
            continue
        action, ref = match["action"], match["ref"] or ""
        if action.startswith("docker://") and _IMAGE.fullmatch(ref):
            continue  # an image by its digest
        version = _VERSION.fullmatch(match["rest"])
        if _COMMIT.fullmatch(ref) and version:
            yield action, Pin(ref, version["version"])
            continue
        lacks = f"{ref}, which can be moved" if ref else "no commit"
        if _COMMIT.fullmatch(ref):
            lacks = "no version beside its commit"
        pinned = f"uses: {action}@<commit> # <version>, as `git ls-remote --tags` tells it"
        if action.startswith("docker://"):
            pinned = f"uses: {action}@sha256:<digest>"
        yield (
            action,
            WorkflowError(
                f"{action} is not pinned",
                where=f"{where}:{number}",
                why=f"it has {lacks}",
                hint=pinned,
            ),
        )


def read_pins(texts: Mapping[str, str]) -> dict[str, Pin]:
    """The pins of the actions that workflow files use, over those that a farm begins with.

    Args:
        texts: the files' contents, by name; of an action that several use, the last one counts.

    Raises:
        WorkflowError: for each use that is not pinned to a commit with its version beside it.
    """
    problems = Collector()
    pins = dict(PINS)
    for where, text in texts.items():
        for action, found in _used(text, where):
            if isinstance(found, Pin):
                pins[action] = found
            else:
                problems.add(found)
    problems.check()
    return pins
