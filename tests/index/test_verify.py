"""Verification of what an index lists: changed wheels, attestations and pages are found."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from support.publishing import VARIANT, publication, publishing_farm, stock
from wheelfarm.errors import UnverifiedError
from wheelfarm.index.comparison import State
from wheelfarm.model import Name
from wheelfarm.provenance.record import EMBEDDED
from wheelfarm.report.index import verdict_data, verdict_line
from wheelfarm.system.files import sha256_of_file
from wheelfarm.wheels.archive import open_wheel
from wheelfarm.wheels.rewrite import Changes, rewrite_wheel

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from wheelfarm.index.verify import Verdict
    from wheelfarm.run.farm import Farm


@pytest.fixture
def farm(tmp_path: Path) -> Farm:
    """A farm that has published to a static index."""
    farm = publishing_farm(tmp_path / "farm", {"kind": "static", "url": "../public"})
    stock(farm.wheelhouse)
    publication(farm).publish(None)
    return farm


def verdicts(farm: Farm) -> dict[str, Verdict]:
    return {each.filename: each for each in publication(farm).verify(None)}


def test_what_was_published_is_verified(farm: Farm) -> None:
    found = verdicts(farm)
    assert len(found) == 4
    assert {each.error for each in found.values()} == {None}
    line = verdict_line(next(iter(found.values())))
    assert line.startswith("verified  alpha-1.0-1_")
    assert line.endswith("unsigned")
    assert len(list(publication(farm).verify({Name("beta"): "1.0.0"}))) == 2
    assert list(publication(farm).verify({Name("beta"): "2"})) == []


def wheel_of(public: Path) -> Path:
    return next(public.glob("wheels/*/beta-1.0-1_*-cp312*.whl"))


def changed_wheel(public: Path) -> None:
    wheel_of(public).write_bytes(wheel_of(public).read_bytes() + b"\n")


def replace_wheel(public: Path, wheel: Path) -> None:
    """List the bytes that a wheel has now."""
    page = public / "simple/beta/index.json"
    document = json.loads(page.read_text())
    (file,) = (each for each in document["files"] if each["filename"] == wheel.name)
    sha256 = sha256_of_file(wheel)
    file["hashes"]["sha256"], file["size"] = sha256, wheel.stat().st_size
    for path in list(wheel.parent.iterdir()):
        moved = public / "wheels" / sha256[:16] / path.name
        moved.parent.mkdir(exist_ok=True)
        path.rename(moved)
    page.write_text(json.dumps(document))


def changed_wheel_and_page(public: Path) -> None:
    changed_wheel(public)
    replace_wheel(public, wheel_of(public))


def lost_wheel(public: Path) -> None:
    wheel_of(public).unlink()


def record_of(public: Path) -> Path:
    return wheel_of(public).with_name(f"{wheel_of(public).name}.record.json")


def other_key(public: Path) -> None:
    """List a wheel under the build tag of another build."""
    wheel, page = wheel_of(public), public / "simple/beta/index.json"
    other = wheel.with_name(wheel.name.replace("-1_", "-1_0", 1))
    page.write_text(page.read_text().replace(wheel.name, other.name))
    wheel.rename(other)


def no_record(public: Path) -> None:
    """Replace a wheel by one without an embedded record, as another builder makes them."""
    wheel = open_wheel(wheel_of(public))
    member = f"{wheel.dist_info}/{EMBEDDED}"
    replace_wheel(public, rewrite_wheel(wheel, wheel.path, Changes(dropped=frozenset({member}))).path)


def lost_statement(public: Path) -> None:
    wheel_of(public).with_name(f"{wheel_of(public).name}.provenance.json").unlink()


def changed_record(public: Path) -> None:
    path = record_of(public)
    path.write_text(path.read_text().replace("12.2.0", "13.1.0"))


def changed_statement(public: Path) -> None:
    path = wheel_of(public).with_name(f"{wheel_of(public).name}.provenance.json")
    path.write_text(path.read_text().replace("12.2.0", "13.1.0"))


def metadata_of(public: Path) -> Path:
    return wheel_of(public).with_name(f"{wheel_of(public).name}.metadata")


def changed_metadata(public: Path) -> None:
    metadata_of(public).write_text(metadata_of(public).read_text() + "Requires-Dist: evil\n")


def changed_metadata_of_the_same_length(public: Path) -> None:
    metadata_of(public).write_text(metadata_of(public).read_text().replace("1.0", "1.1"))


def lost_metadata(public: Path) -> None:
    metadata_of(public).unlink()


def changed_metadata_and_page(public: Path) -> None:
    changed_metadata(public)
    list_metadata(public, sha256_of_file(metadata_of(public)))


def list_metadata(public: Path, sha256: str) -> None:
    """List a digest of the core metadata of one wheel."""
    page = public / "simple/beta/index.json"
    document = json.loads(page.read_text())
    (file,) = (each for each in document["files"] if each["filename"] == wheel_of(public).name)
    file["core-metadata"] = file["dist-info-metadata"] = {"sha256": sha256}
    page.write_text(json.dumps(document))


def other_digest_of_metadata(public: Path) -> None:
    list_metadata(public, "0" * 64)


METADATA = [
    changed_metadata_of_the_same_length,
    changed_metadata_and_page,
    pytest.param(changed_metadata, marks=pytest.mark.slow),
    pytest.param(lost_metadata, marks=pytest.mark.slow),
    pytest.param(other_digest_of_metadata, marks=pytest.mark.slow),
]


@pytest.mark.parametrize("harm", METADATA)
def test_publishing_mends_core_metadata(farm: Farm, tmp_path: Path, harm: Callable[[Path], None]) -> None:
    """What the pages say of other wheels, and when they were stored, stays."""
    public = tmp_path / "public" / VARIANT
    pages = {path: path.read_bytes() for path in (public / "simple/beta").iterdir()}
    metadata = metadata_of(public).read_bytes()
    harm(public)
    (damaged,) = publication(farm).compare().of(State.DAMAGED)
    assert (damaged.filename, damaged.why) == (
        wheel_of(public).name,
        "the core metadata beside it are not the wheel's",
    )
    assert publication(farm).publish(None).to_upload == ()
    assert {each.error for each in verdicts(farm).values()} == {None}
    assert metadata_of(public).read_bytes() == metadata
    assert {path: path.read_bytes() for path in (public / "simple/beta").iterdir()} == pages
    assert {each.state for each in publication(farm).compare().differences} == {State.SAME}


@pytest.mark.parametrize(
    ("harm", "expected"),
    [
        (lost_metadata, "the core metadata beside beta-1.0-1_"),
        (other_digest_of_metadata, "the core metadata beside beta-1.0-1_"),
        (changed_metadata_and_page, "the core metadata beside beta-1.0-1_"),
        (changed_wheel, "has other bytes than index internal lists"),
        (changed_wheel_and_page, "the build record does not match"),
        (lost_wheel, "is listed and not there"),
        (other_key, "the build tag does not match"),
        (no_record, "the wheel has no build record"),
        (lost_statement, "the provenance statement does not match"),
        (changed_record, "the provenance statement does not match"),
        (changed_statement, "the provenance statement does not match"),
    ],
)
def test_only_what_was_changed_is_refused(
    farm: Farm, tmp_path: Path, harm: Callable[[Path], None], expected: str
) -> None:
    harm(tmp_path / "public" / VARIANT)
    found = verdicts(farm)
    refused = {name: each for name, each in found.items() if each.error is not None}
    (wheel,) = refused
    assert expected in str(refused[wheel].error)
    assert verdict_line(refused[wheel]).startswith(f"refused   {wheel}")
    assert verdict_data(refused[wheel])["why"]


def test_a_required_signer_without_signatures_is_an_error(tmp_path: Path) -> None:
    table = {"kind": "static", "url": "../public", "signer": "release@example.org"}
    farm = publishing_farm(tmp_path / "farm", table)
    stock(farm.wheelhouse)
    publication(farm).publish(None)
    errors = [each.error for each in publication(farm).verify(None)]
    assert all(isinstance(error, UnverifiedError) for error in errors)
    assert {error.why for error in errors if error} == {"there is none; release@example.org must have signed"}
