"""report: the wheelhouse as one HTML page."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from invoke.tasks import task

from wheelfarm.cli.task import farm_task, open_farm, split_names, words
from wheelfarm.errors import UsageError
from wheelfarm.recipes.farm_settings import amount
from wheelfarm.report.page.writing import html
from wheelfarm.report.public_wheels import Published, Unpublished
from wheelfarm.report.screen import Screen
from wheelfarm.report.survey import as_data, take
from wheelfarm.run.result import fetcher_of
from wheelfarm.system.files import write_atomically
from wheelfarm.wheels.archive import open_wheel

if TYPE_CHECKING:
    from collections.abc import Sequence

    from invoke.context import Context

    from wheelfarm.model import Name, Target
    from wheelfarm.run.farm import Farm
    from wheelfarm.wheels.wheel import Wheel


@task(
    name="report",
    help=words("json", "offline")
    | {
        "variant": "one variant; by default all that the wheelhouse has",
        "packages": "a set for the limit, separated by commas; by default each by itself, and all together",
        "output": "the file; by default report.html in the work directory",
        "public": "compare with the index's own wheels, which are fetched once; --no-public leaves them out",
        "limit": "bytes that what is installed together may have, as 250M, which is what AWS Lambda allows",
    },
    auto_shortflags=False,
)
@farm_task
def report(  # noqa: PLR0917
    _context: Context,
    variant: str | None = None,
    packages: str | None = None,
    output: str | None = None,
    public: bool = True,  # noqa: FBT001, FBT002
    limit: str = "250M",
    offline: bool = False,  # noqa: FBT001, FBT002
    json: bool = False,  # noqa: FBT001, FBT002
) -> None:
    """Write one HTML page of the wheelhouse: graph, sizes beside the public wheels, times, gates, records."""
    farm = open_farm(offline="true" if offline else None)
    screen = Screen.standard()
    survey = take(
        farm.wheelhouse,
        variants=_variants(farm, variant),
        packages=split_names(packages) or (),
        limit=amount(limit),
        public=_public(farm, wanted=public),
        progress=screen.status,
    )
    screen.status("")
    if json:
        screen.data(as_data(survey))
    if output is not None or not json:
        file = Path(output) if output is not None else farm.settings.work / "report.html"
        if file.is_dir():
            raise UsageError(f"{file} is a directory", hint="--output names a file")
        write_atomically(file, html(survey).encode(), "the report")
        screen.say(f"{file}: {sum(len(each.findings) for each in survey.variants)} wheels")


def _variants(farm: Farm, variant: str | None) -> Sequence[str]:
    """The variants that are looked at: the one that is named, or all that have an index.

    Raises:
        UsageError: when the farm knows no such variant.
    """
    there = farm.wheelhouse.variants()
    if variant is None:
        return there
    if variant not in there:
        farm.settings.choose_variant(variant)
    return [variant]


def _public(farm: Farm, *, wanted: bool) -> Published | Unpublished:
    if not wanted:
        return Unpublished("--no-public was said")
    if farm.settings.offline:
        return Unpublished("the farm is offline")
    fetcher = fetcher_of(farm.settings)

    def ask(name: Name, version: str, target: Target, glibc: tuple[int, int]) -> Wheel:
        return open_wheel(fetcher.published(name, version, target, glibc).path)

    return Published(ask)
