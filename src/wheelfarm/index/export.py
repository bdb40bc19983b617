"""Files that pin an installation: requirements, pylock.toml (PEP 751), a project of uv, and a Dockerfile."""

from __future__ import annotations

import os
import re
import tomllib
from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, urljoin, urlsplit

import tomlkit
from packaging.markers import Marker
from packaging.pylock import Package, PackageWheel, Pylock, is_valid_pylock_path
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

from wheelfarm.errors import Collector, IncompleteError, UsageError
from wheelfarm.index.consumer import Tool, consumer_lines
from wheelfarm.model.wheel_names import is_any_platform
from wheelfarm.recipes.locks import marker_environment, parse_lines
from wheelfarm.sources.urls import index_or_default, local_path
from wheelfarm.wheelhouse.tags import serves

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from wheelfarm.index.candidates import Candidate
    from wheelfarm.index.protocol import ListedFile
    from wheelfarm.model import Digest, Name, Target

MADE_BY: Final = "wheelfarm index.export"
"""What each file says in its first lines but for requirements; another file is not overwritten."""
_GITHUB: Final = re.compile(
    r"https://github\.com/(?P<repository>[^/]+/[^/]+)/\.github/workflows/(?P<workflow>[^@]+)@.+"
)
_GITLAB: Final = re.compile(r"https://gitlab\.com/(?P<repository>.+)//(?P<workflow_filepath>[^@]+)@.+")
_MARKERS: Final = ("python_version", "sys_platform", "platform_machine")


class Format(StrEnum):
    """What is written."""

    REQUIREMENTS = "requirements"
    PYLOCK = "pylock"
    UV = "uv"
    DOCKER = "docker"

    @property
    def default_output(self) -> str:
        """The file that is written unless another one is named."""
        names = {Format.PYLOCK: "pylock.toml", Format.UV: "uv/pyproject.toml", Format.DOCKER: "Dockerfile"}
        return names.get(self, "requirements.txt")


@dataclass(frozen=True, kw_only=True)
class ExportedWheel:
    """A wheel of the farm as an index has it."""

    project: Name
    version: str
    filename: str
    url: str
    sha256: Digest
    size: int | None
    """Bytes; None where the index does not say."""
    uploaded: datetime | None


def of_wheelhouse(candidates: Iterable[Candidate], simple: str) -> tuple[ExportedWheel, ...]:
    """The wheels of the wheelhouse.

    Args:
        candidates: the stored wheels.
        simple: the url of the simple index over them.
    """
    return tuple(
        ExportedWheel(
            project=each.project,
            version=each.version,
            filename=each.filename,
            url=urljoin(f"{simple}{each.project}/", each.file.url),
            sha256=each.sha256,
            size=each.file.size,
            uploaded=datetime.fromisoformat(each.file.uploaded),
        )
        for each in candidates
    )


def of_index(
    project: Name, version: str, files: Iterable[ListedFile], *, simple: str, index: str
) -> tuple[ExportedWheel, ...]:
    """The wheels of a release that an index lists, the last build of each.

    Args:
        project: the distribution.
        version: its version.
        files: those of the release that are not yanked.
        simple: the url of the simple index.
        index: its name.

    Raises:
        UsageError: when the index has none, or does not state a digest.
    """
    found = []
    for file in files:
        if file.sha256 is None:
            what = f"{index} does not state the sha256 of {file.filename}"
            raise UsageError(what, hint="inv index.export from the wheelhouse, or another index")
        # The path of a static index is one below its directory.
        url = file.url if "://" in file.url else urljoin(simple, f"../{quote(file.url)}")
        found.append(
            ExportedWheel(
                project=project,
                version=version,
                filename=file.filename,
                url=url,
                sha256=file.sha256,
                size=file.size,
                uploaded=file.uploaded,
            )
        )
    if not found:
        what = f"{index} lists no {project} {version}, which the wheelhouse has"
        raise UsageError(what, hint=f"inv index.publish {project}=={version}, or name another version")
    return tuple(found)


