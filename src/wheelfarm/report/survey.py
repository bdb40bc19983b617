"""Surveys a wheelhouse: its indexes, records and wheels, and the public wheels to compare them with."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, cast

from packaging.version import Version
from pydantic_core import to_jsonable_python

from wheelfarm.errors import FarmError, NetworkError, RecordError, UsageError, WheelError
from wheelfarm.model import Name, Target
from wheelfarm.provenance.record import Record
from wheelfarm.report.installed_sets import InstalledSet, installed_sets
from wheelfarm.system.files import sha256_of_file
from wheelfarm.wheels.archive import open_wheel
from wheelfarm.wheels.description import describe

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from wheelfarm.model import Digest
    from wheelfarm.wheelhouse.simple_index import IndexedFile
    from wheelfarm.wheelhouse.wheelhouse import Wheelhouse
    from wheelfarm.wheels.archive import Wheel

_MANYLINUX: Final = re.compile(r"manylinux_(\d+)_(\d+)_")
_COMMON_GLIBC: Final = (2, 28)
"""The glibc of the image that most public wheels are built in; our wheels for older ones are compared too."""
_LEGACY_MANYLINUX: Final = re.compile(r"(?<=^manylinux)(?:1|20\d\d)$")
_LEVEL: Final = re.compile(r"^\d+_\d+_")
"""What a platform tag has more than a build identifier: manylinux_2_28_x86_64, manylinux2014_x86_64."""


@dataclass(frozen=True, kw_only=True)
class SurveyedWheel:
    """One wheel that the index lists; None where its file, its record or its public wheel cannot be read."""

    anchor: str
    """A unique name on a page."""
    name: Name
    """The distribution, which is not always the recipe: a recipe may yield several."""
    file: IndexedFile
    target: str
    """The build identifier; the wheel's tags where there is no record."""
    record: Record | None
    document: str
    """The record as it stands in its file; empty where there is none."""
    content: Mapping[str, Any] | None
    """The result of `wheels.describe`."""
    public: Mapping[str, Any] | None
    """The same of the public wheel of this version and target."""
    no_public: str
    """Why there is no public wheel."""
    past: tuple[Record, ...]
    """Earlier builds of the same distribution for the same target, newest first."""
    problems: tuple[FarmError, ...]

    @property
    def unpacked(self) -> int | None:
        """Bytes unpacked: of the wheel, or else as recorded."""
        if self.content is not None:
            return int(self.content["size"]["unpacked"])
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
    wheels: tuple[SurveyedWheel, ...]
    edges: tuple[Edge, ...]
    sets: tuple[InstalledSet, ...]
    problems: tuple[FarmError, ...]

    @property
    def problem_count(self) -> int:
        """How many problems there are, those of wheels included."""
        return len(self.problems) + sum(len(wheel.problems) for wheel in self.wheels)


@dataclass(frozen=True, kw_only=True)
class Survey:
    """The contents of a report."""

    variants: tuple[VariantSurvey, ...]
    limit: int
    """Bytes that an installed set may have, unpacked."""
    public: str
    """Why public wheels were left out; empty when they were compared."""

    def as_data(self) -> dict[str, object]:
        """JSON-ready values: without the text of records, since its values are there.

        Of another build's record they have the key, the version, the end, and the sizes in bytes.
        """
        data = cast("dict[str, object]", to_jsonable_python(self, fallback=_problem_data))
        for variant in cast("list[dict[str, list[dict[str, object]]]]", data["variants"]):
            for wheel in variant["wheels"]:
                del wheel["document"]
                wheel["past"] = [_past_data(record) for record in cast("list[dict[str, Any]]", wheel["past"])]
        return data


def _past_data(record: Mapping[str, Any]) -> dict[str, Any]:
    sizes = {"packed": record["wheel"]["size"], "unpacked": sum(record["sizes"].values())}
    return {name: record[name] for name in ("key", "version", "finished")} | sizes


def _problem_data(error: FarmError) -> dict[str, str | None]:
    """An error without its place: others may see it, and paths here are not theirs."""
    return {"what": error.what, "why": error.why, "hint": error.hint}


@dataclass
class PublicWheels:
    """The wheels of the configured index, until the index cannot be reached.

    Args:
        fetch: gives the wheel of a distribution, version and target for machines with this glibc.
        left_out: why public wheels are left out; empty when they are compared.
    """

    fetch: Callable[[Name, str, Target, tuple[int, int]], Wheel] | None = None
    left_out: str = ""
    _unreachable: str = ""

    def find(
        self, name: Name, version: str, target: Target | None, filename: str
    ) -> tuple[Mapping[str, Any] | None, str]:
        """Describe the public wheel that a wheel of ours is compared with, or say why there is none."""
        if self.fetch is None or self._unreachable:
            return None, self.left_out or self._unreachable
        if target is None:
            return None, "its tags do not say which target to ask for"
        try:
            return describe(self.fetch(name, version, target, glibc_for(filename))), ""
        except NetworkError as error:
            self._unreachable = f"the index cannot be reached: {error.what}"
            return None, self._unreachable
        except FarmError as error:
            return None, error.what


def glibc_for(filename: str) -> tuple[int, int]:
    """The newest glibc in a wheel's tags, for machines that the wheel is meant for."""
    levels = [(int(major), int(minor)) for major, minor in _MANYLINUX.findall(filename)]
    return max([_COMMON_GLIBC, *levels])


