"""clean: room on the disk."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from invoke.tasks import task

from wheelfarm.cli.task import farm_task, open_farm, words
from wheelfarm.report.quantity import size
from wheelfarm.report.screen import Screen
from wheelfarm.run.disk_space import clean as clean_farm

if TYPE_CHECKING:
    from invoke.context import Context


@task(
    help=words("dry_run", "json", wheels="also wheels of the wheelhouse that its index no longer lists"),
    auto_shortflags=False,
)
@farm_task
def clean(
    _context: Context,
    wheels: bool = False,  # noqa: FBT001, FBT002
    dry_run: bool = False,  # noqa: FBT001, FBT002
    json: bool = False,  # noqa: FBT001, FBT002
) -> None:
    """Remove kept build directories, stages of failed builds and wheels that wait for their gate."""
    screen = Screen.standard()
    total, gone = 0, []
    for each in clean_farm(open_farm(), wheels=wheels, dry_run=dry_run):
        total += each.size
        gone.append(asdict(each))
        if not json:
            screen.result([f"{each.kind:14} {size(each.size):>9}  {each.place}"])
    if json:
        screen.data(gone)
    screen.say(f"{size(total)} {'would be freed' if dry_run else 'freed'}")
