"""Finds the newest source of a recipe: on the index, or among the tags of its repository."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import Version

from wheelfarm.errors import SourceError
from wheelfarm.model import GitCommit, PublicWheel, Sdist
from wheelfarm.recipes.draft.release import choose_release, find_newer
from wheelfarm.recipes.release_age import exemption_hint
from wheelfarm.sources.urls import shown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wheelfarm.model import Source
    from wheelfarm.recipes.draft.release import Policy, Release
    from wheelfarm.recipes.loaded_recipe import LoadedRecipe
    from wheelfarm.sources.fetcher import Fetcher

_MINORS: Final = range(30)
"""Feature versions of Python 3, also later ones."""


@dataclass(frozen=True, kw_only=True)
class NewerSource:
    """What there is above the version of a recipe."""

    source: Source | None = None
    """None where nothing suitable is newer."""
    known: bool = True
    """Whether the versions of the source can be listed."""
    notes: tuple[str, ...] = ()
    """What to know of the choice."""


def find_newer_source(
    recipe: LoadedRecipe, fetcher: Fetcher, policy: Policy, version: str | None = None
) -> NewerSource:
    """The source of the newest suitable version, or of a version that is named, older or newer.

    Raises:
        SourceError: when there is no such version, or no source of it.
        NetworkError: when the index or the repository cannot be reached.
        HashError: when the bytes of an archive are not those that the index has a digest of.
    """
    source = recipe.source
    supported = tuple(each for each in policy.pythons if recipe.table.supports(each))
    policy = replace(policy.exempting(recipe), pythons=supported or policy.pythons)
    if version is not None and Version(version) == Version(source.version):
        return NewerSource()
    match source:
        case Sdist() | PublicWheel():
            return _of_index(recipe, source, fetcher, policy, version)
        case GitCommit() if version is None:
            return _of_tags(recipe, source, fetcher, policy)
    if version is not None:
        return NewerSource(source=fetcher.another_version(recipe.name, source, version))
    note = f"an archive at a url has no list of its versions: inv recipe.bump {recipe.name}==VERSION"
    return NewerSource(known=False, notes=(note,))


def _of_index(
    recipe: LoadedRecipe, source: Sdist | PublicWheel, fetcher: Fetcher, policy: Policy, version: str | None
) -> NewerSource:
    project, pure_wheel = fetcher.project(recipe.name), isinstance(source, PublicWheel)
    if version is None:
        release, notes = find_newer(project, policy, source.version, pure_wheel=pure_wheel)
    else:
        release = choose_release(project, policy, version, pure_wheel=pure_wheel)
        notes = release.notes
    if release is None:
        return NewerSource(notes=notes)
    found = replace(source, version=release.version, sha256=release.sha256)
    return NewerSource(source=found, notes=(*notes, *_python_notes(recipe, release)))


def _of_tags(recipe: LoadedRecipe, source: GitCommit, fetcher: Fetcher, policy: Policy) -> NewerSource:
    newer = {
        each
        for each in fetcher.tagged_versions(recipe.name, source)
        if each > Version(source.version) and (policy.prereleases or not each.is_prerelease)
    }
    if not newer:
        return NewerSource()
    what = f"the tags of {recipe.name} have no dates"
    if policy.min_age and (policy.enforced or policy.require_dates):
        said = f"--min-age is {policy.min_age.days}" if policy.enforced else "--require-dates was said"
        why = f"{said}, and the age of a tag cannot be checked"
        name = f"name the version: inv recipe.bump {recipe.name}=={max(newer)}"
        hint = exemption_hint(recipe.name, recipe.where) if policy.enforced else name
        raise SourceError(what, where=shown(source.url), why=why, hint=hint)
    found = fetcher.another_version(recipe.name, source, str(max(newer)))
    days = policy.min_age.days
    note = f"{what}: nobody has checked that the release is at least {days} days old"
    return NewerSource(source=found, notes=(note,) if days else ())


def _python_notes(recipe: LoadedRecipe, release: Release) -> Iterator[str]:
    """Where the recipe is for Pythons that the release is not for."""
    try:
        required, own = SpecifierSet(release.requires_python), SpecifierSet(recipe.table.python)
    except InvalidSpecifier:
        return
    if any(own.contains(f"3.{minor}") and not required.contains(f"3.{minor}.99") for minor in _MINORS):
        yield (
            f"{release.name} {release.version} requires Python {required}, and the recipe says "
            f'python = "{recipe.table.python}"'
        )
