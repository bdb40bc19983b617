"""Whether what a record describes is whole, and the value that stands for it outside."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wheelfarm.errors import WheelhouseError
from wheelfarm.model import StoredWheel
from wheelfarm.wheelhouse.atomic import digest_of, explained
from wheelfarm.wheelhouse.content import Described, name_and_version

if TYPE_CHECKING:
    from wheelfarm.model import Digest
    from wheelfarm.wheelhouse.layout import Layout
    from wheelfarm.wheelhouse.ledger import IndexedFile


def whole(layout: Layout, key: Digest, *, verify: bool) -> Described:
    """What the record of a rebuild key describes, once its wheel is found to be there.

    Args:
        layout: the variant's paths.
        key: the rebuild key.
        verify: compare the wheel's digest too, and not its size only.

    Raises:
        WheelhouseError: when the record or the wheel is missing or damaged.
    """
    record = layout.record(key)
    with explained(record):
        wheel = Described.read(record.read_bytes(), str(record))
    place = layout.wheel(wheel.sha256, wheel.filename)
    hint = "build it again"
    with explained(place):
        if not place.is_file():
            raise WheelhouseError(f"{wheel.filename} is missing", where=str(place), hint=hint)
        size = place.stat().st_size
        if size != wheel.size:
            raise WheelhouseError(
                f"{wheel.filename} is damaged: it has {size} bytes instead of {wheel.size}",
                where=str(place),
                hint=hint,
            )
        if verify and digest_of(place) != wheel.sha256:
            raise WheelhouseError(
                f"{wheel.filename} is damaged: its sha256 is not the recorded one",
                where=str(place),
                hint=hint,
            )
    return wheel


def stored_wheel(layout: Layout, wheel: Described | IndexedFile, key: Digest) -> StoredWheel:
    """A wheel of the store as the other rooms know it."""
    name, version = name_and_version(wheel.filename)
    return StoredWheel(
        name=name,
        version=version,
        path=layout.wheel(wheel.sha256, wheel.filename),
        sha256=wheel.sha256,
        key=key,
        variant=layout.variant,
    )
