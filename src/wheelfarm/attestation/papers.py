"""The papers of one wheel."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from wheelfarm.records import Record


@dataclass(frozen=True, kw_only=True)
class Papers:
    """What travels with a published wheel, as text."""

    record: str
    """The build record."""
    statement: str = ""
    """The in-toto statement; empty where a wheel was published before there were any."""
    signature: str = ""
    """The statement's Sigstore bundle; empty where nobody could sign."""

    @cached_property
    def read(self) -> Record:
        """The build record.

        Raises:
            RecordError: when it is none.
        """
        return Record.from_json(self.record, "the published build record")
