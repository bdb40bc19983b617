"""The wheelhouse: an atomic, content-addressed store of wheels and records, with a simple index."""

from wheelfarm.wheelhouse.atomic import write_atomically
from wheelfarm.wheelhouse.house import Wheelhouse
from wheelfarm.wheelhouse.ledger import IndexedFile
from wheelfarm.wheelhouse.tidy import Removed

__all__ = ["IndexedFile", "Removed", "Wheelhouse", "write_atomically"]
