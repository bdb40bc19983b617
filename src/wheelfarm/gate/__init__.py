"""Gate: expectations and tests that a repaired wheel passes before it is stored."""

from wheelfarm.gate.check import Result
from wheelfarm.gate.clean_room import foreign, try_in_clean_room
from wheelfarm.gate.expectations import check_expectations
from wheelfarm.gate.passing import Trial, pass_gate, pass_gates
from wheelfarm.gate.pythons import served, serves_one
from wheelfarm.gate.room import ENTER, GATE, Room, inside, lay_wheels

__all__ = [
    "ENTER",
    "GATE",
    "Result",
    "Room",
    "Trial",
    "check_expectations",
    "foreign",
    "inside",
    "lay_wheels",
    "pass_gate",
    "pass_gates",
    "served",
    "serves_one",
    "try_in_clean_room",
]
