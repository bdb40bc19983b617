"""How old a file of an index must be before the farm takes it, as a source or for a lock."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final, Self

from packaging.requirements import InvalidRequirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from wheelfarm.errors import FarmError, LockError, counted
from wheelfarm.model import GitCommit, Name, PublicWheel, Sdist
from wheelfarm.model.requirements import parse_requirement
from wheelfarm.system.logs import get_logger

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from wheelfarm.recipes.loaded_recipe import LoadedRecipe
    from wheelfarm.sources.fetcher import Fetcher
    from wheelfarm.sources.project import Project

logger = get_logger(__name__)

OLDEST: Final = 36_500
"""Days of the largest limit: a century, which dates can be counted back by."""
_FRONTEND: Final = Name("build")
"""What each lock of a build pins."""
_FILTERED: Final = re.compile(r"`([A-Za-z0-9._-]+)` was filtered by `exclude-newer`")
"""How uv names what it has left out; its message is shown whether or not it has this form."""


@dataclass(frozen=True, kw_only=True)
class AgeLimit:
    """The least age of what the farm takes from an index.

    Args:
        now: the time of the choice.
        min_age: how long ago a file must have been uploaded (PEP 700).
        enforced: whether somebody has stated the age; then what has no date, and what is named though it is
            younger, are errors. If not, both are only reported.
    """

    now: datetime
    min_age: timedelta
    enforced: bool = False

    @property
    def cutoff(self) -> str:
        """The time before which a file must have been uploaded, for uv (RFC 3339)."""
        return (self.now - self.min_age).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

    def find_fault(self, uploaded: datetime | None) -> str | None:
        """Why a file that was uploaded then is too young; None where it is not, or has no date."""
        if uploaded is None or not self.min_age or self.now - uploaded >= self.min_age:
            return None
        if uploaded > self.now:
            date = f"{uploaded.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
            return f"its date, {date}, is in the future: the clock of the index, or of this machine, is off"
        return f"it is {self.age_of(uploaded)} old, and --min-age is {self.min_age.days}"

    def age_of(self, uploaded: datetime) -> str:
        """The age of a file, in whole days."""
        return counted(max(0, (self.now - uploaded).days), "day")

    def exempting(self, recipe: LoadedRecipe) -> Self:
        """The limit for the source of a recipe: none where the recipe exempts itself."""
        return replace(self, min_age=timedelta(0)) if recipe.name in recipe.table.min_age_exempt else self


def make_limit(stated: int | None, default: int = 0) -> AgeLimit:
    """The limit of now.

    Args:
        stated: the days that somebody states, which are enforced; None for nobody.
        default: the days where nobody does.
    """
    days = default if stated is None else stated
    return AgeLimit(now=datetime.now(UTC), min_age=timedelta(days=days), enforced=stated is not None)


def exemption_hint(name: str, where: str) -> str:
    """The lines that let one distribution pass; a table can stand at the end of a recipe."""
    return f'record why in {where}, or check no ages by --min-age 0:\n[min-age-exempt]\n{name} = "..."'


def limit_for_locks(recipe: LoadedRecipe, fetcher: Fetcher, limit: AgeLimit | None) -> AgeLimit | None:
    """The limit for what the locks of a recipe pin; None for no limit.

    An enforced limit holds for the source of the recipe too. One that nobody has stated does not hold where
    the index gives no dates, which is reported.

    Raises:
        LockError: when the source is younger than an enforced limit, or its age is not known.
        FarmError: when the page of the project cannot be read.
    """
    if limit is None or not limit.min_age:
        return None
    if limit.enforced:
        check_source_age(recipe, fetcher, limit.exempting(recipe))
        return limit
    of_index = isinstance(recipe.source, Sdist | PublicWheel)
    project = fetcher.project(recipe.name if of_index else _FRONTEND)
    if any(file.upload_time for file in project.files):
        return limit
    days, message = counted(limit.min_age.days, "day"), "%s: %s gives no dates: nobody has checked that %s"
    logger.warning(message, recipe.where, project.url, f"what the locks pin is at least {days} old")
    return None


def check_source_age(recipe: LoadedRecipe, fetcher: Fetcher, limit: AgeLimit) -> None:
    """Check the age of the pinned source of a recipe.

    Raises:
        LockError: when it is too young, or the index, the repository or the url gives no date of it.
        SourceError: when the index does not have it.
    """
    source = recipe.source
    if not limit.min_age:
        return
    where, hint = f"{recipe.where}: source", exemption_hint(recipe.name, recipe.where)
    what = f"the age of the source of {recipe.name} {source.version} is not known"
    if not isinstance(source, Sdist | PublicWheel):
        kind = "a commit" if isinstance(source, GitCommit) else "an archive at a url"
        why = f"--min-age is {limit.min_age.days}, and {kind} has no date that somebody else vouches for"
        raise LockError(what, where=where, why=why, hint=hint)
    project = fetcher.project(recipe.name)
    choose = project.sdist if isinstance(source, Sdist) else project.pure_wheel
    file = choose(source.version, source.sha256)
    if file.upload_time is None:
        raise LockError(what, where=where, why=_without_dates(limit, [project]), hint=hint)
    if fault := limit.find_fault(file.upload_time):
        raise LockError(
            f"the source of {recipe.name} {source.version} is too young", where=where, why=fault, hint=hint
        )


def explain_age(
    recipe: LoadedRecipe,
    requires: Iterable[str],
    fetcher: Fetcher,
    limit: AgeLimit,
    *,
    exempt: Collection[str],
    message: str,
) -> LockError | None:
    """Why requirements do not resolve within a limit; None where ages are not the reason.

    Args:
        recipe: whose requirements they are.
        requires: the requirements.
        fetcher: reads the pages of the index.
        limit: the least age.
        exempt: distributions that it does not hold for.
        message: what uv says.
    """
    undated, young = list["Project"](), list[str]()
    for name, specifiers in _named(requires, message):
        if name in exempt:
            continue
        try:
            project = fetcher.project(name)
        except FarmError:
            continue  # one of the farm, or a reason that uv names
        allowed = sorted(_allowed(project, specifiers), key=lambda each: each[0])
        dated = [(version, limit.find_fault(time)) for version, time in allowed if time]
        if allowed and not dated:
            undated.append(project)
        elif dated and all(fault for _, fault in dated):
            young.append(f"{name} {dated[-1][0]}: {dated[-1][1]}")
    if undated:
        return LockError(
            f"the index gives no dates for {', '.join(each.name for each in undated)}",
            where=recipe.where,
            why=_without_dates(limit, undated),
            hint=exemption_hint(undated[0].name, recipe.where),
        )
    if young:
        return LockError(
            f"requirements of {recipe.name} are too young",
            where=recipe.where,
            why="\n".join(young),
            hint=exemption_hint(young[0].partition(" ")[0], recipe.where),
        )
    return None


def _without_dates(limit: AgeLimit, projects: Iterable[Project]) -> str:
    urls = ", ".join(project.url for project in projects)
    return f"--min-age is {limit.min_age.days}, and {urls} has no upload-time (PEP 700)"


def _named(requires: Iterable[str], message: str) -> Iterator[tuple[Name, SpecifierSet]]:
    """The distributions that are required, and those that uv names beside them."""
    found = dict[Name, SpecifierSet]()
    for text in requires:
        try:
            requirement = parse_requirement(text)
        except InvalidRequirement:
            continue  # uv says so
        name = Name(canonicalize_name(requirement.name))
        found[name] = found.get(name, SpecifierSet()) & requirement.specifier
    for name in _FILTERED.findall(message):
        found.setdefault(Name(canonicalize_name(name)), SpecifierSet())
    yield from found.items()


def _allowed(project: Project, specifiers: SpecifierSet) -> Iterator[tuple[Version, datetime | None]]:
    """Version and upload time of each wheel that may be chosen."""
    for file in project.files:
        try:
            version = Version(file.version or "")
        except InvalidVersion:
            continue
        if file.package_type == "wheel" and not file.is_yanked and specifiers.contains(version):
            yield version, file.upload_time
