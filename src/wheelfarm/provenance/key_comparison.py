"""Why a rebuild key is another one: the parts of two keys, compared."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wheelfarm.provenance.record import Record

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


_OPTIONS: Final = ("engine", "variant", "patch.", "config-settings.", "environment.", "cibuildwheel.")
"""The inputs that somebody chose: listed for a wheel without another to compare with."""
_FROM_KEY: Final = ("cibuildwheel.", "provider.", "system-package.")
"""Parts of the rebuild key that a record tells nowhere else."""


def inputs(record: Record) -> dict[str, str]:
    """The inputs of a build by name, in the order in which people ask for them."""
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


def input_difference(before: Record | None, after: Record | None) -> dict[str, dict[str, str | None]]:
    """The inputs that two builds do not share, by name; None stands for one that a build did not have.

    Where one of the two wheels has no record, all options of the other are listed.
    """
    old, new = ({} if each is None else inputs(each) for each in (before, after))
    found = {
        name: {"before": old.get(name), "after": new.get(name)}
        for name in dict.fromkeys((*old, *new))
        if old.get(name) != new.get(name)
    }
    return found if before and after else _chosen(found)


def _chosen(found: Mapping[str, dict[str, str | None]]) -> dict[str, dict[str, str | None]]:
    return {name: pair for name, pair in found.items() if name.startswith(_OPTIONS)}
