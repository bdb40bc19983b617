"""What differs between the inputs of two builds, as their records have them."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from wheelfarm.model import is_digest
from wheelfarm.system.files import parse_json

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wheelfarm.provenance.record import Record

_SHOWN: Final = 12  # digits of a digest that distinguish two of them at a glance
_OPTIONS: Final = (
    "engine",
    "variant",
    "patch.",
    "config-settings.",
    "environment.",
    "cibuildwheel.",
    "metadata.",
)
"""The inputs that somebody chose: listed for a wheel without another to compare with."""
_FROM_KEY: Final = ("cibuildwheel.", "metadata.", "provider.", "system-package.")
"""Parts of the build key that no other field of a record has."""


def compare_keys(old_parts: Mapping[str, str], new_parts: Mapping[str, str]) -> list[str]:
    """Say which parts of a build key changed, a sentence each, ordered by the parts' names.

    Each maps a part to its digest or short text; digests are shortened to 12 digits.
    """
    sentences = []
    for part in sorted({*old_parts, *new_parts}):
        old, new = old_parts.get(part), new_parts.get(part)
        if old is None:
            sentences.append(f"{part} was added: {_shorten(new_parts[part])}")
        elif new is None:
            sentences.append(f"{part} was removed: it was {_shorten(old)}")
        elif old != new:
            sentences.append(f"{part} {_change(old, new)}")
    return sentences


def _change(old: str, new: str) -> str:
    before, after = _items(old), _items(new)
    removed, added = (
        [each for each in before if each not in after],
        [each for each in after if each not in before],
    )
    if not before or not after or not (removed or added):
        return f"changed from {_shorten(old)} to {_shorten(new)}"
    # Of a long list only what differs: who reads it compares nothing by eye.
    changes = {"has no longer": removed, "has now": added}
    return ", ".join(f"{verb} {' '.join(map(json.dumps, some))}" for verb, some in changes.items() if some)


def _items(text: str) -> list[object]:
    """The items of a list in JSON, as a build key has options; none of any other text."""
    with suppress(ValueError):
        if isinstance(items := parse_json(text), list):
            return items
    return []


def _shorten(text: str) -> str:
    return text[:_SHOWN] if is_digest(text) else text


def input_difference(before: Record | None, after: Record | None) -> dict[str, dict[str, str | None]]:
    """Compare the inputs of two builds, by name; None stands for one that a build did not have.

    Where one of the two wheels has no record, only the options of the other are listed.
    """
    old, new = ({} if each is None else _inputs(each) for each in (before, after))
    return {
        name: {"before": old.get(name), "after": new.get(name)}
        for name in dict.fromkeys((*old, *new))
        if old.get(name) != new.get(name) and ((before and after) or name.startswith(_OPTIONS))
    }


def _inputs(record: Record) -> dict[str, str]:
    found = {"engine": str(record.engine), "variant": record.variant, "source": record.source.sha256}
    for number, patch in enumerate(record.patches, 1):
        found[f"patch.{number}"] = f"{patch.file} {patch.sha256}"
    for key, values in record.config_settings.items():
        found[f"config-settings.{key}"] = " ".join(values)
    found |= {f"environment.{name}": value for name, value in record.environment.items()}
    found |= {name: value for name, value in record.key_parts.items() if name.startswith(_FROM_KEY)}
    for entry in record.build_requirements:
        found[f"requirement.{entry.name}"] = " ".join(filter(None, (entry.version, entry.sha256)))
    return found | {f"toolchain.{name}": text for name, text in record.toolchain.items()}
