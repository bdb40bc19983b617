"""The build record: the one document that tells what a stored wheel is made of and how."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import PurePosixPath
from typing import Annotated, Final, Literal, Self, cast

from wheelfarm.errors import RecordError
from wheelfarm.model import AppliedPatch, CacheUse, Digest, EngineName, EnvironmentEntry, Name, Target
from wheelfarm.provenance.record_codec import encode, form_of, upgraded

SCHEMA_VERSION: Final = 3
"""Grows by one whenever an older farm could no longer read a record."""


class SourceKind(StrEnum):
    """Where a source comes from."""

    SDIST = "sdist"
    GIT = "git"
    ARCHIVE = "archive"


@dataclass(frozen=True, kw_only=True)
class RecordedSource:
    """The source archive that was unpacked."""

    kind: SourceKind
    filename: str
    sha256: Digest
    url: Annotated[str | None, "of an archive or repository, without credentials and query"] = None


@dataclass(frozen=True, kw_only=True)
class UpstreamWheel:
    """A wheel of the farm that the build was built on."""

    name: Name
    filename: str
    sha256: Digest


@dataclass(frozen=True, kw_only=True)
class RecordedWheel:
    """The stored wheel, and the digest that it had before the repair."""

    filename: str
    sha256: Digest
    size: Annotated[int, "bytes"]
    built_sha256: Annotated[Digest | None, "the built wheel, before the repair tool changed it"]
    unnumbered_sha256: Annotated[Digest | None, "the same wheel before publishing gave it a build number"] = (
        None
    )

    @property
    def number(self) -> int | None:
        """The build number that publishing gave it; None where it has none."""
        return int(self.filename.split("-")[2]) if self.unnumbered_sha256 else None

    @property
    def unnumbered(self) -> Digest:
        """The digest of what was built, before any number."""
        return self.unnumbered_sha256 or self.sha256


@dataclass(frozen=True, kw_only=True)
class Record:
    """What went in and what came out of one build.

    Values of `resolved` and `gate_results` are free, but must be JSON-ready: dicts, lists, strings, finite
    numbers, booleans and None. Times are in UTC and have a resolution of one second.
    """

    schema: Annotated[Literal[3], "version of this document's form"] = SCHEMA_VERSION
    recipe: Annotated[Name, "the recipe's name"]
    distribution: Annotated[Name, "the wheel's: the recipe's own, or one that was split off"]
    version: Annotated[str, "the distribution's version"]
    variant: Annotated[str, "the farm-wide choice that the build belongs to"]
    target: Annotated[Target, "cibuildwheel build identifier"]
    engine: Annotated[EngineName, "what ran the build"]
    key: Annotated[Digest, "the rebuild key, which all that can change the bytes goes into; and the split"]
    key_parts: Annotated[Mapping[str, str], "parts of the rebuild key: name to digest or short text"]
    gate_key: Annotated[Digest, "the digest of everything that can change the gate's verdict"]
    source: Annotated[RecordedSource, "the verified source archive"]
    patches: Annotated[tuple[AppliedPatch, ...], "the patch series, in the order of application"]
    config_settings: Annotated[
        Mapping[str, tuple[str, ...]], "PEP 517 config settings as passed: key to values"
    ]
    environment: Annotated[Mapping[str, str], "variables as passed, but for PATH, HOME and caches"]
    resolved: Annotated[Mapping[str, object], "resolved recipe fields, each with its origin"]
    build_requirements: Annotated[
        tuple[EnvironmentEntry, ...], "distributions found in the build environment after the build"
    ]
    upstream: Annotated[tuple[UpstreamWheel, ...], "wheels of the farm that it was built on"]
    toolchain: Annotated[Mapping[str, str], "programs that took part: name to version"]
    compiler_cache: Annotated[CacheUse | None, "what the compiler cache spared; null where there was none"]
    kept_build: Annotated[bool, "whether the build went on from a kept build directory"]
    wheel: Annotated[RecordedWheel, "the stored wheel"]
    sizes: Annotated[Mapping[str, int], "unpacked bytes by kind of content"]
    gate_results: Annotated[tuple[object, ...], "what each check of the gate found"]
    times: Annotated[Mapping[str, float], "seconds by step"]
    started: Annotated[datetime, "ISO 8601, UTC"]
    finished: Annotated[datetime, "ISO 8601, UTC"]
    log: Annotated[PurePosixPath, "the build's log file, relative to the farm's directory"]

    @property
    def from_nothing(self) -> bool:
        """Whether nothing that an earlier build compiled went into the wheel."""
        return self.compiler_cache is None and not self.kept_build

    def to_mapping(self) -> dict[str, object]:
        """The record as JSON-ready values."""
        return cast("dict[str, object]", encode(self))

    def to_json(self) -> str:
        """The record as text: sorted keys, one line a value, so that two records can be compared by line."""
        return json.dumps(self.to_mapping(), sort_keys=True, indent=1, allow_nan=False) + "\n"

    @classmethod
    def from_json(cls, text: str | bytes, where: str) -> Self:
        """Read a record.

        Args:
            text: what `to_json` wrote.
            where: the file that the text comes from, for the error.

        Raises:
            RecordError: when it is not JSON, has missing, unknown or wrong keys (all are named), or was
                written by a newer farm.
        """
        try:
            document = json.loads(text)
        except ValueError as error:
            raise RecordError("the record is not JSON", where=where, why=str(error)) from error
        version = document.get("schema") if isinstance(document, dict) else None
        if isinstance(version, int) and version > SCHEMA_VERSION:
            raise RecordError(
                "the record was written by a newer wheelfarm",
                where=where,
                why=f"its schema is {version}; this wheelfarm reads up to {SCHEMA_VERSION}",
                hint="upgrade wheelfarm",
            )
        problems: list[str] = []
        record = form_of(cls).read(upgraded(document, SCHEMA_VERSION), "", problems)
        if problems:
            raise RecordError(
                "the record is not what a build record must be",
                where=where,
                why="; ".join(problems),
                hint="remove the file: the next run builds the wheel again",
            )
        return cast("Self", record)


def schema() -> dict[str, object]:
    """The JSON Schema of a build record; `docs/reference/record.schema.json` is a copy of it."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "wheelfarm build record",
        **form_of(Record).schema,
    }
