"""That a wheel which leaves the farm is the one that passed the gate."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wheelfarm.errors import RecordError, UnprovenError, WheelhouseError
from wheelfarm.records import Record
from wheelfarm.wheelhouse import digest_of

if TYPE_CHECKING:
    from wheelfarm.index.offer import Offer
    from wheelfarm.wheelhouse import Wheelhouse


def proven_record(house: Wheelhouse, offer: Offer) -> tuple[Record, str]:
    """The record of a stored wheel that has passed its gate, and the text that it was read from.

    Raises:
        UnprovenError: when the record is missing or describes another wheel, or when the gate found nothing.
    """
    where = str(offer.path)
    try:
        text = house.record(offer.variant, offer.file.key)
        record = Record.from_json(text, where)
    except (RecordError, WheelhouseError) as error:
        raise UnprovenError(
            f"{offer.filename} has no build record",
            where=where,
            why=error.why or error.what,
            hint=_again(offer),
        ) from error
    recorded = (record.wheel.filename, record.wheel.sha256, record.key)
    if recorded != (offer.filename, offer.sha256, offer.file.key):
        raise UnprovenError(
            f"the build record of {offer.filename} describes another wheel",
            where=where,
            why=f"it says {record.wheel.filename}, sha256 {record.wheel.sha256}",
            hint=_again(offer),
        )
    if not record.gate_results:
        raise UnprovenError(f"{offer.filename} has not passed its gate", where=where, hint=_again(offer))
    return record, text


def prove(house: Wheelhouse, offer: Offer) -> None:
    """Compare a stored wheel with its record, and its bytes with both.

    Raises:
        UnprovenError: when its record is missing or describes another wheel, when the gate found nothing,
            or when its bytes have changed since.
    """
    if not offer.carrier:  # which the farm has just written
        proven_record(house, offer)
    where = str(offer.path)
    try:
        actual = digest_of(offer.path)
    except OSError as error:
        raise UnprovenError(
            f"{offer.filename} cannot be read", where=where, why=error.strerror, hint=_again(offer)
        ) from error
    if actual != offer.sha256:
        raise UnprovenError(
            f"{offer.filename} was changed after its gate",
            where=where,
            why=f"its sha256 was {offer.sha256} and is {actual}",
            hint=_again(offer),
        )


def _again(offer: Offer) -> str:
    return f"inv chain {offer.project} --variant {offer.variant}"
