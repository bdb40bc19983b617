"""`[tool.wheelfarm]`, the environment and the command line, and which of them each value came from.

The only reader of the process environment.
"""

from wheelfarm.settings.load import Settings, load
from wheelfarm.settings.strict import StrictModel, nearest, parse, read_toml, suggestion
from wheelfarm.settings.tables import Variant

__all__ = ["Settings", "StrictModel", "Variant", "load", "nearest", "parse", "read_toml", "suggestion"]