def find_targets(
    wheels: Iterable[ExportedWheel], wanted: Collection[Name], known: Iterable[Target]
) -> tuple[Target, ...]:
    """The targets, of known ones, for which there is a wheel of each distribution that is wanted."""
    by_project = _by_project(wheels)
    return tuple(
        target
        for target in sorted(set(known), key=str)
        if all(any(serves(each.filename, target) for each in by_project[name]) for name in wanted)
    )


def check_targets(wheels: Iterable[ExportedWheel], targets: Iterable[Target], *, index: str) -> None:
    """Raise for each target that lacks a wheel.

    Raises:
        IncompleteError: which names the distributions and the targets.
    """
    problems, by_project = Collector(), _by_project(wheels)
    for target in targets:
        for project, found in sorted(by_project.items()):
            if not any(serves(each.filename, target) for each in found):
                problems.add(
                    IncompleteError(
                        f"there is no wheel of {project} {found[0].version} for {target}",
                        where=f"index {index}",
                        why=f"it has {', '.join(sorted(each.filename for each in found))}",
                        hint=f"build it for {target}, or export for other targets: --targets",
                    )
                )
    problems.check()


def _by_project(wheels: Iterable[ExportedWheel]) -> dict[Name, list[ExportedWheel]]:
    by_project = defaultdict["Name", list[ExportedWheel]](list)
    for each in wheels:
        by_project[each.project].append(each)
    return by_project


def render_requirements(wheels: Iterable[ExportedWheel], others: str) -> str:
    """A line for each distribution: its version, and the hash of each of its wheels; then the others."""
    lines = (
        " \\\n".join(
            [f"{project}=={found[0].version}", *sorted(f"    --hash=sha256:{each.sha256}" for each in found)]
        )
        for project, found in sorted(_by_project(wheels).items())
    )
    return "".join(f"{line}\n" for line in lines) + others


def render_pylock(
    wheels: Sequence[ExportedWheel],
    others: str,
    *,
    output: Path,
    python: str,
    targets: Sequence[Target],
    identities: Mapping[Name, Mapping[str, str]],
) -> str:
    """The text of pylock.toml (PEP 751).

    Args:
        wheels: the farm's wheels. A local file is named by its path from the lock.
        others: what they need from elsewhere, as uv writes it in this form; empty for nothing.
        output: where the lock will be.
        python: the lowest feature version.
        targets: what it is for; an installer refuses it elsewhere, unless all wheels are for any platform.
        identities: distribution → who has signed its attestations.
    """
    packages = [
        Package(
            name=canonicalize_name(project),
            version=Version(found[0].version),
            wheels=[
                PackageWheel(
                    name=each.filename,
                    upload_time=each.uploaded.astimezone(UTC) if each.uploaded else None,
                    size=each.size,
                    hashes={"sha256": each.sha256},
                    **_location(each.url, output),
                )
                for each in sorted(found, key=lambda each: each.filename)
            ],
            attestation_identities=[identities[project]] if project in identities else None,
        )
        for project, found in _by_project(wheels).items()
    ]
    pure = all(is_any_platform(each.filename) for each in wheels)
    environments = [] if pure else [Marker(each) for each in target_markers(targets)]
    if others:
        packages += Pylock.from_dict(tomllib.loads(others)).packages
    lock = Pylock(
        lock_version=Version("1.0"),
        environments=environments or None,
        requires_python=SpecifierSet(f">={python}"),
        created_by=MADE_BY,
        packages=sorted(packages, key=lambda package: (package.name, str(package.marker))),
    )
    lock.validate()
    return tomlkit.dumps(lock.to_dict())


def _location(url: str, output: Path) -> dict[str, str]:
    path = local_path(url)
    if path is None:
        return {"url": url}
    return {"path": Path(os.path.relpath(path, output.resolve().parent)).as_posix()}


