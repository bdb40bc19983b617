"""The wheelhouse: an atomic, content-addressed store of wheels and records, with a simple index."""

from wheelfarm.wheelhouse.atomic import copy_verified, digest_of, write_atomically
from wheelfarm.wheelhouse.fit import served, serves
from wheelfarm.wheelhouse.house import Wheelhouse
from wheelfarm.wheelhouse.layout import metadata_of
from wheelfarm.wheelhouse.ledger import IndexedFile, Ledger
from wheelfarm.wheelhouse.pages import project_page, root_json, root_page
from wheelfarm.wheelhouse.parts import Part, check_part, cut, find_parts, merge
from wheelfarm.wheelhouse.tidy import Removed

__all__ = [
    "IndexedFile",
    "Ledger",
    "Part",
    "Removed",
    "Wheelhouse",
    "check_part",
    "copy_verified",
    "cut",
    "digest_of",
    "find_parts",
    "merge",
    "metadata_of",
    "project_page",
    "root_json",
    "root_page",
    "served",
    "serves",
    "write_atomically",
]
