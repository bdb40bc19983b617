"""diff: two wheels, or the farm's and the public one."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from invoke.tasks import task

from wheelfarm.cli.named_wheels import Distribution, is_file, wheel_file
from wheelfarm.cli.task import farm_task, open_farm, positional_words, words
from wheelfarm.errors import RecordError, UsageError, WheelError
from wheelfarm.provenance.key_comparison import input_difference
from wheelfarm.provenance.record import Record
from wheelfarm.report.difference import difference_lines
from wheelfarm.report.screen import Screen
from wheelfarm.system.files import sha256_of_file
from wheelfarm.wheels.comparison import difference
from wheelfarm.wheels.linkage import linkage
from wheelfarm.wheels.member_comparison import inside

if TYPE_CHECKING:
    from invoke.context import Context

    from wheelfarm.wheels.wheel import Wheel


def _wheels(before: str | None, after: str | None, options: dict[str, str | None]) -> tuple[Wheel, Wheel]:
    named = [word for word in (before, after) if word is not None and not is_file(word)]
    if before is None or (after is None and not named):
        raise UsageError("say which wheel to compare it with", hint="inv diff A.whl B.whl, or inv diff scipy")
    if after is None:
        distribution = Distribution.of(before, **options)
        return distribution.public(), distribution.ours()
    if len(named) > 1:
        raise UsageError("only one of the two can be a distribution", hint="name a file, or leave it out")
    one, other = (
        wheel_file(word) if is_file(word) else Distribution.of(word, **options).ours()
        for word in (before, after)
    )
    return one, other


def _records(*wheels: Wheel) -> list[Record | None]:
    """The build records of wheels that are this farm's; None for any other."""
    try:
        wheelhouse = open_farm().wheelhouse
    except UsageError:
        # Two files can be compared anywhere.
        return [None for _ in wheels]
    digests = [sha256_of_file(wheel.path) for wheel in wheels]
    found: dict[str, Record] = {}
    for variant in wheelhouse.variants():
        for key, text in wheelhouse.records(variant):
            # A record is read whole only where its wheel is asked for; a broken one tells nothing.
            if any(digest in text for digest in digests):
                with suppress(RecordError):
                    record = Record.from_json(text, key)
                    found[record.wheel.sha256] = record
    return [found.get(digest) for digest in digests]


@task(
    name="diff",
    positional=positional_words("diff", "before", "after"),
    help=words(
        *("variant", "python", "engine", "json"),
        before="a wheel file, or a distribution: the farm's wheel of it",
        after="another; without it the farm's wheel is compared with the public one",
    ),
    auto_shortflags=False,
)
@farm_task
def diff(  # noqa: PLR0917
    _context: Context,
    before: str | None = None,
    after: str | None = None,
    variant: str | None = None,
    python: str | None = None,
    engine: str | None = None,
    json: bool = False,  # noqa: FBT001, FBT002
) -> None:
    """Show what tells two wheels apart: options, files and where they differ, sizes, linkage, metadata."""
    one, other = _wheels(before, after, {"variant": variant, "python": python, "engine": engine})
    if one.name != other.name:
        raise WheelError(f"{one.name} and {other.name} are two distributions", where=other.path.name)
    found: dict[str, Any] = {"before": one.path.name, "after": other.path.name}
    options = input_difference(*_records(one, other))
    found |= {"options": options} if options else {}
    found |= difference(one, other, linkage(one), linkage(other)) | inside(one, other)
    screen = Screen.standard()
    if json:
        screen.data(found)
    else:
        screen.result(difference_lines(found))
