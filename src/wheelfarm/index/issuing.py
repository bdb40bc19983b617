"""The papers of stored wheels, and the wheels that carry them."""

from __future__ import annotations

import hashlib
import zipfile
from collections import defaultdict
from typing import TYPE_CHECKING

from wheelfarm.attestation import Papers, carrier_project, statement, write_carrier
from wheelfarm.index.offer import Offer
from wheelfarm.index.proof import proven_record
from wheelfarm.model import Digest
from wheelfarm.sbom import MEMBER
from wheelfarm.wheelhouse import IndexedFile, digest_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from wheelfarm.model import Name
    from wheelfarm.wheelhouse import Wheelhouse

    Issue = Callable[[Offer], Papers]
    """Makes the papers of a stored wheel."""


def issue(house: Wheelhouse, sign: Callable[[str], str], offer: Offer) -> Papers:
    """Make the papers of a stored wheel.

    Args:
        house: where its build record is.
        sign: signs a statement; gives an empty text where nobody can.
        offer: the wheel.

    Raises:
        UnprovenError: when its record is missing, or describes another wheel or no gate.
    """
    record, text = proven_record(house, offer)
    said = statement(record, text, _sbom(offer.path))
    return Papers(record=text, statement=said, signature=sign(said))


def _sbom(path: Path) -> Digest | None:
    """The digest of the bill of materials in a wheel; its bytes are looked at before it is sent."""
    try:
        with zipfile.ZipFile(path) as archive:
            found = [name for name in archive.namelist() if name.endswith(f".dist-info/{MEMBER}")]
            return Digest(hashlib.sha256(archive.read(found[0])).hexdigest()) if found else None
    except (zipfile.BadZipFile, OSError):
        return None


def carriers(todo: Iterable[Offer], issue: Issue, directory: Path) -> tuple[Offer, ...]:
    """Write a wheel for each release that carries the papers of its wheels.

    Args:
        todo: the wheels.
        issue: makes their papers.
        directory: where the carriers go.

    Raises:
        UnprovenError: when a wheel has no build record.
        WheelhouseError: when a carrier cannot be written.
    """
    releases: defaultdict[tuple[Name, str], list[Offer]] = defaultdict(list)
    for offer in todo:
        releases[offer.project, offer.version].append(offer)
    found = []
    for (project, version), wheels in releases.items():
        papers = {offer.sha256: issue(offer) for offer in wheels}
        path = write_carrier(project, version, papers, directory)
        file = IndexedFile(
            filename=path.name,
            sha256=digest_of(path),
            size=path.stat().st_size,
            metadata_sha256=Digest(""),
            requires_python=None,
            uploaded="",
            key=Digest(""),
        )
        found.append(
            Offer(
                project=carrier_project(project),
                variant=wheels[0].variant,
                file=file,
                path=path,
                carrier=project,
            )
        )
    return tuple(found)
