"""`[tool.wheelfarm]`, the environment and the command line, and which of them each value came from.

The only reader of the process environment, but for the sessions: they run before the libraries are there that
this room needs.
"""

from wheelfarm.settings.ci import PLATFORMS, CiTable, Publishing
from wheelfarm.settings.index import WHEELHOUSE, IndexKind, IndexTable
from wheelfarm.settings.load import Settings, load
from wheelfarm.settings.strict import StrictModel, nearest, parse, read_toml, suggestion
from wheelfarm.settings.tables import Variant, amount

__all__ = [
    "PLATFORMS",
    "WHEELHOUSE",
    "CiTable",
    "IndexKind",
    "IndexTable",
    "Publishing",
    "Settings",
    "StrictModel",
    "Variant",
    "amount",
    "load",
    "nearest",
    "parse",
    "read_toml",
    "suggestion",
]
