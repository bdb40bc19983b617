"""Taking the survey: reads the index's pages, the records and the wheels."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Self, cast

from packaging.requirements import Requirement
from packaging.version import Version
from pydantic_core import to_jsonable_python

from wheelfarm.errors import FarmError, UsageError
from wheelfarm.model import Name, Target, parse_name
from wheelfarm.provenance.record import Record
from wheelfarm.system.files import sha256_of_file
from wheelfarm.wheels.archive import open_wheel
from wheelfarm.wheels.contents import Kind
from wheelfarm.wheels.description import describe

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from wheelfarm.model import CacheUse, Digest
    from wheelfarm.report.public_wheels import Public
    from wheelfarm.wheelhouse.project_index import IndexedFile
    from wheelfarm.wheelhouse.wheelhouse import Wheelhouse
    from wheelfarm.wheels.archive import Wheel


LARGEST: Final = 10
"""How many of the largest files are listed."""


@dataclass(frozen=True, kw_only=True)
class Part:
    """The files of one kind, or of one reason why they could be left out."""

    what: str
    files: int
    size: int
    """Bytes, unpacked."""


@dataclass(frozen=True, kw_only=True)
class File:
    """One file of a wheel, and its bytes unpacked."""

    name: str
    kind: str
    size: int


@dataclass(frozen=True, kw_only=True)
class Content:
    """A wheel's size by kind, its largest files, what could be left out, its BLAS, and what it requires."""

    filename: str
    packed: int
    unpacked: int
    kinds: tuple[Part, ...]
    """In the order of `Kind`, without those that the wheel has nothing of."""
    largest: tuple[File, ...]
    removable: tuple[Part, ...]
    blas: tuple[str, ...]
    """Each library of BLAS in it, such as `openblas, lp64, OpenBLAS 0.3.30`."""
    glibc: str
    """The newest symbol version that one of its binaries asks for; empty where there is none."""
    requires: tuple[Name, ...]
    """Distributions that it needs when it is installed, but for extras."""

    @classmethod
    def of(cls, description: Mapping[str, Any]) -> Self:
        """From what `wheels.describe` tells."""
        kinds = description["kinds"]
        return cls(
            filename=description["file"],
            packed=description["size"]["packed"],
            unpacked=description["size"]["unpacked"],
            kinds=tuple(
                Part(what=str(kind), files=kinds[kind]["count"], size=kinds[kind]["size"])
                for kind in Kind
                if kind in kinds
            ),
            largest=tuple(
                File(name=each["member"], kind=each["kind"], size=each["size"])
                for each in description["largest"][:LARGEST]
            ),
            removable=tuple(
                Part(what=what, files=group["files"], size=group["bytes"])
                for what, group in description["removable"].items()
            ),
            blas=tuple(
                ", ".join(str(each[key]) for key in ("provider", "interface", "build") if each[key])
                for each in description["blas"]
            ),
            glibc=description["linkage"]["glibc"],
            requires=tuple(sorted(set(_needed(description["requires_dist"])))),
        )

    def size_of(self, kind: str) -> int:
        """Bytes of one kind."""
        return sum(part.size for part in self.kinds if part.what == kind)

    def files_of(self, kind: str) -> int:
        """How many files are of one kind."""
        return sum(part.files for part in self.kinds if part.what == kind)


def _needed(requirements: list[str]) -> list[Name]:
    """The names of requirements; a marker that speaks of an extra is one's own choice."""
    parsed = [Requirement(text) for text in requirements]
    return [parse_name(each.name) for each in parsed if "extra" not in str(each.marker or "")]


def content_of(wheel: Wheel) -> Content:
    """What an opened wheel consists of.

    Raises:
        WheelError: when a member cannot be read.
    """
    return Content.of(describe(wheel))


@dataclass(frozen=True, kw_only=True)
class Problem:
    """What could not be read or is not as it should be, and what to do about it."""

    what: str
    why: str = ""
    hint: str = ""


@dataclass(frozen=True, kw_only=True)
class PublicWheel:
    """The index's own wheel of the same version and target, or why there is none to compare with."""

    content: Content | None = None
    why_not: str = ""


