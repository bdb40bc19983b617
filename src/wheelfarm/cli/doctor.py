"""doctor: what is wrong with this machine for the farm, and the command that mends it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from invoke.exceptions import Exit

from wheelfarm.cli.task import PLANNING, task
from wheelfarm.report.doctor import doctor_data, doctor_lines
from wheelfarm.run.doctor.check import Status

if TYPE_CHECKING:
    from wheelfarm.cli.task import Invocation
    from wheelfarm.run.doctor.check import Check


@task(*PLANNING, "offline", "json", verbose="with versions, paths and the messages of programs")
def doctor(call: Invocation, *, verbose: bool = False) -> None:
    """Check this machine for the builds of the farm, and show the command that mends each fault."""
    from wheelfarm.run.doctor.examine import examine  # noqa: PLC0415 - slow to import

    checks: list[Check] = []
    for check in examine(call.farm):
        call.screen.status(f"checked {check.name}")
        checks.append(check)
    call.screen.status("")
    call.show(doctor_data(checks), doctor_lines(checks, verbose=verbose, width=call.screen.width))
    if any(check.status is Status.FAULT for check in checks):
        raise Exit(code=1)
