from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from support.golden import GOLDEN
from support.records import sample_inputs, sample_record
from wheelfarm.errors import RecordError
from wheelfarm.model import Name
from wheelfarm.provenance.record import SCHEMA_VERSION, Record, schema

COMMITTED = Path(__file__).parents[2] / "docs/reference/record.schema.json"


def changed(**changes: object) -> str:
    return json.dumps(sample_record().to_mapping() | changes)


def refused(text: str | bytes) -> RecordError:
    with pytest.raises(RecordError) as caught:
        Record.from_json(text, "records/a.json")
    assert caught.value.where == "records/a.json"
    return caught.value


def test_a_record_survives_json() -> None:
    record = sample_record()
    read = Record.from_json(record.to_json(), "here")
    assert read == record
    assert read.build_requirements[1].sha256 is None
    # The bytes of a patch that are no text survive.
    assert (read.patches[0].text or "").encode("utf-8", "surrogateescape") == b"--- a\n\xff"


def test_the_order_of_compiler_flags_survives_json() -> None:
    """The last glob that matches counts most, so their order is a part of the build key."""
    inputs = sample_inputs(compiler_flags={"z*": ("-O3",), "a*": ("-O2", "-g0")})
    read = Record.from_json(sample_record(inputs=inputs).to_json(), "here").inputs
    assert read is not None
    assert read.key_of(Name("scipy")) == inputs.key_of(Name("scipy"))
    assert [*read.compiler_flags] == ["z*", "a*"]


def test_a_record_that_has_compiler_flags_as_an_object_is_read() -> None:
    inputs = sample_inputs().model_dump(mode="json") | {"compiler_flags": {"a*": ["-O2"]}}
    read = Record.from_json(changed(inputs=inputs), "here").inputs
    assert read == sample_inputs(compiler_flags={"a*": ("-O2",)})


@pytest.mark.parametrize(
    "pairs", [[1], [[]], [["a*"]], [["a*", "-O2"]], [["a*", [], 1]], [[["a*"], ["-O2"]]]]
)
def test_compiler_flags_that_are_no_pairs_are_an_error(pairs: object) -> None:
    inputs = sample_inputs().model_dump(mode="json") | {"compiler_flags": pairs}
    assert "inputs.compiler_flags" in (refused(changed(inputs=inputs)).why or "")


@pytest.mark.parametrize("expect", [None, [], "x86-64-v3", {}])
def test_a_record_without_a_table_of_expectations_has_no_instruction_set(expect: object) -> None:
    assert sample_record(resolved={"expect": expect}).instruction_set is None


def test_the_text_is_stable_and_can_be_compared_by_line() -> None:
    text = sample_record().to_json()
    assert text.startswith('{\n "build_cache": true,\n "build_requirements": [\n')
    assert text.endswith("}\n")
    assert json.dumps(json.loads(text), sort_keys=True, indent=1) + "\n" == text


def test_times_are_written_in_utc() -> None:
    east = timezone(timedelta(hours=2))
    record = sample_record(started=datetime(2026, 1, 2, 5, 4, 5, tzinfo=east))
    assert record.to_mapping()["started"] == "2026-01-02T03:04:05Z"
    assert Record.from_json(record.to_json(), "here").started == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.mark.parametrize("text", ["", "{", b"\xff\xfe\x00", "not json"])
def test_text_that_is_not_json_is_an_error(text: str | bytes) -> None:
    assert refused(text).what == "the record is not JSON"


def first_schema() -> dict[str, Any]:
    """A record as schema 1 had it."""
    document: Any = sample_record().to_mapping()
    del document["source"]["url"], document["patches"][0]["text"], document["wheel"]["unnumbered_sha256"]
    del document["distribution"], document["inputs"]
    return {**document, "schema": 1}


def test_a_record_of_schema_1_is_read() -> None:
    record = Record.from_json(json.dumps(first_schema()), "here")
    assert record.schema_version == SCHEMA_VERSION
    assert (record.patches[0].text, record.source.url, record.inputs) == (None, None, None)
    assert record.model_copy(update={"patches": sample_record().patches}) == sample_record()


def test_a_record_of_schema_3_is_read() -> None:
    path = GOLDEN / "records" / "schema-3.json"
    record = Record.from_json(path.read_bytes(), path.name)
    assert (record.schema_version, record.build_cache, record.inputs) == (SCHEMA_VERSION, True, None)


