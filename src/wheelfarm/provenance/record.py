"""The build record: the inputs and the results of a build."""

from __future__ import annotations

import json
from collections.abc import Mapping  # noqa: TC003 - pydantic reads the hints at run time
from datetime import UTC
from enum import StrEnum
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, Self

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    PlainSerializer,
    PlainValidator,
    Strict,
    ValidationError,
    WithJsonSchema,
    model_validator,
)

from wheelfarm.errors import RecordError, UsageError
from wheelfarm.model import (
    AppliedPatch,
    CacheUse,
    CompiledObjects,
    Digest,
    EngineName,
    EnvironmentEntry,
    Isolation,
    Name,
    NonSourceFile,
    Target,
    parse_digest,
)
from wheelfarm.plan.inputs import BuildInputs  # noqa: TC001 - as above
from wheelfarm.system.files import parse_json

if TYPE_CHECKING:
    from wheelfarm.wheels.archive import Wheel

SCHEMA_VERSION: Final = 4
"""Grows by one whenever an older farm could no longer read a record."""
EMBEDDED: Final = "wheelfarm.record.json"
"""The name of the embedded record, in `.dist-info`."""


def _target(value: object) -> Target:
    if isinstance(value, Target):
        return value
    try:
        return Target.parse(str(value))
    except UsageError as error:
        raise ValueError(error.what) from error


def _digests(entry: Any) -> Any:  # noqa: ANN401 - a patch or a distribution
    """Check the digest of a value that `model` does not check itself."""
    try:
        parse_digest(entry.sha256 or "0" * 64)
    except UsageError as error:
        raise ValueError(error.what) from error
    return entry


def _relative(path: PurePosixPath) -> PurePosixPath:
    if path.is_absolute() or ".." in path.parts:
        raise ValueError(f"{str(path)!r} is not below the farm's directory")
    return path


