"""Reads databases of vulnerabilities in the OSV format: https://ossf.github.io/osv-schema/.

A database is what OSV exports, and what osv-scanner keeps for use without a network: records as JSON, alone,
in directories or in zip files.
"""

from __future__ import annotations

import re
import zipfile
from typing import TYPE_CHECKING, Any, Final

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from wheelfarm.errors import DatabaseError
from wheelfarm.provenance.conditions import order_of
from wheelfarm.sources.archives import DAMAGED_ZIP
from wheelfarm.sources.patch_header import normal_vulnerability
from wheelfarm.system.files import explain_os_errors, parse_json

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterator, Sequence
    from pathlib import Path

_OF_DISTRIBUTION: Final = re.compile(r"^[A-Z]+-(?=CVE-)")
_HINT: Final = "fetch the export of the ecosystem again; it is a zip file with a JSON file for each record"


class _Model(BaseModel):
    """A part of a record. The format grows: keys that are not used here are not looked at."""

    model_config = ConfigDict(frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _drop_nulls(cls, document: Any) -> Any:  # noqa: ANN401 - whatever the JSON holds
        """Read null as a missing key, as some databases write it."""
        if isinstance(document, dict):
            return {key: value for key, value in document.items() if value is not None}
        return document


class Event(_Model):
    """Where a range of versions begins or ends."""

    introduced: str | None = None
    fixed: str | None = None
    last_affected: str | None = None
    limit: str | None = None


class VersionRange(_Model):
    """A range of versions; those of the type GIT are of commits."""

    type: str
    events: tuple[Event, ...]


class Package(_Model):
    """A package of an ecosystem."""

    ecosystem: str = ""
    """Such as PyPI, or with a release as Debian:12."""
    name: str = ""


class Affected(_Model):
    """The versions of one package that are affected."""

    package: Package = Package()
    ranges: tuple[VersionRange, ...] = ()
    versions: tuple[str, ...] = ()

    def covers(self, version: str, scheme: str) -> bool:
        """Whether a version is affected, by the rules of "Evaluation" in the OSV schema.

        A version, or an event, that has no order in its ecosystem counts as affected: an audit must not miss
        it.

        Args:
            version: of the package.
            scheme: the type of its package URL, which says how versions are ordered.
        """
        order = order_of(scheme)
        if version in self.versions:
            return True
        try:
            position = order(version)
            if scheme == "pypi":
                # 1.0+team.1 has the defects of 1.0.
                position = order(position.public)
                if any(order(each) == position for each in self.versions):
                    return True
            return any(_in_range(each, position, order) for each in self.ranges if each.type != "GIT")
        except ValueError:
            return True

    @property
    def fixed(self) -> tuple[str, ...]:
        """The versions that mend it, as far as they are known."""
        found = (each.fixed for one in self.ranges if one.type != "GIT" for each in one.events)
        return tuple(dict.fromkeys(version for version in found if version))


def _in_range(versions: VersionRange, version: Any, order: Callable[[str], Any]) -> bool:  # noqa: ANN401
    limits = [each.limit for each in versions.events if each.limit]
    if limits and not any(limit == "*" or version < order(limit) for limit in limits):
        return False
    events = [
        (kind, value)
        for each in versions.events
        for kind, value in each.model_dump(exclude_none=True, exclude={"limit"}).items()
    ]
    affected = False
    for kind, value in sorted(events, key=lambda event: _Position(event[1], order)):
        at = _Position(value, order)
        if kind == "introduced" and at.is_at_most(version):
            affected = True
        elif (kind == "fixed" and at.is_at_most(version)) or (
            kind == "last_affected" and at.is_before(version)
        ):
            affected = False
    return affected


class _Position:
    """The place of an event among versions; 0 is before all of them."""

    def __init__(self, value: str, order: Callable[[str], Any]) -> None:
        self.version = None if value == "0" else order(value)

    def is_at_most(self, version: Any) -> bool:  # noqa: ANN401 - of any order
        return self.version is None or bool(self.version <= version)

    def is_before(self, version: Any) -> bool:  # noqa: ANN401
        return self.version is None or bool(self.version < version)

    def __lt__(self, other: _Position) -> bool:
        if other.version is None:
            return False
        return self.is_before(other.version)


class Severity(_Model):
    """A rating."""

    type: str
    score: str


class Advisory(_Model):
    """A record of a vulnerability."""

    id: str
    aliases: tuple[str, ...] = ()
    upstream: tuple[str, ...] = ()
    summary: str = ""
    details: str = ""
    severity: tuple[Severity, ...] = ()
    published: str = ""
    modified: str = ""
    withdrawn: str = ""
    affected: tuple[Affected, ...] = ()

    @property
    def names(self) -> frozenset[str]:
        """All names of the vulnerability. An advisory about several of upstream's is none of them."""
        # DSA-5514-1 is about CVE-2023-4911 and, as Debian calls it, DEBIAN-CVE-2023-4911.
        upstream = {_OF_DISTRIBUTION.sub("", each) for each in self.upstream}
        of_upstream = self.upstream if len(upstream) == 1 else ()
        return frozenset(map(normal_vulnerability, (self.id, *self.aliases, *of_upstream)))


def read_database(
    path: Path, wanted: Container[tuple[str, str]], progress: Callable[[str], None]
) -> list[Advisory]:
    """Read the records about some packages; those that were withdrawn are left out.

    Args:
        path: a directory, a zip file or a JSON file.
        wanted: pairs of an ecosystem without its release, such as Debian, and a package's name.
        progress: gets a line for people.

    Raises:
        DatabaseError: when there is none, a file is damaged, or there is no record at all.
    """
    found, count = [], 0
    for where, data in _documents(path):
        count += 1
        if count % 1000 == 0:
            progress(f"reading vulnerabilities: {count:,}")
        document = _parsed(where, data)
        if document.get("withdrawn") or not _concerns(where, document, wanted):
            continue
        try:
            found.append(Advisory.model_validate(document))
        except ValidationError as problem:
            first = problem.errors(include_url=False)[0]
            why = f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
            raise _damaged(where, why) from problem
    progress("")
    if not count:
        what = "there are no vulnerabilities in the OSV format"
        raise DatabaseError(what, where=str(path), hint=_HINT)
    return found


def _parsed(where: str, data: bytes) -> dict[str, Any]:
    try:
        document = parse_json(data)
    except ValueError as problem:
        raise _damaged(where, str(problem)) from problem
    if not isinstance(document, dict) or not isinstance(document.get("id"), str):
        raise _damaged(where, "it has no id")
    return document


def _concerns(where: str, document: dict[str, Any], wanted: Container[tuple[str, str]]) -> bool:
    """Whether a record is about a wanted package; validating only those takes a tenth of the time."""
    try:
        packages: Sequence[dict[str, Any]] = [
            each.get("package") or {} for each in document.get("affected") or ()
        ]
        return any(
            (each.get("ecosystem", "").partition(":")[0], each.get("name", "")) in wanted for each in packages
        )
    except (AttributeError, TypeError) as problem:
        raise _damaged(where, f"affected: {problem}") from problem


def _damaged(where: str, why: str) -> DatabaseError:
    return DatabaseError("this is no vulnerability in the OSV format", where=where, why=why, hint=_HINT)


def _documents(path: Path) -> Iterator[tuple[str, bytes]]:
    """The JSON documents of a file or directory, each with its place."""
    if not path.exists():
        raise DatabaseError("there is no database of vulnerabilities", where=str(path), hint=_HINT)
    files = [path]
    if path.is_dir():
        files = sorted(each for each in path.rglob("*") if each.suffix in {".json", ".zip"})
    for file in files:
        with explain_os_errors(file, "the database of vulnerabilities"):
            if file.suffix == ".zip":
                yield from _members(file)
            else:
                yield str(file), file.read_bytes()


def _members(file: Path) -> Iterator[tuple[str, bytes]]:
    try:
        with zipfile.ZipFile(file) as archive:
            for name in archive.namelist():
                if name.endswith(".json"):
                    yield f"{file}: {name}", archive.read(name)
    except DAMAGED_ZIP as problem:
        what = "the database of vulnerabilities cannot be read"
        raise DatabaseError(what, where=str(file), why=str(problem), hint=_HINT) from problem
