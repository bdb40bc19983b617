"""Build numbers: a rebuild of what is published goes beside it, under the next one.

Installers take the build with the highest number, so nothing has to be overwritten. What counts as a rebuild
the published record tells: the same name, other bytes, and another rebuild key. Other bytes from the same
key are no rebuild but a build that does not reproduce, and what has no record is somebody else's; both are
refused unless the publisher asks for the next number.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from wheelfarm.errors import FarmError
from wheelfarm.index.attest import prove, verify_record
from wheelfarm.index.comparison import Comparison, Difference, State, next_build
from wheelfarm.provenance.record import RecordedWheel
from wheelfarm.system.files import sha256_of_file
from wheelfarm.wheelhouse.tags import served
from wheelfarm.wheels.archive import open_wheel
from wheelfarm.wheels.rewrite import numbered_name, write_numbered

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from wheelfarm.index.candidates import Candidate
    from wheelfarm.model import Digest, Name
    from wheelfarm.provenance.attestation import Attestation
    from wheelfarm.provenance.record import Record
    from wheelfarm.wheelhouse.wheelhouse import Wheelhouse

_UNLISTED: Final = (State.UPLOAD, State.INCOMPLETE)


@dataclass(frozen=True, kw_only=True)
class Numbering:
    """Decides which candidates get a build number.

    Args:
        papers: the published papers of a release's wheels.
        main: the distribution whose release another one belongs to: a split belongs to what it was split
            off.
        anyway: whether a conflict is numbered whatever the published record says.
    """

    papers: Callable[[Name, str], Mapping[Digest, Attestation]]
    main: Callable[[Name], Name]
    anyway: bool = False

    def numbers(self, comparison: Comparison) -> dict[Candidate, int]:
        """The build number of each candidate that has to get one; the wheels of one build get the same.

        Raises:
            NetworkError, PublishError: when the published records cannot be had.
        """
        conflicts = comparison.of(State.CONFLICTING)
        published: dict[tuple[Name, str], dict[Digest, Record]] = {}
        numbers: dict[tuple[Name, str], int] = {}
        builds = set()
        for each in conflicts:
            if each.candidate is None:
                continue
            of = each.project, each.candidate.version
            records = published[of] if of in published else self._records(*of)
            published[of] = records
            if not (self.anyway or _is_rebuild(each, records)):
                continue
            release = self.main(each.project), each.candidate.version
            builds.add((*release, served(each.filename)))
            known = _known(each.candidate, records.values())
            free = next_build(each.candidate, self._filenames(comparison, release[0]))
            # What another farm has published already has its number.
            numbers[release] = max(numbers.get(release, 0), known or free)
        return {
            each.candidate: numbers[self.main(each.project), each.candidate.version]
            for each in comparison.differences
            if each.candidate is not None
            and (self.main(each.project), each.candidate.version, served(each.filename)) in builds
        }

    def _records(self, project: Name, version: str) -> dict[Digest, Record]:
        """The published records of a release, by the digest of their wheel; what cannot be read is none."""
        found = {}
        for sha256, papers in self.papers(project, version).items():
            try:
                found[sha256] = papers.read
            except FarmError:
                continue
        return found

    def _filenames(self, comparison: Comparison, main: Name) -> list[str]:
        """What the index lists of a release with all its splits."""
        return [
            each.filename
            for each in comparison.differences
            if self.main(each.project) == main and each.state not in _UNLISTED
        ]


def _is_rebuild(conflict: Difference, records: Mapping[Digest, Record]) -> bool:
    """Whether a published wheel is known to come from another build than the candidate of the same name."""
    if conflict.published is None or conflict.candidate is None:
        return False
    record = records.get(conflict.published)
    return record is not None and record.key != conflict.candidate.file.key


def _known(candidate: Candidate, records: Iterable[Record]) -> int | None:
    """The number under which this very wheel is published already."""
    return next(
        (
            record.wheel.number
            for record in records
            if record.key == candidate.file.key and record.wheel.unnumbered == candidate.sha256
        ),
        None,
    )


def shown(comparison: Comparison, numbers: Mapping[Candidate, int]) -> Comparison:
    """What would be published: the same, with the candidates that get a number as rebuilt."""

    def told(each: Difference) -> Difference:
        if each.candidate not in numbers or each.candidate is None:
            return each
        number = numbers[each.candidate]
        why = f"published from another build; goes as {numbered_name(each.filename, number)}"
        return replace(each, state=State.REBUILT, why=why)

    return Comparison(tuple(map(told, comparison.differences)))


def renumber(wheelhouse: Wheelhouse, candidate: Candidate, number: int) -> None:
    """Store the edition of a wheel that has a build number, in the place of the wheel, with its record.

    Raises:
        UnprovenError: when the wheel is not the one that passed the gate.
        WheelError: when it cannot be read.
        WheelhouseError: when the edition cannot be stored.
    """
    prove(wheelhouse, candidate)
    record, _ = verify_record(wheelhouse, candidate)
    with tempfile.TemporaryDirectory(prefix="wheelfarm-number-") as scratch:
        edition = write_numbered(open_wheel(candidate.path), Path(scratch), number).path
        sha256 = sha256_of_file(edition)
        wheel = RecordedWheel(
            filename=edition.name,
            sha256=sha256,
            size=edition.stat().st_size,
            built_sha256=record.wheel.built_sha256,
            unnumbered_sha256=record.wheel.unnumbered,
        )
        text = record.model_copy(update={"wheel": wheel}).to_json()
        wheelhouse.store(
            edition, sha256=sha256, variant=candidate.variant, key=candidate.file.key, record=text
        )
