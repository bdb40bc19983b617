"""Gate: expectations and tests that a repaired wheel passes before it is stored."""

from wheelfarm.gate.check import Result
from wheelfarm.gate.clean_room import foreign, lay_room, try_in_clean_room
from wheelfarm.gate.expectations import check_expectations
from wheelfarm.gate.passing import pass_gate

__all__ = ["Result", "check_expectations", "foreign", "lay_room", "pass_gate", "try_in_clean_room"]
