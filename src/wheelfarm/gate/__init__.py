"""Gate: expectations and tests that a repaired wheel passes before it is stored."""

from wheelfarm.gate.clean_room import foreign, lay_room, try_in_clean_room
from wheelfarm.gate.expectations import Result, check_expectations

__all__ = ["Result", "check_expectations", "foreign", "lay_room", "try_in_clean_room"]