def test_a_wrong_record_of_schema_1_is_an_error() -> None:
    why = refused(json.dumps(first_schema() | {"patches": 1, "color": "blue"})).why
    assert why == "patches: Input should be a valid tuple, not 1; color: not a key of a record"


def test_a_newer_record_needs_an_upgrade() -> None:
    error = refused(json.dumps({"schema": SCHEMA_VERSION + 1, "whatever": 1}))
    assert "newer wheelfarm" in error.what
    assert error.hint == "upgrade wheelfarm"


def test_all_problems_come_at_once() -> None:
    document: Any = sample_record().to_mapping()
    del document["variant"]
    del document["wheel"]["size"]
    document["sizes"] = {"extension": "many"}
    document["colour"] = "blue"
    why = refused(json.dumps(document)).why or ""
    assert "variant: missing" in why
    assert "wheel.size: missing" in why
    assert "sizes.extension: Input should be a valid integer, not 'many'" in why
    assert "colour: not a key of a record" in why


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"schema": 0}, "schema: Input should be 4, not 0"),
        ({"schema": "1"}, "schema: Input should be 4, not '1'"),
        ({"schema": [1]}, "schema: Input should be 4, not [1]"),
        ({"recipe": 7}, "recipe: Input should be a valid string, not 7"),
        ({"recipe": "-"}, "recipe: String should match pattern '^[a-z0-9]+(-[a-z0-9]+)*$', not '-'"),
        ({"key": "abc"}, "key: String should match pattern '^[0-9a-f]{64}$', not 'abc'"),
        ({"target": "cp312-solaris"}, "target: 'cp312-solaris' is not a build identifier"),
        ({"engine": "magic"}, "engine: Input should be 'cibuildwheel' or 'host', not 'magic'"),
        ({"patches": "x"}, "patches: Input should be a valid tuple, not 'x'"),
        ({"patches": [{}]}, "patches[0].file: missing"),
        ({"patches": [{"file": "a", "sha256": "b"}]}, "patches[0]: 'b' is not a sha256"),
        ({"toolchain": []}, "toolchain: Input should be a valid"),
        ({"toolchain": {"gcc": 12}}, "toolchain.gcc: Input should be a valid string, not 12"),
        ({"source": []}, "source: Input should be a valid dictionary or instance of RecordedSource, not []"),
        ({"sizes": {"python": True}}, "sizes.python: Input should be a valid integer, not True"),
        ({"sizes": {"python": 1.5}}, "sizes.python: Input should be a valid integer, not 1.5"),
        ({"times": {"build": False}}, "times.build: Input should be a valid number, not False"),
        ({"build_cache": 1}, "build_cache: Input should be a valid boolean, not 1"),
        ({"started": "yesterday"}, "started: Input should be a valid datetime"),
        ({"log": "/var/log/x"}, "log: '/var/log/x' is not below the farm's directory"),
        ({"log": "a/../../x"}, "log: 'a/../../x' is not below the farm's directory"),
        ({"resolved": 1}, "resolved: Input should be a valid"),
        ({"inputs": {}}, "inputs.rules: missing"),
    ],
)
def test_a_wrong_value_is_an_error(changes: dict[str, object], problem: str) -> None:
    assert problem in (refused(changed(**changes)).why or "")


@pytest.mark.parametrize("document", [[], "text", 1, None])
def test_a_record_is_an_object(document: object) -> None:
    assert "the record: Input should be a valid dictionary" in (refused(json.dumps(document)).why or "")


def test_the_committed_schema_is_current() -> None:
    wanted = json.dumps(schema(), indent=1) + "\n"
    assert COMMITTED.read_text(encoding="utf-8") == wanted, (
        f"write json.dumps(schema(), indent=1) to {COMMITTED}"
    )


def test_the_schema_accepts_a_record() -> None:
    jsonschema.Draft202012Validator.check_schema(schema())
    jsonschema.validate(sample_record().to_mapping(), schema(), jsonschema.Draft202012Validator)


@pytest.mark.parametrize(
    "changes", [{"schema": 5}, {"color": "blue"}, {"key": "abc"}, {"sizes": {"python": True}}, {"log": "/x"}]
)
def test_the_schema_refuses_what_the_reader_refuses(changes: dict[str, object]) -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(sample_record().to_mapping() | changes, schema(), jsonschema.Draft202012Validator)
