"""Attestation: the statement that a record makes, the wheel that carries them, and what is refused."""

from __future__ import annotations

import json
import os
import sys
import zipfile
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from sigstore.dsse import Statement

from support.publishing import SBOM
from support.raised import only, raised
from support.records import sample_record
from support.wheels import make_wheel
from wheelfarm.errors import UnverifiedError, WheelError
from wheelfarm.model import Name
from wheelfarm.provenance.attestation import PREDICATE, STATEMENT, Attestation, statement
from wheelfarm.provenance.carrier import read_carrier, write_carrier
from wheelfarm.provenance.record import Record, RecordedWheel
from wheelfarm.provenance.signing import Signer, signed_text
from wheelfarm.provenance.verification import check_signature, sbom_digest, verify_attestation
from wheelfarm.system.files import sha256_of_file
from wheelfarm.wheels.archive import open_wheel, verify
from wheelfarm.wheels.rewrite import Changes, write_edition

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

MEMBER = "demo-1.0.dist-info/sboms/wheelfarm.cdx.json"


def recorded(wheel: Path, **changes: Any) -> Record:
    told = RecordedWheel(
        filename=wheel.name, sha256=sha256_of_file(wheel), size=wheel.stat().st_size, built_sha256=None
    )
    return sample_record(wheel=told, **changes)


def issued(wheel: Path, record: Record | None = None) -> Attestation:
    record = record or recorded(wheel)
    return Attestation(
        record=record.to_json(),
        statement=statement(record, record.to_json(), sbom_digest(open_wheel(wheel))),
    )


@pytest.fixture
def wheel(tmp_path: Path) -> Path:
    """A wheel with a bill of materials."""
    return make_wheel(tmp_path, files={"demo.py": "x = 1\n", MEMBER: SBOM})


def check(wheel: Path, papers: Attestation) -> Record:
    return verify_attestation(wheel, sha256_of_file(wheel), papers)


class TestStatement:
    def test_it_is_one_of_in_toto_that_sigstore_would_sign(self, wheel: Path) -> None:
        papers = issued(wheel)
        Statement(papers.statement.encode())
        document = json.loads(papers.statement)
        assert (document["_type"], document["predicateType"]) == (STATEMENT, PREDICATE)
        assert document["subject"] == [{"name": wheel.name, "digest": {"sha256": sha256_of_file(wheel)}}]

    def test_it_tells_all_that_went_in_by_digest(self, wheel: Path) -> None:
        definition = json.loads(issued(wheel).statement)["predicate"]["buildDefinition"]
        digests = {each["digest"]["sha256"][0] for each in definition["resolvedDependencies"]}
        assert digests == {"b", "d", "e"}
        assert {"uri": "pkg:pypi/numpy@2.4.6", "digest": {"sha256": "e" * 64}} in definition[
            "resolvedDependencies"
        ]
        assert definition["externalParameters"]["target"] == "cp312-manylinux_x86_64"
        assert definition["internalParameters"]["key"] == "a" * 64

    def test_the_same_record_makes_the_same(self, wheel: Path) -> None:
        assert issued(wheel) == issued(wheel)

    def test_what_fits_is_accepted(self, wheel: Path) -> None:
        assert check(wheel, issued(wheel)) == recorded(wheel)


def changed(text: str, change: Callable[[Any], object]) -> str:
    document = json.loads(text)
    change(document)
    return json.dumps(document, sort_keys=True) + "\n"


STATEMENTS: dict[str, tuple[Callable[[Any], object], str]] = {
    "subject": (lambda d: d["subject"][0]["digest"].update(sha256="0" * 64), "its subject is"),
    "two subjects": (lambda d: d["subject"].append(d["subject"][0]), "its subject is"),
    "type": (lambda d: d.update(predicateType="https://example.org/other"), "it is no"),
    "key": (
        lambda d: d["predicate"]["buildDefinition"]["internalParameters"].update(key="0" * 64),
        "internalParameters",
    ),
    "source": (
        lambda d: d["predicate"]["buildDefinition"]["resolvedDependencies"].pop(0),
        "resolvedDependencies",
    ),
    "builder": (lambda d: d["predicate"]["runDetails"]["builder"].update(id="urn:me"), "runDetails"),
    "bill of materials": (
        lambda d: d["predicate"]["runDetails"]["byproducts"][1]["digest"].update(sha256="0" * 64),
        "of the bill of materials in the wheel",
    ),
    "no predicate": (lambda d: d.update(predicate=[]), "not of the form"),
}