_Name = Annotated[Name, Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")]
_Digest = Annotated[Digest, Field(pattern=r"^[0-9a-f]{64}$")]
_Int = Annotated[int, Strict()]
_Target = Annotated[Target, PlainValidator(_target), PlainSerializer(str), WithJsonSchema({"type": "string"})]
_Moment = Annotated[
    AwareDatetime, AfterValidator(lambda moment: moment.astimezone(UTC).replace(microsecond=0))
]
_RelativePath = Annotated[
    PurePosixPath, AfterValidator(_relative), WithJsonSchema({"type": "string", "pattern": "^[^/]"})
]


# The docstrings of models and their fields' descriptions are part of docs/reference/record.schema.json.
class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", validate_by_name=True, validate_by_alias=True)


class SourceKind(StrEnum):
    """Where a source comes from."""

    SDIST = "sdist"
    GIT = "git"
    ARCHIVE = "archive"
    WHEEL = "wheel"
    """A public wheel that was taken over, and not built."""


class RecordedSource(_Model):
    """The source archive that was unpacked."""

    kind: SourceKind
    filename: str
    sha256: _Digest
    url: str | None = Field(
        default=None, description="of an archive or repository, without credentials and query"
    )


class UpstreamWheel(_Model):
    """A wheel of the farm that the build was built on."""

    name: _Name
    filename: str
    sha256: _Digest


class RecordedWheel(_Model):
    """The stored wheel, and the digest that it had before the repair."""

    filename: str
    sha256: _Digest
    size: _Int = Field(description="bytes")
    built_sha256: _Digest | None = Field(description="the built wheel, before the repair tool changed it")
    unnumbered_sha256: _Digest | None = Field(
        default=None, description="the same wheel before publishing gave it a build tag"
    )

    @property
    def build_tag(self) -> str:
        return self.filename.split("-")[2] if self.unnumbered_sha256 else ""

    @property
    def unnumbered(self) -> Digest:
        return self.unnumbered_sha256 or self.sha256


class _Document(_Model):
    """A JSON document with a version."""

    schema_version: Literal[4] = Field(
        default=SCHEMA_VERSION, alias="schema", description="version of this document's form"
    )

    def to_mapping(self) -> dict[str, Any]:
        return self.model_dump(mode="json", by_alias=True)

    def to_json(self) -> str:
        """The document with sorted keys, one value a line, so that two can be compared by line."""
        return json.dumps(self.to_mapping(), sort_keys=True, indent=1, allow_nan=False) + "\n"

    @classmethod
    def from_json(cls, text: str | bytes, where: str) -> Self:
        """Read a record from the file `where`.

        Raises:
            RecordError: when it is not JSON, has missing, unknown or wrong keys (the error names all of
                them), or was written by a newer farm.
        """
        # Not by pydantic: the text of a patch may hold lone surrogates, which its JSON parser refuses.
        try:
            document = parse_json(text)
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
        try:
            return cls.model_validate(document)
        except ValidationError as invalid:
            raise RecordError(
                "the record does not follow the schema of build records",
                where=where,
                why="; ".join(map(_problem, invalid.errors(include_url=False))),
                hint="remove the file: the next run builds the wheel again",
            ) from invalid


def _problem(details: Any) -> str:  # noqa: ANN401 - pydantic's ErrorDetails, of pydantic-core
    steps = (f"[{step}]" if isinstance(step, int) else f".{step}" for step in details["loc"])
    path = "".join(steps).removeprefix(".") or "the record"
    match details["type"]:
        case "missing":
            return f"{path}: missing"
        case "extra_forbidden" | "unexpected_keyword_argument":
            return f"{path}: not a key of a record"
        case "value_error":
            return f"{path}: {details['ctx']['error']}"
    return f"{path}: {details['msg']}, not {details['input']!r:.60}"


class EmbeddedRecord(_Document):
    """What went into a wheel, for the wheel's own `.dist-info`.

    It has neither times nor paths, and nothing that may differ between two builds of the same inputs.
    """

    distribution: _Name
    inputs: BuildInputs
    source: RecordedSource = Field(description="the verified source archive, without its url")
    build_requirements: tuple[Annotated[EnvironmentEntry, AfterValidator(_digests)], ...]
    upstream: tuple[UpstreamWheel, ...]
    toolchain: Mapping[str, str]

    @property
    def key(self) -> Digest:
        return self.inputs.key_of(self.distribution)


def read_embedded_record(wheel: Wheel) -> EmbeddedRecord:
    """Read the record in a wheel's `.dist-info`, which nothing has verified yet.

    Raises:
        RecordError: when the wheel has none, or it cannot be read.
    """
    name = f"{wheel.dist_info}/{EMBEDDED}"
    where = f"{wheel.path.name}: {name}"
    if name not in wheel.names:
        raise RecordError(
            "the wheel has no build record",
            where=where,
            why="another builder made it, or a wheelfarm that did not embed records",
        )
    return EmbeddedRecord.from_json(wheel.read(name), where)


class Record(_Document):
    """What went in and what came out of one build.

    Values of `resolved` and `gate_results` are free, but must be JSON-ready. Times are in UTC, in seconds.
    """

    recipe: _Name = Field(description="the recipe's name")
    distribution: _Name = Field(description="the wheel's: the recipe's own, or one that was split off")
    version: str = Field(description="the distribution's version")
    variant: str = Field(description="the farm-wide choice that the build belongs to")
    target: _Target = Field(description="cibuildwheel build identifier")
    engine: EngineName = Field(description="what ran the build")
    key: _Digest = Field(description="the build key; of a split, its own key")
    key_parts: Mapping[str, str] = Field(description="parts of the build key: name to digest or short text")
    inputs: BuildInputs | None = Field(
        default=None, description="all that can change the wheel's bytes; null in records before schema 4"
    )
    gate_key: _Digest = Field(description="the digest of everything that can change the gate's verdict")
    source: RecordedSource = Field(description="the verified source archive")
    patches: tuple[Annotated[AppliedPatch, AfterValidator(_digests)], ...] = Field(
        description="the patch series, in the order of application"
    )
    non_source: tuple[Annotated[NonSourceFile, AfterValidator(_digests)], ...] | None = Field(
        default=None,
        description="files of the patched source that are not source (compiled code, products of an earlier "
        "build, Git LFS pointers), all of which the recipe allows; null in older records, and for a wheel "
        "that was reused from an index",
    )
    config_settings: Mapping[str, tuple[str, ...]] = Field(
        description="PEP 517 config settings as passed: key to values"
    )
    environment: Mapping[str, str] = Field(description="variables as passed, but for PATH, HOME and caches")
    resolved: Mapping[str, Any] = Field(description="resolved recipe fields, each with its origin")
    build_requirements: tuple[Annotated[EnvironmentEntry, AfterValidator(_digests)], ...] = Field(
        description="distributions found in the build environment after the build"
    )
    upstream: tuple[UpstreamWheel, ...] = Field(description="wheels of the farm that it was built on")
    toolchain: Mapping[str, str] = Field(description="programs that took part: name to version")
    compiler_cache: CacheUse | None = Field(description="use of the compiler cache; null without one")
    build_cache: Annotated[bool, Strict()] = Field(
        description="whether the build started from an earlier build directory"
    )
    compiled: CompiledObjects = Field(
        default=CompiledObjects(), description="how the objects in the wheel's binaries were compiled"
    )
    warnings: tuple[str, ...] = Field(
        default=(), description="what should be looked at although the build ended well"
    )
    isolation: Isolation | None = Field(
        default=None,
        description="what separated the build from the network and this machine; null where unknown",
    )
    isolation_reason: str | None = Field(default=None, description="the recipe's, where it wants none")
    wheel: RecordedWheel = Field(description="the stored wheel")
    sizes: Mapping[str, _Int] = Field(description="unpacked bytes by kind of content")
    gate_results: tuple[Any, ...] = Field(description="what each check of the gate found")
    times: Mapping[str, Annotated[float, Strict()]] = Field(description="seconds by step")
    started: _Moment = Field(description="ISO 8601, UTC")
    finished: _Moment = Field(description="ISO 8601, UTC")
    log: _RelativePath = Field(description="the build's log file, relative to the farm's directory")

    @model_validator(mode="before")
    @classmethod
    def _upgrade(cls, document: Any) -> Any:  # noqa: ANN401 - whatever the JSON holds
        """Read schemas 1 to 3: 1 has no distribution, 3 has another name for the build cache."""
        # A tuple, not a set: the value may be a list, which has no hash.
        if isinstance(document, dict) and document.get("schema") in (1, 2, 3):
            upgraded = {"distribution": document.get("recipe"), **document, "schema": SCHEMA_VERSION}
            if "kept_build" in upgraded:
                upgraded["build_cache"] = upgraded.pop("kept_build")
            return upgraded
        return document

    @property
    def instruction_set(self) -> str | None:
        """The level that the recipe expects."""
        expect = self.resolved.get("expect")
        found = expect.get("instruction-set") if isinstance(expect, dict) else None
        return str(found) if found else None

    @property
    def from_nothing(self) -> bool:
        """Whether nothing that an earlier build compiled went into the wheel."""
        return self.compiler_cache is None and not self.build_cache


def schema() -> dict[str, object]:
    """The JSON Schema of a build record; `docs/reference/record.schema.json` is a copy of it."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **Record.model_json_schema(mode="serialization", by_alias=True),
        "title": "wheelfarm build record",
    }
