"""index.audit: known vulnerabilities in stored wheels, and a VEX document about them."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from packaging.version import Version

from wheelfarm.cli.task import Invocation, parse_releases, task
from wheelfarm.cli.wheel_search import SEARCH_INDEX
from wheelfarm.errors import UsageError, VulnerableError, counted
from wheelfarm.provenance.audit import audit_wheels, resolved_by_diff
from wheelfarm.provenance.search_index import open_search_index
from wheelfarm.provenance.vex import vex_document
from wheelfarm.report.audit import audit_data, audit_lines
from wheelfarm.report.text import first_names
from wheelfarm.system.files import write_atomically

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wheelfarm.model import Digest, Name
    from wheelfarm.recipes.settings import Settings
    from wheelfarm.wheelhouse.wheelhouse import Wheelhouse

_SHOWN: Final = 10


@task(
    *("variant", "dry_run", "json"),
    packages="distributions, each perhaps with a version, such as scipy==1.17.1, or all",
    database="vulnerabilities in the OSV format: a directory, or a zip or JSON file",
    output="the VEX document",
)
def audit(call: Invocation, packages: str, *, database: str = "", output: str = "vex.cdx.json") -> None:
    """Look up what the listed wheels contain in a database of vulnerabilities, and write a VEX document."""
    if not database:
        raise UsageError(
            "the audit needs a database of vulnerabilities",
            where="--database",
            why="it downloads none: exports of OSV are zip files, one for each ecosystem",
            hint="docs/how-to/search-and-audit.md says where they are",
        )
    farm, screen, variant = call.farm, call.screen, call.farm.settings.variant
    keys = listed_keys(farm.wheelhouse, variant, parse_releases(packages))
    with open_search_index(farm.settings.work / SEARCH_INDEX) as index:
        index.update(farm.wheelhouse, problems=call.problems, progress=screen.status)
        # A wheel that cannot be read may have any of them.
        call.problems.check()
        wheels = [each for each in index.wheels([variant]) if each.key in keys]
        fixes = resolved_by_diff(_patch_directories(farm.settings))
        found = audit_wheels(index, wheels, Path(database), screen.status, fixes=fixes)
    if not call.dry_run:
        document = vex_document(found.findings, datetime.now(UTC))
        write_atomically(Path(output), document, "the VEX document")
    call.show(audit_data(found), audit_lines(found, screen.width))
    if not call.dry_run:
        screen.say(f"{output}: {counted(len(found.findings), 'finding')}")
    if found.open:
        names = sorted({each.name for each in found.open})
        raise VulnerableError(
            f"{counted(len(names), 'vulnerability', 'vulnerabilities')} in stored wheels",
            why=first_names(names, _SHOWN),
            hint="build with a newer version of the component, or patch it: a patch whose header has "
            f"`Resolves: {names[0]}` marks the fix",
        )


def _patch_directories(settings: Settings) -> list[Path]:
    """Where the farm and its base have patches: those of older versions lie beside their recipes."""
    base = settings.base_farm
    return [settings.patches, settings.recipes, *([base.patches, base.recipes] if base else [])]


def listed_keys(
    wheelhouse: Wheelhouse, variant: str, wanted: Mapping[Name, str | None] | None
) -> set[Digest]:
    """The build keys of the wheels that a variant's index lists: of all distributions, or of some.

    Raises:
        UsageError: when it does not have a distribution or version that was named.
    """
    keys: set[Digest] = set()
    releases = dict.fromkeys(wheelhouse.projects(variant)) if wanted is None else wanted
    if not releases:
        raise UsageError(f"the wheelhouse has no wheels ({variant})", hint="inv chain all")
    for name, version in releases.items():
        found = {
            file.key
            for file in wheelhouse.listed(variant, name)
            if version is None or Version(file.version) == Version(version)
        }
        if not found:
            release = f"{name} {version}" if version else name
            what = f"the wheelhouse has no wheel of {release} ({variant})"
            raise UsageError(what, hint=f"nox -s build-{name}")
        keys |= found
    return keys
