"""The wheels to publish: those that the wheelhouse lists, with all of the farm that they need.

Each is compared with its build record before it leaves the farm, and gets an attestation.
"""

from __future__ import annotations

import graphlib
from collections import defaultdict
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from typing import TYPE_CHECKING

from packaging.metadata import parse_email
from packaging.requirements import InvalidRequirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from wheelfarm.errors import RecordError, UnprovenError, UsageError, WheelhouseError
from wheelfarm.model import Name
from wheelfarm.model.requirements import parse_requirement
from wheelfarm.provenance.attestation import Attestation, sbom_digest, statement
from wheelfarm.provenance.record import Record, RecordedWheel
from wheelfarm.system.files import sha256_of_file
from wheelfarm.wheelhouse.layout import metadata_of
from wheelfarm.wheels.archive import open_wheel

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from wheelfarm.model import Digest
    from wheelfarm.wheelhouse.simple_index import IndexedFile
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


@lru_cache
def requirements(metadata: bytes) -> frozenset[Name]:
    """The distributions that core metadata names as needed, whatever the platform, extras left out.

    The wheels of a release often have the same metadata.
    """
    found = set()
    for line in parse_email(metadata)[0].get("requires_dist", ()):
        try:
            requirement = parse_requirement(line)
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
    *,
    development: bool = False,
) -> tuple[Candidate, ...]:
    """The wheels to publish: of each distribution the newest release, or the version that was named.

    Args:
        wheelhouse: the wheelhouse; only what its index lists, and does not yank, is candidates.
        variant: whose index.
        wanted: distributions, each with a version or None; what they need of the wheelhouse is added. None
            stands for all.
        members: the distributions of a release by any of them; who wants one gets all of that version.
        development: whether development versions count as releases. If not, all has none, and one is taken
            where a distribution that was named has no other.

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
        if version is None and not development:
            releases = [file for file in files if not Version(file.version).is_devrelease]
            files = releases or ([] if wanted is None else files)
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
    return dependencies_first(each for project in sorted(chosen) for each in chosen[project])


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


def dependency_waves(candidates: Iterable[Candidate]) -> tuple[tuple[Candidate, ...], ...]:
    """Group candidates so that each needs earlier groups only; those in a cycle are one group with all."""
    by_project: defaultdict[Name, list[Candidate]] = defaultdict(list)
    for candidate in candidates:
        by_project[candidate.project].append(candidate)
    sorter = graphlib.TopologicalSorter(
        {
            project: sorted(
                {name for each in group for name in each.requires & by_project.keys()} - {project}
            )
            for project, group in by_project.items()
        }
    )
    waves: list[tuple[Name, ...]] = []
    try:
        sorter.prepare()
    except graphlib.CycleError:
        waves.append(tuple(by_project))
    else:
        while sorter:
            waves.append(sorter.get_ready())
            sorter.done(*waves[-1])
    return tuple(tuple(each for project in wave for each in by_project[project]) for wave in waves)


def dependencies_first(candidates: Iterable[Candidate]) -> tuple[Candidate, ...]:
    """Candidates with dependencies before dependents; unchanged where distributions need each other."""
    return tuple(chain.from_iterable(dependency_waves(candidates)))


def verify_candidate(wheelhouse: Wheelhouse, candidate: Candidate) -> Record:
    """Compare a stored wheel with its build record, and its bytes with both.

    Raises:
        UnprovenError: when the record is missing, describes another wheel or has no gate results, or when
            the bytes are not those that passed the gate.
    """

    def unproven(what: str, why: str | None = None) -> UnprovenError:
        hint = f"inv chain {candidate.project} --variant {candidate.variant}"
        return UnprovenError(what, where=str(candidate.path), why=why, hint=hint)

    name, key = candidate.filename, candidate.file.key
    try:
        text = wheelhouse.record(candidate.variant, key)
        record = Record.from_json(text, str(candidate.path))
    except (RecordError, WheelhouseError) as error:
        raise unproven(f"{name} has no build record", error.why or error.what) from error
    if (record.wheel.filename, record.wheel.sha256, record.key) != (name, candidate.sha256, key):
        raise unproven(
            f"the build record of {name} describes another wheel",
            f"it says {record.wheel.filename}, sha256 {record.wheel.sha256}",
        )
    if not record.gate_results:
        raise unproven(f"{name} has not passed its gate")
    try:
        actual = sha256_of_file(candidate.path)
    except OSError as error:
        raise unproven(f"{name} cannot be read", error.strerror) from error
    if actual != candidate.sha256:
        raise unproven(
            f"{name} was changed after its gate", f"its sha256 was {candidate.sha256} and is {actual}"
        )
    return record


def attest(
    wheelhouse: Wheelhouse,
    sign: Callable[[str], str],
    sign_by_key: Callable[[str], str] | None,
    candidate: Candidate,
) -> Attestation:
    """Make the attestation of a wheel that was tagged for publishing.

    Args:
        wheelhouse: where its build record is.
        sign: signs a statement; returns an empty text without an identity.
        sign_by_key: signs it with the key of the site; None without one.
        candidate: the tagged wheel.

    Raises:
        UnprovenError: see `verify_candidate`.
        FarmError: when there is a key of the site, and it cannot sign.
    """
    record = verify_candidate(wheelhouse, candidate.stored or candidate)
    wheel = RecordedWheel(
        filename=candidate.filename,
        sha256=candidate.sha256,
        size=candidate.file.size,
        built_sha256=record.wheel.built_sha256,
        unnumbered_sha256=record.wheel.unnumbered,
    )
    record = record.model_copy(update={"wheel": wheel})
    text = record.to_json()
    made = statement(record, text, sbom_digest(open_wheel(candidate.path)))
    by_key = sign_by_key(made) if sign_by_key else ""
    return Attestation(record=text, statement=made, signature=sign(made), key_signature=by_key)
