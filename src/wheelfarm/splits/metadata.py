"""The metadata of a split: that of the whole under another name, and with another summary."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wheelfarm.model import Name
    from wheelfarm.recipes import Split
    from wheelfarm.wheels import Wheel

_KEPT: Final = frozenset(
    {
        *("metadata-version", "version", "author", "author-email", "maintainer", "maintainer-email"),
        *("license", "license-expression", "license-file", "classifier", "project-url", "home-page"),
        *("platform", "requires-python", "provides-extra"),
    }
)


def _fields(metadata: str) -> Iterator[tuple[str, str]]:
    """Name in lower case and text, with the lines that go on with it, of each field."""
    field = ""
    head, _, _ = metadata.partition("\n\n")
    for line in head.split("\n"):
        if field and not line.startswith((" ", "\t")):
            yield field.partition(":")[0].lower(), field
            field = ""
        field = f"{field}\n{line}" if field else line
    if field:
        yield field.partition(":")[0].lower(), field


def _stays(name: str, field: str) -> bool:
    # What the extras need, such as the test requirements, is asked for by the same words as of the whole.
    return name in _KEPT or (name == "requires-dist" and "extra ==" in field.partition(";")[2])


def metadata_of(split: Split, name: Name, whole: Wheel, metadata: str) -> str:
    """METADATA of a split (core metadata specification).

    It needs the very version of the main wheel, which brings what the whole needs, and the extras are as
    they were. Commands and the long description are the main wheel's alone.

    Args:
        split: what the recipe says of it.
        name: its distribution.
        whole: the wheel that it is split off.
        metadata: METADATA of that, whose lines end as those of Unix.
    """
    fields = {"name": f"Name: {name}"}
    fields["summary"] = f"Summary: {split.summary or f'split off {whole.name}'}"
    fields["requires"] = f"Requires-Dist: {whole.name}=={whole.version}"
    kept = [(key, field) for key, field in _fields(metadata) if _stays(key, field)]
    first = [field for key, field in kept if key == "metadata-version"]
    rest = [field for key, field in kept if key != "metadata-version"]
    return "\n".join([*first, *fields.values(), *rest]) + "\n\n"
