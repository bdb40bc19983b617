"""Suite: the upstream test suite of a stored wheel, from its tests wheel, in a clean room.

Not part of the gate: it takes minutes to hours, and what fails in it is as often the suite as the wheel.
"""

from wheelfarm.suite.room import Selection, lay_suite, tests_name
from wheelfarm.suite.running import JUNIT, run_suite
from wheelfarm.suite.verdict import Failed, Verdict, applicable

__all__ = ["JUNIT", "Failed", "Selection", "Verdict", "applicable", "lay_suite", "run_suite", "tests_name"]
