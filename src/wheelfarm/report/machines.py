"""How long a plan takes on several machines: lines for people, values for programs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wheelfarm.errors import counted
from wheelfarm.report.text import about

if TYPE_CHECKING:
    from wheelfarm.run.machines import MachineEstimate


def machine_lines(estimate: MachineEstimate) -> list[str]:
    """How long a plan takes on several machines, and how many of them are enough."""
    count, enough = counted(estimate.machines, "machine"), counted(estimate.enough, "machine")
    return [
        f"about {about(estimate.seconds)} on {count} like this one, each with one build at a time",
        f"more than {enough} spare no time: the longest chain of builds takes {about(estimate.longest_path)}",
    ]


def machine_data(estimate: MachineEstimate) -> dict[str, Any]:
    """The same for programs."""
    return {
        "machines": estimate.machines,
        "seconds": estimate.seconds,
        "longest-path": estimate.longest_path,
        "work": estimate.work,
        "enough": estimate.enough,
    }