class TestRefused:
    @pytest.mark.parametrize("what", STATEMENTS)
    def test_a_statement_that_was_changed(self, wheel: Path, what: str) -> None:
        change, why = STATEMENTS[what]
        papers = issued(wheel)
        error = only(
            lambda: check(wheel, replace(papers, statement=changed(papers.statement, change))),
            UnverifiedError,
        )
        assert error.what == f"the provenance statement does not fit {wheel.name}"
        assert why in str(error.why)

    @pytest.mark.parametrize(
        "text",
        [
            *("", "{", "[]", "3", "{}", "[" * 100_000, '{"subject": ["x"]}', '{"subject": null}'),
            '{"subject": [{"digest": null}]}',
            '{"subject": [[]], "_type": 1, "predicateType": {}}',
        ],
    )
    def test_a_statement_that_is_none(self, wheel: Path, text: str) -> None:
        """Whoever may write to an index may write anything; a farm that takes wheels from there goes on."""
        papers = replace(issued(wheel), statement=text)
        assert "provenance statement" in only(lambda: check(wheel, papers), UnverifiedError).what

    def test_a_record_that_was_changed(self, wheel: Path) -> None:
        papers = issued(wheel)
        other = replace(papers, record=papers.record.replace("-O2", "-O3"))
        error = only(lambda: check(wheel, other), UnverifiedError)
        assert "of the build record, which has" in str(error.why)

    def test_a_record_that_is_none(self, wheel: Path) -> None:
        papers = replace(issued(wheel), record="{}")
        assert "cannot be read" in only(lambda: check(wheel, papers), UnverifiedError).what

    def test_a_record_of_another_wheel(self, wheel: Path, tmp_path: Path) -> None:
        (tmp_path / "other").mkdir()
        other = make_wheel(tmp_path / "other", files={"demo.py": "x = 2\n", MEMBER: SBOM})
        errors = raised(lambda: check(wheel, issued(other)), UnverifiedError)
        assert "the build record does not fit" in errors[0].what

    def test_a_wheel_that_no_gate_has_seen(self, wheel: Path) -> None:
        papers = issued(wheel, recorded(wheel, gate_results=()))
        assert "no gate" in str(only(lambda: check(wheel, papers), UnverifiedError).why)

    def test_a_wheel_whose_members_were_changed(self, wheel: Path) -> None:
        with zipfile.ZipFile(wheel) as archive:
            members = {name: archive.read(name) for name in archive.namelist()}
        members["demo.py"] = b"import os\n"
        with zipfile.ZipFile(wheel, "w") as archive:
            for name, data in members.items():
                archive.writestr(name, data)
        error = only(lambda: check(wheel, issued(wheel)), WheelError)
        assert error.what == "a member is not what RECORD says"

    def test_another_bill_of_materials(self, wheel: Path) -> None:
        papers = issued(wheel)
        changes = Changes(written={MEMBER: SBOM.replace("1.6", "1.5").encode()})
        write_edition(open_wheel(wheel), wheel, changes)
        record = recorded(wheel)
        old = json.loads(papers.statement)["predicate"]["runDetails"]["byproducts"][1]["digest"]["sha256"]
        forged = Attestation(record=record.to_json(), statement=statement(record, record.to_json(), old))
        error = only(lambda: check(wheel, forged), UnverifiedError)
        assert "bill of materials" in str(error.why)

    def test_no_bill_of_materials(self, tmp_path: Path) -> None:
        bare = make_wheel(tmp_path)
        assert "bill of materials" in only(lambda: check(bare, issued(bare)), WheelError).what


