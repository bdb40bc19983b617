"""report: the wheelhouse as one HTML page."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from wheelfarm.cli.task import ALL, parse_packages, task
from wheelfarm.errors import UsageError
from wheelfarm.recipes.settings import parse_size
from wheelfarm.report.page.writing import html
from wheelfarm.report.public_wheels import Published, Unpublished
from wheelfarm.report.survey import as_data, take
from wheelfarm.run.services import make_fetcher
from wheelfarm.system.files import write_atomically
from wheelfarm.wheels.archive import open_wheel

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wheelfarm.cli.task import Invocation
    from wheelfarm.model import Name, Target
    from wheelfarm.run.farm import Farm
    from wheelfarm.wheels.archive import Wheel


@task(
    *("offline", "dry_run", "json"),
    variant="one variant; all that the wheelhouse has by default",
    packages="a set for the limit, separated by commas; each by itself and all together by default",
    output="the file; report.html in the work directory by default",
    public="compare with the index's own wheels, which are fetched once",
    limit="bytes that what is installed together may have, such as 250M, which AWS Lambda allows",
)
def report(
    call: Invocation,
    *,
    variant: str | None = None,
    packages: str = ALL,
    output: str | None = None,
    public: bool = True,
    limit: str = "250M",
) -> None:
    """Write one HTML page of the wheelhouse: graph, sizes beside the public wheels, times, gates, records."""
    farm, screen = call.farm, call.screen
    survey = take(
        farm.wheelhouse,
        variants=_variants(farm, variant),
        packages=parse_packages(packages) or (),
        limit=parse_size(limit),
        public=_public(farm, wanted=public),
        progress=screen.status,
    )
    screen.status("")
    if call.json:
        screen.data(as_data(survey))
    if output is not None or not call.json:
        file = Path(output) if output is not None else farm.settings.work / "report.html"
        if file.is_dir():
            raise UsageError(f"{file} is a directory", hint="--output names a file")
        if not call.dry_run:
            write_atomically(file, html(survey).encode(), "the report")
        screen.say(f"{file}: {sum(len(each.findings) for each in survey.variants)} wheels")


def _variants(farm: Farm, variant: str | None) -> Sequence[str]:
    """The variant that is named, or all that have an index.

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
        return Unpublished("--no-public")
    if farm.settings.offline:
        return Unpublished("the farm is offline")
    fetcher = make_fetcher(farm.settings)

    def fetch(name: Name, version: str, target: Target, glibc: tuple[int, int]) -> Wheel:
        return open_wheel(fetcher.published(name, version, target, glibc).path)

    return Published(fetch)