def survey_wheelhouse(
    wheelhouse: Wheelhouse,
    *,
    variants: Sequence[str],
    packages: Collection[Name] = (),
    limit: int,
    public: PublicWheels,
    progress: Callable[[str], None],
) -> Survey:
    """Read everything that the indexes of some variants list.

    Args:
        wheelhouse: the wheelhouse.
        variants: whose indexes; one without wheels is an empty part of the survey.
        packages: the set that is compared with the limit; without it, each distribution and all together.
        limit: bytes that an installed set may have.
        public: where the public wheels come from.
        progress: receives the file that is being read.
    """
    surveys = [_VariantReader(wheelhouse, variant, public, progress).survey(packages) for variant in variants]
    return Survey(variants=tuple(surveys), limit=limit, public=public.left_out)


@dataclass
class _VariantReader:
    """Reads the index, the records and the wheels of one variant."""

    wheelhouse: Wheelhouse
    variant: str
    public: PublicWheels
    progress: Callable[[str], None]
    records: dict[Digest, Record] = field(default_factory=dict)
    """All that can be read, those of earlier builds included."""
    documents: dict[Digest, str] = field(default_factory=dict)
    record_problems: dict[Digest, FarmError] = field(default_factory=dict)

    def survey(self, packages: Collection[Name]) -> VariantSurvey:
        problems: list[FarmError] = []
        listed: list[tuple[Name, IndexedFile]] = []
        for name in self.wheelhouse.projects(self.variant):
            try:
                listed += [(name, file) for file in self.wheelhouse.listed(self.variant, name)]
            except FarmError as error:
                problems.append(error)
        for key in sorted({*self.wheelhouse.recorded_keys(self.variant), *(file.key for _, file in listed)}):
            self.read_record(key)
        anchors = _anchors(self.variant, [file.filename for _, file in listed])
        wheels = [self.read_wheel(*each, anchor) for each, anchor in zip(listed, anchors, strict=True)]
        wheels.sort(key=lambda each: (each.name, Version(each.file.version), each.target, each.file.filename))
        return VariantSurvey(
            variant=self.variant,
            wheels=tuple(wheels),
            edges=_edges(wheels),
            sets=installed_sets(wheels, packages),
            problems=tuple(problems),
        )

    def read_record(self, key: Digest) -> None:
        try:
            self.documents[key] = self.wheelhouse.record(self.variant, key)
            self.records[key] = Record.from_json(self.documents[key], f"records/{key}.json")
        except RecordError as error:
            self.record_problems[key] = error
        except FarmError as error:
            self.record_problems[key] = RecordError("the record cannot be read", why=error.why)

    def read_wheel(self, name: Name, file: IndexedFile, anchor: str) -> SurveyedWheel:
        self.progress(f"reading {file.filename}")
        problems = [self.record_problems[file.key]] if file.key in self.record_problems else []
        record = self.records.get(file.key)
        if record is not None and record.wheel.sha256 != file.sha256:
            what = "the record describes another wheel than the index lists"
            problems.append(RecordError(what, why=record.wheel.filename))
        content = None
        try:
            content = self.read_content(file, record)
        except FarmError as error:
            problems.append(error)
        target = record.target if record else _target_of(file.filename)
        public, no_public = self.public.find(name, file.version, target, file.filename)
        return SurveyedWheel(
            anchor=anchor,
            name=name,
            file=file,
            target=str(target or file.filename.removesuffix(".whl").split("-", 2)[2]),
            record=record,
            document=self.documents.get(file.key, ""),
            content=content,
            public=public,
            no_public=no_public,
            past=self.earlier_builds(record),
            problems=tuple(problems),
        )

    def read_content(self, file: IndexedFile, record: Record | None) -> Mapping[str, Any]:
        path = self.wheelhouse.root / self.variant / file.path
        if not path.is_file():
            raise WheelError("the wheel is missing", hint="build it again")
        if sha256_of_file(path) != file.sha256:
            why = "its sha256 is not the one that the index lists"
            raise WheelError("the wheel is damaged", why=why, hint="build it again")
        known = (record.compiled, record.instruction_set) if record else ()
        return describe(open_wheel(path), *known)

    def earlier_builds(self, record: Record | None) -> tuple[Record, ...]:
        """Records of other builds of the same distribution for the same target, newest first."""
        if record is None:
            return ()
        same = (record.recipe, record.distribution, record.target)
        others = [
            other
            for other in self.records.values()
            if other.key != record.key and (other.recipe, other.distribution, other.target) == same
        ]
        return tuple(sorted(others, key=lambda each: (each.finished, each.key), reverse=True))


def _target_of(filename: str) -> Target | None:
    """The build identifier for a wheel's tags; None when they fit several or none."""
    interpreter, abi, platforms = filename.removesuffix(".whl").rsplit("-", 3)[1:]
    system, _, rest = platforms.partition(".")[0].partition("_")
    platform = f"{_LEGACY_MANYLINUX.sub('', system)}_{_LEVEL.sub('', rest)}".removesuffix("_")
    with suppress(UsageError):
        return Target.parse(f"{abi if abi == f'{interpreter}t' else interpreter}-{platform}")
    return None


def _anchors(variant: str, filenames: Sequence[str]) -> list[str]:
    """A unique name for each file: letters, digits, dots, dashes and underscores."""
    plain = [re.sub(r"[^A-Za-z0-9._-]", "_", f"{variant}-{name.removesuffix('.whl')}") for name in filenames]
    return [f"{text}-{at}" if plain.count(text) > 1 else text for at, text in enumerate(plain)]


def _edges(wheels: Sequence[SurveyedWheel]) -> tuple[Edge, ...]:
    """Which wheel was built on which: by digest, not by name."""
    by_digest = {wheel.file.sha256: wheel.anchor for wheel in wheels}
    return tuple(
        Edge(
            wheel=wheel.anchor,
            upstream=by_digest.get(upstream.sha256),
            name=upstream.name,
            filename=upstream.filename,
            sha256=upstream.sha256,
        )
        for wheel in wheels
        if wheel.record is not None
        for upstream in wheel.record.upstream
    )