class TestCarrier:
    def test_it_brings_back_what_it_was_given(self, wheel: Path, tmp_path: Path) -> None:
        papers = {sha256_of_file(wheel): replace(issued(wheel), signature="{}")}
        path = write_carrier(Name("some-thing"), "1.0", papers, tmp_path / "carriers")
        assert path.name.startswith("some_thing_wheelfarm_papers-1.0-0_")
        verify(open_wheel(path))
        assert read_carrier(path) == papers
        before = path.read_bytes()
        assert write_carrier(Name("some-thing"), "1.0", papers, tmp_path / "carriers") == path
        assert path.read_bytes() == before

    def test_its_name_is_told_by_the_wheels(self, wheel: Path, tmp_path: Path) -> None:
        one = write_carrier(Name("demo"), "1.0", {sha256_of_file(wheel): issued(wheel)}, tmp_path / "one")
        later = {sha256_of_file(wheel): issued(wheel, recorded(wheel, times={"build": 1.0}))}
        two = write_carrier(Name("demo"), "1.0", later, tmp_path / "two")
        assert one.name == two.name
        assert one.read_bytes() != two.read_bytes()

    def test_one_that_is_being_sent_is_not_touched(self, wheel: Path, tmp_path: Path) -> None:
        """Two publishers in one farm write the same name."""
        carry = partial(
            write_carrier, Name("demo"), "1.0", {sha256_of_file(wheel): issued(wheel)}, tmp_path / "c"
        )
        with carry().open("rb") as sent:
            head = sent.read(10)
            again = carry()
            assert head + sent.read() == again.read_bytes()
            assert os.fstat(sent.fileno()).st_ino != again.stat().st_ino

    def test_it_is_the_same_on_every_system(
        self, wheel: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        papers, made = {sha256_of_file(wheel): issued(wheel)}, set()
        for system in ("linux", "win32"):
            monkeypatch.setattr(sys, "platform", system)
            made.add(write_carrier(Name("demo"), "1.0", papers, tmp_path / system).read_bytes())
        assert len(made) == 1

    def test_another_wheel_carries_nothing(self, wheel: Path, tmp_path: Path) -> None:
        assert read_carrier(wheel) == {}
        odd = "demo-1.0.dist-info/papers/{}/record.json"
        (tmp_path / "odd").mkdir()
        for name, data in ((odd.format("x"), b"{}"), (odd.format("0" * 64), b"\xff")):
            broken = make_wheel(tmp_path / "odd", files={name: data})
            only(lambda path=broken: read_carrier(path), WheelError)  # type: ignore[misc]


class TestSignature:
    def test_without_an_identity_nothing_is_signed(self, wheel: Path) -> None:
        said: list[str] = []
        assert Signer({}, said.append).sign(issued(wheel).statement) == ""
        assert said == []

    def test_an_identity_that_cannot_be_had_is_told_once(
        self, wheel: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("GITHUB_ACTIONS", "true")
        monkeypatch.setenv("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "none")
        monkeypatch.delenv("ACTIONS_ID_TOKEN_REQUEST_URL", raising=False)
        said: list[str] = []
        signer = Signer({"ACTIONS_ID_TOKEN_REQUEST_TOKEN": "none"}, said.append)
        assert signer.sign(issued(wheel).statement) == signer.sign(issued(wheel).statement) == ""
        (line,) = said
        assert line.startswith("warning: provenance statements stay unsigned")

    def test_one_that_is_missing_or_none(self, wheel: Path) -> None:
        who = {"identity": "me@example.org", "issuer": "https://example.org"}
        papers = issued(wheel)
        error = only(lambda: check_signature(wheel, papers, **who), UnverifiedError)
        assert "there is none" in str(error.why)
        signed = replace(papers, signature="{}")
        error = only(lambda: check_signature(wheel, signed, **who), UnverifiedError)
        assert "not that of me@example.org" in error.what
        only(lambda: signed_text("", where="here", **who), UnverifiedError)