def target_markers(targets: Iterable[Target]) -> list[str]:
    """An environment marker for each target."""
    environments = (marker_environment(target) for target in targets)
    return sorted({" and ".join(f"{key} == '{values[key]}'" for key in _MARKERS) for values in environments})


def render_uv(wheels: Iterable[ExportedWheel], others: str, *, index: str, simple: str, python: str) -> str:
    """A pyproject.toml for `uv sync`: each version is pinned, and the farm's index comes first."""
    names = {each.project: each.version for each in wheels}
    pinned = [f"{name}=={version}" for name, version in names.items()]
    pinned += [
        f"{each.name}=={each.version}{f' ; {each.marker}' if each.marker else ''}"
        for each in parse_lines(others, "the output of uv")
    ]
    project = {"name": "exported", "version": "0", "requires-python": f">={python}"}
    dependencies = tomlkit.array()
    dependencies.extend(sorted(pinned))
    text = tomlkit.dumps({"project": {**project, "dependencies": dependencies.multiline(multiline=True)}})
    lines = consumer_lines(Tool.UV, index=index, url=simple, names=names)
    return "\n".join([f"# {MADE_BY} --format uv: uv sync installs it.", text, *lines, ""])


def render_docker(
    wheels: Iterable[ExportedWheel], others: str, *, index: str, simple: str, python: str
) -> str:
    """A Dockerfile that installs what its requirements pin by hash.

    Raises:
        UsageError: when a container cannot read the index.
    """
    if urlsplit(simple).scheme == "file":
        raise UsageError(
            f"a container cannot read {index}: its url is that of files here",
            where=simple,
            hint="--index names one with a url of http; inv deploy.image puts stored wheels into an image",
        )
    # Quoted: the text stays as it is.
    requirements = f'COPY <<"EOF" requirements.txt\n{render_requirements(wheels, others)}EOF'
    run = "\n".join(
        line
        for line in consumer_lines(Tool.DOCKER, index=index, url=simple, names={})
        if not line.startswith("#")
    )
    if others:
        # What comes from there is pinned by hash too.
        run = run.replace("PIP_INDEX_URL=", "PIP_EXTRA_INDEX_URL=${PUBLIC_INDEX} PIP_INDEX_URL=")
    return "\n".join(
        [
            "# syntax=docker/dockerfile:1",
            f"# {MADE_BY} --format docker: docker build --secret id=netrc,src=$HOME/.netrc .",
            f"ARG BASE=docker.io/library/python:{python}-slim",
            "FROM ${BASE}",
            *([f"ARG PUBLIC_INDEX={index_or_default(None)}"] if others else []),
            run.replace("COPY requirements.txt .", requirements),
            "",
        ]
    )


def signer_identity(signer: str, issuer: str) -> dict[str, str]:
    """Who signs, as PEP 740 names publishers of attestations.

    Args:
        signer: an address, or the url of a workflow with its ref.
        issuer: who vouches for it.
    """
    for kind, form in (("GitHub", _GITHUB), ("GitLab", _GITLAB)):
        if found := form.fullmatch(signer):
            return {"kind": kind, **found.groupdict()}
    return {"kind": "Sigstore", "identity": signer, "issuer": issuer}


def check_output(output: Path, form: Format) -> None:
    """Refuse to overwrite what no export has written, and a name that installers do not know.

    Raises:
        UsageError: which says what to name in its place.
    """
    if form is Format.PYLOCK and not is_valid_pylock_path(output):
        raise UsageError(
            f"{output.name} is no name of a lock (PEP 751)", hint="--output pylock.toml, or pylock.NAME.toml"
        )
    if form is Format.REQUIREMENTS or not output.exists():
        return
    if not output.is_file() or MADE_BY not in output.read_text(encoding="utf-8", errors="replace"):
        raise UsageError(
            f"{output} is there, and no export has written it", hint="--output names another file"
        )