@dataclass(frozen=True, kw_only=True)
class Past:
    """An earlier build of the same recipe for the same target, as its record tells."""

    key: Digest
    version: str
    finished: str
    seconds: float
    cache: CacheUse | None
    build_cache: bool
    size: int
    sha256: Digest


@dataclass(frozen=True, kw_only=True)
class WheelFindings:
    """All that is known of one wheel that the index lists."""

    anchor: str
    """Its name on a page: the file's name, or another that is unique."""
    name: Name
    """The distribution, which is not always the recipe: a recipe may yield several."""
    version: str
    filename: str
    target: str
    """The build identifier; the wheel's tags where there is no record."""
    sha256: Digest
    key: Digest
    size: int
    stored: str
    """When it was stored: ISO 8601, UTC."""
    record: Record | None
    document: str
    """The record as it stands in its file; empty where there is none."""
    content: Content | None
    public: PublicWheel
    past: tuple[Past, ...]
    """Earlier builds, newest first."""
    problems: tuple[Problem, ...]

    @property
    def unpacked(self) -> int | None:
        """Bytes unpacked: of the wheel, or else as recorded."""
        if self.content is not None:
            return self.content.unpacked
        return sum(self.record.sizes.values()) if self.record is not None else None

    @property
    def seconds(self) -> float | None:
        """How long the build took, all steps together."""
        return sum(self.record.times.values()) if self.record is not None else None


@dataclass(frozen=True, kw_only=True)
class Edge:
    """One wheel was built on another, by its bytes."""

    wheel: str
    """The anchor of the wheel that was built."""
    upstream: str | None
    """The anchor of the wheel that it was built on; None when the index no longer lists that one."""
    name: Name
    filename: str
    sha256: Digest


@dataclass(frozen=True, kw_only=True)
class VariantSurvey:
    """One variant's index: its wheels by name, version and target, and how they were built on each other."""

    variant: str
    findings: tuple[WheelFindings, ...]
    edges: tuple[Edge, ...]
    sets: tuple[InstalledSet, ...]
    problems: tuple[Problem, ...]

    @property
    def troubles(self) -> int:
        """How many problems there are, those of wheels included."""
        return len(self.problems) + sum(len(finding.problems) for finding in self.findings)


@dataclass(frozen=True, kw_only=True)
class Survey:
    """All that a report tells."""

    variants: tuple[VariantSurvey, ...]
    limit: int
    """Bytes that what is installed together may have, unpacked."""
    public: str
    """Why public wheels were left out; empty when they were compared."""


@dataclass(frozen=True, kw_only=True)
class InstalledSet:
    """Wheels of one target that an installer puts side by side."""

    target: str
    requested: tuple[Name, ...]
    """The requested distributions; empty for everything that the index has for the target."""
    names: tuple[Name, ...]
    """What is installed then."""
    unpacked: int
    """Bytes."""
    public: int | None
    """Bytes of the index's own wheels of the same set; None when one of them is unknown."""
    outside: tuple[Name, ...]
    """What they need besides, and the wheelhouse does not have; not counted."""
    missing: tuple[Name, ...] = ()
    """Requested distributions without a wheel, and distributions whose wheel cannot be read."""


def installed_sets(findings: Sequence[WheelFindings], packages: Collection[Name]) -> tuple[InstalledSet, ...]:
    """The sets of a variant, target by target.

    Args:
        findings: the variant's wheels; of several versions the newest counts.
        packages: a chosen set; without it, each distribution by itself and all together.
    """
    sets = []
    for target in sorted({finding.target for finding in findings}):
        newest = _newest(finding for finding in findings if finding.target == target)
        if packages:
            sets.append(_set(target, newest, tuple(sorted(packages))))
            continue
        sets += [_set(target, newest, (name,)) for name in sorted(newest)]
        if len(newest) > 1:
            sets.append(_set(target, newest, ()))
    return tuple(sets)


def _newest(findings: Iterable[WheelFindings]) -> dict[Name, WheelFindings]:
    newest: dict[Name, WheelFindings] = {}
    for finding in findings:
        known = newest.get(finding.name)
        if known is None or Version(known.version) <= Version(finding.version):
            newest[finding.name] = finding
    return newest


