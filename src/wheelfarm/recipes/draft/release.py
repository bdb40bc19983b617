"""Chooses the release that a new recipe is for, from the page of its project."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Final

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import InvalidVersion, Version

from wheelfarm.errors import SourceError, counted
from wheelfarm.model import Digest, parse_digest
from wheelfarm.model.wheel_names import is_any_platform
from wheelfarm.recipes.release_age import AgeLimit, exemption_hint

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from pypi_simple import DistributionPackage

    from wheelfarm.model import Name, Python
    from wheelfarm.sources.project import Project

_NEW: Final = "inv recipe.new"
_SHOWN: Final = 5
"""Releases that an error names."""
_PRERELEASE: Final = "it is a pre-release (--prereleases allows them)"


@dataclass(frozen=True, kw_only=True)
class Policy(AgeLimit):
    """Which releases are suitable; the age is that of the source distribution.

    Args:
        pythons: the Pythons that it must support, all of them.
        prereleases: whether a pre-release is suitable.
        require_dates: whether an index without dates is an error.
        command: the task that chooses, for hints.
    """

    pythons: tuple[Python, ...]
    prereleases: bool = False
    require_dates: bool = False
    command: str = _NEW


@dataclass(frozen=True, kw_only=True)
class Release:
    """A release with a source distribution."""

    name: Name
    version: str
    filename: str
    sha256: Digest
    requires_python: str
    """Empty where the index does not say it."""
    wheels: tuple[str, ...]
    """The file names of its wheels on the index."""
    notes: tuple[str, ...] = ()
    """What the user should know of the choice."""

    @property
    def pure(self) -> bool | None:
        """Whether all its wheels are for any platform; None where there is none."""
        return all(map(is_any_platform, self.wheels)) if self.wheels else None


@dataclass(frozen=True)
class _Files:
    """The files of one version."""

    version: Version
    sdists: tuple[DistributionPackage, ...]
    wheels: tuple[DistributionPackage, ...]

    @property
    def all(self) -> tuple[DistributionPackage, ...]:
        return (*self.sdists, *self.wheels)

    @property
    def uploaded(self) -> datetime | None:
        """When the source distribution was uploaded, or the first wheel where there is none."""
        return min(
            (each.upload_time for each in self.sdists or self.wheels if each.upload_time), default=None
        )

    @property
    def requires_python(self) -> str:
        return next((each.requires_python for each in self.all if each.requires_python), "")


def choose_release(
    project: Project, policy: Policy, version: str | None = None, *, pure_wheel: bool = False
) -> Release:
    """The newest suitable release, or that of a version.

    A version that is named is taken also if it is yanked or a pre-release, and whatever its age unless the
    limit is enforced. With `pure_wheel` the file is a wheel for any platform, and no source distribution.

    Raises:
        SourceError: when no release is suitable, or the release has no source distribution.
    """
    releases = _releases(project)
    if version is not None:
        found = next((each for each in releases if each.version == Version(version)), None)
        if found is None:
            # It names the nearest versions.
            project.sdist(version, Digest(""))
            raise AssertionError
        _check_python(project, found, policy, releases)
        return _release(project, found, _notes_of_named(project, found, policy), pure_wheel=pure_wheel)
    found, skipped = _newest(releases, policy)
    if found is not None:
        notes = _notes_of_newest(project, found, skipped, policy)
        return _release(project, found, notes, pure_wheel=pure_wheel)
    raise SourceError(
        f"the index has no suitable release of {project.name}",
        where=project.url,
        why="\n".join([*(lines := _left_out(project, skipped))[:_SHOWN], *_more(lines)])
        or "its page lists no files",
        hint=f"name the version that you want: {policy.command} {project.name}=={releases[0].version}"
        if releases
        else None,
    )


def find_newer(
    project: Project, policy: Policy, version: str, *, pure_wheel: bool = False
) -> tuple[Release | None, tuple[str, ...]]:
    """The newest suitable release above a version, if there is one, and what to know of the choice.

    Args:
        project: what the index has.
        policy: which releases are suitable.
        version: the one that is there.
        pure_wheel: whether the file is a wheel for any platform, and no source distribution.

    Raises:
        SourceError: when the release does not have this file.
    """
    newer = [each for each in _releases(project) if each.version > Version(version)]
    found, skipped = _newest(newer, policy)
    if found is None:
        return None, tuple(_of_interest(project, skipped))
    notes = tuple(_notes_of_newest(project, found, skipped, policy))
    return _release(project, found, notes, pure_wheel=pure_wheel), notes


def _newest(releases: Sequence[_Files], policy: Policy) -> tuple[_Files | None, list[tuple[Version, str]]]:
    """The newest suitable one of releases, and why each newer one is left out."""
    skipped = list[tuple[Version, str]]()
    for each in releases:
        why = _unsuitable(each, policy)
        if why is None:
            return each, skipped
        skipped.append((each.version, why))
    return None, skipped


def _left_out(project: Project, skipped: Iterable[tuple[Version, str]]) -> list[str]:
    """A line for each reason that releases in a row are left out for."""
    lines = []
    for why, group in groupby(skipped, lambda each: each[1]):
        versions = [str(version) for version, _ in group]
        if len(versions) == 1:
            lines.append(f"{project.name} {versions[0]} is left out: {why}")
            continue
        shown = "".join([", ".join(versions[:_SHOWN]), *(f" {more}" for more in _more(versions))])
        each = re.sub("^it ", "each ", why)
        lines.append(f"{project.name} {shown} are left out: {each}")
    return lines


def _of_interest(project: Project, skipped: Iterable[tuple[Version, str]]) -> list[str]:
    """A pre-release that nobody has requested is no news."""
    return _left_out(project, (each for each in skipped if each[1] != _PRERELEASE))[:_SHOWN]


def _notes_of_newest(
    project: Project, found: _Files, skipped: Iterable[tuple[Version, str]], policy: Policy
) -> list[str]:
    notes = _of_interest(project, skipped)
    if policy.min_age and found.uploaded is None:
        notes.append(_no_dates(project, policy))
    return notes


def _releases(project: Project) -> list[_Files]:
    """The releases of a project, the newest first."""
    by_version = defaultdict[Version, list["DistributionPackage"]](list)
    for file in project.files:
        try:
            by_version[Version(file.version or "")].append(file)
        except InvalidVersion:
            continue
    return [
        _Files(
            version,
            tuple(each for each in files if each.package_type == "sdist"),
            tuple(each for each in files if each.package_type == "wheel"),
        )
        for version, files in sorted(by_version.items(), reverse=True)
        if any(each.package_type in {"sdist", "wheel"} for each in files)
    ]


def _unsuitable(files: _Files, policy: Policy) -> str | None:
    if all(each.is_yanked for each in files.all):
        reason = next((each.yanked_reason for each in files.all if each.yanked_reason), None)
        return f"it is yanked{f' ({reason})' if reason else ''}"
    if files.version.is_prerelease and not policy.prereleases:
        return _PRERELEASE
    return policy.find_fault(files.uploaded) or _refused_python(files, policy)


def _refused_python(files: _Files, policy: Policy) -> str | None:
    try:
        specifiers = SpecifierSet(files.requires_python)
    except InvalidSpecifier:
        return None  # the index does not check it either
    refused = [
        str(each) for each in policy.pythons if not specifiers.contains(each.last_release, prereleases=True)
    ]
    if not refused:
        return None
    return f"it requires Python {files.requires_python}, and this farm builds for {', '.join(refused)}"


def _check_python(project: Project, files: _Files, policy: Policy, releases: Sequence[_Files]) -> None:
    why = _refused_python(files, policy)
    if why is None:
        return
    fitting = next((each.version for each in releases if _unsuitable(each, policy) is None), None)
    hint = "set `pythons` in [tool.wheelfarm], or say --python"
    raise SourceError(
        f"{project.name} {files.version} is not for the Pythons of this farm",
        where=project.url,
        why=why,
        hint=f"{policy.command} {project.name}=={fitting}, or {hint}" if fitting else hint,
    )


def _no_dates(project: Project, policy: Policy) -> str:
    what = f"the index gives no dates for {project.name}"
    if policy.enforced or policy.require_dates:
        said = f"--min-age is {policy.min_age.days}" if policy.enforced else "--require-dates was said"
        raise SourceError(
            what,
            where=project.url,
            why=f"{said}, and the age of a release cannot be checked (PEP 700)",
            hint=_ways_out(project, policy)
            if policy.enforced
            else "leave --require-dates out, or use an index that has upload-time",
        )
    return (
        f"{what}: nobody has checked that the release is at least {counted(policy.min_age.days, 'day')} old"
    )


def _ways_out(project: Project, policy: Policy) -> str:
    if policy.command == _NEW:
        return f"check no ages: {_NEW} {project.name} --min-age 0"
    return exemption_hint(project.name, f"recipes/{project.name}/recipe.toml")


def _notes_of_named(project: Project, files: _Files, policy: Policy) -> list[str]:
    """What to know of a version that somebody named.

    Raises:
        SourceError: when an enforced limit refuses it.
    """
    version, notes = files.version, []
    if any(each.is_yanked for each in files.all):
        notes.append(f"{version} is yanked")
    if policy.enforced and policy.min_age and files.uploaded is None:
        notes.append(_no_dates(project, policy))
    fault = policy.find_fault(files.uploaded)
    if fault and policy.enforced:
        what = f"{project.name} {version} is too young"
        raise SourceError(what, where=project.url, why=fault, hint=_ways_out(project, policy))
    if fault and files.uploaded:
        young = files.uploaded <= policy.now
        notes.append(
            f"{version} is only {policy.age_of(files.uploaded)} old" if young else f"{version}: {fault}"
        )
    return notes


def _more(texts: Sequence[str]) -> list[str]:
    return [f"and {len(texts) - _SHOWN} more"] if len(texts) > _SHOWN else []


def _release(project: Project, files: _Files, notes: Sequence[str], *, pure_wheel: bool = False) -> Release:
    pure = [each for each in files.wheels if is_any_platform(each.filename)]
    if pure_wheel and not pure:
        what = f"the index has no wheel for any platform of {project.name} {files.version}"
        hint = 'build it from its source: source.kind = "sdist"'
        raise SourceError(what, where=project.url, hint=hint)
    if not files.sdists and not pure_wheel:
        raise _only_wheels(project, files)
    sdist = (
        pure[0]
        if pure_wheel
        else min(files.sdists, key=lambda each: (not each.filename.endswith(".tar.gz"), each.filename))
    )
    return Release(
        name=project.name,
        version=str(files.version),
        filename=sdist.filename,
        sha256=_digest(project, sdist),
        requires_python=files.requires_python,
        wheels=tuple(each.filename for each in files.wheels),
        notes=tuple(notes),
    )


def _digest(project: Project, file: DistributionPackage) -> Digest:
    text = file.digests.get("sha256", "")
    if not text:
        raise SourceError(
            f"the index gives no sha256 of {file.filename}",
            where=project.url,
            why="a recipe pins its source by sha256",
            hint="write the recipe by hand, with the sha256 that the project publishes",
        )
    return parse_digest(text)


def _only_wheels(project: Project, files: _Files) -> SourceError:
    pure = next((each for each in files.wheels if is_any_platform(each.filename)), None)
    if pure is not None and pure.digests.get("sha256"):
        line = f'source = {{ kind = "wheel", sha256 = "{pure.digests["sha256"]}" }}'
        hint = f"write a recipe that takes over {pure.filename}: {line}"
    else:
        hint = (
            "write a recipe whose source is the git repository or an archive: docs/how-to/write-a-recipe.md"
        )
    return SourceError(
        f"the index has only wheels of {project.name} {files.version}",
        where=project.url,
        why=f"it has no source distribution to build, and {counted(len(files.wheels), 'wheel')}",
        hint=hint,
    )
