"""Index: read, compare with, and publish to a private index.

What asks a server or an object store is imported when it is asked: most tasks never do.
"""

from wheelfarm.index.comparison import Comparison, Difference, State, compare, next_build
from wheelfarm.index.offer import Offer, offers, requirements
from wheelfarm.index.opening import open_index, path_of, read_url
from wheelfarm.index.proof import prove
from wheelfarm.index.transaction import Transaction

__all__ = [
    "Comparison",
    "Difference",
    "Offer",
    "State",
    "Transaction",
    "compare",
    "next_build",
    "offers",
    "open_index",
    "path_of",
    "prove",
    "read_url",
    "requirements",
]