def _set(target: str, newest: Mapping[Name, WheelFindings], requested: tuple[Name, ...]) -> InstalledSet:
    wanted, names, outside = list(requested or newest), set[Name](), set[Name]()
    while wanted:
        name = wanted.pop()
        if name not in newest:
            outside.add(name)
        elif name not in names:
            names.add(name)
            content = newest[name].content
            wanted += content.requires if content is not None else ()
    known = sorted(names)
    contents = [newest[name].public.content for name in known]
    publics = [content.unpacked for content in contents if content is not None]
    return InstalledSet(
        target=target,
        requested=requested,
        names=tuple(known),
        unpacked=sum(newest[name].unpacked or 0 for name in known),
        public=sum(publics) if publics and len(publics) == len(known) else None,
        outside=tuple(sorted(outside - set(requested))),
        missing=tuple(name for name in requested if name not in newest)
        + tuple(name for name in known if newest[name].content is None),
    )


_SYSTEM: Final = re.compile(r"(?<=^manylinux)(?:1|20\d\d)$")
_LEVEL: Final = re.compile(r"^\d+_\d+_")
"""What a platform tag has more than a build identifier: manylinux_2_28_x86_64, manylinux2014_x86_64."""


def take(
    wheelhouse: Wheelhouse,
    *,
    variants: Sequence[str],
    packages: Collection[Name] = (),
    limit: int,
    public: Public,
    progress: Callable[[str], None],
) -> Survey:
    """Look at everything that the indexes of some variants list.

    Args:
        wheelhouse: the wheelhouse.
        variants: whose indexes; one without wheels is an empty part of the survey.
        packages: the set that is compared with the limit; without it, each distribution and all together.
        limit: bytes that an installed set may have.
        public: where the public wheels come from.
        progress: hears which wheel is being read.
    """
    taken = [_Variant(wheelhouse, variant, public, progress).survey(packages) for variant in variants]
    return Survey(variants=tuple(taken), limit=limit, public=public.left_out)


def as_data(survey: Survey) -> dict[str, object]:
    """The survey as JSON-ready values; each record's text is left out, since it is there as values."""
    data = cast("dict[str, object]", to_jsonable_python(survey))
    for variant in cast("list[dict[str, list[dict[str, object]]]]", data["variants"]):
        for finding in variant["findings"]:
            del finding["document"]
    return data


def _problem(error: FarmError) -> Problem:
    """What an error says, but for where: others may see it, and paths here are not theirs."""
    return Problem(what=error.what, why=error.why or "", hint=error.hint or "")


