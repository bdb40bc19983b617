"""Build records: what went into a wheel and what came out, as strict JSON."""

from wheelfarm.records.codec import encode
from wheelfarm.records.comparison import compare
from wheelfarm.records.inputs import input_difference, inputs
from wheelfarm.records.record import (
    SCHEMA_VERSION,
    Record,
    RecordedSource,
    RecordedWheel,
    SourceKind,
    UpstreamWheel,
    schema,
)

__all__ = [
    "SCHEMA_VERSION",
    "Record",
    "RecordedSource",
    "RecordedWheel",
    "SourceKind",
    "UpstreamWheel",
    "compare",
    "encode",
    "input_difference",
    "inputs",
    "schema",
]
