"""Taking the survey: reads the index's pages, the records and the wheels."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, cast

from packaging.version import Version

from wheelfarm.errors import FarmError, UsageError
from wheelfarm.model import Target
from wheelfarm.plan import file_digest
from wheelfarm.records import Record, encode
from wheelfarm.survey.content import content_of
from wheelfarm.survey.finding import Edge, Finding, Past, Problem, Survey, VariantSurvey
from wheelfarm.survey.sets import installed_sets
from wheelfarm.wheels import open_wheel

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from wheelfarm.model import Digest, Name
    from wheelfarm.survey.content import Content
    from wheelfarm.survey.public import Public
    from wheelfarm.wheelhouse import IndexedFile, Wheelhouse


_SYSTEM: Final = re.compile(r"(?<=^manylinux)(?:1|20\d\d)$")
_LEVEL: Final = re.compile(r"^\d+_\d+_")
"""What a platform tag has more than a build identifier: manylinux_2_28_x86_64, manylinux2014_x86_64."""


def take(
    house: Wheelhouse,
    *,
    variants: Sequence[str],
    packages: Collection[Name] = (),
    limit: int,
    public: Public,
    progress: Callable[[str], None],
) -> Survey:
    """Look at everything that the indexes of some variants list.

    Args:
        house: the wheelhouse.
        variants: whose indexes; one without wheels is an empty part of the survey.
        packages: the set that is held against the limit; without it every set that makes sense is.
        limit: bytes that an installed set may have.
        public: where the public wheels come from.
        progress: hears which wheel is being read.
    """
    taken = [_Variant(house, variant, public, progress).survey(packages) for variant in variants]
    return Survey(variants=tuple(taken), limit=limit, public=public.left_out)


def as_data(survey: Survey) -> dict[str, object]:
    """The survey as JSON-ready values; each record's text is left out, since it is there as values."""
    data = cast("dict[str, object]", encode(survey))
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

    house: Wheelhouse
    variant: str
    public: Public
    progress: Callable[[str], None]
    _records: dict[Digest, Record] = field(default_factory=dict)
    """All that can be read, those of earlier builds included."""
    _unread: dict[Digest, Problem] = field(default_factory=dict)

    def survey(self, packages: Collection[Name]) -> VariantSurvey:
        problems: list[Problem] = []
        listed: list[tuple[Name, IndexedFile]] = []
        for name in self.house.projects(self.variant):
            try:
                listed += [(name, file) for file in self.house.listed(self.variant, name)]
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
        for key in sorted({*self.house.recorded(self.variant), *current}):
            try:
                text = self.house.record(self.variant, key)
                self._records[key] = Record.from_json(text, f"records/{key}.json")
            except (FarmError, UnicodeDecodeError) as error:
                self._unread[key] = (
                    _problem(error)
                    if isinstance(error, FarmError)
                    else Problem(what="the record is not text", why=str(error))
                )

    def _finding(self, name: Name, file: IndexedFile, anchor: str) -> Finding:
        self.progress(f"reading {file.filename}")
        problems = [self._unread[file.key]] if file.key in self._unread else []
        record = self._records.get(file.key)
        if record is not None and record.wheel.sha256 != file.sha256:
            what = "the record describes another wheel than the index lists"
            problems.append(Problem(what=what, why=record.wheel.filename))
        content = self._content(file, problems)
        target = record.target if record else _target_of(file.filename)
        return Finding(
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
        path = self.house.root / self.variant / file.path
        if not path.is_file():
            problems.append(Problem(what="the wheel is missing", hint="build it again"))
            return None
        try:
            if file_digest(path) != file.sha256:
                why = "its sha256 is not the one that the index lists"
                problems.append(Problem(what="the wheel is damaged", why=why, hint="build it again"))
                return None
            return content_of(open_wheel(path))
        except FarmError as error:
            problems.append(_problem(error))
            return None

    def _document(self, key: Digest) -> str:
        try:
            return self.house.record(self.variant, key)
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
                finished=str(encode(other.finished)),
                seconds=sum(other.times.values()),
                cache=other.compiler_cache,
                kept_build=other.kept_build,
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


def _edges(findings: Sequence[Finding]) -> tuple[Edge, ...]:
    """Which wheel was built on which: told from digests, not from names."""
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
