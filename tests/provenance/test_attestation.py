"""The statement that a record makes, and the verification of wheels, statements and signatures."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from pypi_attestations import Attestation as IndexAttestation
from pypi_attestations import AttestationType, Distribution
from sigstore.dsse import Statement
from sigstore.models import Bundle

from support.publishing import SBOM
from support.raised import only, raised
from support.records import sample_embedded, sample_inputs, sample_record
from support.sigstore_bundles import LocalSigstore
from support.site_keys import write_keys
from support.wheels import change_member, make_wheel
from wheelfarm.errors import UnverifiedError, WheelError
from wheelfarm.provenance.attestation import (
    PREDICATE,
    STATEMENT,
    Attestation,
    check_signature,
    sbom_digest,
    statement,
    verify_attestation,
    verify_wheel,
)
from wheelfarm.provenance.record import EMBEDDED, Record, RecordedWheel
from wheelfarm.provenance.signing import Signer, make_index_attestation, signed_text
from wheelfarm.provenance.site_keys import KeySigner
from wheelfarm.recipes.signer_table import SignerKey
from wheelfarm.system.files import sha256_of_file
from wheelfarm.wheels.archive import open_wheel
from wheelfarm.wheels.rewrite import Changes, rewrite_wheel

if TYPE_CHECKING:
    from pathlib import Path

MEMBER = "demo-1.0.dist-info/sboms/wheelfarm.cdx.json"


def recorded(wheel: Path, **changes: Any) -> Record:
    wheel_record = RecordedWheel(
        filename=wheel.name, sha256=sha256_of_file(wheel), size=wheel.stat().st_size, built_sha256=None
    )
    return sample_record(wheel=wheel_record, **changes)


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


def check(wheel: Path, attestation: Attestation) -> Record:
    return verify_attestation(wheel, sha256_of_file(wheel), attestation)


class TestStatement:
    def test_it_is_one_of_in_toto_that_sigstore_would_sign(self, wheel: Path) -> None:
        attestation = issued(wheel)
        Statement(attestation.statement.encode())
        document = json.loads(attestation.statement)
        assert (document["_type"], document["predicateType"]) == (STATEMENT, PREDICATE)
        assert document["subject"] == [{"name": wheel.name, "digest": {"sha256": sha256_of_file(wheel)}}]

    def test_all_inputs_are_there_by_digest(self, wheel: Path) -> None:
        definition = json.loads(issued(wheel).statement)["predicate"]["buildDefinition"]
        digests = {each["digest"]["sha256"][0] for each in definition["resolvedDependencies"]}
        assert digests == {"b", "d", "e"}
        assert {"uri": "pkg:pypi/numpy@2.4.6", "digest": {"sha256": "e" * 64}} in definition[
            "resolvedDependencies"
        ]
        assert definition["externalParameters"]["target"] == "cp312-manylinux_x86_64"
        assert definition["internalParameters"]["key"] == "a" * 64

    def test_the_same_record_makes_the_same_which_is_accepted(self, wheel: Path) -> None:
        assert issued(wheel) == issued(wheel)
        assert check(wheel, issued(wheel)) == recorded(wheel)

    def test_the_form_counts(self, wheel: Path) -> None:
        attestation = issued(wheel)
        other = replace(attestation, statement=attestation.statement.replace(", ", ",", 1))
        error = only(lambda: check(wheel, other), UnverifiedError)
        assert error.why == "it is written in another form"


CHANGES: dict[str, object] = {
    "subject": [],
    "subject[0].digest.sha256": "0" * 64,
    "predicateType": "https://example.org/other",
    "predicate": [],
    "predicate.buildDefinition.internalParameters.key": "0" * 64,
    "predicate.buildDefinition.resolvedDependencies": [],
    "predicate.runDetails.builder.id": "urn:me",
    "predicate.runDetails.byproducts[1].digest.sha256": "0" * 64,
}


def changed(text: str, path: str, value: object) -> str:
    """The statement with another value at a path."""
    document = json.loads(text)
    *parents, last = re.findall(r"\w+", path)
    part = document
    for step in parents:
        part = part[int(step) if step.isdigit() else step]
    part[last] = value
    return json.dumps(document, sort_keys=True) + "\n"


class TestRefused:
    @pytest.mark.parametrize("path", CHANGES)
    def test_a_statement_that_was_changed(self, wheel: Path, path: str) -> None:
        attestation = issued(wheel)
        other = replace(attestation, statement=changed(attestation.statement, path, CHANGES[path]))
        error = only(lambda: check(wheel, other), UnverifiedError)
        assert error.what == f"the provenance statement does not match {wheel.name}"
        assert str(error.why).startswith(f"{path} is {CHANGES[path]!r}, not ")

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
        attestation = replace(issued(wheel), statement=text)
        assert "provenance statement" in only(lambda: check(wheel, attestation), UnverifiedError).what

    def test_a_record_that_was_changed(self, wheel: Path) -> None:
        attestation = issued(wheel)
        other = replace(attestation, record=attestation.record.replace("-O2", "-O3"))
        error = only(lambda: check(wheel, other), UnverifiedError)
        assert "environment.CFLAGS is '-O2 -g0', not '-O3 -g0'" in str(error.why)

    def test_a_record_that_is_none(self, wheel: Path) -> None:
        attestation = replace(issued(wheel), record="{}")
        assert "cannot be read" in only(lambda: check(wheel, attestation), UnverifiedError).what

    def test_a_record_of_another_wheel(self, wheel: Path, tmp_path: Path) -> None:
        (tmp_path / "other").mkdir()
        other = make_wheel(tmp_path / "other", files={"demo.py": "x = 2\n", MEMBER: SBOM})
        errors = raised(lambda: check(wheel, issued(other)), UnverifiedError)
        assert "the build record does not match" in errors[0].what

    def test_a_wheel_that_no_gate_has_seen(self, wheel: Path) -> None:
        attestation = issued(wheel, recorded(wheel, gate_results=()))
        assert "no results of the gate" in str(only(lambda: check(wheel, attestation), UnverifiedError).why)

    def test_a_wheel_whose_members_were_changed(self, wheel: Path) -> None:
        change_member(wheel, "demo.py", b"import os\n")
        error = only(lambda: verify_wheel(wheel, ""), WheelError)
        assert error.what == "a member is not what RECORD says"

    def test_another_bill_of_materials(self, wheel: Path) -> None:
        attestation = issued(wheel)
        changes = Changes(written={MEMBER: SBOM.replace("1.6", "1.5").encode()})
        rewrite_wheel(open_wheel(wheel), wheel, changes)
        record = recorded(wheel)
        byproducts = json.loads(attestation.statement)["predicate"]["runDetails"]["byproducts"]
        old = byproducts[1]["digest"]["sha256"]
        forged = Attestation(record=record.to_json(), statement=statement(record, record.to_json(), old))
        error = only(lambda: check(wheel, forged), UnverifiedError)
        assert "byproducts[1].digest.sha256 is" in str(error.why)

    def test_no_bill_of_materials(self, tmp_path: Path) -> None:
        bare = make_wheel(tmp_path)
        assert "bill of materials" in only(lambda: verify_wheel(bare, ""), WheelError).what

    @pytest.mark.parametrize("tag", ["", "0123456789ab"])
    def test_a_build_tag_of_another_build(self, tmp_path: Path, tag: str) -> None:
        embedded = sample_embedded("demo", sample_inputs(name="demo"))
        record = f"demo-1.0.dist-info/{EMBEDDED}"
        wheel = make_wheel(tmp_path, files={"demo.py": "", MEMBER: SBOM, record: embedded.to_json()})
        assert verify_wheel(wheel, embedded.key[:12]) == embedded
        error = only(lambda: verify_wheel(wheel, tag), UnverifiedError)
        assert "the build tag does not match" in error.what


class TestSignature:
    def test_without_an_identity_nothing_is_signed(self, wheel: Path, messages: list[str]) -> None:
        assert Signer({}).sign(issued(wheel).statement) == ""
        assert messages == []

    def test_an_identity_that_is_not_available_is_reported_once(
        self, wheel: Path, monkeypatch: pytest.MonkeyPatch, messages: list[str]
    ) -> None:
        monkeypatch.setenv("GITHUB_ACTIONS", "true")
        monkeypatch.setenv("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "none")
        monkeypatch.delenv("ACTIONS_ID_TOKEN_REQUEST_URL", raising=False)
        signer = Signer({"ACTIONS_ID_TOKEN_REQUEST_TOKEN": "none"})
        assert signer.sign(issued(wheel).statement) == signer.sign(issued(wheel).statement) == ""
        (line,) = messages
        assert line.startswith("warning: provenance statements stay unsigned")

    def test_one_that_is_missing_or_none(self, wheel: Path) -> None:
        who = {"identity": "me@example.org", "issuer": "https://example.org"}
        attestation = issued(wheel)
        error = only(lambda: check_signature(wheel, attestation, **who), UnverifiedError)
        assert "there is none" in str(error.why)
        signed = replace(attestation, signature="{}")
        error = only(lambda: check_signature(wheel, signed, **who), UnverifiedError)
        assert "not that of me@example.org" in error.what
        only(lambda: signed_text("", where="here", **who), UnverifiedError)


class TestIndexAttestation:
    """The form of PEP 740; the oracle is the library that PyPI uses."""

    def test_it_has_the_statement_and_signature_of_the_bundle(self, wheel: Path) -> None:
        made = issued(wheel).statement
        bundle = LocalSigstore().sign(made)
        found = IndexAttestation.model_validate_json(make_index_attestation(bundle))
        assert found.envelope.statement.decode() == made
        again, expected = (
            json.loads(each.to_json()) for each in (found.to_bundle(), Bundle.from_json(bundle))
        )
        del again["verificationMaterial"]["timestampVerificationData"]  # empty
        assert again == expected
        AttestationType(found.statement["predicateType"])
        Distribution(name=found.statement["subject"][0]["name"], digest=sha256_of_file(wheel))

    def test_a_bundle_with_a_public_key_has_no_such_form(self, tmp_path: Path) -> None:
        url = write_keys(tmp_path / "farm", "a")
        keys = [SignerKey.model_validate({"file": "keys/a.pub"})]
        bundle = KeySigner(url, tmp_path / "farm", keys, {}).sign("{}")
        with pytest.raises(ValueError, match="expected certificate in bundle"):
            make_index_attestation(bundle)
