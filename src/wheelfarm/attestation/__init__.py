"""Attestation: the papers of a published wheel, and whether the wheel is what they say.

The papers are its build record, a provenance statement that is made of the record, and a signature where
somebody could sign. What signs is imported when it is asked.
"""

from wheelfarm.attestation.carrier import carrier_project, read_carrier, write_carrier
from wheelfarm.attestation.checking import check_papers, check_signature
from wheelfarm.attestation.papers import Papers
from wheelfarm.attestation.statement import PREDICATE, STATEMENT, statement

__all__ = [
    "PREDICATE",
    "STATEMENT",
    "Papers",
    "carrier_project",
    "check_papers",
    "check_signature",
    "read_carrier",
    "statement",
    "write_carrier",
]
