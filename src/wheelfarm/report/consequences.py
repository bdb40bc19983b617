"""What newer versions of recipes cause: lines for people, values for programs."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from wheelfarm.errors import counted
from wheelfarm.report.machines import machine_data, machine_lines
from wheelfarm.report.text import about, table_lines

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wheelfarm.plan.build import Build
    from wheelfarm.plan.consequences import Consequences
    from wheelfarm.run.machines import MachineEstimate


def consequence_lines(
    found: Consequences, estimate: MachineEstimate, spared: MachineEstimate, width: int | None = None
) -> list[str]:
    """The answer first, then the packages.

    Args:
        found: what is caused.
        estimate: how long the builds take.
        spared: how long they take without those that a stated ABI spares.
        width: columns of the terminal; None for as many as it takes.
    """
    builds, gates = counted(len(found.rebuilt), "build"), counted(len(found.tested), "gate")
    lines = [f"{builds}, and {gates} of what only runs with them", *machine_lines(estimate)]
    if found.spared:
        wheels, work = counted(len(found.spared), "wheel"), about(estimate.work - spared.work)
        lines += [
            f"{wheels} of these would work without a build, as expect.numpy-api says: --trust-numpy-abi",
            f"with their tests alone about {about(spared.seconds)}, and {work} of work less",
        ]
    spared_names = {build.id.name for build in found.spared}
    rows = [
        (name, action, str(count), "numpy-api" if name in spared_names else "")
        for action, of in (("build", found.rebuilt), ("gate", found.tested))
        for name, count in _by_name(of).items()
    ]
    header = ["package", "action", "times", "spared by"]
    return [*lines, *table_lines(header, rows, right=("times",), width=width)]


def _by_name(builds: Sequence[Build]) -> Counter[str]:
    return Counter(str(build.id.name) for build in builds)


def consequence_data(
    found: Consequences, estimate: MachineEstimate, spared: MachineEstimate
) -> dict[str, Any]:
    """The same for programs."""
    return {
        "builds": [str(build.id) for build in found.rebuilt],
        "gates": [str(build.id) for build in found.tested],
        "spared": [str(build.id) for build in found.spared],
        "machines": machine_data(estimate),
        "machines-with-abi": machine_data(spared),
    }