@dataclass
class _Variant:
    """One variant while it is being looked at."""

    wheelhouse: Wheelhouse
    variant: str
    public: Public
    progress: Callable[[str], None]
    _records: dict[Digest, Record] = field(default_factory=dict)
    """All that can be read, those of earlier builds included."""
    _unread: dict[Digest, Problem] = field(default_factory=dict)

    def survey(self, packages: Collection[Name]) -> VariantSurvey:
        problems: list[Problem] = []
        listed: list[tuple[Name, IndexedFile]] = []
        for name in self.wheelhouse.projects(self.variant):
            try:
                listed += [(name, file) for file in self.wheelhouse.listed(self.variant, name)]
            except FarmError as error:
                problems.append(_problem(error))
        self._read_records({file.key for _, file in listed})
        anchors = _anchors(self.variant, [file.filename for _, file in listed])
        found = [
            self._finding(name, file, anchor) for (name, file), anchor in zip(listed, anchors, strict=True)
        ]
        found.sort(key=lambda each: (each.name, Version(each.version), each.target, each.filename))
        return VariantSurvey(
            variant=self.variant,
            findings=tuple(found),
            edges=_edges(found),
            sets=installed_sets(found, packages),
            problems=tuple(problems),
        )

    def _read_records(self, current: set[Digest]) -> None:
        for key in sorted({*self.wheelhouse.recorded_keys(self.variant), *current}):
            try:
                text = self.wheelhouse.record(self.variant, key)
                self._records[key] = Record.from_json(text, f"records/{key}.json")
            except (FarmError, UnicodeDecodeError) as error:
                self._unread[key] = (
                    _problem(error)
                    if isinstance(error, FarmError)
                    else Problem(what="the record is not text", why=str(error))
                )

    def _finding(self, name: Name, file: IndexedFile, anchor: str) -> WheelFindings:
        self.progress(f"reading {file.filename}")
        problems = [self._unread[file.key]] if file.key in self._unread else []
        record = self._records.get(file.key)
        if record is not None and record.wheel.sha256 != file.sha256:
            what = "the record describes another wheel than the index lists"
            problems.append(Problem(what=what, why=record.wheel.filename))
        content = self._content(file, problems)
        target = record.target if record else _target_of(file.filename)
        return WheelFindings(
            anchor=anchor,
            name=name,
            version=file.version,
            filename=file.filename,
            target=str(target or file.filename.removesuffix(".whl").split("-", 2)[2]),
            sha256=file.sha256,
            key=file.key,
            size=file.size,
            stored=file.uploaded,
            record=record,
            document=self._document(file.key),
            content=content,
            public=self.public.beside(name, file.version, target, file.filename),
            past=self._past(name, record),
            problems=tuple(problems),
        )

    def _content(self, file: IndexedFile, problems: list[Problem]) -> Content | None:
        """What the wheel consists of; None, and one problem more, when it is missing or not what it was."""
        path = self.wheelhouse.root / self.variant / file.path
        if not path.is_file():
            problems.append(Problem(what="the wheel is missing", hint="build it again"))
            return None
        try:
            if sha256_of_file(path) != file.sha256:
                why = "its sha256 is not the one that the index lists"
                problems.append(Problem(what="the wheel is damaged", why=why, hint="build it again"))
                return None
            return content_of(open_wheel(path))
        except FarmError as error:
            problems.append(_problem(error))
            return None

    def _document(self, key: Digest) -> str:
        try:
            return self.wheelhouse.record(self.variant, key)
        except (FarmError, UnicodeDecodeError):
            return ""

    def _past(self, name: Name, record: Record | None) -> tuple[Past, ...]:
        """Earlier builds that gave a wheel of the same distribution for the same target."""
        if record is None:
            return ()
        others = [
            other
            for other in self._records.values()
            if other.key != record.key
            and (other.recipe, other.distribution, other.target) == (record.recipe, name, record.target)
        ]
        return tuple(
            Past(
                key=other.key,
                version=other.version,
                finished=other.finished.strftime("%Y-%m-%dT%H:%M:%SZ"),
                seconds=sum(other.times.values()),
                cache=other.compiler_cache,
                build_cache=other.build_cache,
                size=other.wheel.size,
                sha256=other.wheel.sha256,
            )
            for other in sorted(others, key=lambda each: (each.finished, each.key), reverse=True)
        )


def _target_of(filename: str) -> Target | None:
    """The build identifier that a wheel's tags tell; None when they fit several or none."""
    interpreter, abi, platforms = filename.removesuffix(".whl").rsplit("-", 3)[1:]
    system, _, rest = platforms.partition(".")[0].partition("_")
    place = f"{_SYSTEM.sub('', system)}_{_LEVEL.sub('', rest)}".removesuffix("_")
    with suppress(UsageError):
        return Target.parse(f"{abi if abi == f'{interpreter}t' else interpreter}-{place}")
    return None


def _anchors(variant: str, filenames: Sequence[str]) -> list[str]:
    """A name for each file that a page can use once: letters, digits, dots, dashes and underscores."""
    plain = [re.sub(r"[^A-Za-z0-9._-]", "_", f"{variant}-{name.removesuffix('.whl')}") for name in filenames]
    return [f"{text}-{at}" if plain.count(text) > 1 else text for at, text in enumerate(plain)]


def _edges(findings: Sequence[WheelFindings]) -> tuple[Edge, ...]:
    """Which wheel was built on which: by digest, not by name."""
    by_digest = {finding.sha256: finding.anchor for finding in findings}
    return tuple(
        Edge(
            wheel=finding.anchor,
            upstream=by_digest.get(upstream.sha256),
            name=upstream.name,
            filename=upstream.filename,
            sha256=upstream.sha256,
        )
        for finding in findings
        if finding.record is not None
        for upstream in finding.record.upstream
    )
