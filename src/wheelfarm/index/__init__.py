"""Index: read, compare with, and publish to a private index.

What asks a server or an object store is imported when it is asked: most tasks never do.
"""

from wheelfarm.index.comparison import Comparison, Difference, State, compare, next_build
from wheelfarm.index.consumer import Tool, consumer_lines
from wheelfarm.index.kind import Index
from wheelfarm.index.numbering import Numbering, renumber, shown
from wheelfarm.index.offer import Offer, offers, requirements
from wheelfarm.index.opening import open_index, open_published, path_of, read_url
from wheelfarm.index.proof import prove
from wheelfarm.index.requirements import from_elsewhere, pins, resolve
from wheelfarm.index.standing import Standing, of_release, standings, superseded
from wheelfarm.index.transaction import Transaction
from wheelfarm.index.verifying import Verdict, Verification

__all__ = [
    "Comparison",
    "Difference",
    "Index",
    "Numbering",
    "Offer",
    "Standing",
    "State",
    "Tool",
    "Transaction",
    "Verdict",
    "Verification",
    "compare",
    "consumer_lines",
    "from_elsewhere",
    "next_build",
    "of_release",
    "offers",
    "open_index",
    "open_published",
    "path_of",
    "pins",
    "prove",
    "read_url",
    "renumber",
    "requirements",
    "resolve",
    "shown",
    "standings",
    "superseded",
]
