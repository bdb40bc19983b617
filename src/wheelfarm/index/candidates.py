"""The wheels to publish: those that the wheelhouse lists, with all of the farm that they need."""

from __future__ import annotations

import graphlib
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from packaging.metadata import parse_email
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from wheelfarm.errors import UsageError
from wheelfarm.model import Name
from wheelfarm.wheelhouse.layout import metadata_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from wheelfarm.model import Digest
    from wheelfarm.wheelhouse.project_index import IndexedFile
    from wheelfarm.wheelhouse.wheelhouse import Wheelhouse


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A stored wheel that may be published."""

    project: Name
    variant: str
    file: IndexedFile
    path: Path
    requires: frozenset[Name] = frozenset()
    """The distributions that it needs when it is installed without extras."""
    stored: Candidate | None = None
    """The stored wheel that it was made of; None for the stored wheel itself."""

    @property
    def filename(self) -> str:
        return self.file.filename

    @property
    def version(self) -> str:
        return self.file.version

    @property
    def sha256(self) -> Digest:
        return self.file.sha256

    @property
    def metadata_path(self) -> Path:
        """Its core metadata (PEP 658), beside the stored wheel."""
        return metadata_of((self.stored or self).path)


def requirements(metadata: bytes) -> frozenset[Name]:
    """The distributions that core metadata names as needed, whatever the platform, extras left out."""
    found = set()
    for line in parse_email(metadata)[0].get("requires_dist", ()):
        try:
            requirement = Requirement(line)
        except InvalidRequirement:
            continue  # the gate has read it with the same parser, so only a foreign wheel comes here
        if requirement.marker is None or "extra" not in str(requirement.marker):
            found.add(Name(canonicalize_name(requirement.name)))
    return frozenset(found)


def find_candidates(
    wheelhouse: Wheelhouse,
    variant: str,
    wanted: Mapping[Name, str | None] | None = None,
    members: Callable[[Name], Sequence[Name]] = lambda project: (project,),
) -> tuple[Candidate, ...]:
    """The wheels to publish: of each distribution the newest version, or the one that was named.

    Args:
        wheelhouse: the wheelhouse; only what its index lists, and does not yank, is candidates.
        variant: whose index.
        wanted: distributions, each with a version or None; what they need of the wheelhouse is added. None
            stands for all.
        members: the distributions of a release by any of them; who wants one gets all of that version.

    Returns:
        Dependencies before dependents.

    Raises:
        UsageError: when the wheelhouse does not have a distribution or version that was named.
        WheelhouseError: when the wheelhouse cannot be read.
    """
    known = set(wheelhouse.projects(variant))
    chosen: dict[Name, tuple[Candidate, ...]] = {}
    waiting = dict.fromkeys(known) if wanted is None else dict(wanted)
    while waiting:
        project, version = waiting.popitem()
        files = [file for file in wheelhouse.listed(variant, project) if file.yanked is None]
        if not files and wanted is None:
            continue
        if not files:
            raise UsageError(
                f"the wheelhouse lists no wheel of {project}",
                where=f"variant {variant}",
                hint=f"nox -s build-{project}",
            )
        chosen[project] = tuple(_of_version(wheelhouse, variant, project, files, version))
        needed = {name for candidate in chosen[project] for name in candidate.requires}
        waiting |= dict.fromkeys((needed & known) - chosen.keys() - waiting.keys())
        of_release = chosen[project][0].version
        # What is not there of the release is found out where it is compared with what makes it complete.
        waiting |= {
            name: of_release
            for name in members(project)
            if name not in chosen
            and any(file.version == of_release for file in wheelhouse.listed(variant, name))
        }
    every = [candidate for project in sorted(chosen) for candidate in chosen[project]]
    return tuple(candidate for wave in waves(every) for candidate in wave)


def _of_version(
    wheelhouse: Wheelhouse, variant: str, project: Name, files: Sequence[IndexedFile], wanted: str | None
) -> Iterator[Candidate]:
    version = Version(wanted) if wanted else max(Version(file.version) for file in files)
    found = [file for file in files if Version(file.version) == version]
    if not found:
        raise UsageError(
            f"the wheelhouse lists no {project} {version}",
            where=f"variant {variant}",
            why=f"it has {', '.join(dict.fromkeys(file.version for file in files))}",
        )
    for file in found:
        path = wheelhouse.wheel_path(variant, file)
        yield Candidate(
            project=project,
            variant=variant,
            file=file,
            path=path,
            requires=requirements(metadata_of(path).read_bytes()),
        )


def waves(those: Iterable[Candidate]) -> list[list[Candidate]]:
    """Candidates in groups that need only groups before them; one group where they need each other."""
    of: defaultdict[Name, list[Candidate]] = defaultdict(list)
    for candidate in those:
        of[candidate.project].append(candidate)
    graph = {
        project: {name for candidate in group for name in candidate.requires & of.keys() if name != project}
        for project, group in of.items()
    }
    sorter = graphlib.TopologicalSorter(graph)
    try:
        sorter.prepare()
    except graphlib.CycleError:
        return [[candidate for group in of.values() for candidate in group]]
    found = []
    while sorter.is_active():
        ready = sorted(sorter.get_ready())
        found.append([candidate for project in ready for candidate in of[project]])
        sorter.done(*ready)
    return found
