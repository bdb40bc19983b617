"""Why a rebuild key is another one: the parts of two keys, compared."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

_DIGEST: Final = re.compile(r"[0-9a-f]{64}")
_SHOWN: Final = 12  # digits of a digest that tell two of them apart at a glance


def _shown(text: str) -> str:
    return text[:_SHOWN] if _DIGEST.fullmatch(text) else text


def compare(old_parts: Mapping[str, str], new_parts: Mapping[str, str]) -> list[str]:
    """Say which parts of a rebuild key changed, a sentence each, ordered by the parts' names.

    Args:
        old_parts: the parts of the recorded key: name to digest or short text.
        new_parts: the parts of the key that the plan now holds.

    Returns:
        Nothing when the parts are the same; digests are shortened to their first 12 digits.
    """
    sentences = []
    for part in sorted({*old_parts, *new_parts}):
        old, new = old_parts.get(part), new_parts.get(part)
        if old == new:
            continue
        if old is None:
            sentences.append(f"{part} was added: {_shown(new_parts[part])}")
        elif new is None:
            sentences.append(f"{part} was removed: it was {_shown(old)}")
        else:
            sentences.append(f"{part} changed from {_shown(old)} to {_shown(new)}")
    return sentences
